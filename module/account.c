// SPDX-License-Identifier: GPL-2.0
/*
 * Accounts: what the windows did for each process that chose (PR_SET_COW).
 *
 * Nothing tells the module that a process chose, or that one has ended. The first
 * count of a process opens its account. An account belongs to a thread group, by
 * its struct pid: the account holds a reference, so that no later process has the
 * same one. The accounts of processes that have ended are closed when another
 * account is opened in the same bucket, and all of them when the file `process` is
 * read. Their number is thus bounded by that of the processes at one time.
 *
 * A count that finds no memory for an account is lost.
 */
#include <linux/atomic.h>
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "account.h"

enum {
	FAULTS,
	COPIED,
	WINDOWS,
	NEIGHBOURS,
	REUSED,
	HIT,
	WASTED,
	NR_COUNTS,
};

/* As in the file `stats`. */
static const char * const names[NR_COUNTS] = {
	[FAULTS]	= "faults",
	[COPIED]	= "copied",
	[WINDOWS]	= "windows",
	[NEIGHBOURS]	= "neighbours",
	[REUSED]	= "reused",
	[HIT]		= "hit",
	[WASTED]	= "wasted",
};

struct account {
	struct hlist_node node;
	struct pid *tgid;
	atomic64_t counts[NR_COUNTS];
	struct rcu_head rcu;
};

/* 8 KiB; a server with some thousands of workers has some accounts per bucket. */
#define ACCOUNT_BITS	10

static DEFINE_HASHTABLE(accounts, ACCOUNT_BITS);
static DEFINE_SPINLOCK(accounts_lock);

static struct hlist_head *bucket_of(const struct pid *tgid)
{
	return &accounts[hash_ptr(tgid, ACCOUNT_BITS)];
}

/* Context: RCU read-side critical section. */
static struct account *account_find(const struct pid *tgid)
{
	struct account *account;

	hlist_for_each_entry_rcu(account, bucket_of(tgid), node)
		if (account->tgid == tgid)
			return account;
	return NULL;
}

static void account_free(struct rcu_head *rcu)
{
	struct account *account = container_of(rcu, struct account, rcu);

	put_pid(account->tgid);
	kfree(account);
}

/* Close the accounts of a bucket: all, or those of processes that have ended. */
static void bucket_close(struct hlist_head *bucket, bool all)
{
	struct account *account;
	struct hlist_node *next;

	lockdep_assert_held(&accounts_lock);
	hlist_for_each_entry_safe(account, next, bucket, node) {
		if (!all && pid_has_task(account->tgid, PIDTYPE_TGID))
			continue;
		hlist_del_rcu(&account->node);
		call_rcu(&account->rcu, account_free);
	}
}

static void close_accounts(bool all)
{
	unsigned int i;

	for (i = 0; i < HASH_SIZE(accounts); i++) {
		if (hlist_empty(&accounts[i]))
			continue;
		spin_lock(&accounts_lock);
		bucket_close(&accounts[i], all);
		spin_unlock(&accounts_lock);
	}
}

/* Context: RCU read-side critical section. */
static struct account *account_open(struct pid *tgid)
{
	struct account *account, *other;

	account = kzalloc(sizeof(*account), GFP_NOWAIT | __GFP_NOWARN);
	if (!account)
		return NULL;
	spin_lock(&accounts_lock);
	other = account_find(tgid);
	if (!other) {
		bucket_close(bucket_of(tgid), false);
		account->tgid = get_pid(tgid);
		hlist_add_head_rcu(&account->node, bucket_of(tgid));
	}
	spin_unlock(&accounts_lock);
	if (!other)
		return account;
	kfree(account);
	return other;
}

/* The current process' account, or NULL. */
static struct account *account_current(void)
{
	struct pid *tgid = task_tgid(current);

	return account_find(tgid) ?: account_open(tgid);
}

static void count(struct account *account, unsigned int which, unsigned int n)
{
	if (n)
		atomic64_add(n, &account->counts[which]);
}

/* See cow_account_fault(). */
void __cow_account_fault(unsigned int copied)
{
	struct account *account;

	rcu_read_lock();
	account = account_current();
	if (account) {
		count(account, FAULTS, 1);
		count(account, COPIED, copied);
	}
	rcu_read_unlock();
}

/* See cow_account_window(). */
void __cow_account_window(const struct cow_result *result)
{
	struct account *account = account_current();

	if (!account)
		return;
	count(account, REUSED, result->reused);
	if (!result->copied)
		return;
	count(account, WINDOWS, 1);
	count(account, NEIGHBOURS, result->copied - result->served);
}

/* See cow_account_judged(). */
void __cow_account_judged(unsigned int hit, unsigned int wasted)
{
	struct account *account = account_current();

	if (!account)
		return;
	count(account, HIT, hit);
	count(account, WASTED, wasted);
}

/**
 * cow_account_show - print a process' counters as `KEY VALUE` pairs
 * @m: where to
 * @tgid: its thread group; NULL: it has ended
 *
 * Context: RCU read-side critical section.
 */
void cow_account_show(struct seq_file *m, struct pid *tgid)
{
	struct account *account = tgid ? account_find(tgid) : NULL;
	unsigned int i;

	for (i = 0; i < NR_COUNTS; i++)
		seq_printf(m, " %s %lld", names[i],
			   account ? atomic64_read(&account->counts[i]) : 0);
}

/**
 * cow_account_sweep - close the accounts of processes that have ended
 *
 * Context: process context.
 */
void cow_account_sweep(void)
{
	close_accounts(false);
}

/**
 * cow_account_reset - set the counters of all processes to 0
 *
 * A CPU that counts at the same moment may lose its count.
 *
 * Context: process context.
 */
void cow_account_reset(void)
{
	close_accounts(true);
}

/**
 * cow_account_destroy - free all accounts
 *
 * Context: process context, may sleep; no policy and no probe is registered.
 */
void cow_account_destroy(void)
{
	close_accounts(true);
	rcu_barrier();
}

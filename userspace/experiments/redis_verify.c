// SPDX-License-Identifier: GPL-2.0
/* redisload's checks of the server and of the file that it saved. */

#include "common/util.h"
#include "experiments/redisload.h"

/* Read all keys of a server, check their values, note their versions. */
static void read_all(const struct server *server, const struct dataset *set,
		     const char *whose, uint32_t *versions)
{
	const uint32_t batch = 1 + (256 << 10) / set->bytes;
	uint32_t asked = 0, key;
	char name[KEY_LEN + 1];
	redisReply *r;

	r = redis_command(server->admin, "DBSIZE");
	if (r->integer != set->keys)
		die("%s holds %lld keys, not %u", whose, r->integer, set->keys);
	freeReplyObject(r);
	for (key = 0; key < set->keys; key++) {
		void *reply = NULL;

		for (; asked < set->keys && asked < key + batch; asked++) {
			key_make(asked, name);
			redisAppendCommand(server->admin, "GET %s", name);
		}
		redisGetReply(server->admin, &reply);
		r = redis_checked(server->admin, reply, "GET");
		if (r->type != REDIS_REPLY_STRING ||
		    !value_read(set, key, r->str, r->len, &versions[key]))
			die("%s: key %u has a wrong value", whose, key);
		freeReplyObject(r);
	}
}

/* Exit unless the server holds each key's last version; store them. */
void verify_live(const struct load *load, uint32_t *versions)
{
	const struct dataset *set = &load->env->set;
	uint32_t key;

	read_all(load->server, set, "the server", versions);
	for (key = 0; key < set->keys; key++) {
		if (versions[key] != load->versions[key])
			die("the server: key %u has version %u, the last SET wrote %u",
			    key, versions[key], load->versions[key]);
	}
}

/* For tests: make one value older, or flip one bit of a version. */
static void corrupt(const struct load *load, const struct save *save,
		    uint32_t *versions)
{
	const struct entry *e = load->journal;

	if (load->env->corrupt == CORRUPT_BIT)
		versions[0] ^= 1U << 31;
	if (load->env->corrupt != CORRUPT_OLD)
		return;
	/* The first SET that was answered before the save was asked for. */
	while (e->acked > save->asked)
		e++;
	versions[e->key] = 0;
}

/* Exit unless the file is the state of one instant; store its versions. */
void verify_saved(const struct load *load, const struct save *save,
		  uint32_t *versions)
{
	const struct env *env = load->env;
	struct cut cut = { .after = save->asked, .before = save->begun };
	struct server second;

	server_start(&second, env);
	read_all(&second, &env->set, "the file saved", versions);
	server_stop(&second);
	corrupt(load, save, versions);
	if (cut_find(load->journal, load->nr, versions, env->set.keys, &cut))
		return;
	if (cut.wrong_key != UINT32_MAX)
		die("the file saved: key %u has version %u, which was never written",
		    cut.wrong_key, versions[cut.wrong_key]);
	die("the file saved is not the state of one instant: it lacks what was there %ld ns before what it holds",
	    (int64_t)(cut.after - cut.before));
}

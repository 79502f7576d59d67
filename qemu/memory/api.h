/* SPDX-License-Identifier: GPL-2.0 */
/*
 * api.h - QEMU's interface for plugins, of two generations
 *
 * Debian's packages have no qemu-plugin.h. Where there is none, the few declarations
 * below stand in; COWMEM_API says of which version: 1 (QEMU 7.2) or 4 (QEMU 10). What
 * differs between them is behind the functions at the end.
 */
#ifndef COWMEM_API_H
#define COWMEM_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<qemu-plugin.h>)
#include <qemu-plugin.h>
#if !defined(COWMEM_API)
#define COWMEM_API QEMU_PLUGIN_VERSION
#endif
#else

#ifndef COWMEM_API
#define COWMEM_API 1
#endif
#define QEMU_PLUGIN_VERSION COWMEM_API
#define QEMU_PLUGIN_EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_plugin_scoreboard;

enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_RW = 3 };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

typedef struct qemu_info_t {
	const char *target_name;
	struct {
		int min;
		int cur;
	} version;
	bool system_emulation;
	struct {
		int smp_vcpus;
		int max_vcpus;
	} system;
} qemu_info_t;

typedef void (*qemu_plugin_udata_cb_t)(qemu_plugin_id_t id, void *userdata);
typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned int vcpu, void *userdata);
typedef void (*qemu_plugin_vcpu_mem_cb_t)(unsigned int vcpu,
					  qemu_plugin_meminfo_t info,
					  uint64_t vaddr, void *userdata);
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id,
					       struct qemu_plugin_tb *tb);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   qemu_plugin_vcpu_tb_trans_cb_t cb);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    qemu_plugin_vcpu_udata_cb_t cb,
					    enum qemu_plugin_cb_flags flags,
					    void *userdata);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      qemu_plugin_vcpu_mem_cb_t cb,
				      enum qemu_plugin_cb_flags flags,
				      enum qemu_plugin_mem_rw rw,
				      void *userdata);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id,
				    qemu_plugin_udata_cb_t cb, void *userdata);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t idx);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);
unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info,
						  uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *haddr);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *haddr);

#if COWMEM_API == 1
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
						enum qemu_plugin_op op,
						void *ptr, uint64_t imm);
#else
typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;

size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest,
			     size_t len);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
uint64_t qemu_plugin_u64_get(qemu_plugin_u64 entry, unsigned int vcpu_index);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
	struct qemu_plugin_insn *insn, enum qemu_plugin_op op,
	qemu_plugin_u64 entry, uint64_t imm);
#endif

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
					   const qemu_info_t *info, int argc,
					   char **argv);
#endif

#if COWMEM_API != 1 && COWMEM_API < 3
#error "QEMU 9.0 and its interface 2 are not supported: QEMU 7.2, or 9.1 and later"
#endif

/* Numbers that QEMU increments in the code it generates; of the first vCPU */
#if COWMEM_API == 1
static uint64_t *tallies;

static inline bool tally_init(size_t n)
{
	tallies = calloc(n, sizeof(*tallies));
	return tallies;
}

static inline void tally_add(struct qemu_plugin_insn *insn, unsigned int i)
{
	qemu_plugin_register_vcpu_insn_exec_inline(
		insn, QEMU_PLUGIN_INLINE_ADD_U64, &tallies[i], 1);
}

static inline uint64_t tally_read(unsigned int i)
{
	return tallies[i];
}

static inline size_t insn_bytes(const struct qemu_plugin_insn *insn,
				unsigned char *bytes, size_t room)
{
	size_t n = qemu_plugin_insn_size(insn);

	n = n < room ? n : room;
	memcpy(bytes, qemu_plugin_insn_data(insn), n);
	return n;
}
#else
static struct qemu_plugin_scoreboard *scoreboard;

static inline bool tally_init(size_t n)
{
	scoreboard = qemu_plugin_scoreboard_new(n * sizeof(uint64_t));
	return scoreboard;
}

static inline qemu_plugin_u64 tally(unsigned int i)
{
	return (qemu_plugin_u64){ scoreboard, i * sizeof(uint64_t) };
}

static inline void tally_add(struct qemu_plugin_insn *insn, unsigned int i)
{
	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
		insn, QEMU_PLUGIN_INLINE_ADD_U64, tally(i), 1);
}

static inline uint64_t tally_read(unsigned int i)
{
	return qemu_plugin_u64_get(tally(i), 0);
}

static inline size_t insn_bytes(const struct qemu_plugin_insn *insn,
				unsigned char *bytes, size_t room)
{
	return qemu_plugin_insn_data(insn, bytes, room);
}
#endif

#endif

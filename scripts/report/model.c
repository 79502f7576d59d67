// SPDX-License-Identifier: GPL-2.0
/*
 * model.c - what qemu/memory left in raw/memory/: memory.csv has a row for each
 * region of interest and part of the guest, functions.csv one for each function that
 * ran in it; a region has the name of its cell
 */
#define _GNU_SOURCE
#include "load.h"
#include "model.h"
#include "user.h"

#define FILE_LIMIT ((size_t)16 << 20)
#define FOLDER "raw/memory"

/* The columns of memory.csv; those of the store are the same, after four others */
static const char head[] =
	"region,n,part,insns,loads,stores,l1d,l2d,l3d,l1s,l2s,l3s,l1i,l2i,l3i,l1w,l2w,l3w,dtlb,itlb,walks,walk_reads,invlpg,cr3,global,accessed,dirty,assists,faults,stale,unknown,cycles_insns,cycles_l2,cycles_l3,cycles_memory,cycles_tlb,cycles_flush,cycles_assist,cycles_fault";

enum { COL_REGION, COL_N, COL_PART, COL_NUMBERS, COLS = 39 };

/* Those of functions.csv */
static const char functions_head[] = "region,n,function,part,insns";

enum { FN_REGION, FN_N, FN_FUNCTION, FN_PART, FN_INSNS, FN_COLS };

/* The name of a function of the kernel, which may be longer than NAME_LEN */
#define FUNCTION_LEN 256
#define FUNCTION_CHARS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

/* The cell of a region; false if it is none */
static bool region_key(const struct word *w, char *region, size_t size,
		       struct cell_key *key)
{
	if (w->len >= size)
		return false;
	snprintf(region, size, "%.*s", (int)w->len, w->s);
	return key_parse(region, key);
}

/* The pages that a cell wrote, after a check of the data; 0: not known */
static uint64_t pages_of(const struct run *run, const char *region)
{
	char *path = xasprintf("%s/" FOLDER "/%s/user.csv", run->dir, region);
	struct user_rec rec;
	uint64_t pages = 0;
	size_t len;
	char *buf;

	if (read_file(path, FILE_LIMIT, &buf, &len) == FILE_OK &&
	    parse_user_csv(buf, len, &rec, NULL) == PARSE_OK &&
	    !rec.unverified && rec.pages_touched != NONE)
		pages = rec.pages_touched;
	free(buf);
	free(path);
	return pages;
}

/* A row: its cell, its part, its numbers; false where one is not as it should be */
static bool load_row(struct run *run, const struct word *w)
{
	long double value[COLS];
	struct cell_key key = { 0 };
	sqlite3_stmt *insert;
	char region[2 * NAME_LEN + 8], part[NAME_LEN];
	uint64_t pages;

	if (!region_key(&w[COL_REGION], region, sizeof(region), &key) ||
	    !copy_name(part, w[COL_PART].s, w[COL_PART].len))
		return false;
	for (int i = COL_NUMBERS; i < COLS; i++)
		if (!parse_decimal(w[i].s, w[i].len, &value[i]))
			return false;
	pages = pages_of(run, region);
	if (!pages) {
		run_problem(
			run, "cell",
			"memory/%s: user.csv does not tell the pages written, or the check of the data failed: left out",
			region);
		return true;
	}
	insert = db_query(
		run->db,
		"INSERT INTO model VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"ssiis", key.arm, key.workload, key.round, pages, part);
	for (int i = COL_NUMBERS; i < COLS; i++)
		sqlite3_bind_double(insert, 6 + i - COL_NUMBERS,
				    (double)value[i]);
	while (db_next(&insert))
		;
	return true;
}

/* The same of functions.csv; its pages are those of memory.csv. */
static bool load_function(struct run *run, const struct word *w)
{
	char region[2 * NAME_LEN + 8], part[NAME_LEN], function[FUNCTION_LEN];
	const struct word *name = &w[FN_FUNCTION];
	struct cell_key key = { 0 };
	long double insns;

	if (!region_key(&w[FN_REGION], region, sizeof(region), &key) ||
	    !copy_name(part, w[FN_PART].s, w[FN_PART].len) ||
	    !parse_decimal(w[FN_INSNS].s, w[FN_INSNS].len, &insns) ||
	    !name->len || name->len >= sizeof(function))
		return false;
	snprintf(function, sizeof(function), "%.*s", (int)name->len, name->s);
	if (strspn(function, FUNCTION_CHARS) != name->len)
		return false;
	db_run(run->db, "INSERT INTO model_function VALUES (?, ?, ?, ?, ?, ?)",
	       "ssissd", key.arm, key.workload, key.round, function, part,
	       (double)insns);
	return true;
}

static void load_lines(struct run *run, const char *name, const char *columns,
		       size_t cols, const char *buf, size_t len,
		       bool (*load)(struct run *run, const struct word *w))
{
	struct word w[COLS + 1];
	struct lines l;

	lines_init(&l, buf, len);
	if (!lines_next(&l) || l.len != strlen(columns) ||
	    memcmp(l.s, columns, l.len)) {
		run_problem(run, "cell",
			    FOLDER "/%s has other columns: left out", name);
		return;
	}
	while (lines_next(&l)) {
		if (!l.open && split_csv(&l, w, cols) == cols && load(run, w))
			continue;
		run_problem(run, "cell",
			    FOLDER "/%s, line %zu: malformed: left out", name,
			    l.no);
	}
}

static void load_rows(struct run *run, const char *buf, size_t len)
{
	load_lines(run, "memory.csv", head, COLS, buf, len, load_row);
}

static void load_functions(struct run *run, const char *buf, size_t len)
{
	load_lines(run, "functions.csv", functions_head, FN_COLS, buf, len,
		   load_function);
}

static void load_costs(struct run *run, const char *buf, size_t len)
{
	char model[NAME_LEN], cost[NAME_LEN];
	struct word w[4];
	long double cycles;
	struct lines l;

	lines_init(&l, buf, len);
	lines_next(&l);
	while (lines_next(&l))
		if (split_csv(&l, w, 3) == 3 &&
		    copy_name(model, w[0].s, w[0].len) &&
		    copy_name(cost, w[1].s, w[1].len) &&
		    parse_decimal(w[2].s, w[2].len, &cycles))
			db_run(run->db,
			       "INSERT INTO model_cost VALUES (?, ?, ?)", "ssd",
			       model, cost, (double)cycles);
}

static void with_file(struct run *run, const char *name,
		      void (*load)(struct run *run, const char *buf,
				   size_t len))
{
	char *path = xasprintf("%s/" FOLDER "/%s", run->dir, name), *buf;
	size_t len;

	if (read_file(path, FILE_LIMIT, &buf, &len) == FILE_OK)
		load(run, buf, len);
	free(buf);
	free(path);
}

void model_load(struct run *run)
{
	double wrong;

	with_file(run, "memory.csv", load_rows);
	with_file(run, "functions.csv", load_functions);
	with_file(run, "memory-costs.csv", load_costs);
	wrong = db_number(run->db, "SELECT total(stale + unknown) FROM model",
			  "");
	if (wrong > 0)
		run_problem(
			run, "data",
			"memory: %.0f accesses that the model got wrong (columns stale and unknown of memory.csv)",
			wrong);
}

/* Is there anything in the store? */
bool model_any(sqlite3 *db)
{
	return db_number(db, "SELECT 1 FROM model", "") == 1;
}

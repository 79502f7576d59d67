// SPDX-License-Identifier: GPL-2.0
/*
 * experiments.c - what a run's experiments left: CSV files in
 * raw/<clock>/experiments/<arm>.<name>.<round>/, each read into the table of
 * its name
 */
#define _GNU_SOURCE
#include <dirent.h>

#include "load.h"

#define FILE_LIMIT ((size_t)16 << 20)
#define COLS_MAX 64

static const char *const files[] = {
	"request", "redis",   "timeline", "fork",  "memory",
	"scaling", "filecow", "startup",  "clone", "cycles",
	"faults",  "web",     "folio",
};

/* An address, 0x and hexadecimal digits */
static bool parse_address(const struct word *w, uint64_t *val)
{
	char *end;

	if (w->len < 3 || memcmp(w->s, "0x", 2))
		return false;
	*val = strtoull(w->s, &end, 16);
	return end == w->s + w->len;
}

/* A number, a word, or NULL where there is nothing */
static void bind(sqlite3_stmt *insert, int at, const struct word *w)
{
	const bool negative = w->len && *w->s == '-';
	long double value;
	uint64_t whole;

	if (parse_u64(w->s + negative, w->len - negative, &whole))
		sqlite3_bind_int64(insert, at,
				   negative ? -(int64_t)whole : (int64_t)whole);
	else if (parse_address(w, &whole))
		sqlite3_bind_int64(insert, at, (int64_t)whole);
	else if (parse_decimal(w->s + negative, w->len - negative, &value))
		sqlite3_bind_double(insert, at,
				    (double)(negative ? -value : value));
	else if (w->len)
		sqlite3_bind_text(insert, at, w->s, (int)w->len,
				  SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(insert, at);
}

/* The table's columns from the fifth on; what the file has beside is left out */
static char *insert_into(sqlite3 *db, const char *table,
			 const struct word *head, size_t n,
			 size_t from[COLS_MAX], int *ncol)
{
	sqlite3_stmt *q = db_query(
		db,
		"SELECT name FROM pragma_table_info(?) WHERE cid > 3 ORDER BY cid",
		"s", table);
	char *sql = xasprintf("INSERT INTO %s VALUES (?, ?, ?, ?", table);

	for (*ncol = 0; db_next(&q); ++*ncol) {
		const char *name = col_text(q, 0);
		size_t i = 0;

		/* the run's round comes first: the file's is a trial of it */
		if (!strcmp(name, "trial"))
			name = "round";
		while (i < n && !word_is(&head[i], name))
			i++;
		from[*ncol] = i;
		append(&sql, ", ?");
	}
	append(&sql, ")");
	return sql;
}

/* All rows of a file, or none: one whose rows differ in length was cut */
static void load_file(sqlite3 *db, const struct cell_key *key,
		      const char *table, const char *buf, size_t len)
{
	struct word head[COLS_MAX], w[COLS_MAX + 1];
	size_t n, from[COLS_MAX];
	sqlite3_stmt *insert;
	struct lines l;
	char *sql;
	int ncol;

	lines_init(&l, buf, len);
	if (!lines_next(&l) || (n = split_csv(&l, head, COLS_MAX)) > COLS_MAX)
		return;
	while (lines_next(&l))
		if (split_csv(&l, w, COLS_MAX) != n)
			return;
	sql = insert_into(db, table, head, n, from, &ncol);
	insert = db_query(db, sql, "sssi", clock_name(key->clock), key->arm,
			  key->workload, key->round);
	lines_init(&l, buf, len);
	lines_next(&l);
	while (lines_next(&l)) {
		split_csv(&l, w, COLS_MAX);
		w[n] = (struct word){ "", 0 };
		for (int i = 0; i < ncol; i++)
			bind(insert, 5 + i, &w[from[i]]);
		sqlite3_step(insert);
		sqlite3_reset(insert);
	}
	sqlite3_finalize(insert);
	free(sql);
}

static void load_experiment(sqlite3 *db, const char *folder,
			    const struct cell_key *key)
{
	db_run(db, "INSERT INTO experiment VALUES (?, ?, ?, ?)", "sssi",
	       clock_name(key->clock), key->arm, key->workload, key->round);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char *path = xasprintf("%s/%s.%s.%ju/%s.csv", folder, key->arm,
				       key->workload, (uintmax_t)key->round,
				       files[i]);
		size_t len;
		char *buf;

		if (read_file(path, FILE_LIMIT, &buf, &len) == FILE_OK)
			load_file(db, key, files[i], buf, len);
		free(buf);
		free(path);
	}
}

static int cmp_keys(const void *a, const void *b)
{
	return cmp_key(a, b);
}

void experiments_load(sqlite3 *db, const char *dir)
{
	for (int clock = 0; clock < CLK_UNKNOWN; clock++) {
		char *folder = xasprintf("%s/raw/%s/experiments", dir,
					 clock_name((enum cow_clock)clock));
		DIR *list = opendir(folder);
		VEC(struct cell_key) keys = { 0 };
		struct dirent *d;

		while (list && (d = readdir(list))) {
			struct cell_key key = { .clock =
							(enum cow_clock)clock };

			if (key_parse(d->d_name, &key))
				vec_push(&keys, key);
		}
		if (list)
			closedir(list);
		if (keys.n)
			qsort(keys.v, keys.n, sizeof(*keys.v), cmp_keys);
		for (size_t i = 0; i < keys.n; i++)
			load_experiment(db, folder, &keys.v[i]);
		vec_free(&keys);
		free(folder);
	}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * crosscheck.c - one writer, five observers; and what a fault is made up of:
 * what the guest's crosscheck job left in raw/CLOCK/, which is crosscheck.csv
 * and stages-ARM.json
 */
#include <cjson/cJSON.h>

#include "load.h"

#define FILE_LIMIT (1UL << 20)
#define MAX_PARTS 12
#define COLUMNS 11

static const char *const sources[] = { "debugfs",   "dmesg", "bpf",
				       "delayacct", "user",  "nobody" };

static const char header[] =
	"arm,source,count,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,cost_ns";

static bool parse_row(sqlite3 *db, const char *clock, const struct lines *l)
{
	struct word w[COLUMNS];
	char arm[NAME_LEN];
	uint64_t val[COLUMNS];
	size_t source = 0;
	bool minus;

	if (split_csv(l, w, COLUMNS) != COLUMNS ||
	    !copy_name(arm, w[0].s, w[0].len))
		return false;
	while (source < ARRAY_SIZE(sources) && !word_is(&w[1], sources[source]))
		source++;
	minus = w[10].len && *w[10].s == '-';
	w[10].s += minus;
	w[10].len -= minus;
	for (size_t i = 2; i < COLUMNS; i++)
		if (!word_u64(&w[i], &val[i]))
			return false;
	if (source == ARRAY_SIZE(sources))
		return false;
	db_run(db,
	       "INSERT OR REPLACE INTO crosscheck VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	       "sssiiiiiiiii", clock, arm, sources[source], val[2], val[3],
	       val[4], val[5], val[6], val[7], val[8], val[9],
	       minus ? -val[10] : val[10]);
	return true;
}

/**
 * crosscheck_parse - read a crosscheck.csv
 * @db: the store, whose table crosscheck gets its rows; a later row takes an
 * earlier one's place
 * @clock: the boot
 * @buf: the file
 * @len: its size
 *
 * Return: PARSE_OK, or what is wrong with it; then the store is left alone.
 */
enum parse_status crosscheck_parse(sqlite3 *db, const char *clock,
				   const char *buf, size_t len)
{
	enum parse_status ret = PARSE_OK;
	struct lines l;

	if (is_blank(buf, len))
		return PARSE_EMPTY;
	db_run(db, "SAVEPOINT crosscheck", "");
	lines_init(&l, buf, len);
	while (!ret && lines_next(&l)) {
		if (l.open)
			ret = PARSE_TRUNCATED;
		else if (l.no == 1 ? l.len != strlen(header) ||
					     memcmp(l.s, header, l.len) :
				     !parse_row(db, clock, &l))
			ret = PARSE_MALFORMED;
	}
	if (ret)
		db_run(db, "ROLLBACK TO crosscheck", "");
	db_run(db, "RELEASE crosscheck", "");
	return ret;
}

static double number_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

/* What a fault is made up of, as cowlat --breakdown has it */
static void parse_stages(sqlite3 *db, const char *clock, const char *arm,
			 const char *buf, size_t len)
{
	cJSON *root = cJSON_ParseWithLength(buf, len);
	double pages = number_of(root, "pages");
	double total = number_of(root, "total");
	const cJSON *part;
	int n = 0;

	cJSON_ArrayForEach(part, cJSON_GetObjectItem(root, "parts"))
	{
		const cJSON *text =
			cJSON_GetObjectItemCaseSensitive(part, "part");

		if (!cJSON_IsString(text) || n == MAX_PARTS || pages < 1 ||
		    total <= 0)
			continue;
		if (!n++)
			db_run(db, "INSERT INTO stages VALUES (?, ?, ?, ?, ?)",
			       "ssddd", clock, arm, pages, total,
			       number_of(root, "probe"));
		db_run(db, "INSERT INTO part VALUES (?, ?, ?, ?)", "sssd",
		       clock, arm, text->valuestring, number_of(part, "ns"));
	}
	cJSON_Delete(root);
}

void crosscheck_load(sqlite3 *db, const char *dir)
{
	static const struct {
		const char *clock, *file, *arm;
	} wanted[] = {
		{ "icount", "crosscheck.csv", NULL },
		{ "icount", "stages-baseline.json", "baseline" },
		{ "icount", "stages-fixed.json", "fixed" },
		{ "wall", "crosscheck.csv", NULL },
		{ "wall", "stages-baseline.json", "baseline" },
		{ "wall", "stages-fixed.json", "fixed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		char *path = xasprintf("%s/raw/%s/%s", dir, wanted[i].clock,
				       wanted[i].file);
		size_t len;
		char *buf;

		if (read_file(path, FILE_LIMIT, &buf, &len) != FILE_OK) {
			/* not every run has one */
		} else if (wanted[i].arm) {
			parse_stages(db, wanted[i].clock, wanted[i].arm, buf,
				     len);
		} else {
			crosscheck_parse(db, wanted[i].clock, buf, len);
		}
		free(buf);
		free(path);
	}
}

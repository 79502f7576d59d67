// SPDX-License-Identifier: GPL-2.0
/*
 * How many pages may be broken. A copy cannot be given back while the child is
 * there, so the library must not take what the program itself will need: the
 * room is that of the machine and of every memory cgroup above this process.
 */
#include "cowwarm/warm.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Never taken, and nothing is broken while less is left. */
#define FLOOR_PAGES ((16UL << 20) / PAGE_BYTES)
/* The part of the rest that is taken where not all pages would fit. */
#define TIGHT_PART 8

/* A number in a file of a cgroup; "max" and what cannot be read are no limit. */
static uint64_t value_of(const char *dir, const char *name)
{
	char path[PATH_MAX + 64], text[64];
	uint64_t value;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!read_text(path, text, sizeof(text)) ||
	    sscanf(text, "%" SCNu64, &value) != 1)
		return UINT64_MAX;
	return value;
}

static uint64_t room_below(uint64_t limit, uint64_t used)
{
	if (limit == UINT64_MAX || used == UINT64_MAX)
		return UINT64_MAX;
	return used < limit ? limit - used : 0;
}

/* What is cached of files and has not been used lately can be dropped. */
static uint64_t reclaimable(const char *dir, const char *key)
{
	char path[PATH_MAX + 64];
	struct lines lines;
	uint64_t value = 0;
	char *line;

	snprintf(path, sizeof(path), "%s/memory.stat", dir);
	if (!lines_open(&lines, path))
		return 0;
	while ((line = lines_next(&lines))) {
		if (!strncmp(line, key, strlen(key)) &&
		    sscanf(line + strlen(key), " %" SCNu64, &value) == 1)
			break;
	}
	lines_close(&lines);
	return value;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Bytes that are left in one cgroup. */
static uint64_t group_room(const char *dir, bool v1)
{
	uint64_t room, memsw;

	if (v1) {
		room = room_below(value_of(dir, "memory.limit_in_bytes"),
				  value_of(dir, "memory.usage_in_bytes"));
		memsw = room_below(value_of(dir, "memory.memsw.limit_in_bytes"),
				   value_of(dir,
					    "memory.memsw.usage_in_bytes"));
		room = min(room, memsw);
	} else {
		room = room_below(min(value_of(dir, "memory.max"),
				      value_of(dir, "memory.high")),
				  value_of(dir, "memory.current"));
	}
	/* Without a limit in v1 the number is close to 2^63. */
	if (room >= 1ULL << 60)
		return UINT64_MAX;
	return room +
	       reclaimable(dir, v1 ? "total_inactive_file " : "inactive_file ");
}

/* The least room from a cgroup up to where its hierarchy is mounted. */
static uint64_t hierarchy_room(const char *mount, const char *root,
			       const char *group, bool v1)
{
	char dir[PATH_MAX];
	uint64_t room = UINT64_MAX;
	size_t len = strlen(root);

	/* In a container the mount may begin below the hierarchy's root. */
	if (strcmp(root, "/") && !strncmp(group, root, len) &&
	    (!group[len] || group[len] == '/'))
		group += len;
	/* Outside of the namespace: only what is mounted can be seen. */
	if (!strncmp(group, "/..", 3) || !strcmp(group, "/"))
		group = "";
	if (snprintf(dir, sizeof(dir), "%s%s", mount, group) >=
	    (int)sizeof(dir))
		return 0;
	for (;;) {
		room = min(room, group_room(dir, v1));
		if (strlen(dir) <= strlen(mount))
			return room;
		*strrchr(dir, '/') = '\0';
	}
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *at = list;

	while ((at = strstr(at, word))) {
		if ((at == list || at[-1] == ',') &&
		    (!at[len] || at[len] == ',' || at[len] == ':'))
			return true;
		at += len;
	}
	return false;
}

/* Where this process is: "0::/PATH" and "N:...memory...:/PATH". */
static void own_groups(char *v1, char *v2, size_t len)
{
	struct lines lines;
	char *line;

	*v1 = *v2 = '\0';
	if (!lines_open(&lines, "/proc/self/cgroup"))
		return;
	while ((line = lines_next(&lines))) {
		char *names = strchr(line, ':'), *path;

		path = names ? strchr(++names, ':') : NULL;
		if (!path)
			continue;
		if (path == names)
			snprintf(v2, len, "%s", path + 1);
		else if (has_word(names, "memory"))
			snprintf(v1, len, "%s", path + 1);
	}
	lines_close(&lines);
}

static uint64_t cgroups_room(void)
{
	char v1[PATH_MAX], v2[PATH_MAX];
	uint64_t room = UINT64_MAX;
	struct lines lines;
	char *line;

	own_groups(v1, v2, sizeof(v1));
	if (!lines_open(&lines, "/proc/self/mountinfo"))
		return room;
	while ((line = lines_next(&lines))) {
		char *dash = strstr(line, " - "), *save, *root, *mount;
		char *type, *options;
		bool is_v1;

		if (!dash)
			continue;
		*dash = '\0';
		type = strtok_r(dash + 3, " ", &save);
		strtok_r(NULL, " ", &save);
		options = strtok_r(NULL, " ", &save);
		if (!type || !options)
			continue;
		is_v1 = !strcmp(type, "cgroup") && has_word(options, "memory");
		if (!is_v1 && strcmp(type, "cgroup2"))
			continue;
		strtok_r(line, " ", &save);
		strtok_r(NULL, " ", &save);
		strtok_r(NULL, " ", &save);
		root = strtok_r(NULL, " ", &save);
		mount = strtok_r(NULL, " ", &save);
		if (root && mount)
			room = min(room,
				   hierarchy_room(mount, root, is_v1 ? v1 : v2,
						  is_v1));
	}
	lines_close(&lines);
	return room;
}

/**
 * limits_room - pages that this process could still take
 *
 * Return: the least of what the machine and each cgroup have left.
 */
uint64_t limits_room(void)
{
	char text[2048];
	uint64_t kb;

	if (!read_text("/proc/meminfo", text, sizeof(text)) ||
	    !text_field(text, "MemAvailable:", &kb)) {
		say_why(NO_MEMINFO, 0);
		return 0;
	}
	return min(kb * 1024, cgroups_room()) / PAGE_BYTES;
}

/**
 * limits_fix - decide how much may be broken as long as there are children
 * @shared: pages that are shared now
 *
 * Where memory would do even if the program wrote everything, half of what is
 * left may be taken. Where it would not, a page broken and never written may be
 * the one that the program lacks later: only a small part is taken then.
 *
 * Return: pages.
 */
uint64_t limits_fix(uint64_t shared)
{
	uint64_t room = limits_room(), limit;

	if (room <= FLOOR_PAGES) {
		say_why(NO_ROOM, 0);
		return 0;
	}
	limit = min(warm_budget, room / 2);
	if (room < shared + FLOOR_PAGES) {
		say_why(TIGHT, 0);
		limit = min(limit, (room - FLOOR_PAGES) / TIGHT_PART);
	}
	return limit;
}

/**
 * limits_floor_kept - whether there is still room to go on
 *
 * Limits move, and others take memory, too.
 */
bool limits_floor_kept(void)
{
	if (limits_room() > FLOOR_PAGES)
		return true;
	say_why(NO_ROOM, 0);
	return false;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a program asks for a part of its region: mprotect(), mlock(), madvise().
 * That splits the mapping, and mremap() moves one mapping at a time. So a split
 * region is mapped anew as a whole, and the requests are repeated.
 */
#include "libcowsnap/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/**
 * struct hint - a part of the region
 * @start: offset in bytes
 * @size: bytes
 * @anon: memory over a hole, which holes.c has asked things for
 * @prot: of mprotect()
 * @flags: two letters each, as in VmFlags of /proc/PID/smaps
 */
struct hint {
	size_t start;
	size_t size;
	bool anon;
	int prot;
	char flags[120];
};

static const struct {
	const char *flag;
	int advice;
} advices[] = {
	{ " rr", MADV_RANDOM },	    { " sr", MADV_SEQUENTIAL },
	{ " dd", MADV_DONTDUMP },   { " hg", MADV_HUGEPAGE },
	{ " nh", MADV_NOHUGEPAGE },
};

/* The part of the region that a line of smaps is about, or false. */
static bool parse_part(const struct cowsnap *cs, const char *line,
		       struct hint *hint)
{
	uintptr_t start, end, base = (uintptr_t)cs->base;
	unsigned long inode;
	char perms[5];

	if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*x %*x:%*x %lu",
		   &start, &end, perms, &inode) != 4 ||
	    start < base || end > base + cs->span)
		return false;
	*hint = (struct hint){
		.start = start - base,
		.size = end - start,
		.anon = !inode,
		.prot = (perms[0] == 'r' ? PROT_READ : 0) |
			(perms[1] == 'w' ? PROT_WRITE : 0) |
			(perms[2] == 'x' ? PROT_EXEC : 0),
	};
	return true;
}

/*
 * Read what the parts of the region are asked for, and add it to what was gathered
 * before. Return: 0 or an error.
 */
int hints_gather(struct cowsnap *cs)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	struct hint hint;
	bool in = false;
	int error = 0;

	if (!f)
		return errno;
	while (fgets(line, sizeof(line), f)) {
		if (line[0] >= 'a' || (line[0] >= '0' && line[0] <= '9')) {
			in = parse_part(cs, line, &hint);
		} else if (in && !strncmp(line, "VmFlags:", 8)) {
			struct hint *more = realloc(
				cs->hints, (cs->nr_hints + 1) * sizeof(hint));

			if (!more) {
				error = ENOMEM;
				break;
			}
			cs->hints = more;
			snprintf(hint.flags, sizeof(hint.flags), " %.100s",
				 line + 8);
			cs->hints[cs->nr_hints++] = hint;
		}
	}
	if (ferror(f))
		error = EIO;
	fclose(f);
	return error;
}

/* Repeat the requests. One that fails costs what the program asked for only. */
void hints_apply(struct cowsnap *cs)
{
	size_t i, j;

	for (i = 0; i < cs->nr_hints; i++) {
		const struct hint *hint = &cs->hints[i];
		unsigned char *at = cs->base + hint->start;

		for (j = 0; j < sizeof(advices) / sizeof(advices[0]); j++) {
			if (hint->anon && advices[j].advice == MADV_NOHUGEPAGE)
				continue;
			if (strstr(hint->flags, advices[j].flag))
				madvise(at, hint->size, advices[j].advice);
		}
		if (hint->prot != (PROT_READ | PROT_WRITE))
			mprotect(at, hint->size, hint->prot);
		if (strstr(hint->flags, " lo"))
			mlock2(at, hint->size, MLOCK_ONFAULT);
	}
}

void hints_forget(struct cowsnap *cs)
{
	free(cs->hints);
	cs->hints = NULL;
	cs->nr_hints = 0;
}

/* SPDX-License-Identifier: GPL-2.0 */
/* The command line, as a table of options and the variables that they set. */
#ifndef COWLAB_OPTIONS_H
#define COWLAB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_type {
	OPT_TYPE_FLAG,
	OPT_TYPE_TEXT,
	OPT_TYPE_NUMBER,
	OPT_TYPE_SIZE,
	OPT_TYPE_CHOICE,
	OPT_TYPE_CALL,
};

/* An option and the variable that it sets */
struct opt {
	const char *name; /* the long name; NULL ends a table */
	int key; /* the short name, 0 if there is none */
	/* the value's name in --help; NULL: the option has no value */
	const char *arg;
	const char *help; /* its line in --help */
	/* place in --help: options with the same number stand together */
	int group;
	enum opt_type type; /* what values are valid */
	void *to; /* the variable */
	size_t bytes; /* size of the variable, unless it is a text */
	uint64_t min; /* least value of a number or size */
	uint64_t max; /* greatest value */
	uint64_t unit; /* the value must be a multiple of this */
	/* values of a choice, which sets the index; NULL ends them */
	const char *const *names;
	bool (*call)(const char *arg); /* stores the value; false: invalid */
	const char *expected; /* what @call accepts */
	bool optional; /* the value may be absent; then @call gets NULL */
	bool hidden; /* not shown in --help */
};

#define OPT_VARIABLE(variable) .to = &(variable), .bytes = sizeof(variable)
#define OPT_FLAG(variable) .type = OPT_TYPE_FLAG, OPT_VARIABLE(variable)
#define OPT_TEXT(variable) .type = OPT_TYPE_TEXT, .to = &(variable)
#define OPT_NUMBER(variable, least, most)                                \
	.type = OPT_TYPE_NUMBER, OPT_VARIABLE(variable), .min = (least), \
	.max = (most)
#define OPT_SIZE(variable, least, most, multiple)                      \
	.type = OPT_TYPE_SIZE, OPT_VARIABLE(variable), .min = (least), \
	.max = (most), .unit = (multiple)
#define OPT_CHOICE(variable, list) \
	.type = OPT_TYPE_CHOICE, OPT_VARIABLE(variable), .names = (list)
#define OPT_CALL(function, what) \
	.type = OPT_TYPE_CALL, .call = (function), .expected = (what)

/* Options that several programs have. */
#define OPT_COMMON_KIND(variable)                               \
	"kind", 'k', "KIND", "Pages: 4k thp mthp hugetlb (4k)", \
		OPT_CHOICE(variable, kind_names)
#define OPT_COMMON_LARGE_COPIES(variable)                                                                 \
	"large-copies", 'L', NULL,                                                                        \
		"Advise huge pages after the region is filled, so that a COW may copy into large folios", \
		OPT_FLAG(variable)
#define OPT_COMMON_ROUNDS(variable, help) \
	"rounds", 'n', "N", help, OPT_NUMBER(variable, 1, 1000000)
#define OPT_COMMON_SEED(variable, help) \
	"seed", 'S', "N", help, OPT_NUMBER(variable, 0, UINT64_MAX)
#define OPT_COMMON_CSV(variable)                                      \
	"csv", 'c', NULL, "Print comma-separated values", .group = 1, \
							  OPT_FLAG(variable)
#define OPT_COMMON_HIST(variable)                                                         \
	"hist", 'g', "FILE",                                                              \
		"Append the latencies' histogram: lower_ns count, 32 buckets per octave", \
		.group = 1, OPT_TEXT(variable)

char **options_parse(int argc, char **argv, const char *doc,
		     const struct opt *opts, const char *args);

__attribute__((noreturn, format(printf, 3, 4))) void
invalid(const char *option, const char *arg, const char *fmt, ...);

uint64_t number_arg(const char *option, const char *arg, uint64_t min,
		    uint64_t max);

#endif /* COWLAB_OPTIONS_H */

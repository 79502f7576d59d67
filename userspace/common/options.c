// SPDX-License-Identifier: GPL-2.0
/* The command line: one error style, and status 1 for every usage error. */
#include "common/options.h"

#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/util.h"

/**
 * invalid - exit because an option's value is invalid
 * @option: the option's long name, without dashes
 * @arg: the value
 * @fmt: the values that are valid
 */
void invalid(const char *option, const char *arg, const char *fmt, ...)
{
	char expected[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(expected, sizeof(expected), fmt, ap);
	va_end(ap);
	die("invalid --%s '%s': expected %s", option, arg, expected);
}

/**
 * number_arg - convert an option's value, or exit
 * @option: the option's long name, without dashes
 * @arg: the value
 * @min: least number that is valid
 * @max: greatest number that is valid
 *
 * Return: the number.
 */
uint64_t number_arg(const char *option, const char *arg, uint64_t min,
		    uint64_t max)
{
	uint64_t value;

	if (!parse_u64(arg, &value) || value < min || value > max)
		invalid(option, arg, "a number from %lu to %lu", min, max);
	return value;
}

/* A size as one would type it, such as 2M. */
static const char *size_text(uint64_t bytes, char text[24])
{
	static const char suffix[] = "\0KMG";
	unsigned int i = 0;

	while (i < 3 && bytes && !(bytes % 1024)) {
		bytes /= 1024;
		i++;
	}
	snprintf(text, 24, "%lu%.1s", bytes, suffix + i);
	return text;
}

static uint64_t size_arg(const struct opt *opt, const char *arg)
{
	char from[40] = "", to[40] = "", text[24], unit[64] = "byte count";
	uint64_t bytes;

	if (parse_size(arg, &bytes) && bytes >= opt->min && bytes <= opt->max &&
	    !(bytes % opt->unit))
		return bytes;
	if (opt->unit > 1)
		snprintf(unit, sizeof(unit), "multiple of %s",
			 size_text(opt->unit, text));
	if (opt->min > opt->unit)
		snprintf(from, sizeof(from), " from %s",
			 size_text(opt->min, text));
	if (opt->max != UINT64_MAX)
		snprintf(to, sizeof(to), "%s to %s", *from ? "" : " up",
			 size_text(opt->max, text));
	invalid(opt->name, arg, "a %s%s%s%s (K, M, G allowed)",
		opt->min && !*from ? "positive " : "", unit, from, to);
}

static uint64_t choice_arg(const struct opt *opt, const char *arg)
{
	char list[256] = "";
	size_t i, len = 0;

	for (i = 0; opt->names[i]; i++) {
		const char *joint = ", ";

		if (!strcmp(arg, opt->names[i]))
			return i;
		if (!i)
			joint = "";
		else if (!opt->names[i + 1])
			joint = " or ";
		len += snprintf(list + len, sizeof(list) - len, "%s%s", joint,
				opt->names[i]);
	}
	invalid(opt->name, arg, "%s", list);
}

static void set(const struct opt *opt, char *arg)
{
	uint64_t value = 1;

	switch (opt->type) {
	case OPT_TYPE_FLAG:
		break;
	case OPT_TYPE_TEXT:
		*(const char **)opt->to = arg;
		return;
	case OPT_TYPE_NUMBER:
		value = number_arg(opt->name, arg, opt->min, opt->max);
		if (opt->unit && value % opt->unit)
			invalid(opt->name, arg, "a multiple of %lu", opt->unit);
		break;
	case OPT_TYPE_SIZE:
		value = size_arg(opt, arg);
		break;
	case OPT_TYPE_CHOICE:
		value = choice_arg(opt, arg);
		break;
	case OPT_TYPE_CALL:
		if (!opt->call(arg))
			invalid(opt->name, arg, "%s", opt->expected);
		return;
	}
	/* The low bytes come first. */
	memcpy(opt->to, &value, opt->bytes);
}

static const struct opt *table;
static char **rest;

/* An option without a short name has a key that is no character. */
static int key_of(size_t i)
{
	return table[i].key ?: 256 + (int)i;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	const char *args = state->input;
	size_t i;

	for (i = 0; table[i].name; i++) {
		if (key == key_of(i)) {
			set(&table[i], arg);
			return 0;
		}
	}
	if (key == ARGP_KEY_ARG && !args)
		die("unexpected argument '%s', see --help", arg);
	if (key == ARGP_KEY_NO_ARGS && args)
		die("expected %s, see --help", args);
	if (key != ARGP_KEY_ARGS)
		return ARGP_ERR_UNKNOWN;
	rest = state->argv + state->next;
	return 0;
}

/**
 * options_parse - parse the command line, or exit
 * @argc: from main()
 * @argv: from main()
 * @doc: what --help says before the options and, after a \v, behind them
 * @opts: the options
 * @args: name of the arguments for --help; NULL: there are none
 *
 * Return: the first argument; the others follow it.
 */
char **options_parse(int argc, char **argv, const char *doc,
		     const struct opt *opts, const char *args)
{
	struct argp_option options[64] = { 0 };
	const struct argp argp = { options, parse_option, args, doc,
				   NULL,    NULL,	  NULL };
	static char version[64];
	size_t i;

	table = opts;
	for (i = 0; opts[i].name && i < ARRAY_SIZE(options) - 1; i++) {
		options[i].name = opts[i].name;
		options[i].key = key_of(i);
		options[i].arg = opts[i].arg;
		options[i].doc = opts[i].help;
		options[i].group = opts[i].group;
		if (opts[i].optional)
			options[i].flags |= OPTION_ARG_OPTIONAL;
		if (opts[i].hidden)
			options[i].flags |= OPTION_HIDDEN;
	}
	snprintf(version, sizeof(version), "%s 1.0",
		 program_invocation_short_name);
	argp_program_version = version;
	argp_err_exit_status = 1;
	argp_parse(&argp, argc, argv, args ? ARGP_IN_ORDER : 0, NULL,
		   (void *)args);
	return rest;
}

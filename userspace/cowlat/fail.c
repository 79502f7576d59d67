// SPDX-License-Identifier: GPL-2.0
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/**
 * fail - print one error line and exit with status 1
 * @fmt: the message, without a newline
 */
void fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("cowlat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

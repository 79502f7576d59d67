/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAT_FAIL_H
#define COWLAT_FAIL_H

__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *fmt, ...);

#endif /* COWLAT_FAIL_H */

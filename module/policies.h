/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of policies. To add one: write NAME.c, which defines NAME_window(),
 * and add a line here. The first policy is the default.
 */
POLICY(next)
POLICY(fixed)
POLICY(adaptive)

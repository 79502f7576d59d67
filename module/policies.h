/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of policies. To add one: write NAME.c, which defines NAME_window(),
 * and add a line here. The first policy is the default. The second value says
 * whether faults ask it only near the pages of the VMA's two streams.
 */
POLICY(next, false)
POLICY(fixed, false)
POLICY(adaptive, true)

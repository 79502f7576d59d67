/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The policies: a line here, and a file of that name with NAME_window() in it.
 * The first is the one that is chosen when the module is loaded.
 */
POLICY(next)
POLICY(fixed)
POLICY(adaptive)

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWCTL_POLICY_H
#define COWCTL_POLICY_H

void command_policy(int argc, char **argv);
void command_record(int argc, char **argv);

#endif /* COWCTL_POLICY_H */

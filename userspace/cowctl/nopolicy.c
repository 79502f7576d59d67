// SPDX-License-Identifier: GPL-2.0
/* In place of policy.c and record.c where there is no libbpf that knows modules. */
#include "common/util.h"
#include "cowctl/policy.h"

static const char missing[] =
	"this cowctl was built without libbpf 1.5: install it, or unpack the kernel's source (make kernel), then make userspace";

void command_policy(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	die("policy: %s", missing);
}

void command_record(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	die("record: %s", missing);
}

// SPDX-License-Identifier: GPL-2.0
/* Loading and unloading the module. */
#include <linux/module.h>

#include "account.h"
#include "bpf.h"
#include "cowlab.h"
#include "policy.h"
#include "stats.h"

static int __init cowlab_init(void)
{
	int ret = cow_probes_init();

	if (ret)
		return ret;
	ret = cow_stats_init();
	if (ret) {
		cow_probes_destroy();
		return ret;
	}
	cow_debugfs_create(cow_bpf_init(cow_policy_bpf_changed));
	return 0;
}

static void __exit cowlab_exit(void)
{
	cow_debugfs_remove();
	cow_policy_set_precopy(0);
	cow_probes_destroy();
	cow_account_destroy();
	cow_stats_destroy();
}

module_init(cowlab_init);
module_exit(cowlab_exit);

MODULE_DESCRIPTION("Copy-on-write laboratory: precopy policy and latency");
MODULE_LICENSE("GPL");

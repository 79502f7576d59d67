// SPDX-License-Identifier: GPL-2.0
/* --clock memory: icount with the plugin of qemu/memory, which models caches and TLBs. */
#include "cowguest.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN_NAME "cowmem.so"
/* From an arch/x86/boot/bzImage to the top of the kernel's tree */
#define TO_SYMBOLS "../../../System.map"
/* The largest memory that q35 has without a hole, in MiB */
#define MAX_MIB 2815

/* PATH's folder, and @name in it */
static char *beside(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return xasprintf("%.*s%s", slash ? (int)(slash - path + 1) : 0, path,
			 name);
}

static unsigned long mem_mib(const struct opts *o)
{
	return strtoul(o->mem, NULL, 10) * (strchr(o->mem, 'G') ? 1024 : 1);
}

/* The plugin is beside this program, or installed, unless the option says otherwise. */
static char *plugin_path(const struct opts *o)
{
	char self[PATH_MAX], *built, *installed;
	ssize_t n;

	if (o->plugin)
		return xstrdup(o->plugin);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	built = beside(self, PLUGIN_NAME);
	installed = beside(self, "../lib/" PLUGIN_NAME);
	if (access(built, F_OK) && !access(installed, F_OK)) {
		free(built);
		return installed;
	}
	free(installed);
	return built;
}

static char *symbols_path(const struct opts *o)
{
	return o->symbols ? xstrdup(o->symbols) : beside(o->kernel, TO_SYMBOLS);
}

/**
 * memory_option - the value of QEMU's -plugin
 * @o: options
 *
 * Return: a string; the caller frees it.
 */
char *memory_option(const struct opts *o)
{
	char *plugin = plugin_path(o), *symbols = symbols_path(o);
	char *parts[] = { commas(plugin), commas(symbols), commas(o->out) };
	/* The model may bring options of the plugin along. */
	char *value = xasprintf("%s,symbols=%s,model=%s,mib=%lu,out=%s",
				parts[0], parts[1], o->model, mem_mib(o),
				parts[2]);
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		free(parts[i]);
	free(symbols);
	free(plugin);
	return value;
}

/* Does this QEMU load plugins? One built without them does not know the option. */
static bool qemu_has_plugins(const char *qemu)
{
	char *argv[] = { (char *)qemu, "-help", NULL };
	size_t size = 1 << 20;
	char *buf = xrealloc(NULL, size);
	int ws;
	bool has = !run_capture(argv, 10000, buf, size, &ws) &&
		   strstr(buf, "\n-plugin ");

	free(buf);
	return has;
}

/**
 * memory_usable - check what --clock memory needs, and print a line if it is missing
 * @o: options
 * @qemu: QEMU's path
 *
 * Return: whether it can be used.
 */
bool memory_usable(const struct opts *o, const char *qemu)
{
	char *plugin = plugin_path(o), *symbols = symbols_path(o);
	bool usable = false;

	if (!o->out)
		say("--clock memory writes its results to DIR: give --out");
	else if (mem_mib(o) > MAX_MIB)
		say("--clock memory: --mem %s is too much, the model knows up to %uM (make: MEM=2G)",
		    o->mem, MAX_MIB);
	else if (access(plugin, R_OK))
		say("--clock memory: no plugin %s: %s: `make programs` builds it",
		    plugin, strerror(errno));
	else if (access(symbols, R_OK))
		say("--clock memory: no System.map of this kernel, %s: %s: give --symbols",
		    symbols, strerror(errno));
	else if (!qemu_has_plugins(qemu))
		say("--clock memory: %s has no plugins (it was built with --disable-plugins): Debian's qemu-system-x86 has them",
		    qemu);
	else
		usable = true;
	free(symbols);
	free(plugin);
	return usable;
}

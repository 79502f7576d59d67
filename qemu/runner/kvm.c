// SPDX-License-Identifier: GPL-2.0
/* Tests whether KVM exists and can run a kernel. */
#include "cowguest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A generous bound for a busy host, not a measured one. */
#define PROBE_MS 10000

/* Does a "flags" line hold the word svm or vmx? */
static bool cpu_has_virt(const char *cpuinfo)
{
	FILE *f = fopen(cpuinfo, "re");
	bool found = false;
	char *line = NULL;
	size_t size = 0;
	regex_t virt;

	if (!f)
		return false;
	if (regcomp(&virt, "^flags.*[[:space:]](svm|vmx)[[:space:]]",
		    REG_EXTENDED | REG_NOSUB))
		no_memory();
	while (!found && getline(&line, &size, f) > 0)
		found = !regexec(&virt, line, 0, NULL, 0);
	regfree(&virt);
	free(line);
	fclose(f);
	return found;
}

/**
 * kvm_unusable - find out whether KVM can run the kernel
 * @o: options
 * @qemu: QEMU's path
 *
 * /dev/kvm may open although a kernel hangs under it. Therefore the kernel is
 * started without an initramfs, and must reach the panic that follows.
 *
 * Return: NULL if KVM works, else the reason; the caller frees it.
 */
char *kvm_unusable(const struct opts *o, const char *qemu)
{
	char *argv[] = {
		(char *)qemu, "-nodefaults", "-no-user-config", "-no-reboot",
		"-display", "none", "-machine", "q35", "-accel", "kvm",
		"-cpu", "host", "-smp", "1", "-m", "256M",
		"-kernel", (char *)o->kernel, "-append",
		"console=ttyS0 panic=-1 rdinit=/nonexistent",
		"-serial", "stdio", NULL
	};
	static char buf[1 << 18];
	int fd, err, ws;

	fd = open(o->kvm_dev, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return xasprintf("%s: %s", o->kvm_dev, strerror(errno));
	close(fd);
	if (!cpu_has_virt(o->cpuinfo))
		return xasprintf("%s opens, but the processor has neither svm nor vmx",
				 o->kvm_dev);
	err = run_capture(argv, PROBE_MS, buf, sizeof(buf), &ws);
	/* The panic decides, however QEMU ended after it. */
	if (strstr(buf, "Kernel panic - not syncing"))
		return NULL;
	if (err == -EINTR)
		return xstrdup("the probe was interrupted");
	if (err == -ETIMEDOUT)
		return xasprintf("%s opens, but the kernel hung in a probe of %d s",
				 o->kvm_dev, PROBE_MS / 1000);
	if (err)
		return xasprintf("the probe did not start: %s", strerror(-err));
	buf[strcspn(buf, "\r\n")] = '\0';
	printable(buf);
	return xasprintf("%s opens, but the kernel did not run in a probe%s%.200s",
			 o->kvm_dev, *buf ? ": " : "", buf);
}

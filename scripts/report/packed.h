/* SPDX-License-Identifier: GPL-2.0 */
/* packed.h - a run's folder that keeps its input in raw.tar.zst */
#ifndef COWREPORT_PACKED_H
#define COWREPORT_PACKED_H

/**
 * struct packed - where a run's input is
 * @dir: the folder to read
 * @tmp: the folder to remove afterwards; NULL: none
 */
struct packed {
	char *dir, *tmp;
};

int packed_open(struct packed *p, const char *dir, char **why);
void packed_close(struct packed *p);

#endif

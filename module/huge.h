/* SPDX-License-Identifier: GPL-2.0 */
/* The knob huge_window: huge pages that are copied as a whole. */
#ifndef _COWLAB_HUGE_H
#define _COWLAB_HUGE_H

#include <linux/mm.h>

bool huge_window(struct vm_fault *vmf);
void huge_refused(struct vm_area_struct *vma);
void cow_huge_forget(void);

#endif /* _COWLAB_HUGE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* prctl(PR_SET_COW): whether COW windows serve a process. */
#ifndef COWLAB_COW_MODE_H
#define COWLAB_COW_MODE_H

#ifndef PR_SET_COW
#define PR_SET_COW 0x434f5753
#define PR_GET_COW 0x434f5747
#define PR_COW_DEFAULT 0
#define PR_COW_OFF 1
#define PR_COW_ON 2
#define PR_COW_ORDER_SHIFT 2
#define PR_COW_ORDER_MAX 5
#endif

#endif /* COWLAB_COW_MODE_H */

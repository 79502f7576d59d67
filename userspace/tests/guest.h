/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests that run in the guest share. Each failure fails the test. */
#ifndef COWLAB_GUEST_H
#define COWLAB_GUEST_H

#endif /* COWLAB_GUEST_H */

// SPDX-License-Identifier: GPL-2.0
/* What the tests that run in the guest share. */
#include "tests/guest.h"

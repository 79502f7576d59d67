# SPDX-License-Identifier: GPL-2.0
# The only entry; `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
# What other programs say is read in English.
export LC_ALL := C.UTF-8

# Without FULL, ARMS or WORKLOADS a run is the quick part of scripts/matrix.
ifeq ($(origin FULL),undefined)
FULL := $(if $(ARMS)$(WORKLOADS),1,0)
endif
# A round of the memory model says all: the next one has the same digits but for the seed.
ROUNDS ?= $(if $(filter memory,$(CLOCK)),1,$(if $(filter 0,$(FULL)),2,5))
ARMS ?= all
WORKLOADS ?= all
CLOCK ?= both
SMP ?= $(shell nproc)
MEM ?= 2G
ACCEL ?= auto
MODEL ?= epyc-milan
KERNEL ?= 6.12
KERNEL_SRC ?=
FLAVOUR ?= lab
PREFIX ?= /usr/local
DESTDIR ?=
TIME ?= 60
MUTANTS ?=
ifneq ($(KERNEL_SRC),)
override KERNEL_SRC := $(abspath $(KERNEL_SRC))
endif
# deb: a kernel's configuration, and which packages
CONFIG ?=
DEB ?= all
ifneq ($(CONFIG),)
override CONFIG := $(abspath $(CONFIG))
endif
export CONFIG DEB
export ARMS WORKLOADS FULL ROUNDS CLOCK SMP MEM ACCEL MODEL KERNEL KERNEL_SRC FLAVOUR MUTANTS TIME

# Another version than the first has a folder of its own, as in scripts/common.sh.
build := $(CURDIR)/build$(if $(filter-out 6.12,$(KERNEL)),/$(KERNEL))
host := $(build)/host
user := $(build)/userspace
# KDIR: an installed linux-headers of a patched kernel instead of our tree.
KDIR ?= $(build)/$(FLAVOUR)/linux

targets := run run-here bench bench-peers test test-all test-kcsan check fuzz mutate rebase-reference \
	   overhead shell report reference deb kernel module userspace programs guest install clean
.DEFAULT_GOAL := help
.PHONY: help $(targets)

help:
	@cat scripts/help.txt

ifndef COWLAB_LOCKED
# One target at a time works in build/; first, can this machine do it?
.NOTPARALLEL:

# What a target needs, in GB of disk and of memory.
needs := 1 1
run bench bench-peers shell kernel guest deb: needs := 5 3
test-kcsan fuzz mutate rebase-reference overhead: needs := 8 6
test test-all: needs := 12 6
clean: needs := 0 0

$(targets):
	@scripts/preflight $(needs)
	@scripts/alone "make $@" $(MAKE) $@
else

run:
	@scripts/run --check
	@$(MAKE) guest ETA=1
	@scripts/run

# On this machine instead of in a guest.
run-here:
	@scripts/deps userspace report
	@$(MAKE) -s -C userspace O=$(user) all
	@$(MAKE) -s -C scripts/report O=$(host) all
	@scripts/cowlab-lab run

# The same by the name that its users look for.
bench: run

# vm-scalability, stress-ng and perf bench on three arms and the unpatched kernel.
bench-peers:
	@scripts/peers --check
	@scripts/deps peers
	@$(MAKE) guest FLAVOUR=lab
	@$(MAKE) guest FLAVOUR=stock
	@scripts/peers

test: test-deps
	@scripts/test

# Everything: long runs, every policy on the debug kernel, KCSAN, the fuzzers.
test-all: test-deps
	@TIER=all scripts/test

check: test-deps programs
	@scripts/check

# The concurrency tests on a kernel that sees data races.
test-kcsan: test-deps
	@$(MAKE) guest FLAVOUR=kcsan
	@mkdir -p $(build)/tap
	@scripts/tests/kcsan >$(build)/tap/kcsan.tap || true
	@grep '^# elsewhere' $(build)/tap/kcsan.tap || true
	@scripts/tally $(build)/tap/kcsan.tap

# The parsers of what a guest sends, TIME seconds each; needs clang.
fuzz: test-deps
	@$(MAKE) -s -C scripts/report O=$(host) fuzz
	@$(MAKE) -s -C qemu/runner O=$(host) fuzz

# Kernels with one mistake each, on purpose; MUTANTS: the numbers of some.
mutate: test-deps
	@$(MAKE) guest FLAVOUR=mutant
	@MUTANTS="$(or $(MUTANTS),all)" scripts/mutate

# Renew the numbers that the regression gate compares a change with.
rebase-reference:
	@$(MAKE) guest FLAVOUR=lab
	@scripts/tests/gate --rebase

# What the patches cost where they are not used, and what tracing costs.
overhead:
	@$(MAKE) guest FLAVOUR=lab
	@$(MAKE) guest FLAVOUR=stock
	@scripts/overhead

shell: guest
	@$(host)/cowguest --shell --kernel $(build)/$(FLAVOUR)/linux/arch/x86/boot/bzImage \
		--initrd $(build)/$(FLAVOUR)/initramfs.cpio --smp $(SMP) --mem $(MEM) \
		--accel $(ACCEL)

report:
	@scripts/deps report
	@$(MAKE) -s -C scripts/report O=$(host) all
	@$(host)/cowreport results/latest

kernel:
	@scripts/deps kernel
	@$(if $(ETA),scripts/eta kernel)
	@scripts/source $(FLAVOUR)
	@scripts/kernel $(FLAVOUR)

ifeq ($(origin KDIR),file)
module: kernel
else
module:
	@scripts/deps module
endif
	@scripts/module $(FLAVOUR) $(KDIR)

userspace:
	@scripts/deps userspace
	@$(MAKE) -s -C userspace O=$(user) all guest

programs: userspace
	@scripts/deps report guest
	@$(MAKE) -s -C qemu/runner O=$(host) all
	@$(MAKE) -s -C qemu/memory O=$(host) all
	@$(MAKE) -s -C scripts/report O=$(host) all
	@echo "programs: built in build/userspace and build/host"

# All that a guest of one flavour needs. The programs are built while the kernel's
# source is unpacked and its image linked, which keeps one core busy; cowlat, which
# is made from the kernel's types, comes after it.
guest:
	@$(if $(ETA),scripts/eta deps)
	@scripts/deps kernel module userspace report guest
	@$(MAKE) -j2 kernel programs LATE=1
	@$(if $(filter-out stock distro-stock,$(FLAVOUR)),$(MAKE) module)
	@$(if $(ETA),scripts/eta boot)
	@$(MAKE) -s userspace
	@qemu/initramfs $(FLAVOUR)

# Debian packages; scripts/deb says what DEB and CONFIG choose.
deb:
	@scripts/deps deb kernel module userspace report install
	@scripts/deb

install:
	@scripts/deps userspace report guest install
	@$(MAKE) programs
	@$(MAKE) -s -C userspace O=$(user) HOST=$(host) PREFIX='$(PREFIX)' \
		DESTDIR='$(if $(DESTDIR),$(abspath $(DESTDIR)))' install

clean:
	rm -rf $(build)

# What the tests need beside what they test.
test-deps:
	@scripts/deps kernel module userspace report guest install test

.PHONY: test-deps
endif

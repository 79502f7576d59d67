# SPDX-License-Identifier: GPL-2.0
# The only entry; `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

ARMS ?= all
WORKLOADS ?= all
QUICK ?= 0
ROUNDS ?= $(if $(filter 1,$(QUICK)),2,5)
CLOCK ?= both
SMP ?= $(shell nproc)
MEM ?= 2G
ACCEL ?= auto
KERNEL_SRC ?=
FLAVOUR ?= lab
export ARMS WORKLOADS QUICK ROUNDS CLOCK SMP MEM ACCEL KERNEL_SRC FLAVOUR

build := build
host := $(CURDIR)/$(build)/host
user := $(CURDIR)/$(build)/userspace
ifneq ($(KERNEL_SRC),)
override KERNEL_SRC := $(abspath $(KERNEL_SRC))
endif

run:
	@scripts/run --check
	@$(MAKE) guest
	@scripts/run

test: deps
	@scripts/test

check: deps programs
	@scripts/check

# The concurrency tests on a kernel that sees data races.
test-kcsan: deps
	@$(MAKE) guest FLAVOUR=kcsan
	@mkdir -p $(build)/tap
	@scripts/tests/kcsan >$(build)/tap/kcsan.tap || true
	@grep '^# elsewhere' $(build)/tap/kcsan.tap || true
	@scripts/tally $(build)/tap/kcsan.tap

# The parsers of what a guest sends, TIME seconds each; needs clang.
TIME ?= 60
fuzz: deps
	@$(MAKE) -s -C scripts/report O=$(host) TIME=$(TIME) fuzz
	@$(MAKE) -s -C qemu/runner O=$(host) TIME=$(TIME) fuzz

# Kernels with one mistake each, on purpose; MUTANTS: the numbers of some.
MUTANTS ?= all
export MUTANTS
mutate:
	@$(MAKE) guest FLAVOUR=mutant
	@scripts/mutate

# The same by the name that its users look for.
bench: run

# Renew the numbers that the regression gate holds a change against.
rebase-reference:
	@$(MAKE) guest FLAVOUR=lab
	@scripts/tests/gate --rebase

# What the patches cost where they are not used, and what listening costs.
overhead:
	@$(MAKE) guest FLAVOUR=lab
	@$(MAKE) guest FLAVOUR=stock
	@scripts/overhead

shell: guest
	@$(host)/cowguest --shell --kernel $(build)/$(FLAVOUR)/linux/arch/x86/boot/bzImage \
		--initrd $(build)/$(FLAVOUR)/initramfs.cpio --smp $(SMP) --mem $(MEM) \
		--accel $(ACCEL)

report: deps programs
	@$(host)/cowreport results/latest

deps:
	@scripts/deps

kernel: deps
	@scripts/source $(FLAVOUR)
	@scripts/kernel $(FLAVOUR)

# KDIR: an installed linux-headers of a patched kernel instead of our tree.
KDIR ?= $(CURDIR)/$(build)/$(FLAVOUR)/linux
ifeq ($(origin KDIR),file)
module: kernel
else
module: deps
endif
	@scripts/module $(FLAVOUR) $(KDIR)

userspace: deps
	@$(MAKE) -s -C userspace O=$(user) all guest

programs: userspace
	@$(MAKE) -s -C qemu/runner O=$(host) all
	@$(MAKE) -s -C scripts/report O=$(host) all
	@echo "programs: built in $(build)/userspace and $(build)/host"

# All that a guest of one flavour needs.
ifeq ($(FLAVOUR),stock)
guest: kernel programs
else
guest: module programs
endif
	@qemu/initramfs $(FLAVOUR)

clean:
	rm -rf $(build)

help:
	@cat scripts/help.txt

.PHONY: run test test-kcsan check fuzz mutate bench rebase-reference overhead shell report deps kernel module userspace programs guest clean help
.DEFAULT_GOAL := help

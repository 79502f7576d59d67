# SPDX-License-Identifier: GPL-2.0
# `make install`: programs, libraries, manual pages, completion. Included by
# userspace/Makefile. HOST: the folder with cowguest and cowreport.
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
HOST ?= $(O)/../host

host_programs := $(wildcard $(HOST)/cowguest $(HOST)/cowreport)
commands := $(notdir $(programs) $(host_programs))
generated := $(commands:%=$(O)/man/%.1)
written := cowlat/cowlat.8 cowwarm/cowwarm.8 libcowsnap/cowsnap.3 common/manual_cow.2 \
	   common/PR_SET_COW.2

man: $(generated)

# The description in NAME is the first sentence of --help.
$(generated):
	@mkdir -p $(@D)
	@command -v help2man >/dev/null || \
		{ echo "install: help2man is missing: apt-get install help2man" >&2; exit 1; }
	help2man -N $(includes) -S cowlab --version-string="$(basename $(@F))" -o $@ \
		-n "$$($< --help | sed -n '/^Usage:/d; /^ *or:/d; /./{s/\.$$//; s/^./\l&/; p; q}')" $<
$(foreach p,$(programs) $(host_programs),$(eval $(O)/man/$(notdir $(p)).1: $(p)))

# cowctl's commands have options of their own.
$(O)/man/cowctl.1: $(O)/man/cowctl.h2m
$(O)/man/cowctl.1: includes = -i $(O)/man/cowctl.h2m
$(O)/man/cowctl.h2m: $(O)/cowctl
	@mkdir -p $(@D)
	for c in $$($< --help | sed -n '/^COMMAND is/,/^$$/s/^  \([a-z]*\) .*/\1/p'); do \
		echo "[cowctl $$c]"; echo .nf; \
		$< $$c --help | sed 's/\\/\\e/g; s/-/\\-/g; s/^\./\\\&./' || exit; echo .fi; \
	done >$@

install: prefix = $(DESTDIR)$(PREFIX)
install: lib = $(DESTDIR)$(LIBDIR)
install: completions = $(prefix)/share/bash-completion/completions
install: all man
	install -d "$(prefix)/bin" "$(prefix)/sbin" "$(lib)/pkgconfig"
	install $(programs) $(host_programs) "$(prefix)/bin"
	[ ! -x $(O)/cowlat ] || install $(O)/cowlat "$(prefix)/sbin"
	install -D -m 644 libcowsnap/cowsnap.h "$(prefix)/include/cowsnap.h"
	install -m 644 $(O)/lib/libcowsnap.a $(O)/lib/libcowsnap.so.$(cowsnap_version) \
		$(O)/lib/cowwarm.so "$(lib)"
	[ ! -f $(HOST)/cowmem.so ] || install -D -m 644 $(HOST)/cowmem.so "$(prefix)/lib/cowmem.so"
	ln -sf libcowsnap.so.$(cowsnap_version) "$(lib)/libcowsnap.so.1"
	ln -sf libcowsnap.so.1 "$(lib)/libcowsnap.so"
	for policy in $(wildcard $(O)/policies/*.bpf.o); do \
		install -D -m 644 $$policy "$(prefix)/lib/cowlab/policies/$${policy##*/}" || exit; \
	done
	sed 's,@PREFIX@,$(PREFIX),; s,@LIBDIR@,$(LIBDIR),; s,@VERSION@,$(cowsnap_version),' \
		libcowsnap/cowsnap.pc.in >"$(lib)/pkgconfig/cowsnap.pc"
	for page in $(generated) $(written); do \
		install -D -m 644 $$page "$(prefix)/share/man/man$${page##*.}/$${page##*/}" || exit; \
	done
	install -D -m 644 install/cowlab.bash "$(completions)/cowlab"
	for command in $(commands) cowlat; do \
		ln -sf cowlab "$(completions)/$$command" || exit; \
	done
	@[ -x $(O)/cowlat ] || echo "install: cowlat left out: it was not built (make kernel)"
	@echo "install: done in $(prefix), without the kernel and cowlab.ko (make kernel module)"

.PHONY: man install

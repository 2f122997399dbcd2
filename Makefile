# make                  build the program
# make static           build it without shared libraries, for minimal hosts
# make check            formatting, lints and every test
# make check-system     the program with the real OpenRC, Portage, apt, squid, HAProxy, Prometheus and more; as root
# make run              serve on this machine, for a try
# make demo             show a miss and a hit; needs no network
# make bench            speed and size beside nginx and others, as a Markdown table; contrib/guides/measuring.md says more
# make install          install what make built, with the OpenRC service; DESTDIR and PREFIX as usual
# make install-systemd  the same with systemd units in place of the OpenRC service
# make uninstall        remove all of it again
# make dist             the source as package-cache-VERSION.tar.gz, for the ebuild

PREFIX     ?= /usr
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
COMPDIR    ?= $(PREFIX)/share/bash-completion/completions
UNITDIR    ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
CARGO      ?= cargo
RUSTC      ?= rustc
STATIC_TARGET ?=
INSTALL    ?= install

# What `make run` serves. Some shells export HOST, so the environment does not set that one.
SOURCES    ?= http://distfiles.gentoo.org
CACHE_DIR  ?= /tmp/package-cache
PORT       ?= 4000
HOST        = localhost

CARGO_TARGET_DIR ?= target
BINARY     ?= $(CARGO_TARGET_DIR)/release/package-cache

program    = $(DESTDIR)$(BINDIR)/package-cache
manual     = $(DESTDIR)$(MANDIR)/man8/package-cache.8
completion = $(DESTDIR)$(COMPDIR)/package-cache
init       = $(DESTDIR)$(SYSCONFDIR)/init.d/package-cache
conf       = $(DESTDIR)$(SYSCONFDIR)/conf.d/package-cache
units      = $(DESTDIR)$(UNITDIR)
sysusers   = $(DESTDIR)$(SYSUSERSDIR)/package-cache.conf

shipped_conf = contrib/openrc/conf.d/package-cache
scripts = contrib/demo.sh contrib/openrc/init.d/package-cache.in contrib/cron/package-cache contrib/systemd/verify.sh \
	contrib/completion/package-cache .ci/run $(wildcard tests/system/*.sh)
ebuilds = $(wildcard contrib/gentoo/*/*/*.ebuild)
version = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

all:
	$(CARGO) build --release --locked

# For install and demo: builds only when there is no program yet, so that root runs no cargo.
$(BINARY):
	$(CARGO) build --release --locked

# The musl target where it is installed, else the one that make builds for; STATIC_TARGET names
# another. A target named to cargo has a directory of its own below CARGO_TARGET_DIR.
static:
	@host=$$($(RUSTC) -vV | sed -n 's/^host: //p'); target=$(STATIC_TARGET); \
	if [ -z "$$target" ]; then \
		target=$$(printf '%s\n' "$$host" | sed 's/-linux-gnu/-linux-musl/'); \
		[ -d "$$($(RUSTC) --print target-libdir --target "$$target")" ] || target=$$host; \
	fi; \
	echo "static: $$target"; \
	RUSTFLAGS="$$RUSTFLAGS -C target-feature=+crt-static" \
		$(CARGO) build --release --locked --target "$$target" && \
	$(INSTALL) -d "$(CARGO_TARGET_DIR)/static" && \
	cp "$(CARGO_TARGET_DIR)/$$target/release/package-cache" "$(CARGO_TARGET_DIR)/static/" && \
	echo 'to install it: make install BINARY=$(CARGO_TARGET_DIR)/static/package-cache'

run: all
	$(BINARY) $(addprefix --source ,$(SOURCES)) --cache "$(CACHE_DIR)" --host "$(HOST)" --port "$(PORT)" -v

demo: all
	sh contrib/demo.sh "$(BINARY)"

# make -s bench >table.md keeps the table alone. Growth: the number and size of files, clients of one transfer.
bench: all
	python3 -B contrib/bench/bench.py "$(BINARY)"

bench-growth: all
	python3 -B contrib/bench/bench.py --growth "$(BINARY)"

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	$(CARGO) test --locked
	@if command -v shellcheck >/dev/null; then \
		echo 'shellcheck $(scripts) $(ebuilds)'; shellcheck -x $(scripts) && \
		shellcheck -s bash -e SC2034 $(ebuilds); \
	else echo 'skipped: shellcheck is not installed'; fi
	@if command -v mandoc >/dev/null; then \
		echo 'mandoc -T lint contrib/man/package-cache.8'; \
		mandoc -T lint -W warning contrib/man/package-cache.8; \
	else echo 'skipped: mandoc is not installed'; fi
	@if command -v systemd-analyze >/dev/null; then \
		echo 'systemd-analyze verify contrib/systemd'; sh contrib/systemd/verify.sh; \
	else echo 'skipped: systemd-analyze is not installed'; fi

# CHECKS="apt pip" runs these alone.
check-system: $(BINARY)
	PACKAGE_CACHE="$(abspath $(BINARY))" STATIC="$(abspath $(CARGO_TARGET_DIR))/static/package-cache" \
		tests/system/run.sh $(CHECKS)

install: install-program
	$(INSTALL) -d "$(DESTDIR)$(SYSCONFDIR)/init.d" "$(DESTDIR)$(SYSCONFDIR)/conf.d"
	sed 's|@BINDIR@|$(BINDIR)|g' contrib/openrc/init.d/package-cache.in >"$(init)"
	chmod 0755 "$(init)"
	@if [ -e "$(conf)" ]; then echo 'kept: $(conf)'; \
	else echo '$(INSTALL) $(conf)'; $(INSTALL) -m 0644 $(shipped_conf) "$(conf)"; fi

install-systemd: install-program
	$(INSTALL) -d "$(units)" "$(DESTDIR)$(SYSUSERSDIR)"
	for unit in package-cache package-cache-cull; do \
		sed 's|@BINDIR@|$(BINDIR)|g' contrib/systemd/$$unit.service.in >"$(units)/$$unit.service" && \
		chmod 0644 "$(units)/$$unit.service" || exit 1; \
	done
	$(INSTALL) -m 0644 contrib/systemd/package-cache-cull.timer "$(units)/"
	$(INSTALL) -m 0644 contrib/systemd/sysusers.conf "$(sysusers)"

install-program: $(BINARY)
	$(INSTALL) -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(MANDIR)/man8" "$(DESTDIR)$(COMPDIR)"
	$(INSTALL) -m 0755 "$(BINARY)" "$(program)"
	$(INSTALL) -m 0644 contrib/man/package-cache.8 "$(manual)"
	$(INSTALL) -m 0644 contrib/completion/package-cache "$(completion)"

uninstall:
	rm -f "$(program)" "$(manual)" "$(completion)" "$(init)" "$(sysusers)" \
		"$(units)/package-cache.service" "$(units)/package-cache-cull.service" \
		"$(units)/package-cache-cull.timer"
	@if cmp -s $(shipped_conf) "$(conf)"; then echo 'rm $(conf)'; rm -f "$(conf)"; \
	elif [ -e "$(conf)" ]; then echo 'kept, it was edited: $(conf)'; fi

# What is committed, since nothing else is of one version.
dist:
	git archive --prefix=package-cache-$(version)/ -o package-cache-$(version).tar.gz HEAD

clean:
	$(CARGO) clean

.PHONY: all static run demo bench bench-growth check check-system install install-systemd install-program uninstall dist clean

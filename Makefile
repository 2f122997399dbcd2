# make             build the program
# make check       formatting, lints and every test
# make run         serve on this machine, for a try
# make demo        show a miss and a hit; needs no network
# make install     install what make built; DESTDIR and PREFIX as usual
# make uninstall   remove it again

PREFIX     ?= /usr
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
CARGO      ?= cargo
INSTALL    ?= install

# What `make run` serves. Some shells export HOST, so the environment does not set that one.
SOURCES    ?= http://distfiles.gentoo.org
CACHE_DIR  ?= /tmp/package-cache
PORT       ?= 4000
HOST        = localhost

CARGO_TARGET_DIR ?= target
BINARY     ?= $(CARGO_TARGET_DIR)/release/package-cache

program = $(DESTDIR)$(BINDIR)/package-cache
init    = $(DESTDIR)$(SYSCONFDIR)/init.d/package-cache
conf    = $(DESTDIR)$(SYSCONFDIR)/conf.d/package-cache
manual  = $(DESTDIR)$(MANDIR)/man8/package-cache.8

shipped_conf = contrib/openrc/conf.d/package-cache
scripts = contrib/demo.sh contrib/openrc/init.d/package-cache.in .ci/run

all:
	$(CARGO) build --release --locked

# For install and demo: builds only when there is no program yet, so that root runs no cargo.
$(BINARY):
	$(CARGO) build --release --locked

run: all
	$(BINARY) $(addprefix --source ,$(SOURCES)) --cache "$(CACHE_DIR)" --host "$(HOST)" --port "$(PORT)" -v

demo: all
	sh contrib/demo.sh "$(BINARY)"

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	$(CARGO) test --locked
	@if command -v shellcheck >/dev/null; then \
		echo 'shellcheck $(scripts)'; shellcheck $(scripts); \
	else echo 'skipped: shellcheck is not installed'; fi
	@if command -v mandoc >/dev/null; then \
		echo 'mandoc -T lint contrib/man/package-cache.8'; \
		mandoc -T lint -W warning contrib/man/package-cache.8; \
	else echo 'skipped: mandoc is not installed'; fi

install: $(BINARY)
	$(INSTALL) -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(MANDIR)/man8" \
		"$(DESTDIR)$(SYSCONFDIR)/init.d" "$(DESTDIR)$(SYSCONFDIR)/conf.d"
	$(INSTALL) -m 0755 "$(BINARY)" "$(program)"
	sed 's|@BINDIR@|$(BINDIR)|g' contrib/openrc/init.d/package-cache.in >"$(init)"
	chmod 0755 "$(init)"
	@if [ -e "$(conf)" ]; then echo 'kept: $(conf)'; \
	else echo '$(INSTALL) $(conf)'; $(INSTALL) -m 0644 $(shipped_conf) "$(conf)"; fi
	$(INSTALL) -m 0644 contrib/man/package-cache.8 "$(manual)"

uninstall:
	rm -f "$(program)" "$(init)" "$(manual)"
	@if cmp -s $(shipped_conf) "$(conf)"; then echo 'rm $(conf)'; rm -f "$(conf)"; \
	elif [ -e "$(conf)" ]; then echo 'kept, it was edited: $(conf)'; fi

clean:
	$(CARGO) clean

.PHONY: all run demo check install uninstall clean

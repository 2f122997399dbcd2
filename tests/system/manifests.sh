#!/bin/bash
# The real Portage behind a cache that knows the Manifests: a mirror with bad copies, a cache as the original left it, a
# host's own DISTDIR in its place, and an old client of mirrors that have today's layout alone.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=portage-hosts.sh
. "$(dirname "$0")/portage-hosts.sh"
has_portage ||
	skip "no ebuild: python3 -m venv DIR && DIR/bin/pip install portage, then PORTAGE_VENV=DIR"
needs wget b2sum:coreutils busybox:busybox-static
enter
begin

repo=$work/repo
size=2000000

directory() { # FILE
	printf %s "$1" | b2sum | cut -c 1-2
}

sorted() { # NAME
	package "$1" "$1-1.0.tar.gz" "$work/mirror/distfiles/$(directory "$1-1.0.tar.gz")"
}

at_mirror() { # NAME
	echo "$work/mirror/distfiles/$(directory "$1-1.0.tar.gz")/$1-1.0.tar.gz"
}

has() { # HOST NAME
	cmp "$work/$1/distfiles/$2-1.0.tar.gz" "$(at_mirror "$2")"
}

# Changes one byte of the bad mirror's copy.
spoil() { # NAME
	local copy
	copy=$work/bad/distfiles/$(directory "$1-1.0.tar.gz")/$1-1.0.tar.gz
	mkdir -p "${copy%/*}"
	cp "$(at_mirror "$1")" "$copy"
	printf X | dd of="$copy" bs=1 seek=1000 conv=notrunc status=none
}

# Fetches at the first or second try of the host's own.
fetch_twice() { # HOST NAME
	fetch "$1" "$2" || fetch "$1" "$2"
}

# wget may go on with the rest of a file whose beginning was wrong: then Portage keeps the mixture under such a name and
# tries again. It must never happen to the next host.
no_checksum_failures() { # HOST [NAME]
	[ -z "$(find "$work/$1/distfiles" -name "*${2:-}*_checksum_failure_*")" ]
}

blames_bad_mirror() { # NAME
	grep -E "error: source http://127.0.0.1:8081/.*/$1-1.0.tar.gz: not the file: BLAKE2B .* should be BLAKE2B " "$logs/cache.log"
}

make_repository
for each in bad cut early flat old linked; do sorted "$each"; done
printf '[structure]\n0=filename-hash BLAKE2B 8\n1=flat\n' >"$work/mirror/distfiles/layout.conf"
mkdir -p "$work/bad/distfiles"
cp "$work/mirror/distfiles/layout.conf" "$work/bad/distfiles"
spoil bad
mkdir -p "$work/bad/distfiles/$(directory cut-1.0.tar.gz)"
head -c 1999999 "$(at_mirror cut)" >"$work/bad/distfiles/$(directory cut-1.0.tar.gz)/cut-1.0.tar.gz"
for each in first second; do host "$each"; done
start_mirror 8080
busybox httpd -p 127.0.0.1:8081 -h "$work/bad"
check "the bad mirror listens" await 10 listens 8081

# As the original left it: flat names, one whole, one that was cut.
mkdir -p "$work/cache/distfiles"
cp "$(at_mirror flat)" "$work/cache/distfiles/"
head -c 1500000 "$(at_mirror old)" >"$work/cache/distfiles/old-1.0.tar.gz"

options=(--source http://127.0.0.1:8081 --source http://127.0.0.1:8080 --manifests "$repo" --revalidate @gentoo)
start_cache "${options[@]}"
check "the Manifests are read" await 10 grep 'the Manifests list 6 distfiles' "$logs/cache.log"
check "a host fetches what the first mirror has wrong" fetch_twice first bad
check "it is whole" has first bad
check "the log names the bad mirror" blames_bad_mirror bad
check "the second host has it at once" fetch second bad
check "no bad copy reached it" no_checksum_failures second
check "what the first mirror has too short comes at the first try" fetch first cut
check "without a bad copy" no_checksum_failures first cut
check "and a warning" grep 'warning: source http://127.0.0.1:8081/.*cut-1.0.tar.gz: not the file: 1999999 bytes, should be 2000000' "$logs/cache.log"

before=$(asked flat-1.0)
check "an old flat cache serves today's Portage" fetch first flat
check "without a request to a mirror" test "$(asked flat-1.0)" -eq "$before"
check "what it has cut is fetched anew" fetch first old
check "and whole" has first old
check "and heals" await 10 cmp "$work/cache/distfiles/$(directory old-1.0.tar.gz)/old-1.0.tar.gz" "$(at_mirror old)"

# A client of the flat layout; no mirror has that.
get_flat() {
	wget -q -t 3 -O "$work/early" "$cache_url/distfiles/early-1.0.tar.gz"
}
check "an old client's flat name is found in today's layout" get_flat
check "it is whole" cmp "$work/early" "$(at_mirror early)"
stored_once() {
	[ "$(find "$work/cache/distfiles" -name 'early-1.0.tar.gz' | wc -l)" -eq 1 ]
}
# It gets its name after its client has the last byte.
check "it is stored once" await 10 stored_once

# A host's own DISTDIR in the place of distfiles.
kill "$cache_pid"
wait "$cache_pid" || :
mkdir -p "$work/distdir"
cp "$(at_mirror linked)" "$work/distdir/"
mv "$work/cache/distfiles" "$work/cache/before"
ln -s "$work/distdir" "$work/cache/distfiles"
start_cache "${options[@]}"
before=$(asked linked-1.0)
check "a linked DISTDIR serves today's Portage" fetch second linked
check "it is whole" has second linked
check "without a request to a mirror" test "$(asked linked-1.0)" -eq "$before"
check "no bad copy reached the second host at all" no_checksum_failures second

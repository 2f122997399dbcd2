#!/bin/bash
# The real Portage behind the cache: hosts with settings and a DISTDIR of their own fetch from a mirror
# that sorts its files as Gentoo's mirrors do, and verify them against Manifests.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=portage-hosts.sh
. "$(dirname "$0")/portage-hosts.sh"
has_portage ||
	skip "no ebuild: python3 -m venv DIR && DIR/bin/pip install portage, then PORTAGE_VENV=DIR"
needs wget b2sum:coreutils ss:iproute2
enter
begin

repo=$work/repo
size=4000000
layout() { # BITS of the file name's hash that name its directory
	printf '[structure]\n0=filename-hash BLAKE2B %s\n1=flat\n' "$1"
}

directory() { # FILE DIGITS
	printf %s "$1" | b2sum | cut -c "1-$2"
}

# A package whose file lies where Gentoo's mirrors have it.
sorted() { # NAME FILE
	package "$1" "$2" "$work/mirror/distfiles/$(directory "$2" 2)"
}

make_repository
sorted plain plain-1.0.tar.gz
sorted plus gtk++-1.0~rc1.tar.gz
sorted shared shared-1.0.tar.gz
sorted slow slow-1.0.tar.gz
sorted later later-1.0.tar.gz
sorted false false-1.0.tar.gz
layout 8 >"$work/mirror/distfiles/layout.conf"
touch -d '1 day ago' "$work/mirror/distfiles/layout.conf"

has() { # HOST FILE: Portage gives a file its name once its digests were right
	cmp "$work/$1/distfiles/$2" "$work"/mirror/distfiles/*/"$2"
}

forget_layout() { # HOST
	rm "$work/$1/distfiles/.mirror-cache.json"
}

clients() { # COUNT
	[ "$(ss -Htn state established dport = :4000 | wc -l)" -eq "$1" ]
}

joined() { # FILE COUNT
	[ "$(grep -c "$1.* COLLAPSED" "$logs/cache.log")" -eq "$2" ]
}

grown() { # FILE SIZE
	[ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]
}

cached() { # URL FILE
	curl -sS --max-time 20 "$1" | cmp - "$2"
}

for each in first second third fourth; do host "$each"; done
start_mirror 8080 'location ~ slow|shared { limit_rate 1m; }'
start_cache --source http://127.0.0.1:8080 --revalidate @gentoo

check "a file is fetched and verified" fetch first plain
check "it is whole" has first plain-1.0.tar.gz
check "the mirror's layout was followed" asked_once "^GET /distfiles/$(directory plain-1.0.tar.gz 2)/plain-1.0.tar.gz 200"
check "a name with + and ~ is fetched" fetch first plus
check "it is whole" has first gtk++-1.0~rc1.tar.gz
before=$(asked tar)
check "a second host fetches both" fetch second plain
check "and verifies both" fetch second plus
check "without any request for them to the mirror" test "$(asked tar)" -eq "$before"

place=$(directory false-1.0.tar.gz 2)
mkdir -p "$work/cache/distfiles/$place"
head -c "$size" /dev/zero >"$work/cache/distfiles/$place/false-1.0.tar.gz"
check "false content in the cache is refused: Portage does verify" not fetch first false

# Four at once: the mirror is held until all of them wait for the file.
for each in third fourth; do cp "$work/first/distfiles/.mirror-cache.json" "$work/$each/distfiles/"; done
worker=$(pgrep -P "$(cat "$work/mirror.pid")")
kill -STOP "$worker"
pids=
for each in first second third fourth; do
	fetch "$each" shared >"$logs/shared-$each" 2>&1 &
	pids="$pids $!"
done
check "four Portage processes wait for one file" await 20 clients 4
kill -CONT "$worker"
for pid in $pids; do check "each of the four fetches and verifies" wait "$pid"; done
check "the mirror had one GET for it" asked_once '^GET .*shared-1.0.tar.gz'
check "three joined the transfer of the first" await 10 joined shared 3

# A break in mid-file: the cache is killed. Portage goes on with 350 KiB or more.
fetch first slow >"$logs/slow" 2>&1 &
client=$!
part=$work/first/distfiles/slow-1.0.tar.gz.__download__
check "a slow file arrives in part" await 30 grown "$part" 400000
kill -9 "$cache_pid"
check "the fetch fails when the cache is killed" not wait "$client"
check "Portage keeps the part" grown "$part" 400000
start_cache --source http://127.0.0.1:8080 --revalidate @gentoo
check "the next fetch succeeds" fetch first slow
check "with a Range, answered 206" await 10 grep 'GET .*slow-1.0.tar.gz.* 206 ' "$logs/cache.log"
check "the file is whole" has first slow-1.0.tar.gz
slow=distfiles/$(directory slow-1.0.tar.gz 2)/slow-1.0.tar.gz
check "the cache stored it whole" await 20 cmp "$work/cache/$slow" "$work/mirror/$slow"

# The mirror changes its layout.
old=$work/mirror/distfiles/$(directory later-1.0.tar.gz 2)
new=$work/mirror/distfiles/$(directory later-1.0.tar.gz 1)
mkdir "$new"
mv "$old/later-1.0.tar.gz" "$new"
layout 4 >"$work/mirror/distfiles/layout.conf"
check "a changed layout.conf is noticed" await 15 cached "$cache_url/distfiles/layout.conf" "$work/mirror/distfiles/layout.conf"
forget_layout first
check "a file is fetched by the new layout" fetch first later
check "from its new place" asked_once "^GET /distfiles/${new##*/}/later-1.0.tar.gz 200"

stop_mirror
rm "$work/second/distfiles/"*.gz
forget_layout second
check "with the mirror down, a host fetches what is stored" fetch second later

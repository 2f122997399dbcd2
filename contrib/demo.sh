#!/bin/sh
# Shows a miss and a hit without a network: one package-cache without sources plays the mirror
# (a plain file server), a second one in front of it is the cache.
#
# usage: demo.sh [PROGRAM]
set -eu

program=${1:-target/release/package-cache}
case $program in
*/*) ;;
*) program=./$program ;;
esac
here=$(dirname "$0")
work=$(mktemp -d "${TMPDIR:-/tmp}/package-cache-demo.XXXXXX")
mirror_pid=
cache_pid=

# The demo is about loopback: no proxy may come between.
unset http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY

clean_up() {
	for pid in $cache_pid $mirror_pid; do
		kill "$pid" 2>/dev/null || continue
		wait "$pid" 2>/dev/null || :
	done
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

fail() {
	echo "demo: $*" >&2
	tail -n 5 "$work"/*.log >&2 2>/dev/null || :
	exit 1
}

# Runs COMMAND until it succeeds, for ten seconds at most.
await() { # COMMAND...
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -le 100 ] || fail "not within ten seconds: $*"
		sleep 0.1 2>/dev/null || sleep 1
	done
}

# How many requests LOG has seen.
requests() { # LOG
	grep -c '"GET ' "$1" || :
}

has_requests() { # LOG COUNT
	[ "$(requests "$1")" -ge "$2" ]
}

# The address in the readiness line, without the last slash.
address() { # LOG
	await grep -q 'listening on http://' "$1"
	sed -n 's|.*listening on \(http://[^/]*\)/.*|\1|p' "$1" | head -n 1
}

# Fetches URL into NAME, the response head into NAME.head.
fetch() { # URL NAME
	if command -v curl >/dev/null; then
		curl -sS -f --max-time 60 -D "$2.head" -o "$2" "$1"
	else
		wget -S -O "$2" "$1" 2>"$2.head"
	fi || fail "cannot fetch $1"
	sed -n 's/^ *\([Cc]ache-[Ss]tatus:.*\)/   \1/p' "$2.head" | tr -d '\r'
}

checksum() { # FILE
	if command -v sha256sum >/dev/null; then sha256sum <"$1"; else cksum <"$1"; fi | cut -d ' ' -f 1
}

file=distfiles/de/demo-1.0.tar
mkdir -p "$work/mirror/distfiles/de" "$work/payload"
dd if=/dev/urandom of="$work/payload/data" bs=1048576 count=20 2>/dev/null
cp "$program" "$here"/*.sh "$work/payload"
tar -cf "$work/mirror/$file" -C "$work/payload" .

"$program" --cache "$work/mirror" --host 127.0.0.1 --port 0 -v 2>"$work/mirror.log" &
mirror_pid=$!
mirror=$(address "$work/mirror.log")
"$program" --cache "$work/cache" --host 127.0.0.1 --port 0 -v --source "$mirror" 2>"$work/cache.log" &
cache_pid=$!
cache=$(address "$work/cache.log")
echo "the mirror   $mirror"
echo "the cache    $cache  (asks the mirror for what it does not have)"
echo "the file     /$file, $(wc -c <"$work/mirror/$file" | tr -d ' ') bytes"
echo

echo "1. The first request is a miss: stored while it is sent."
fetch "$cache/$file" "$work/first"
# The client does not wait until the file is safe on disk; a hit does.
await test -e "$work/cache/$file"
echo "2. The second is a hit: the mirror is not asked."
fetch "$cache/$file" "$work/second"
await has_requests "$work/cache.log" 2
await has_requests "$work/mirror.log" 1

echo "3. The cache's log; the last words are cache status and time:"
sed -n 's/^\(.*"GET .*\)$/   \1/p' "$work/cache.log"
asked=$(requests "$work/mirror.log")
echo "4. Requests that reached the mirror: $asked"
echo "5. The same bytes everywhere:"
for copy in "mirror/$file" "cache/$file" first second; do
	echo "   $(checksum "$work/$copy")  $copy"
	cmp -s "$work/mirror/$file" "$work/$copy" || fail "$copy differs from the mirror's file"
done
grep -q ' HIT ' "$work/cache.log" || fail "no hit"
[ "$asked" -eq 1 ] || fail "the mirror was asked $asked times, not once"

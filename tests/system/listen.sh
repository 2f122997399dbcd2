#!/bin/bash
# The addresses listened on: :: where the kernel leaves IPv4 out of it, and names that give an address twice.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
enter
begin

answers() { # URL
	curl -sS --max-time 5 -o /dev/null -w '%{http_code}\n' "$1/file" | grep -x 200
}

start() { # HOST
	"$program" --cache "$work/cache" --host "$1" 2>"$logs/cache.log" &
	cache_pid=$!
	await 10 grep -F 'listening on' "$logs/cache.log"
}

stop() {
	kill "$cache_pid"
	wait "$cache_pid"
}

mkdir "$work/cache"
echo content >"$work/cache/file"
cp /etc/hosts "$work/hosts"
printf '%s\n' '127.0.0.1 twice.example' '127.0.0.2 twice.example' '127.0.0.1 twice.example' >>"$work/hosts"
mount --bind "$work/hosts" /etc/hosts

for only in 0 1; do
	echo "$only" >/proc/sys/net/ipv6/bindv6only
	check "bindv6only=$only: it starts on ::" start ::
	check "bindv6only=$only: it answers over IPv4" answers http://127.0.0.1:4000
	check "bindv6only=$only: it answers over IPv6" answers 'http://[::1]:4000'
	check "bindv6only=$only: it stops" stop
done
check "it starts on a name that gives an address twice" start twice.example
check "it answers at the first" answers http://127.0.0.1:4000
check "it answers at the second" answers http://127.0.0.2:4000
check "it stops" stop

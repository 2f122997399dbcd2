#!/bin/bash
# Three caches behind the real HAProxy, with the configuration that comes with the program: each file has its
# home at one of them. One is killed in mid-transfer, comes back, and is stopped.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=portage-hosts.sh
. "$(dirname "$0")/portage-hosts.sh"
needs haproxy wget b2sum:coreutils shuf:coreutils
enter
begin

repo=$work/repo
size=3000000
files=300
clients=20
pids=(0 0 0 0)

start() { # CACHE
	"$program" --cache "$work/cache$1" --host 127.0.0.1 --port "400$1" -v --source http://127.0.0.1:8080 \
		2>>"$logs/cache$1" &
	pids[$1]=$!
	await 10 listens "400$1"
}

note() { # FACT, for the reader
	echo "         $name: $*"
}

# What HAProxy last said of the cache.
is() { # CACHE UP|DOWN
	grep -o "Server caches/cache$1 is [A-Z]*" "$logs/haproxy" | tail -n 1 | grep -q "$2"
}

# Asks for every small file, in an order of its own, and compares. Half of the clients escape the +.
client() { # NUMBER [OPTION...]
	local to=$work/client$1 plus=+
	[ $(($1 % 2)) -eq 0 ] || plus=%2B
	rm -rf "$to"
	mkdir "$to"
	shuf "$work/names" | sed "s|.*|url = $cache_url/distfiles/&\noutput = $to/&|; /^url/s|+|$plus|" |
		curl -sS --max-time 30 --fail --no-progress-meter "${@:2}" -K - || return 1
	diff -r "$to" "$work/mirror/distfiles" --exclude='slow*' --exclude=layout.conf
}

start_clients() { # [OPTION...]
	local each
	running=()
	for each in $(seq "$clients"); do
		client "$each" "$@" >>"$logs/clients" 2>&1 &
		running+=($!)
	done
}

end_well() {
	local each
	for each in "${running[@]}"; do wait "$each" || return 1; done
}

all_clients() {
	start_clients
	end_well
}

by_nginx() { # CLIENT
	cache_url=http://127.0.0.1:4006 client "$1"
}

# With + escaped, and without.
two_more() {
	local before
	before=$(fetched)
	by_nginx 1 && by_nginx 2 && [ "$(fetched)" -eq "$before" ]
}

# The names of the small files that the cache stores.
held() { # CACHE
	find "$work/cache$1/distfiles" -name 'small*' -printf '%f\n'
}

held_once() {
	[ "$(for each in 1 2 3; do held "$each"; done | sort | uniq -u | wc -l)" -eq "$files" ]
}

# How often the source was asked for small files.
fetched() {
	asked '^GET /distfiles/small.* 200'
}

# Which of the small files the cache was asked for since its log had LINES lines.
asked_of() { # CACHE LINES
	tail -n "+$(($2 + 1))" "$logs/cache$1" | grep -o '"GET /distfiles/small[^ ]*' | sort -u
}

lines() { # FILE
	wc -l <"$1"
}

part() { # FILE: some of it is there, not all
	local has
	has=$(stat -c %s "$1" 2>/dev/null || echo 0)
	[ "$has" -ge 300000 ] && [ "$has" -lt "$size" ]
}

mkdir "$work/mirror/distfiles"
for each in $(seq "$files"); do
	echo "small++-1.$each.tar"
	head -c 8000 /dev/urandom >"$work/mirror/distfiles/small++-1.$each.tar"
done >"$work/names"
printf '[structure]\n0=flat\n' >"$work/mirror/distfiles/layout.conf"
start_mirror 8080 'location ~ slow { limit_rate 450k; }'
for each in 1 2 3; do start "$each"; done

check "HAProxy takes the configuration as it comes" haproxy -c -f "$top/contrib/haproxy/package-cache.cfg"
sed -e 's/192\.0\.2\.1\([123]\):4000/127.0.0.1:400\1/' -e 's/bind :4000 v4v6/bind 127.0.0.1:4000/' \
	-e 's/distfiles.gentoo.org:80/127.0.0.1:8080/' -e 's/slowstart 30s/slowstart 3s/' \
	-e 's|log /dev/log local0|log stderr format raw local0|' \
	"$top/contrib/haproxy/package-cache.cfg" >"$work/haproxy.cfg"
haproxy -db -f "$work/haproxy.cfg" 2>"$logs/haproxy" &
haproxy=$!
await 10 listens 4000

check "$clients clients get $files files each" all_clients
check "the source was asked once for each" test "$(fetched)" -eq "$files"
check "each lies in one cache" held_once
note "the files lie at $(held 1 | wc -l), $(held 2 | wc -l), $(held 3 | wc -l)"

# Names whose home is the first cache, for the clients that are to see it die.
heads() { # COUNT: so many are in the logs
	[ "$(cat "$logs"/cache[123] | grep -c '"HEAD ')" -eq "$1" ]
}
for each in $(seq 30); do curl -sS -I --max-time 10 -o /dev/null "$cache_url/distfiles/slow-$each.tar"; done
await 10 heads 30
slow=()
for each in $(seq 30); do
	if grep -q "HEAD /distfiles/slow-$each.tar" "$logs/cache1"; then slow+=("slow-$each.tar"); fi
done
[ "${#slow[@]}" -ge 5 ]
make_repository
for each in 0 1 2 3 4; do package "slow$each" "${slow[each]}" "$work/mirror/distfiles"; done
if has_portage; then
	host first
	fetch first slow2 >"$logs/portage" 2>&1 &
	by_portage=$!
	check "Portage has a part of a file" await 30 part "$work/first/distfiles/${slow[2]}.__download__"
else
	note "no Portage here: that client is left out"
fi
wget -nv -t 3 -O "$work/by-wget" "$cache_url/distfiles/${slow[0]}" 2>"$logs/wget" &
by_wget=$!
curl -sS --retry 3 --retry-all-errors -o "$work/by-curl" "$cache_url/distfiles/${slow[1]}" 2>"$logs/curl" &
by_curl=$!
check "wget has a part of a file" await 20 part "$work/by-wget"
check "curl has a part of a file" await 20 part "$work/by-curl"
check "none is done" part "$work/by-wget"
before=$(fetched)
kill -9 "${pids[1]}"
killed=$SECONDS
check "the cache is killed; wget -t 3 ends well" wait "$by_wget"
check "its file is whole" cmp "$work/by-wget" "$work/mirror/distfiles/${slow[0]}"
check "curl --retry --retry-all-errors ends well" wait "$by_curl"
check "its file is whole" cmp "$work/by-curl" "$work/mirror/distfiles/${slow[1]}"
if has_portage; then
	check "Portage ends well, by its own retries" wait "$by_portage"
	check "its file is whole" cmp "$work/first/distfiles/${slow[2]}" "$work/mirror/distfiles/${slow[2]}"
fi
check "HAProxy knows that the cache is gone" await 10 is 1 DOWN
check "all clients get all files without it, no retry needed" all_clients
check "only what it held was fetched again" test "$(($(fetched) - before))" -eq "$(held 1 | wc -l)"
note "fetched again: $(held 1 | wc -l) of $files files"

# It comes back with what it has stored, and gets its files little by little.
since=$(lines "$logs/cache1")
before=$(fetched)
start 1
check "the cache comes back, and HAProxy knows" await 10 is 1 UP
sleep 3.5
check "all clients get all files" all_clients
back=$(asked_of 1 "$since" | sed 's|.*/||; s|%2B|+|g' | sort -u | comm -12 - <(held 1 | sort) | wc -l)
check "at least two thirds of its files are asked of it again" test $((back * 3)) -ge $(($(held 1 | wc -l) * 2))
check "nothing is fetched again" test "$(fetched)" -eq "$before"
note "asked of it again: $back of $(held 1 | wc -l)"

# The form for nginx in the guide.
{
	echo "user root; pid $work/nginx.pid; error_log $logs/nginx; worker_processes 1; events {} http { access_log off;"
	sed -n 's/^    //; /^upstream caches {/,/^}$/p; /^server {/,/^}$/p' "$top/contrib/guides/several-caches.md" |
		sed -e 's/192\.0\.2\.1\([123]\):4000/127.0.0.1:400\1/' -e 's/listen 4000/listen 127.0.0.1:4006/' \
			-e 's/distfiles.gentoo.org/127.0.0.1:8080/'
	echo "}"
} >"$work/nginx.conf"
nginx -c "$work/nginx.conf" 2>>"$logs/nginx"
await 10 listens 4006
check "a client gets all files through nginx, as the guide has it" by_nginx 0
check "two clients cause no request to the source after that" two_more
note "the caches hold $(held 1 | wc -l), $(held 2 | wc -l), $(held 3 | wc -l) after the balancers' different hashes"

# A graceful stop, while clients ask and a large file is on its way.
health() { # PORT STATUS
	[ "$(curl -sS --max-time 5 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/.package-cache/health")" = "$2" ]
}
check "the health of a running cache is 200" health 4001 200
curl -sS --fail -o "$work/large" "$cache_url/distfiles/${slow[3]}" 2>"$logs/large" &
large=$!
check "a large file is on its way" await 20 part "$work/large"
# Balancers that keep their connections ask on one that is busy until then.
printf 'GET %s HTTP/1.1\r\nHost: cache\r\n\r\n' "/distfiles/${slow[4]}" /.package-cache/health |
	timeout 20 busybox nc 127.0.0.1 4001 >"$work/busy" &
busy=$!
check "a connection to the cache itself is busy" await 20 part "$work/busy"
start_clients --retry 3 --retry-all-errors
sleep 0.3
kill "${pids[1]}"
check "a cache that stops refuses new connections" await 5 not listens 4001
check "no client sees an error that a retry does not cure" end_well
check "the large file arrives whole, without a retry" wait "$large"
check "it is whole" cmp "$work/large" "$work/mirror/distfiles/${slow[3]}"
check "the busy connection ends" wait "$busy"
check "its health was 503 by then" grep -a 'HTTP/1.1 503 ' "$work/busy"
check "the cache ends well" wait "${pids[1]}"

# No cache is left: the mirror itself.
kill "${pids[2]}" "${pids[3]}"
gone() {
	is 1 DOWN && is 2 DOWN && is 3 DOWN
}
check "HAProxy knows that no cache is left" await 15 gone
check "the mirror itself answers" client 1
check "so it does through nginx" by_nginx 1
kill "$(cat "$work/nginx.pid")"
kill "$haproxy"
note "from the kill to here: $((SECONDS - killed)) s"

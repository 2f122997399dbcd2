#!/bin/bash
# The service under the real OpenRC: started, stopped and restarted by rc-service, kept
# alive by supervise-daemon, in a copy-on-write view of this host's root.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
needs rc-service:openrc supervise-daemon:openrc make useradd:passwd
enter
begin

root=$work/root
conf=$root/etc/conf.d/package-cache

# The root: this host's, but nothing written reaches it; /dev and /run are new.
mkdir "$work/layer" "$root"
mount -t tmpfs layer "$work/layer"
mkdir "$work/layer/upper" "$work/layer/scratch"
mount -t overlay -o "lowerdir=/,upperdir=$work/layer/upper,workdir=$work/layer/scratch" root "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs run "$root/run"
mount -t tmpfs dev "$root/dev"
for each in null zero full random urandom tty; do
	touch "$root/dev/$each"
	mount --bind "/dev/$each" "$root/dev/$each"
done

inside() {
	chroot "$root" "$@"
}

service() { # SERVICE ACTION; what it says is in $logs/console
	inside rc-service "$@" >"$logs/console" 2>&1
}

says() { # PATTERN
	grep -e "$1" "$logs/console"
}

# The daemon itself, not its supervisor.
daemon() { # PORT
	inside pgrep -f "^/usr/bin/package-cache .*--port $1 "
}

runs_as() { # PORT USER:GROUP
	[ "$(inside ps -o user:32=,group:32= -p "$(daemon "$1")" | awk '{ print $1 ":" $2 }')" = "$2" ]
}

another_runs() { # PORT PID
	local pid
	pid=$(daemon "$1") && [ "$pid" != "$2" ] && listens "$1"
}

owned_by() { # USER:GROUP PATH...
	local owner=$1
	shift
	[ "$(inside stat -c %U:%G "$@" | sort -u)" = "$owner" ]
}

fetch() { # PORT PATH
	curl -sS -f --max-time 20 -D "$logs/head" -o "$work/fetched" "http://127.0.0.1:$1$2"
	cmp "$work/fetched" "$work/mirror$2"
}

sed -i '/^package-cache:/d' "$root/etc/passwd"
inside getent group portage >/dev/null || inside groupadd -r portage
inside useradd -r -g portage -d / -s /sbin/nologin package-cache
rm -rf "$root/etc/init.d/package-cache"* "$root/etc/conf.d/package-cache"* "$root/var/cache/package-cache"*
make -s -C "$top" install DESTDIR="$root" BINARY="$program" >>"$logs/commands" 2>&1
# What OpenRC makes when it boots a host.
mkdir -p "$root/run/openrc/"{daemons,exclusive,failed,inactive,options,started,starting,stopping,wasinactive}
echo default >"$root/run/openrc/softlevel"
mkdir "$work/mirror/distfiles"
inside busybox syslogd -n -O /run/syslog &
await 10 test -S "$root/dev/log"
ln -s "$root/run/syslog" "$logs/syslog"
head -c 300000 /dev/urandom >"$work/mirror/distfiles/one.tar"
head -c 300000 /dev/urandom >"$work/mirror/distfiles/two.tar"
head -c 20000000 /dev/urandom >"$work/mirror/distfiles/slow.tar"
start_mirror 8080 'location = /distfiles/slow.tar { limit_rate 1200k; }'

cat >>"$conf" <<'END'
HOST="127.0.0.1"
PORT="4100"
SOURCES="http://127.0.0.1:8081 http://127.0.0.1:8080"
PC_OPTS="-v --timeout 7"
END
check "start succeeds" service package-cache start
check "the service listens on PORT" await 10 listens 4100
check "status says started" service package-cache status
check "the options in PC_OPTS are the daemon's" pgrep -f 'bin/package-cache .*--timeout 7'
check "the daemon is PC_USER:PC_GROUP" runs_as 4100 package-cache:portage
check "a file comes from the second of two SOURCES" fetch 4100 /distfiles/one.tar
check "what is written belongs to PC_USER:PC_GROUP" await 10 owned_by package-cache:portage \
	/var/cache/package-cache /var/cache/package-cache/distfiles/one.tar
check "syslog has the request, as daemon.info" await 10 \
	grep -E 'daemon\.info package-cache\[[0-9]+\]: .*GET /distfiles/one.tar' "$root/run/syslog"
check "syslog has the dead source, as daemon.warn" \
	grep -E 'daemon\.warn package-cache\[[0-9]+\]: .*127\.0\.0\.1:8081' "$root/run/syslog"

pid=$(daemon 4100)
check "restart succeeds" service package-cache restart
check "another daemon runs after restart" await 20 another_runs 4100 "$pid"
check "it serves the stored file" fetch 4100 /distfiles/one.tar
check "as a hit" grep -i '^cache-status:.*hit' "$logs/head"

# Clients that fetch in a loop, each a line "SECONDS STATUS BYTES" for each try: that of curl, or "wrong".
client() { # NUMBER PATH
	local status got=$work/got$1
	until [ -e "$work/enough" ]; do
		rm -f "$got"
		status=0
		curl -s -f --max-time 20 -o "$got" "http://127.0.0.1:4100$2" || status=$?
		[ "$status" -ne 0 ] || cmp -s "$got" "$work/mirror$2" || status=wrong
		echo "$SECONDS $status $(stat -c %s "$got" 2>/dev/null || echo 0)"
		[ "$status" = 0 ] || sleep 0.1
	done >"$logs/client$1"
}

# One that fetches a file once, and goes on where it was cut.
patient() { # PATH
	local end=$((SECONDS + 90)) status=1
	while [ "$status" -ne 0 ] && [ "$SECONDS" -le "$end" ]; do
		status=0
		curl -s -f --max-time 60 -C - -o "$work/patient" "http://127.0.0.1:4100$1" || status=$?
		echo "$SECONDS $status $(stat -c %s "$work/patient" 2>/dev/null || echo 0)"
		[ "$status" = 0 ] || sleep 0.2
	done >"$logs/patient"
	cmp "$work/patient" "$work/mirror$1"
}

clients_come() {
	local each
	rm -f "$work/enough" "$logs"/client*
	clients=()
	for each in 1 2 3 4; do
		client "$each" /distfiles/one.tar &
		clients+=("$!")
	done
	await 10 clients_are_served
}

# Each has been served since it last failed.
clients_are_served() {
	local each
	for each in 1 2 3 4; do tail -n 1 "$logs/client$each" | grep -q ' 0 ' || return 1; done
}

clients_go() {
	touch "$work/enough"
	wait "${clients[@]}"
}

# Each try gave the file, or nothing at all: refused, or reset before the first byte.
whole_or_nothing() {
	not grep -hvE '^[0-9]+ (0 300000|(7|52|56) 0)$' "$logs"/client?
}

# No client went unserved for longer.
longest_gap() { # SECONDS
	awk -v most="$1" 'FNR == 1 { last = $1 } $2 == 0 { if ($1 - last > gap) gap = $1 - last; last = $1 }
		END { print "longest gap: " gap " s"; exit gap > most }' "$logs"/client?
}

pid=$(daemon 4100)
check "clients fetch" clients_come
check "restart under load succeeds" service package-cache restart
check "another daemon runs" another_runs 4100 "$pid"
check "every client that tries again is served" await 10 clients_are_served
check "they go" clients_go
check "none was given a wrong byte or a part" whole_or_nothing
check "none was refused for long" longest_gap 5

fetched() { # BYTES
	[ "$(stat -c %s "$work/patient" 2>/dev/null || echo 0)" -ge "$1" ]
}

# A long answer has the 10 seconds of grace, and is cut then.
pid=$(daemon 4100)
check "clients fetch" clients_come
patient /distfiles/slow.tar &
clients+=("$!")
check "one of them a file that takes long" await 20 fetched 3000000
check "restart succeeds" service package-cache restart
check "another daemon runs" another_runs 4100 "$pid"
check "every client that tries again is served" await 10 clients_are_served
check "the slow one too, to the last byte" await 60 grep -qE ' 0 20000000$' "$logs/patient"
check "all of it is right" clients_go
check "it was cut at the end of the grace" grep -E '^[0-9]+ 18 [0-9]{8}$' "$logs/patient"
check "the others got no wrong byte and no part" whole_or_nothing
check "and were refused no longer than the grace lasts" longest_gap 20
check "the mirror was asked for all of it once" asked_once '^GET /distfiles/slow.tar 200 '
check "and then for the rest" asked_once '^GET /distfiles/slow.tar 206 bytes=[0-9]{8}-'
check "it is stored" await 10 cmp "$root/var/cache/package-cache/distfiles/slow.tar" "$work/mirror/distfiles/slow.tar"

pid=$(daemon 4100)
check "reload is refused" not service package-cache reload
check "the console names what serves" says 'rc-service package-cache restart'
check "and the daemon runs on" test "$(daemon 4100)" = "$pid"
kill -HUP "$pid"
check "SIGHUP is a stop, after which it is started again" await 30 another_runs 4100 "$pid"

# Each variable with several words, one of which a shell would make file names of.
repository() { # DIRECTORY
	mkdir -p "$root$1/profiles" "$root$1/app-misc/x"
	echo test >"$root$1/profiles/repo_name"
	echo "DIST wrong-1.tar 300000 BLAKE2B $(printf '%0128d' 7)" >"$root$1/app-misc/x/Manifest"
}

arguments_are() { # ARGUMENT...
	[ "$(tr '\0' '\n' <"/proc/$(daemon 4100)/cmdline" | grep -A1 -xE -e '--(source|revalidate|manifests|allow)' |
		grep -vxe --)" = "$(printf '%s\n' "$@")" ]
}

named() { # PATH PATH_THERE
	curl -sS -f --max-time 20 "http://127.0.0.1:4100$1" | cmp - "$work/mirror$2"
}

asked_again() { # PATH
	fetch 4100 "$1" && fetch 4100 "$1" && grep -i '^cache-status:.*fwd=stale' "$logs/head"
}

refuses() { # PATH
	not curl -sS -f --max-time 20 -o "$work/fetched" "http://127.0.0.1:4100$1"
}

cp "$conf" "$conf.good"
repository /srv/one
repository "/srv/it's"
cp "$work/mirror/distfiles/one.tar" "$work/mirror/distfiles/wrong-1.tar"
cp "$work/mirror/distfiles/one.tar" "$work/mirror/distfiles/list.changes"
mkdir "$work/mirror/below"
head -c 5000 /dev/urandom >"$work/mirror/below/three.tar"
cat >>"$conf" <<'END'
SOURCES="http://127.0.0.1:8080 extra=http://127.0.0.1:8080/below"
REVALIDATE="@gentoo  /*.changes"
MANIFESTS="/srv/one /srv/it's"
ALLOW="192.0.2.0/24 2001:db8::/32"
END
check "restart with words in each variable succeeds" service package-cache restart
check "all of them are the daemon's arguments" arguments_are \
	--source http://127.0.0.1:8080 --source extra=http://127.0.0.1:8080/below --revalidate @gentoo --revalidate '/*.changes' \
	--manifests /srv/one --manifests "/srv/it's" --allow 192.0.2.0/24 --allow 2001:db8::/32
check "what a NAME= serves is asked there, without the name" named /extra/three.tar /below/three.tar
check "what REVALIDATE names is asked for again" asked_again /distfiles/list.changes
check "what MANIFESTS contradicts is not given" refuses /distfiles/wrong-1.tar
mv "$conf.good" "$conf"
check "restart without them succeeds" service package-cache restart

pid=$(daemon 4100)
cp "$conf" "$conf.good"
echo 'SOURCES="ftp://mirror.example/"' >>"$conf"
check "restart with a wrong source fails" not service package-cache restart
check "the console tells why" says ftp://mirror.example/
check "the daemon that ran still runs" test "$(daemon 4100)" = "$pid"
mv "$conf.good" "$conf"

rm -r "$root/var/cache/package-cache"
check "restart with a cache directory that is not there succeeds" service package-cache restart
check "another daemon runs" await 20 another_runs 4100 "$pid"
check "the directory is there, and the daemon's" owned_by package-cache:portage /var/cache/package-cache
check "it stores again" fetch 4100 /distfiles/one.tar
pid=$(daemon 4100)

kill -9 "$pid"
check "a killed daemon is started again" await 30 another_runs 4100 "$pid"
check "status says started again" service package-cache status

# supervise-daemon waits for all of retry here, since it does not see that its child is gone.
init=$root/etc/init.d/package-cache
cp "$init" "$work/init"
sed -i 's|^retry=.*|retry="TERM/1/KILL/1"|' "$init"
echo 'healthcheck_timer="3"' >>"$conf"
check "restart with a healthcheck_timer succeeds" service package-cache restart
check "the daemon runs" await 20 listens 4100
pid=$(daemon 4100)
check "it is asked" await 15 grep -E 'package-cache\[[0-9]+\]: .*"GET /[^ ]* HTTP/1.1" 200 .*package-cache-status' "$root/run/syslog"
check "and runs on" test "$(daemon 4100)" = "$pid"
kill -STOP "$pid"
check "silence is noticed" await 40 grep 'health check for package-cache failed' "$root/run/syslog"
kill -CONT "$pid"
check "a daemon that was silent is replaced" await 40 another_runs 4100 "$pid"
check "it serves" fetch 4100 /distfiles/one.tar
sed -i '/^healthcheck_timer/d' "$conf"
cp "$work/init" "$init"
check "restart without it succeeds" service package-cache restart

check "cull without PC_CULL fails" not service package-cache cull
check "the console tells why" says PC_CULL
echo 'PC_CULL="--unused-for 30d -v"' >>"$conf"
echo old >"$root/var/cache/package-cache/old"
touch -d '31 days ago' "$root/var/cache/package-cache/old"
inside chown package-cache:portage /var/cache/package-cache/old
check "cull runs beside the daemon" service package-cache cull
check "the unused file is gone" not test -e "$root/var/cache/package-cache/old"
check "the used one is there" test -e "$root/var/cache/package-cache/distfiles/one.tar"

ln -s package-cache "$root/etc/init.d/package-cache.debian"
cat >"$root/etc/conf.d/package-cache.debian" <<'END'
PORT="4200"
CACHE_DIR="/var/cache/package-cache.debian"
END
check "a second instance starts through a link" service package-cache.debian start
check "it listens beside the first" await 10 listens 4200
check "it serves" fetch 4200 /distfiles/two.tar
check "it has a cache of its own" await 10 test -f "$root/var/cache/package-cache.debian/distfiles/two.tar"
check "the first instance knows nothing of it" not test -e "$root/var/cache/package-cache/distfiles/two.tar"
check "it stops" service package-cache.debian stop
check "the first still runs" service package-cache status

ln -s package-cache "$root/etc/init.d/package-cache.deep"
cat >"$root/etc/conf.d/package-cache.deep" <<'END'
PORT="4300"
CACHE_DIR="/srv/deep/below/cache"
END
rm -rf "$root/srv/deep"
check "an instance starts whose cache has no parents yet" service package-cache.deep start
check "it listens" await 10 listens 4300
check "the cache is the daemon's" owned_by package-cache:portage /srv/deep/below/cache
check "the directories above it are root's" owned_by root:root /srv/deep /srv/deep/below
check "it serves" fetch 4300 /distfiles/two.tar
check "it stops" service package-cache.deep stop

check "stop succeeds" service package-cache stop
check "nothing is left running" not pgrep -f bin/package-cache
check "no pid file is left" not test -e "$root/run/package-cache.pid"
check "status says stopped" not service package-cache status

refused() { # LINE PATTERN
	cp "$conf" "$conf.good"
	echo "$1" >>"$conf"
	check "start fails with $1" not service package-cache start
	check "the console tells why" says "$2"
	check "nothing runs" not pgrep -f bin/package-cache
	mv "$conf.good" "$conf"
}
refused 'PORT="99999"' 99999
check "syslog tells why too" await 10 grep -E 'daemon\.err package-cache\[[0-9]+\]: --port=99999' "$root/run/syslog"
refused 'SOURCES="ftp://mirror.example/"' ftp://mirror.example
refused 'CACHE_DIR="/proc/package-cache"' /proc/package-cache
refused 'PC_USER="nosuch"' nosuch
check "it starts again once the settings are right" service package-cache start
check "it listens" await 10 listens 4100
check "it stops at the end" service package-cache stop

#!/bin/bash
# The static build on a minimal host: first in a root with busybox and nothing else, by hand;
# then with OpenRC added to that root, as a service whose scripts busybox runs.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
program=${STATIC:-${CARGO_TARGET_DIR:-$top/target}/static/package-cache}
needs rc-service:openrc supervise-daemon:openrc make python3 ldd:libc-bin
[ -x "$program" ] || skip "no static build at $program: make static"
enter
begin

root=$work/root
mkdir "$root"
mount -t tmpfs root "$root"
mkdir -p "$root"/{bin,dev,etc,lib,lib64,mirror,proc,run,tmp,usr/bin,var/cache}
ln -s bin "$root/sbin"
cp "$(command -v busybox)" "$root/bin/busybox"
chroot "$root" /bin/busybox --install -s /bin
mount -t proc proc "$root/proc"
mount -t tmpfs dev "$root/dev"
for each in null zero random urandom; do
	touch "$root/dev/$each"
	mount --bind "/dev/$each" "$root/dev/$each"
done
printf '127.0.0.1 localhost mirror.example\n' >"$root/etc/hosts"
echo 'nameserver 127.0.0.1' >"$root/etc/resolv.conf"
printf 'root:x:0:0::/:/bin/sh\npackage-cache:x:250:250::/:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nportage:x:250:\n' >"$root/etc/group"
mkdir "$work/mirror/distfiles"
head -c 500000 /dev/urandom >"$work/mirror/distfiles/one.tar"
head -c 500000 /dev/urandom >"$work/mirror/distfiles/two.tar"

inside() {
	env -i PATH=/bin:/usr/bin "$(command -v chroot)" "$root" "$@"
}

fetch() { # URL; the answer's head is in $logs/head
	inside timeout 20 wget -S -O /tmp/fetched "$1" 2>"$logs/head"
	cmp "$root/tmp/fetched" "$work/mirror/distfiles/${1##*/}"
}

refused() { # REASON
	not inside rc-service package-cache start >"$logs/console" 2>&1 && grep -F -e "$1" "$logs/console"
}

# A name server that says 127.0.0.1 for every name.
answer_names() {
	python3 - <<-'END'
		import socket
		server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		server.bind(("127.0.0.1", 53))
		while True:
		    query, client = server.recvfrom(512)
		    end = query.index(0, 12) + 5
		    known = query[end - 4 : end - 2] == b"\0\1"
		    counts = b"\0\1" + (b"\0\1" if known else b"\0\0") + bytes(4)
		    address = b"\xc0\x0c\0\1\0\1" + b"\0\0\0\x3c" + b"\0\4\x7f\0\0\1"
		    answer = query[:2] + b"\x81\x80" + counts + query[12:end] + (address if known else b"")
		    server.sendto(answer, client)
	END
}

# The program run by hand, its source named HOST, which WHERE tells the address of.
by_hand() { # WHERE HOST
	inside package-cache -v --cache "/var/cache/$2" --host 127.0.0.1 --port 4000 \
		--source "http://$2:8080" 2>"$logs/$2" &
	local pid=$!
	check "it listens, its source named by $1" await 10 listens 4000
	check "busybox wget fetches a file" fetch "$cache_url/distfiles/one.tar"
	check "it was a miss" grep -i 'cache-status:.*fwd=uri-miss' "$logs/head"
	check "it is stored" await 10 cmp "$root/var/cache/$2/distfiles/one.tar" "$work/mirror/distfiles/one.tar"
	check "wget fetches it again" fetch "$cache_url/distfiles/one.tar"
	check "it was a hit" grep -i 'cache-status:.*hit' "$logs/head"
	kill "$(pgrep -f "^package-cache -v --cache")"
	check "it stops with status 0" wait "$pid"
}

# Copies the host's PROGRAM and the libraries it is linked with.
copy_program() { # PATH...
	local each library
	for each in "$@"; do
		cp "$each" "$root$each"
		for library in $(ldd "$each" | grep -o '/[^ ]*'); do
			mkdir -p "$root${library%/*}"
			cp -L "$library" "$root$library"
		done
	done
}

copy_openrc() {
	cp -a /lib/rc "$root/lib/rc"
	cp /etc/rc.conf "$root/etc/rc.conf"
	copy_program /sbin/openrc-run /sbin/rc-service /sbin/supervise-daemon /lib/rc/bin/checkpath /lib/rc/bin/einfo
	mkdir -p "$root/etc/runlevels/default" "$root/etc/pam.d" "$root/run/openrc/"{daemons,exclusive,failed,inactive} \
		"$root/run/openrc/"{options,started,starting,stopping,wasinactive}
	echo default >"$root/run/openrc/softlevel"
	# Where supervise-daemon is built with PAM.
	local permit
	for permit in /lib/*/security/pam_permit.so; do
		[ -e "$permit" ] || continue
		mkdir -p "$root${permit%/*}"
		copy_program "$permit"
		printf '%s sufficient pam_permit.so\n' account auth password session >"$root/etc/pam.d/other"
	done
}

cp "$program" "$root/usr/bin/package-cache"
check "there is no library in the root" test -z "$(find "$root/lib" "$root/lib64" -type f)"
check "it says its version there" inside package-cache --version
start_mirror 8080

answer_names &
await 10 grep -q ':0035 ' /proc/net/udp
by_hand /etc/hosts mirror.example
by_hand DNS looked-up.example

copy_openrc >>"$logs/commands" 2>&1
make -s -C "$top" install DESTDIR="$root" BINARY="$program" >>"$logs/commands" 2>&1
cat >>"$root/etc/conf.d/package-cache" <<'END'
HOST="127.0.0.1"
SOURCES="http://mirror.example:8080"
PC_OPTS="-v"
END
inside syslogd -n -O /run/syslog &
await 10 test -S "$root/dev/log"
ln -s "$root/run/syslog" "$logs/syslog"
check "the service starts under OpenRC and busybox" inside rc-service package-cache start
check "it listens" await 10 listens 4000
check "a file is fetched through the service" fetch "$cache_url/distfiles/two.tar"
check "it belongs to PC_USER:PC_GROUP" await 10 test \
	"$(inside stat -c %U:%G /var/cache/package-cache)" = package-cache:portage
check "busybox's syslogd has the request" await 10 grep 'GET /distfiles/two.tar' "$root/run/syslog"
check "the service restarts" inside rc-service package-cache restart
check "it listens again" await 10 listens 4000
check "the service stops" inside rc-service package-cache stop
check "nothing is left running" not pgrep -f bin/package-cache
echo 'SOURCES="https://mirror.example/"' >>"$root/etc/conf.d/package-cache"
check "a wrong source fails the start, and the console tells why" refused https://mirror.example/

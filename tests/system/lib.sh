# shellcheck shell=bash disable=SC2034
# What the system checks share.
#
# Each check runs as root in mount, network and process namespaces of its own: nothing of
# the host changes, no process outlives the check, and every port is free. It prints a line
# for each fact; if one does not hold, it prints the logs and fails.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=${here%/tests/system}
name=$(basename "$0" .sh)
program=${PACKAGE_CACHE:-${CARGO_TARGET_DIR:-$top/target}/release/package-cache}
cache_url=http://127.0.0.1:4000
PATH=$PATH:/usr/sbin:/sbin

# A check that cannot run on this host exits with this status. CHECK_SYSTEM=all makes that
# a failure, unless the kernel is the cause.
cannot_run=77

skip() { # REASON, with the remedy
	echo "SKIPPED  $name: $*"
	if [ "${CHECK_SYSTEM:-}" = all ]; then exit 1; fi
	exit "$cannot_run"
}

# Each argument is PROGRAM or PROGRAM:PACKAGE, where the Debian package has another name.
needs() {
	local each
	for each in "$@"; do
		command -v "${each%%:*}" >/dev/null || skip "no ${each%%:*}: apt-get install ${each##*:}"
	done
}

# Starts the script again in namespaces of its own, with a directory that is removed at the end.
enter() {
	[ -z "${CHECK_WORK:-}" ] || return 0
	[ "$(id -u)" -eq 0 ] || skip "needs root for namespaces: sudo make check-system"
	needs unshare:util-linux ip:iproute2 nginx curl busybox:busybox-static
	[ -x "$program" ] || skip "no program at $program: make"
	if ! unshare --mount --net --pid --fork --mount-proc true; then
		echo "SKIPPED  $name: THE KERNEL FORBIDS NAMESPACES, NOTHING WAS CHECKED: run it on a host or virtual machine of its own"
		exit "$cannot_run"
	fi
	CHECK_WORK=$(mktemp -d "${TMPDIR:-/tmp}/package-cache-check.XXXXXX")
	trap 'rm -rf --one-file-system "$CHECK_WORK"' EXIT
	# unshare ignores SIGTERM while it waits, but takes everything down with itself on SIGKILL.
	CHECK_WORK=$CHECK_WORK timeout --foreground --kill-after=1 240 \
		unshare --mount --net --pid --fork --kill-child --mount-proc -- bash "$0" &
	child=$!
	trap 'kill "$child"; wait "$child"; exit 1' HUP INT TERM
	local status=0
	wait "$child" || status=$?
	if [ "$status" -eq 137 ]; then
		tail -v -n 20 "$CHECK_WORK"/log/* || :
		echo "FAILED   $name: not done after 240 seconds"
	fi
	exit "$status"
}

# The check proper begins here: $work is its directory, $logs is printed if it fails.
begin() {
	work=$CHECK_WORK
	logs=$work/log
	mkdir -p "$logs" "$work/mirror"
	unset MAKEFLAGS MAKEOVERRIDES http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
	mount -t tmpfs run /run
	ip link set lo up
	trap finish EXIT
}

finish() {
	local status=$?
	if [ "$status" -ne 0 ] && [ "$status" -ne "$cannot_run" ]; then
		tail -v -n 20 "$logs"/* || :
		echo "FAILED   $name"
	fi
	exit "$status"
}

# One fact: COMMAND must succeed.
check() { # FACT COMMAND...
	local fact=$1
	shift
	if ! "$@" >>"$logs/commands" 2>&1; then
		echo "WRONG    $name: $fact"
		echo "         $*"
		exit 1
	fi
	echo "ok       $name: $fact"
}

not() { # COMMAND...
	! "$@"
}

# Runs COMMAND until it succeeds, for SECONDS at most.
await() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -le "$end" ] || return 1
		sleep 0.1
	done
}

listens() { # PORT
	(: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Serves $work/mirror on PORT, after COMMAND if given. Its log has a line
# "METHOD PATH STATUS RANGE CLIENT" for each request.
start_mirror() { # PORT [DIRECTIVE [COMMAND...]]
	cat >"$work/mirror.conf" <<-END
		user root; pid $work/mirror.pid; error_log $logs/mirror-error.log; worker_processes 1;
		events {}
		http {
			types { text/html html; }
			default_type application/octet-stream;
			log_format asked '\$request_method \$uri \$status \$http_range \$remote_addr';
			access_log $logs/mirror.log asked;
			server { listen $1; root $work/mirror; ${2:-} }
		}
	END
	ask_mirror=("${@:3}" curl -sS --max-time 10 -o /dev/null --connect-to "::127.0.0.1:$1")
	"${@:3}" nginx -c "$work/mirror.conf" 2>>"$logs/mirror-error.log"
	await 10 test -s "$work/mirror.pid"
}

stop_mirror() {
	local pid
	pid=$(cat "$work/mirror.pid")
	kill "$pid"
	await 10 not test -d "/proc/$pid"
}

# Starts a cache of $work/cache on $cache_url; its process is $cache_pid.
start_cache() { # OPTIONS...
	"$program" --cache "$work/cache" --host 127.0.0.1 -v "$@" 2>>"$logs/cache.log" &
	cache_pid=$!
	await 10 listens 4000
}

# How many requests the mirror has answered whose log line matches PATTERN. Its one worker
# writes line after line, so all earlier ones are there when that of a last request is.
asked() { # PATTERN
	local last=/last-$BASHPID-$RANDOM
	"${ask_mirror[@]}" "http://mirror.example$last"
	await 10 grep -qF " $last " "$logs/mirror.log"
	grep -cE "$1" "$logs/mirror.log" || :
}

asked_once() { # PATTERN
	[ "$(asked "$1")" -eq 1 ]
}

#!/bin/bash
# File systems that are full, that do not say how full they are, that have no locks, no times, no sendfile, no sync
# and no files without a name; and a host whose clock begins in 1970. Everything is served, and all that has room is stored.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
needs cc:gcc strace stat:coreutils
enter
begin

# Starts a cache of which the system call CALL fails with ERROR, for PATH alone if one is given, as on a file system
# without it.
start_without() { # CALL ERROR [PATH]
	strace -f -qq -e trace="$1" -e inject="$1:error=$2" ${3:+-P "$3"} -o "$logs/strace-$1-$2" \
		"$program" --cache "$work/cache" --host 127.0.0.1 -v --source "$mirror" 2>"$logs/$1-$2.log" &
	cache_pid=$!
	await 10 listens 4000
}

stop_cache() {
	pkill -TERM -P "$cache_pid" || kill "$cache_pid"
	await 15 not listens 4000
	wait "$cache_pid" || :
}

same() { # PATH
	curl -sS --max-time 20 -o "$work/got" -D "$work/missed" "$cache_url/$1" && cmp "$work/got" "$work/mirror/$1"
}

served_within_a_second() { # PATH
	curl -sS --max-time 1 -o "$work/got" "$cache_url/$1" && cmp "$work/got" "$work/mirror/$1"
}

stored() { # PATH
	await 5 cmp "$work/cache/$1" "$work/mirror/$1"
}

hit() { # PATH
	curl -sS --max-time 20 -o "$work/got" -D "$work/head" "$cache_url/$1" && cmp "$work/got" "$work/mirror/$1" &&
		grep -q 'Cache-Status:.*hit' "$work/head"
}

# The entity tag of a miss is that of the hits, or there is none.
announced() {
	! grep -i '^etag' "$work/missed" >"$work/etag" || grep -qxF -f "$work/etag" "$work/head"
}

said_once() { # FILE TEXT
	[ "$(grep -c "$2" "$logs/$1")" -eq 1 ]
}

all_served() {
	local each
	for each in "${clients[@]}"; do wait "$each" || return 1; done
}

mirror=http://127.0.0.1:8000/
start_mirror 8000 'limit_rate 4m;'
mkdir -p "$work/mirror/d" "$work/cache"
for each in a b c; do head -c 300000 /dev/urandom >"$work/mirror/d/$each.tar"; done
# Of a small one all comes at once, so that its file needs no name before its own.
head -c 3000 /dev/urandom >"$work/mirror/d/small.tar"

for call in flock:ENOLCK flock:ENOSYS flock:EOPNOTSUPP flock:EINVAL \
	utimensat:EPERM utimensat:EOPNOTSUPP utimensat:EINVAL \
	sendfile:EINVAL sendfile:ENOSYS sendfile:EOPNOTSUPP sendfile:EPERM \
	statfs:ENOSYS fsync:EINVAL fsync:ENOSYS linkat:EPERM linkat:ENOENT linkat:EXDEV; do
	mkdir -p "$work/cache/d"
	# A partial of a process that may be alive.
	echo half >"$work/cache/d/.package-cache-0123456789abcdef.part"
	exec 9<"$work/cache/d/.package-cache-0123456789abcdef.part"
	start_without "${call%:*}" "${call#*:}"
	log=${call/:/-}.log
	for each in a b small; do
		check "$call: a miss is served" same "d/$each.tar"
		check "$call: and stored" stored "d/$each.tar"
		check "$call: and a hit" hit "d/$each.tar"
		check "$call: with the tag that was announced, if any" announced
	done
	case $call in
	flock:*)
		check "$call: what may be alive stays" test -e "$work/cache/d/.package-cache-0123456789abcdef.part"
		check "$call: one line says so" said_once "$log" 'no locks in'
		;;
	utimensat:*) check "$call: one line says so" said_once "$log" 'times cannot be set' ;;
	sendfile:*) check "$call: one line says so" said_once "$log" 'sendfile: ' ;;
	statfs:*) check "$call: one line says so" said_once "$log" 'nobody knows how much is free' ;;
	fsync:*) check "$call: one line says so" said_once "$log" 'cannot be synced' ;;
	esac
	exec 9<&-
	stop_cache
	rm -rf "${work:?}/cache/d"
done

# What opens the directory itself makes a file without a name there.
mkdir -p "$work/cache/d"
start_without openat EOPNOTSUPP "$work/cache/d"
check 'no files without a name: a miss is served' same d/small.tar
check 'no files without a name: and stored' stored d/small.tar
check 'no files without a name: and a hit' hit d/small.tar
stop_cache
check 'no files without a name: it was tried' grep -q 'O_TMPFILE.*EOPNOTSUPP' "$logs/strace-openat-EOPNOTSUPP"
rm -rf "${work:?}/cache/d"

# What is no peculiarity but a failure: clients are served, nothing is stored, nothing broken stays.
for call in pwrite64:EDQUOT pwrite64:EIO pwrite64:EFBIG fsync:EIO linkat,rename:EBUSY; do
	start_without "${call%:*}" "${call#*:}"
	for each in a b small; do check "$call: a miss is served" same "d/$each.tar"; done
	check "$call: one line says so" await 5 said_once "${call/:/-}.log" 'error: cannot store'
	stop_cache
	check "$call: nothing stays" test -z "$(find "$work/cache" -type f)"
done

# Where syncs were quick, one stalls: no client waits for it, neither who asks nor who comes meanwhile.
cat >"$work/stall.c" <<-END
	#include <sys/syscall.h>
	#include <unistd.h>
	int fsync(int file)
	{
		if (access("$work/stall", F_OK) == 0)
			sleep(3);
		return syscall(SYS_fsync, file);
	}
END
cc -shared -fPIC -o "$work/stall.so" "$work/stall.c"
mount -t tmpfs tmpfs "$work/cache"
for each in $(seq 9); do cp "$work/mirror/d/small.tar" "$work/mirror/d/small$each.tar"; done
LD_PRELOAD=$work/stall.so start_cache --source "$mirror"
for each in 1 2 3; do
	check 'quick syncs: a miss is served' same "d/small$each.tar"
	check 'quick syncs: and stored' stored "d/small$each.tar"
done
touch "$work/stall"
for each in 4 5 6 7 8 9; do
	check 'a sync that stalls: no client waits for it' served_within_a_second "d/small$each.tar"
done
check 'a sync that stalls: the first has no name yet' test ! -e "$work/cache/d/small4.tar"
rm "$work/stall"
for each in 4 5 6 7 8 9; do check 'a sync that stalls: in the end all are stored' stored "d/small$each.tar"; done
stop_cache
umount "$work/cache"

# A file system without a size.
mount -t ramfs ramfs "$work/cache"
start_cache --source "$mirror" --min-free 0
check 'ramfs: a miss is served' same d/a.tar
check 'ramfs: and stored' stored d/a.tar
check 'ramfs: one line says so' said_once cache.log 'nobody knows how much is free'
stop_cache
umount "$work/cache"

# Forty files of 12 MiB, 200 of 512 MiB to keep; the cache is a mount, and its directory d another one.
for each in $(seq 40); do head -c $((12 << 20)) /dev/zero >"$work/mirror/d/$each.tar"; done
for place in . d; do
	mount -t tmpfs -o size=2g tmpfs "$work/cache"
	mkdir "$work/cache/d"
	mount -t tmpfs -o size=512m tmpfs "$work/cache/d"
	[ "$place" = d ] || { umount "$work/cache/d"; mount -o remount,size=512m "$work/cache"; }
	start_cache --source "$mirror" --min-free 200M
	for each in $(seq 40); do curl -sS --max-time 60 -o /dev/null "$cache_url/d/$each.tar" & clients[each]=$!; done
	least=$((512 << 20))
	while jobs -r | grep -q 'curl'; do
		free=$(stat -f -c '%a * %S' "$work/cache/d")
		free=$((free))
		[ "$free" -ge "$least" ] || least=$free
		sleep 0.05
	done
	check "$place: 40 clients were served" all_served
	await 10 not test -e "$work"/cache/d/.package-cache-*
	count=$(find "$work/cache/d" -name '*.tar' | wc -l)
	check "$place: $((least >> 20)) MiB were free at least" test "$least" -ge $((200 << 20))
	check "$place: $count of 40 files were stored" test "$count" -ge 25
	stop_cache
	umount -R "$work/cache"
done

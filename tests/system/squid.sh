#!/bin/bash
# A real squid between two caches of ours: what a client wants confirmed at the first reaches the source.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
needs squid
enter
begin

fresh() { # FILE
	head -c 50000 /dev/urandom >"$work/mirror/$1"
	touch -d "$2" "$work/mirror/$1"
}

# The cache at the client gives what the mirror has, to a request with FIELD.
gives() { # FILE [FIELD]
	curl -sS -f --max-time 20 ${2:+-H "$2"} "$cache_url/$1" | cmp - "$work/mirror/$1"
}

# The fields of the parent's last answer for FILE came by squid, which had stored it.
squid_hit() { # FILE
	curl -sS -f --max-time 20 -x http://127.0.0.1:3128 -D - -o /dev/null "http://127.0.0.1:4001/$1" | grep -iE '^(X-Cache|Cache-Status):.*hit'
}

# What the leaf is asked for comes through squid from the parent, from the mirror.
start_mirror 8080
"$program" --cache "$work/parent" --host 127.0.0.1 --port 4001 -v --source http://127.0.0.1:8080 2>"$logs/parent.log" &
await 10 listens 4001
chmod 0711 "$work"
mkdir -m 0777 "$work/squid"
cat >"$work/squid.conf" <<-END
	http_port 127.0.0.1:3128
	http_access allow all
	cache_mem 16 MB
	cache_effective_user proxy
	pid_filename $work/squid/pid
	access_log stdio:$work/squid/access.log
	cache_log $work/squid/cache.log
	coredump_dir $work/squid
	refresh_pattern . 1440 100% 1440
END
squid -N -f "$work/squid.conf" >"$logs/squid" 2>&1 &
await 20 listens 3128
http_proxy=http://127.0.0.1:3128 start_cache --source http://127.0.0.1:4001 --revalidate '*.db'

for each in a.tar b.tar c.db; do fresh "$each" '3 days ago'; done
check "a file comes through both and squid" gives a.tar
check "squid has stored it" squid_hit a.tar
check "so does another" gives b.tar
check "and one that changes" gives c.db
for each in a.tar b.tar c.db; do fresh "$each" '1 day ago'; done
check "without no-cache the first cache gives what it has" not gives a.tar
check "no-cache reaches the source through all three" gives a.tar 'Cache-Control: no-cache'
check "so does Pragma: no-cache alone" gives b.tar 'Pragma: no-cache'
sleep 10
check "a check of the first cache reaches the source by itself" await 15 gives c.db
fresh b.tar '1 hour ago'
rm "$work/cache/b.tar"
check "no-cache for what the first has not stored reaches the source as well" gives b.tar 'Cache-Control: no-cache'

#!/bin/bash
# A real Apache as the mirror: mod_mime_magic labels by content, mod_dir sends directories on with a slash.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
needs apache2 gzip
modules=/usr/lib/apache2/modules
enter
begin

labelled() { # PATH CODING
	curl -sS -f --max-time 10 -I "http://127.0.0.1:8080/$1" | tr -d '\r' | grep -ix "content-encoding: $2"
}

gives() { # PATH
	curl -sS -f --max-time 20 "$cache_url/$1" | cmp - "$work/mirror/$1"
}

stored() { # PATH
	await 10 cmp "$work/cache/$1" "$work/mirror/$1"
}

lists() { # PATH FILE
	curl -sS -f --max-time 20 "$cache_url/$1" | grep -F "$2"
}

mkdir -p "$work/mirror/by-hash/SHA256" "$work/mirror/gtk+3.0" "$work/mirror/a b"
head -c 100000 /dev/urandom | gzip -n >"$work/mirror/a.tar.gz"
digest=$(sha256sum <"$work/mirror/a.tar.gz" | cut -d ' ' -f 1)
for each in "by-hash/SHA256/$digest" a.crate a.unitypackage; do cp "$work/mirror/a.tar.gz" "$work/mirror/$each"; done
echo Origin: the check >"$work/mirror/InRelease"
echo content | tee "$work/mirror/gtk+3.0/x.tar" >"$work/mirror/a b/x.tar"
chmod 0711 "$work"
cat >"$work/apache.conf" <<-END
	ServerName mirror.example
	Listen 127.0.0.1:8080
	PidFile $work/apache.pid
	ErrorLog $logs/apache
	DefaultRuntimeDir $work
	Mutex pthread
	LoadModule mpm_event_module $modules/mod_mpm_event.so
	LoadModule authz_core_module $modules/mod_authz_core.so
	LoadModule mime_module $modules/mod_mime.so
	LoadModule mime_magic_module $modules/mod_mime_magic.so
	LoadModule dir_module $modules/mod_dir.so
	LoadModule autoindex_module $modules/mod_autoindex.so
	TypesConfig /etc/mime.types
	MIMEMagicFile /etc/apache2/magic
	AddEncoding x-gzip .gz
	User nobody
	Group nogroup
	DocumentRoot $work/mirror
	<Directory $work/mirror>
		Options Indexes
		Require all granted
	</Directory>
END
apache2 -f "$work/apache.conf" -DFOREGROUND &
await 10 listens 8080
start_cache --source http://127.0.0.1:8080

check "Apache labels a name without extension by its content" labelled "by-hash/SHA256/$digest" x-gzip
check "and one with an extension that it does not know" labelled a.unitypackage x-gzip
for each in a.tar.gz a.crate a.unitypackage "by-hash/SHA256/$digest" InRelease; do
	check "$each comes as it is" gives "$each"
	check "$each is stored" stored "$each"
done
check "a directory without its slash is listed" lists gtk+3.0 x.tar
check "and with escapes" lists gtk%2b3.0 x.tar
check "and with a space" lists a%20b x.tar
check "none of them is in the way of a file" gives gtk+3.0/x.tar
check "which is stored" stored gtk+3.0/x.tar

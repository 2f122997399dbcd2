#!/bin/bash
# The real pacman behind the cache, with roots of the check's own and a repository whose
# database, made by repo-add, changes between two updates.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
needs pacman:pacman-package-manager repo-add:pacman-package-manager makepkg bsdtar:libarchive-tools zstd
enter
begin

place=$work/mirror/core/os/x86_64
mkdir -p "$place"

# Builds VERSION of the tool and adds it to the database, as of TIME.
publish() { # VERSION TIME
	local tree=$work/build file=$place/tool-$1-any.pkg.tar.zst
	mkdir -p "$tree/usr/share/tool"
	head -c 200000 /dev/urandom >"$tree/usr/share/tool/data"
	cat >"$tree/.PKGINFO" <<-END
		pkgname = tool
		pkgbase = tool
		pkgver = $1
		pkgdesc = a package of the check
		url = http://mirror.example/
		builddate = 1700000000
		packager = the check
		size = 200000
		arch = any
	END
	(cd "$tree" && bsdtar -cf - .PKGINFO usr) | zstd -q >"$file"
	rm -r "$tree"
	repo-add -q "$place/core.db.tar.gz" "$file"
	touch -d "$2" "$place"/core.*
}

host() { # NAME
	mkdir -p "$work/$1/db" "$work/$1/packages" "$work/$1/root"
	cat >"$work/$1/pacman.conf" <<-END
		[options]
		Architecture = x86_64
		SigLevel = Never
		[core]
		Server = $cache_url/\$repo/os/\$arch
	END
}

pac() { # HOST ARGUMENTS...
	local host=$work/$1
	shift
	pacman --config "$host/pacman.conf" --root "$host/root" --dbpath "$host/db" --cachedir "$host/packages" \
		--logfile "$logs/pacman" --noconfirm --noprogressbar "$@"
}

# An update after which VERSION of the tool is known.
updates_to() { # HOST VERSION
	pac "$1" -Sy && pac "$1" -Si tool | grep "^Version *: $2$"
}

downloads() { # HOST VERSION
	pac "$1" -Sw tool && cmp "$work/$1/packages/tool-$2-any.pkg.tar.zst" "$place/tool-$2-any.pkg.tar.zst"
}

forget() { # HOST
	rm -rf "$work/$1/db/sync" "$work/$1/packages/"*
}

publish 1:1.0+a-1 '2 hours ago' >>"$logs/commands" 2>&1
start_mirror 8080
start_cache --source http://127.0.0.1:8080 --revalidate @pacman
host first
host second
host third

check "the database comes through the cache" updates_to first 1:1.0+a-1
check "a package is downloaded" downloads first 1:1.0+a-1
check "both are stored" await 10 test -f "$work/cache/core/os/x86_64/core.db"
check "a second host updates" updates_to second 1:1.0+a-1
check "and downloads" downloads second 1:1.0+a-1
check "the mirror was asked for the package once" asked_once '^GET .*/tool-1:1.0\+a-1-any.pkg.tar.zst'

publish 1:2.0-1 '1 hour ago' >>"$logs/commands" 2>&1
check "the next update sees the mirror's change" await 20 updates_to first 1:2.0-1
check "the new package is downloaded" downloads first 1:2.0-1

stop_mirror
forget first
check "with the mirror down, update works from the stored copy" updates_to first 1:2.0-1
check "the package comes from the cache" downloads first 1:2.0-1
check "a host that never asked before is served as well" updates_to third 1:2.0-1

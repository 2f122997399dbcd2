#!/bin/bash
# The real Portage behind the cache: hosts with settings and a DISTDIR of their own fetch from a mirror
# that sorts its files as Gentoo's mirrors do, and verify them against Manifests.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
PATH=${PORTAGE_VENV:+$PORTAGE_VENV/bin:}$PATH
command -v ebuild >/dev/null ||
	skip "no ebuild: python3 -m venv DIR && DIR/bin/pip install portage, then PORTAGE_VENV=DIR"
needs wget b2sum:coreutils ss:iproute2
enter
begin

repo=$work/repo
size=4000000
layout() { # BITS of the file name's hash that name its directory
	printf '[structure]\n0=filename-hash BLAKE2B %s\n1=flat\n' "$1"
}

directory() { # FILE DIGITS
	printf %s "$1" | b2sum | cut -c "1-$2"
}

# A package that needs FILE; only the mirror has it.
package() { # NAME FILE
	local ebuild=$repo/app-misc/$1/$1-1.0.ebuild place
	place=$work/mirror/distfiles/$(directory "$2" 2)
	mkdir -p "${ebuild%/*}" "$place"
	cat >"$ebuild" <<-END
		EAPI=8
		DESCRIPTION="a package of the check"
		SRC_URI="http://127.0.0.1:9/$2"
		LICENSE="MIT"
		SLOT="0"
		KEYWORDS="amd64"
	END
	head -c "$size" /dev/urandom >"$place/$2"
	echo "DIST $2 $size BLAKE2B $(b2sum <"$place/$2" | cut -d ' ' -f 1)" \
		"SHA512 $(sha512sum <"$place/$2" | cut -d ' ' -f 1)" >"${ebuild%/*}/Manifest"
}

mkdir -p "$repo/metadata" "$repo/profiles/default"
echo check >"$repo/profiles/repo_name"
echo app-misc >"$repo/profiles/categories"
echo amd64 >"$repo/profiles/arch.list"
printf 'masters =\nthin-manifests = true\nmanifest-hashes = BLAKE2B SHA512\nprofile-formats = portage-2\n' \
	>"$repo/metadata/layout.conf"
echo 8 >"$repo/profiles/default/eapi"
echo 'ARCH="amd64" ACCEPT_KEYWORDS="amd64"' >"$repo/profiles/default/make.defaults"
package plain plain-1.0.tar.gz
package plus gtk++-1.0~rc1.tar.gz
package shared shared-1.0.tar.gz
package slow slow-1.0.tar.gz
package later later-1.0.tar.gz
package false false-1.0.tar.gz
layout 8 >"$work/mirror/distfiles/layout.conf"
touch -d '1 day ago' "$work/mirror/distfiles/layout.conf"

host() { # NAME
	local etc=$work/$1/etc/portage
	mkdir -p "$etc/repos.conf" "$work/$1/distfiles" "$work/$1/tmp" "$work/$1/var/db/pkg"
	ln -sfn "$repo/profiles/default" "$etc/make.profile"
	printf '[DEFAULT]\nmain-repo = check\n[check]\nlocation = %s\n' "$repo" >"$etc/repos.conf/check.conf"
	cat >"$etc/make.conf" <<-END
		GENTOO_MIRRORS="$cache_url"
		DISTDIR="$work/$1/distfiles"
		PORTAGE_TMPDIR="$work/$1/tmp"
		PKGDIR="$work/$1/packages"
		FEATURES="-sandbox -usersandbox -userpriv -userfetch -network-sandbox -ipc-sandbox -pid-sandbox -news"
	END
}

fetch() { # HOST PACKAGE
	PORTAGE_CONFIGROOT=$work/$1 PORTAGE_USERNAME=root PORTAGE_GRPNAME=root \
		ebuild "$repo/app-misc/$2/$2-1.0.ebuild" fetch
}

has() { # HOST FILE: Portage gives a file its name once its digests were right
	cmp "$work/$1/distfiles/$2" "$work"/mirror/distfiles/*/"$2"
}

forget_layout() { # HOST
	rm "$work/$1/distfiles/.mirror-cache.json"
}

clients() { # COUNT
	[ "$(ss -Htn state established dport = :4000 | wc -l)" -eq "$1" ]
}

joined() { # FILE COUNT
	[ "$(grep -c "$1.* COLLAPSED" "$logs/cache.log")" -eq "$2" ]
}

grown() { # FILE SIZE
	[ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]
}

cached() { # URL FILE
	curl -sS --max-time 20 "$1" | cmp - "$2"
}

for each in first second third fourth; do host "$each"; done
start_mirror 8080 'location ~ slow|shared { limit_rate 1m; }'
start_cache --source http://127.0.0.1:8080 --revalidate @gentoo

check "a file is fetched and verified" fetch first plain
check "it is whole" has first plain-1.0.tar.gz
check "the mirror's layout was followed" asked_once "^GET /distfiles/$(directory plain-1.0.tar.gz 2)/plain-1.0.tar.gz 200"
check "a name with + and ~ is fetched" fetch first plus
check "it is whole" has first gtk++-1.0~rc1.tar.gz
before=$(asked tar)
check "a second host fetches both" fetch second plain
check "and verifies both" fetch second plus
check "without any request for them to the mirror" test "$(asked tar)" -eq "$before"

place=$(directory false-1.0.tar.gz 2)
mkdir -p "$work/cache/distfiles/$place"
head -c "$size" /dev/zero >"$work/cache/distfiles/$place/false-1.0.tar.gz"
check "false content in the cache is refused: Portage does verify" not fetch first false

# Four at once: the mirror is held until all of them wait for the file.
for each in third fourth; do cp "$work/first/distfiles/.mirror-cache.json" "$work/$each/distfiles/"; done
worker=$(pgrep -P "$(cat "$work/mirror.pid")")
kill -STOP "$worker"
pids=
for each in first second third fourth; do
	fetch "$each" shared >"$logs/shared-$each" 2>&1 &
	pids="$pids $!"
done
check "four Portage processes wait for one file" await 20 clients 4
kill -CONT "$worker"
for pid in $pids; do check "each of the four fetches and verifies" wait "$pid"; done
check "the mirror had one GET for it" asked_once '^GET .*shared-1.0.tar.gz'
check "three joined the transfer of the first" await 10 joined shared 3

# A break in mid-file: the cache is killed. Portage goes on with 350 KiB or more.
fetch first slow >"$logs/slow" 2>&1 &
client=$!
part=$work/first/distfiles/slow-1.0.tar.gz.__download__
check "a slow file arrives in part" await 30 grown "$part" 400000
kill -9 "$cache_pid"
check "the fetch fails when the cache is killed" not wait "$client"
check "Portage keeps the part" grown "$part" 400000
start_cache --source http://127.0.0.1:8080 --revalidate @gentoo
check "the next fetch succeeds" fetch first slow
check "with a Range, answered 206" await 10 grep 'GET .*slow-1.0.tar.gz.* 206 ' "$logs/cache.log"
check "the file is whole" has first slow-1.0.tar.gz
slow=distfiles/$(directory slow-1.0.tar.gz 2)/slow-1.0.tar.gz
check "the cache stored it whole" await 20 cmp "$work/cache/$slow" "$work/mirror/$slow"

# The mirror changes its layout.
old=$work/mirror/distfiles/$(directory later-1.0.tar.gz 2)
new=$work/mirror/distfiles/$(directory later-1.0.tar.gz 1)
mkdir "$new"
mv "$old/later-1.0.tar.gz" "$new"
layout 4 >"$work/mirror/distfiles/layout.conf"
check "a changed layout.conf is noticed" await 15 cached "$cache_url/distfiles/layout.conf" "$work/mirror/distfiles/layout.conf"
forget_layout first
check "a file is fetched by the new layout" fetch first later
check "from its new place" asked_once "^GET /distfiles/${new##*/}/later-1.0.tar.gz 200"

stop_mirror
rm "$work/second/distfiles/"*.gz
forget_layout second
check "with the mirror down, a host fetches what is stored" fetch second later

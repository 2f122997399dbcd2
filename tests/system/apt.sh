#!/bin/bash
# The real apt behind the cache, as its mirror and as its proxy, with roots of the check's
# own and a signed repository that changes between two updates.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
needs apt-get:apt apt-ftparchive:apt-utils dpkg-deb:dpkg gpg gpg-agent gpgv
enter
begin

suite=$work/mirror/debian/dists/stable
pool=$work/mirror/debian/pool/main
export GNUPGHOME=$work/keys

package() { # NAME VERSION
	local tree=$work/build/$1
	mkdir -p "$tree/DEBIAN" "$tree/usr/share/$1" "$pool"
	head -c 200000 /dev/urandom >"$tree/usr/share/$1/data"
	cat >"$tree/DEBIAN/control" <<-END
		Package: $1
		Version: $2
		Architecture: all
		Maintainer: the check <check@mirror.example>
		Description: a package of the check
	END
	dpkg-deb --build --root-owner-group "$tree" "$pool/$1_$2_all.deb"
	rm -r "$tree"
}

# Writes and signs the indexes as of TIME.
publish() { # TIME
	rm -rf "$suite"
	mkdir -p "$suite/main/binary-amd64"
	(cd "$work/mirror/debian" && apt-ftparchive packages pool) >"$suite/main/binary-amd64/Packages"
	gzip -9nk "$suite/main/binary-amd64/Packages"
	apt-ftparchive -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
		-o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::Architectures=amd64 \
		-o APT::FTPArchive::Release::Acquire-By-Hash="$by_hash" release "$suite" >"$work/release"
	mv "$work/release" "$suite/Release"
	if [ "$by_hash" = yes ]; then hash_names; fi
	gpg --batch --quiet --clearsign -o "$suite/InRelease" "$suite/Release"
	find "$suite" -exec touch -d "$1" {} +
}

# Indexes under the names of their digests, beside their own.
hash_names() {
	local each
	mkdir "$suite/main/binary-amd64/by-hash" "$suite/main/binary-amd64/by-hash/SHA512"
	for each in "$suite"/main/binary-amd64/Packages*; do
		ln "$each" "$suite/main/binary-amd64/by-hash/SHA512/$(sha512sum <"$each" | cut -d ' ' -f 1)"
	done
}

# The line for clients in the guide, for the hosts of this check.
guided=$(sed -n 's|^    \(Acquire::http::Proxy::\)deb\.debian\.org "http://cache\.example:4000";$|\1mirror.example "'"$cache_url"'";|p' \
	"$top/contrib/guides/distributions.md")

# A repository without dists, whose paths apt asks for with a dot.
publish_flat() {
	local flat=$work/mirror/flat
	mkdir -p "$flat"
	cp "$pool/tool_1.0_all.deb" "$flat"
	(cd "$flat" && apt-ftparchive packages . >Packages && apt-ftparchive release . >"$work/release" && mv "$work/release" Release)
	gpg --batch --quiet --clearsign -o "$flat/InRelease" "$flat/Release"
	find "$flat" -exec touch -d '2 hours ago' {} +
}

host() { # NAME URL [LINE of apt.conf]
	local root=$work/$1
	mkdir -p "$root/etc/apt/apt.conf.d" "$root/etc/apt/preferences.d" "$root/etc/apt/sources.list.d" \
		"$root/var/lib/apt/lists/partial" "$root/var/lib/dpkg" "$root/var/cache/apt/archives/partial"
	: >"$root/var/lib/dpkg/status"
	echo "deb [arch=amd64 signed-by=$work/key] $2 stable main" >"$root/etc/apt/sources.list"
	cat >"$root/apt.conf" <<-END
		Dir "$root";
		Dir::State::status "$root/var/lib/dpkg/status";
		APT::Architecture "amd64";
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
		Acquire::Languages "none";
		Acquire::Retries "0";
		${3:-}
	END
}

apt() { # HOST COMMAND...
	local root=$work/$1
	shift
	(cd "$root" && APT_CONFIG=$root/apt.conf apt-get -q "$@")
}

# An update after which VERSION of the tool is known.
updates_to() { # HOST VERSION
	apt "$1" update && APT_CONFIG=$work/$1/apt.conf apt-cache policy tool | grep "Candidate: $2$"
}

downloads() { # HOST VERSION
	apt "$1" download tool && cmp "$work/$1/tool_$2_all.deb" "$pool/tool_$2_all.deb"
}

current() { # INDEX
	curl -sS -f --max-time 20 "$cache_url/debian/dists/stable/$1" | cmp - "$suite/$1"
}

forget_lists() { # HOST
	rm -rf "$work/$1/var/lib/apt/lists" "$work/$1/"*.deb
	mkdir -p "$work/$1/var/lib/apt/lists/partial"
}

mkdir -m 0700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-gen-key check@mirror.example 2>>"$logs/commands"
gpg --export >"$work/key"
by_hash=yes
package tool 1.0 >>"$logs/commands"
publish '2 hours ago'
start_mirror 8080
start_cache --source http://127.0.0.1:8080
host direct "$cache_url/debian"
host other "$cache_url/debian"
host proxied http://mirror.example/debian "$guided"
host mixed http://mirror.example/debian "$guided"
echo "deb [arch=amd64 signed-by=$work/key] http://127.0.0.1:8080/debian stable main" >>"$work/mixed/etc/apt/sources.list"

check "update through the cache as the mirror" updates_to direct 1.0
check "a package is downloaded" downloads direct 1.0
check "the indexes are stored" await 10 test -f "$work/cache/debian/dists/stable/InRelease"
check "update through the cache as the proxy" updates_to proxied 1.0
check "a package is downloaded through the proxy" downloads proxied 1.0
check "update with an archive of another host beside it" updates_to mixed 1.0
check "the cache is not asked for that one" not grep -F "GET http://127.0.0.1:8080/" "$logs/cache.log"
check "but for the one that the guide's line names" grep -F "GET http://mirror.example/" "$logs/cache.log"
check "the mirror was asked for the package once" asked_once '^GET /debian/pool/.*/tool_1.0_all.deb'

publish_flat
host flat "$cache_url/debian"
echo "deb [signed-by=$work/key] $cache_url/flat ./" >"$work/flat/etc/apt/sources.list"
check "update from a flat repository" updates_to flat 1.0
check "apt asked for it with a dot" grep -F 'GET /flat/./InRelease ' "$logs/cache.log"
check "a package of it is downloaded" downloads flat 1.0
check "its files are stored without the dot" await 10 test -f "$work/cache/flat/tool_1.0_all.deb"
check "its InRelease too" test -f "$work/cache/flat/InRelease"

package tool 2.0 >>"$logs/commands"
publish '1 hour ago'
check "the next update sees the mirror's change, by apt's own Cache-Control" await 20 updates_to direct 2.0
check "so does the one through the proxy" await 20 updates_to proxied 2.0
check "the new package is downloaded" downloads direct 2.0

# The patterns of conf.d, and a mirror without by-hash: Packages.gz changes under its name.
kill "$cache_pid"
wait "$cache_pid"
start_cache --source http://127.0.0.1:8080 --revalidate @apt
by_hash=no
check "the cache has the InRelease of now" current InRelease
check "and the Packages.gz" current main/binary-amd64/Packages.gz
package tool 3.0 >>"$logs/commands"
publish '30 minutes ago'
check "a client without Cache-Control has the new InRelease" await 15 current InRelease
check "and the new Packages.gz" await 15 current main/binary-amd64/Packages.gz
check "a change is seen without by-hash too" await 20 updates_to direct 3.0
check "the package comes" downloads direct 3.0
check "again with nothing changed" updates_to direct 3.0

stop_mirror
forget_lists direct
check "with the mirror down, update works from the stored copy" updates_to direct 3.0
check "the package comes from the cache" downloads direct 3.0
check "a host that never asked before is served as well" updates_to other 3.0
forget_lists proxied
check "and one through the proxy" updates_to proxied 3.0

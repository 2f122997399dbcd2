#!/bin/bash
# The guide for several distributions: one cache with a source by name for each, and the real apt, pacman, dnf, pip
# and Portage, each set up by the guide's own line, cold and warm, while an index changes and one mirror is silent.
# dnf and Portage are left out where they are not installed; where apk is not, its requests are made for it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
PATH=${PORTAGE_VENV:+$PORTAGE_VENV/bin:}$PATH
needs apt-get:apt apt-ftparchive:apt-utils dpkg-deb:dpkg pacman:pacman-package-manager \
	repo-add:pacman-package-manager bsdtar:libarchive-tools zstd python3 b2sum:coreutils wget
python3 -m pip --version >/dev/null 2>&1 || skip "no pip: apt-get install python3-pip"
enter
begin
mirror=$work/mirror

# The guide's line for clients that holds TEXT, with this check's cache and paths in it.
guided() { # TEXT
	sed -n 's/^    //p' "$top/contrib/guides/several-distributions.md" | grep -F -m 1 -e "$1" |
		sed "s|http://cache.example:4000|$cache_url|"
}

# Each makes VERSION of a package and an index that has it, as of TIME.
publish_debian() { # VERSION TIME
	local suite=$mirror/debian/dists/stable tree=$work/build
	mkdir -p "$tree/DEBIAN" "$mirror/debian/pool" "$suite/main/binary-amd64"
	head -c 100000 /dev/urandom >"$tree/data"
	printf 'Package: tool\nVersion: %s\nArchitecture: all\nMaintainer: the check <a@b>\nDescription: of the check\n' "$1" >"$tree/DEBIAN/control"
	dpkg-deb --build --root-owner-group "$tree" "$mirror/debian/pool/tool_$1_all.deb"
	rm -r "$tree"
	(cd "$mirror/debian" && apt-ftparchive packages pool) >"$suite/main/binary-amd64/Packages"
	rm -f "$suite/Release"
	apt-ftparchive -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Components=main \
		-o APT::FTPArchive::Release::Architectures=amd64 release "$suite" >"$work/release"
	mv "$work/release" "$suite/Release"
	find "$suite" -exec touch -d "$2" {} +
}

publish_archlinux() { # VERSION TIME
	local place=$mirror/archlinux/core/os/x86_64 tree=$work/build
	mkdir -p "$place" "$tree"
	head -c 100000 /dev/urandom >"$tree/data"
	printf '%s = %s\n' pkgname tool pkgbase tool pkgver "$1-1" pkgdesc x url http://x builddate 1700000000 \
		packager x size 100000 arch any >"$tree/.PKGINFO"
	(cd "$tree" && bsdtar -cf - .PKGINFO data) | zstd -q >"$place/tool-$1-1-any.pkg.tar.zst"
	rm -r "$tree"
	repo-add -q "$place/core.db.tar.gz" "$place/tool-$1-1-any.pkg.tar.zst"
	touch -d "$2" "$place"/core.*
}

publish_fedora() { # VERSION TIME
	local place=$mirror/fedora/linux/updates/43/Everything/x86_64
	mkdir -p "$place"
	head -c 100000 /dev/urandom >"$place/tool-$1.bin"
	createrepo_c -q "$place"
	find "$place/repodata" -exec touch -d "$2" {} +
}

publish_pypi() { # VERSION
	mkdir -p "$mirror/pypi/packages" "$mirror/pypi/simple/tool"
	python3 - "$1" "$mirror/pypi" <<-'END'
		import os, sys, zipfile
		version, root = sys.argv[1:]
		info = f"tool-{version}.dist-info/"
		with zipfile.ZipFile(f"{root}/packages/tool-{version}-py3-none-any.whl", "w") as wheel:
		    wheel.writestr("tool.py", f"data = {os.urandom(50000)!r}\n")
		    wheel.writestr(info + "METADATA", f"Metadata-Version: 2.1\nName: tool\nVersion: {version}\n")
		    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
		    wheel.writestr(info + "RECORD", "")
		with open(f"{root}/simple/tool/index.html", "w") as page:
		    for name in sorted(os.listdir(f"{root}/packages")):
		        page.write(f'<a href="../../packages/{name}">{name}</a><br>\n')
	END
}

publish_gentoo() { # VERSION
	local package=$work/repo/app-misc/tool file=tool-$1.tar.gz place
	place=$mirror/gentoo/distfiles/$(printf %s "$file" | b2sum | cut -c 1-2)
	mkdir -p "$place" "$package" "$work/repo/metadata" "$work/repo/profiles/default"
	printf '[structure]\n0=filename-hash BLAKE2B 8\n1=flat\n' >"$mirror/gentoo/distfiles/layout.conf"
	head -c 100000 /dev/urandom >"$place/$file"
	printf 'EAPI=8\nDESCRIPTION="x"\nSRC_URI="http://127.0.0.1:9/%s"\nLICENSE="MIT"\nSLOT="0"\nKEYWORDS="amd64"\n' \
		"$file" >"$package/tool-$1.ebuild"
	echo "DIST $file 100000 BLAKE2B $(b2sum <"$place/$file" | cut -d ' ' -f 1)" >>"$package/Manifest"
	echo check >"$work/repo/profiles/repo_name"
	echo app-misc >"$work/repo/profiles/categories"
	echo amd64 >"$work/repo/profiles/arch.list"
	printf 'masters =\nthin-manifests = true\nmanifest-hashes = BLAKE2B\n' >"$work/repo/metadata/layout.conf"
	echo 8 >"$work/repo/profiles/default/eapi"
	echo 'ARCH="amd64" ACCEPT_KEYWORDS="amd64"' >"$work/repo/profiles/default/make.defaults"
}

# Each has a host with nothing of its own update its index and download VERSION.
debian_gets() { # VERSION
	local root=$work/apt
	rm -rf "$root"
	mkdir -p "$root/etc/apt/"{apt.conf.d,preferences.d,sources.list.d} "$root/var/lib/"{apt/lists/partial,dpkg} \
		"$root/var/cache/apt/archives/partial"
	: >"$root/var/lib/dpkg/status"
	echo "deb [arch=amd64 trusted=yes] http://deb.debian.org/debian stable main" >"$root/etc/apt/sources.list"
	cat >"$root/apt.conf" <<-END
		Dir "$root";
		Dir::State::status "$root/var/lib/dpkg/status";
		APT::Architecture "amd64";
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
		Acquire::Languages "none";
		$(guided Acquire::http::Proxy::deb.debian.org)
	END
	(cd "$root" && export APT_CONFIG=$root/apt.conf && apt-get -q update && apt-get -q download tool) &&
		cmp "$root/tool_$1_all.deb" "$mirror/debian/pool/tool_$1_all.deb"
}

archlinux_gets() { # VERSION
	local root=$work/pacman
	rm -rf "$root"
	mkdir -p "$root/db" "$root/packages" "$root/root"
	printf '[options]\nArchitecture = x86_64\nSigLevel = Never\n[core]\n%s\n' "$(guided 'Server = ')" >"$root/pacman.conf"
	pacman --config "$root/pacman.conf" --root "$root/root" --dbpath "$root/db" --cachedir "$root/packages" \
		--logfile "$logs/pacman" --noconfirm --noprogressbar -Syw tool &&
		cmp "$root/packages/tool-$1-1-any.pkg.tar.zst" "$mirror/archlinux/core/os/x86_64/tool-$1-1-any.pkg.tar.zst"
}

# No rpm is built here: that dnf takes the index is the fact, and its files are fetched by name.
fedora_gets() { # VERSION
	local root=$work/dnf path=linux/updates/43/Everything/x86_64
	rm -rf "$root"
	mkdir -p "$root/repos"
	printf '[updates]\nname=updates\ngpgcheck=0\n%s\n' "$(guided baseurl=)" >"$root/repos/updates.repo"
	dnf -q --setopt=reposdir="$root/repos" --setopt=cachedir="$root/cache" --setopt=basearch=x86_64 \
		--installroot="$root/root" --releasever=43 --forcearch=x86_64 makecache &&
		cmp "$(find "$root/cache" -name repomd.xml)" "$mirror/fedora/$path/repodata/repomd.xml" &&
		curl -sS -f "$cache_url/fedora/$path/tool-$1.bin" | cmp - "$mirror/fedora/$path/tool-$1.bin"
}

alpine_gets() { # VERSION
	local each url root=$work/apk
	url=$(guided alpine/v3 | head -n 1)
	if [ -n "$apk" ]; then
		rm -rf "$root"
		mkdir -p "$root/etc/apk" "$root/got"
		echo "$url" >"$root/etc/apk/repositories"
		echo x86_64 >"$root/etc/apk/arch"
		apk -q --allow-untrusted --no-cache --root "$root" fetch -o "$root/got" tool &&
			cmp "$root/got/tool-$1-r0.apk" "$mirror/alpine/${url#*/alpine/}/x86_64/tool-$1-r0.apk" || return 1
	fi
	for each in APKINDEX.tar.gz "tool-$1-r0.apk"; do
		curl -sS -f "$url/x86_64/$each" | cmp - "$mirror/alpine/${url#*/alpine/}/x86_64/$each" || return 1
	done
}

# A package is two archives, one behind the other; the first has no end (abuild-tar --cut).
package_alpine() { # VERSION PLACE
	local tree=$work/build
	mkdir -p "$tree/usr/share"
	head -c 100000 /dev/urandom >"$tree/usr/share/tool"
	tar -C "$tree" --format=ustar --owner=0 --group=0 --numeric-owner -czf "$work/data.tar.gz" usr
	printf '%s = %s\n' pkgname tool pkgver "$1-r0" pkgdesc x url http://x builddate 1700000000 packager x size 100000 \
		arch x86_64 origin tool license MIT datahash "$(sha256sum <"$work/data.tar.gz" | cut -d ' ' -f 1)" >"$tree/.PKGINFO"
	tar -C "$tree" -b 1 --format=ustar --owner=0 --group=0 --numeric-owner -cf - .PKGINFO | head -c -1024 | gzip |
		cat - "$work/data.tar.gz" >"$2/tool-$1-r0.apk"
	rm -r "$tree"
	apk -q index --allow-untrusted -o "$2/APKINDEX.tar.gz" "$2"/*.apk
}

publish_alpine() { # VERSION TIME
	local place=$mirror/alpine/v3.22/main/x86_64
	mkdir -p "$place"
	if [ -n "$apk" ]; then
		package_alpine "$1" "$place"
	else
		head -c 100000 /dev/urandom >"$place/tool-$1-r0.apk"
		echo "index with $1" | gzip >"$place/APKINDEX.tar.gz"
	fi
	touch -d "$2" "$place/APKINDEX.tar.gz"
}

pypi_gets() { # VERSION
	local url
	url=$(guided index-url | grep -o 'http://[^ ]*')
	rm -rf "$work/pip"
	python3 -m pip --isolated --disable-pip-version-check --no-cache-dir download --no-deps --retries 0 --timeout 20 \
		--index-url "$url" -d "$work/pip" tool &&
		cmp "$work/pip/tool-$1-py3-none-any.whl" "$mirror/pypi/packages/tool-$1-py3-none-any.whl"
}

gentoo_gets() { # VERSION
	local root=$work/portage
	rm -rf "$root"
	mkdir -p "$root/etc/portage/repos.conf" "$root/distfiles" "$root/tmp"
	ln -sfn "$work/repo/profiles/default" "$root/etc/portage/make.profile"
	printf '[DEFAULT]\nmain-repo = check\n[check]\nlocation = %s\n' "$work/repo" >"$root/etc/portage/repos.conf/check.conf"
	cat >"$root/etc/portage/make.conf" <<-END
		$(guided GENTOO_MIRRORS)
		DISTDIR="$root/distfiles"
		PORTAGE_TMPDIR="$root/tmp"
		PKGDIR="$root/packages"
		FEATURES="-sandbox -usersandbox -userpriv -userfetch -network-sandbox -ipc-sandbox -pid-sandbox -news"
	END
	PORTAGE_CONFIGROOT=$root PORTAGE_USERNAME=root PORTAGE_GRPNAME=root \
		ebuild "$work/repo/app-misc/tool/tool-$1.ebuild" fetch && cmp "$root/distfiles/tool-$1.tar.gz" "$mirror"/gentoo/distfiles/*/"tool-$1.tar.gz"
}

all='debian archlinux alpine pypi'
apk=$(command -v apk) || echo "         $name: without apk"
if command -v dnf >"$logs/programs" && command -v createrepo_c >>"$logs/programs"; then all="$all fedora"; else echo "         $name: without dnf: apt-get install dnf createrepo-c"; fi
if command -v ebuild >>"$logs/programs"; then all="$all gentoo"; else echo "         $name: without Portage: set PORTAGE_VENV as portage.sh says"; fi
for each in $all; do "publish_$each" 1.0 '2 hours ago' >>"$logs/commands" 2>&1; done
start_mirror 8080 'autoindex on;'
sources=()
for each in $all; do sources+=(--source "$each=http://127.0.0.1:8080/$each"); done
sets=(--revalidate @gentoo --revalidate @apt --revalidate @pacman --revalidate @alpine --revalidate @rpm)
start_cache "${sources[@]}" "${sets[@]}"

for each in $all; do
	check "$each: a host installs from the empty cache" "${each}_gets" 1.0
done
stored=$(asked 'tool.1\.0.* 200')
for each in $all; do
	check "$each: a second host installs the same" "${each}_gets" 1.0
done
check "no package was fetched a second time" test "$(asked 'tool.1\.0.* 200')" -eq "$stored"
top_level() {
	(cd "$work/cache" && printf '%s\n' * | sort | xargs)
}
check "the cache has a directory for each and nothing else" test "$(top_level)" = "$(xargs -n 1 <<<"$all" | sort | xargs)"
check "a path of no name is 404" test "$(curl -sS -o /dev/null -w '%{http_code}' "$cache_url/pool/tool_1.0_all.deb")" = 404
check "the name alone is a listing" grep -F pool/ <(curl -sS -f "$cache_url/debian")

for each in $all; do "publish_$each" 2.0 '1 hour ago' >>"$logs/commands" 2>&1; done
for each in $all; do
	check "$each: the new version is seen" await 15 "${each}_gets" 2.0
done

# A mirror that accepts and says nothing, in front of one name's own.
kill "$cache_pid"
await 10 not test -d "/proc/$cache_pid"
python3 -c 'import socket, time; s = socket.create_server(("127.0.0.1", 8081), backlog=99); time.sleep(999)' &
await 10 listens 8081
start_cache --source archlinux=http://127.0.0.1:8081 "${sources[@]}" "${sets[@]}"
for each in $all; do "publish_$each" 3.0 '30 minutes ago' >>"$logs/commands" 2>&1; done
package=archlinux/core/os/x86_64/tool-3.0-1-any.pkg.tar.zst
curl -sS -f --max-time 20 "$cache_url/$package" 2>>"$logs/commands" | cmp - "$mirror/$package" &
slow=$!
at_once() { # NAME: in less than the 5 seconds that the silent mirror costs
	local begun=$SECONDS
	"${1}_gets" 3.0 && [ $((SECONDS - begun)) -lt 5 ]
}
for each in ${all/archlinux/}; do
	check "$each: a host installs at once while archlinux waits for its mirror" at_once "$each"
done
check "archlinux: its second mirror serves" wait "$slow"
check "archlinux: a host installs at once now that the mirror is known to be silent" at_once archlinux

# shellcheck shell=bash disable=SC2154
# Hosts with the real Portage, and packages for them: what the checks share that fetch with it.
# To be sourced after lib.sh; $repo is the ebuild repository, $size the size of each distfile.

PATH=${PORTAGE_VENV:+$PORTAGE_VENV/bin:}$PATH

has_portage() {
	command -v ebuild >/dev/null
}

make_repository() {
	mkdir -p "$repo/metadata" "$repo/profiles/default"
	echo check >"$repo/profiles/repo_name"
	echo app-misc >"$repo/profiles/categories"
	echo amd64 >"$repo/profiles/arch.list"
	printf 'masters =\nthin-manifests = true\nmanifest-hashes = BLAKE2B SHA512\nprofile-formats = portage-2\n' \
		>"$repo/metadata/layout.conf"
	echo 8 >"$repo/profiles/default/eapi"
	echo 'ARCH="amd64" ACCEPT_KEYWORDS="amd64"' >"$repo/profiles/default/make.defaults"
}

# A package that needs FILE; only the mirror has it, in DIRECTORY.
package() { # NAME FILE DIRECTORY
	local ebuild=$repo/app-misc/$1/$1-1.0.ebuild
	mkdir -p "${ebuild%/*}" "$3"
	cat >"$ebuild" <<-END
		EAPI=8
		DESCRIPTION="a package of the check"
		SRC_URI="http://127.0.0.1:9/$2"
		LICENSE="MIT"
		SLOT="0"
		KEYWORDS="amd64"
	END
	head -c "$size" /dev/urandom >"$3/$2"
	echo "DIST $2 $size BLAKE2B $(b2sum <"$3/$2" | cut -d ' ' -f 1)" \
		"SHA512 $(sha512sum <"$3/$2" | cut -d ' ' -f 1)" >"${ebuild%/*}/Manifest"
}

# A host with settings and a DISTDIR of its own, which fetches from the cache.
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

# Distributed under the terms of the MIT licence

EAPI=8

# std::fs::File::try_lock
RUST_MIN_VER="1.89.0"

inherit cargo shell-completion systemd

DESCRIPTION="Caching HTTP proxy for package downloads"
# A placeholder: there is no public home to fetch from yet.
HOMEPAGE="https://package-cache.example/"

LICENSE="MIT"
SLOT="0"
# The tests need crates that the program does not; "make check" in the source runs them.
RESTRICT="test"

if [[ ${PV} == 9999 ]]; then
	# The source as it lies on this host, edits included.
	PROPERTIES="live"
else
	# Made from the source by "make dist", and put into DISTDIR by hand.
	SRC_URI="${P}.tar.gz"
	RESTRICT+=" fetch"
	KEYWORDS="~amd64 ~arm64"
fi

RDEPEND="acct-user/package-cache"

QA_FLAGS_IGNORED="usr/bin/package-cache"

pkg_nofetch() {
	einfo "Run \"make dist\" in the source, and move ${P}.tar.gz"
	einfo "to your DISTDIR directory."
}

src_unpack() {
	if [[ ${PV} == 9999 ]]; then
		local source=${PACKAGE_CACHE_SOURCE:-/usr/src/package-cache}
		[[ -f ${source}/Cargo.toml ]] ||
			die "no source in ${source}; put it there or set PACKAGE_CACHE_SOURCE in make.conf"
		mkdir -p "${S}" || die
		cp -R "${source}"/{Cargo.toml,src,tests,contrib,README.md} "${S}" || die
	fi
	# Nothing to fetch: the program has no dependencies.
	cargo_src_unpack
}

src_prepare() {
	default
	# Cargo resolves even what only the tests need, and there is no registry to resolve it from.
	sed -i -e '/^\[dev-dependencies\]/,/^$/d' Cargo.toml || die
	rm -f Cargo.lock || die
	sed -i -e "s|@BINDIR@|${EPREFIX}/usr/bin|g" \
		contrib/openrc/init.d/package-cache.in contrib/systemd/*.service.in || die
}

src_install() {
	dobin "$(cargo_target_dir)"/package-cache
	newinitd contrib/openrc/init.d/package-cache.in package-cache
	newconfd contrib/openrc/conf.d/package-cache package-cache
	systemd_newunit contrib/systemd/package-cache.service.in package-cache.service
	systemd_newunit contrib/systemd/package-cache-cull.service.in package-cache-cull.service
	systemd_dounit contrib/systemd/package-cache-cull.timer
	doman contrib/man/package-cache.8
	dobashcomp contrib/completion/package-cache
	dodoc README.md
	# The links between the documents hold.
	docinto contrib
	dodoc contrib/CHANGES.md
	docinto contrib/guides
	dodoc contrib/guides/*.md
	docinto contrib/haproxy
	dodoc contrib/haproxy/package-cache.cfg
	docinto contrib/prometheus
	dodoc contrib/prometheus/*.yml
	docinto contrib/grafana
	dodoc contrib/grafana/package-cache.json
	docinto contrib/cron
	dodoc contrib/cron/package-cache
}

pkg_postinst() {
	elog "Mirrors over https need dev-libs/openssl and app-misc/ca-certificates."
}

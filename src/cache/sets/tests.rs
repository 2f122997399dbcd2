use super::*;

fn is_matched(set: &str, path: &str) -> bool {
    let globs = Glob::parse_or_set(set).unwrap();
    globs.iter().any(|glob| glob.matches(path.as_bytes()))
}

/// A set, what changes in place, and what never does.
type Row = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const TABLE: [Row; 7] = [
    (
        "@gentoo",
        &[
            "distfiles/layout.conf",
            "layout.conf",
            "gentoo/distfiles/layout.conf",
            "Packages",
            "releases/amd64/binpackages/23.0/x86-64/Packages.gz",
            "distfiles/timestamp.mirmon",
            "releases/amd64/autobuilds/latest-stage3-amd64-openrc.txt",
            "releases/amd64/autobuilds/latest-stage3.txt",
            "releases/amd64/autobuilds/sizes.txt",
            "snapshots/gentoo-latest.tar.xz",
            "snapshots/gentoo-latest.tar.xz.gpgsig",
            "snapshots/portage-latest.tar.bz2.md5sum",
            "snapshots/squashfs/gentoo-current.xz.sqfs",
            "snapshots/squashfs/gentoo-current.sha512sum.txt",
            "snapshots/squashfs/sha512sum.txt",
        ],
        &[
            "distfiles/6f/small-1.0.tar.gz",
            "distfiles/ab/mylayout.conf",
            "snapshots/gentoo-20261121.tar.xz",
            "snapshots/squashfs/gentoo-20261121.xz.sqfs",
            "binpackages/23.0/x86-64/app-misc/a/a-1-1.gpkg.tar",
            "releases/amd64/autobuilds/20261115T164555Z/stage3-amd64-openrc-20261115T164555Z.tar.xz",
            "releases/amd64/autobuilds/20261115T164555Z/stage3-amd64-openrc-20261115T164555Z.tar.xz.DIGESTS",
        ],
    ),
    (
        "@apt",
        &[
            "debian/dists/sid/InRelease",
            "debian/dists/sid/Release",
            "debian/dists/sid/Release.gpg",
            "debian/dists/sid/main/binary-amd64/Packages.xz",
            "flat/Packages",
            "flat/Packages.bz2",
            "flat/Packages.zst",
            "flat/Sources",
            "flat/Sources.bz2",
            "flat/Sources.zst",
            "debian/dists/sid/main/source/Sources.gz",
            "debian/dists/sid/main/binary-amd64/Packages.diff/Index",
            "debian/dists/sid/main/Contents-amd64.gz",
            "debian/dists/sid/main/Contents-udeb-amd64.gz",
            "debian/dists/sid/main/i18n/Translation-en.bz2",
            "debian/dists/sid/main/i18n/Translation-en.xz",
            "ubuntu/dists/noble/main/cnf/Commands-amd64.xz",
            "debian/dists/sid/main/dep11/icons-64x64.tar.gz",
            "debian/dists/sid/main/dep11/CID-Index-amd64.json.gz",
            "debian/dists/sid/main/dep11/Components-amd64.yml.xz",
            "debian/dists/sid/main/installer-amd64/current/images/SHA256SUMS",
            "debian/project/trace/master",
            "debian/ls-lR.gz",
        ],
        &[
            "debian/pool/main/a/apt/apt_2.6.1_amd64.deb",
            "debian/dists/sid/main/binary-amd64/by-hash/SHA256/0f3a",
            "debian/dists/sid/main/binary-amd64/Packages.diff/by-hash/SHA256/0f3a",
            "debian/dists/sid/main/binary-amd64/Packages.diff/T-2026-11-21-0201.44-F-2026-11-20-0201.37.gz",
            "debian/dists/sid/main/Contents-amd64.diff/by-hash/SHA256/0f3a",
            "debian/dists/sid/main/i18n/by-hash/SHA256/0f3a",
            "debian/dists/sid/main/installer-amd64/20250803/images/SHA256SUMS",
        ],
    ),
    (
        "@pacman",
        &[
            "core/os/x86_64/core.db",
            "core/os/x86_64/core.db.sig",
            "core/os/x86_64/core.db.tar.gz",
            "core/os/x86_64/core.files",
            "core/os/x86_64/core.files.sig",
            "core/os/x86_64/core.files.tar.gz",
            "archlinux/lastupdate",
            "archlinux/lastsync",
            "archlinux/iso/latest/archlinux-x86_64.iso",
        ],
        &[
            "core/os/x86_64/linux-6.1-1-x86_64.pkg.tar.zst",
            "core/os/x86_64/linux-6.1-1-x86_64.pkg.tar.zst.sig",
            "archlinux/iso/2026.11.01/archlinux-2026.11.01-x86_64.iso",
        ],
    ),
    (
        "@rpm",
        &[
            "fedora/linux/updates/43/Everything/x86_64/repodata/repomd.xml",
            "opensuse/tumbleweed/repo/oss/repodata/repomd.xml.asc",
            "opensuse/tumbleweed/repo/oss/repodata/repomd.xml.key",
            "local/repodata/primary.xml.gz",
            "local/repodata/filelists.xml.gz",
            "local/repodata/other.xml.gz",
            "local/repodata/updateinfo.xml.gz",
            "opensuse/distribution/leap/15.6/repo/oss/media.1/media",
            "local/repodata/comps-Server.x86_64.xml",
            "centos-stream/10-stream/BaseOS/x86_64/os/.treeinfo",
            "centos-stream/10-stream/BaseOS/x86_64/os/images/pxeboot/vmlinuz",
            "rocky/fullfiletimelist-rocky",
        ],
        &[
            "fedora/linux/updates/43/Everything/x86_64/repodata/0aff5e-primary.xml.zst",
            "fedora/linux/updates/43/Everything/x86_64/Packages/b/bash-5.3-1.fc43.x86_64.rpm",
            "local/repodata/0aff5e-comps-Server.x86_64.xml.gz",
        ],
    ),
    (
        "@alpine",
        &[
            "alpine/v3.22/main/x86_64/APKINDEX.tar.gz",
            "openwrt/snapshots/packages/x86_64/base/packages.adb",
            "repository/x86_64/Packages.adb",
            "alpine/v3.22/releases/x86_64/latest-releases.yaml",
            "alpine/v3.22/releases/x86_64/netboot/vmlinuz-lts",
            "alpine/last-updated",
            "alpine/latest-stable/releases/x86_64/latest-releases.yaml",
        ],
        &[
            "alpine/v3.22/main/x86_64/busybox-1.37.0-r19.apk",
            "alpine/latest-stable/main/x86_64/busybox-1.37.0-r19.apk",
            "alpine/v3.22/releases/x86_64/netboot-3.22.1/vmlinuz-lts",
        ],
    ),
    (
        "@freebsd",
        &[
            "FreeBSD:14:amd64/latest/meta.conf",
            "FreeBSD:14:amd64/latest/meta.txz",
            "FreeBSD:14:amd64/latest/packagesite.pkg",
            "FreeBSD:14:amd64/latest/filesite.pkg",
            "FreeBSD:14:amd64/latest/digests.txz",
            "FreeBSD:14:amd64/base_latest/data.pkg",
            "FreeBSD:14:amd64/quarterly/Latest/pkg.pkg.sig",
            "FreeBSD:14:amd64/latest/All/bash-5.3.3.pkg",
            "14.3-RELEASE/amd64/latest.ssl",
        ],
        &[
            "ports/distfiles/bash-5.3.tar.gz",
            "14.3-RELEASE/amd64/t/0aff",
            "releases/amd64/14.3-RELEASE/base.txz",
        ],
    ),
    (
        "@void",
        &[
            "current/x86_64-repodata",
            "current/musl/x86_64-musl-repodata",
            "current/nonfree/x86_64-stagedata",
            "live/current/sha256sum.txt",
        ],
        &[
            "current/bash-5.3.003_1.x86_64.xbps",
            "current/bash-5.3.003_1.x86_64.xbps.sig2",
            "live/20250202/sha256sum.txt",
        ],
    ),
];

#[test]
fn the_sets_match_what_changes_and_nothing_else() {
    assert_eq!(TABLE.map(|row| row.0), SETS.map(|set| set.0));
    for (set, changing, fixed) in TABLE {
        for path in changing {
            assert!(is_matched(set, path), "{set}: {path}");
        }
        for path in fixed {
            assert!(!is_matched(set, path), "{set}: {path}");
        }
    }
}

#[test]
fn every_pattern_has_an_example_and_a_reason() {
    for ((_, patterns), (_, changing, _)) in SETS.iter().zip(TABLE) {
        for (pattern, why) in *patterns {
            let glob = Glob::parse(pattern).unwrap();
            let mut paths = changing.iter();
            assert!(paths.any(|path| glob.matches(path.as_bytes())), "{pattern}");
            // A line of the manual.
            assert!(!why.is_empty() && !why.starts_with(['.', '\'']), "{why}");
        }
    }
}

#[test]
fn a_text_is_a_pattern_or_names_a_set() {
    let one = Glob::parse_or_set("*/layout.conf").unwrap();
    assert_eq!(one, [Glob::parse("*/layout.conf").unwrap()]);
    assert_eq!(Glob::parse_or_set("@gentoo").unwrap().len(), GENTOO.len());
    let escaped = Glob::parse_or_set("[@]gentoo/*").unwrap();
    assert!(escaped[0].matches(b"@gentoo/a"));
    for unknown in ["@", "@gento", "@Gentoo", "@gentoo/*", "@gentoo @apt"] {
        let why = Glob::parse_or_set(unknown).unwrap_err().to_string();
        for (name, _) in SETS {
            assert!(why.contains(name), "{unknown}: {why}");
        }
        assert!(why.contains("[@]"), "{why}");
    }
}

/// What the manual says of the sets.
fn manual() -> String {
    let mut text = String::from(".Bl -tag -width Ds\n");
    for (name, patterns) in SETS {
        text.push_str(&format!(".It Li {name}\n.Bl -tag -width Ds -compact\n"));
        for (pattern, why) in patterns {
            text.push_str(&format!(".It Li {pattern}\n{why}\n"));
        }
        text.push_str(".El\n");
    }
    text + ".El\n"
}

#[test]
fn the_manual_lists_every_set_pattern_by_pattern() {
    let shipped = include_str!("../../../contrib/man/package-cache.8");
    assert!(shipped.contains(&manual()), "it should say:\n{}", manual());
}

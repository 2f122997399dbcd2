//! The patterns for files that change in place, as conf.d ships them.
//!
//! bash judges: its `*` crosses slashes as that of `--revalidate` does.

use std::path::Path;

use super::{commented, run};

/// The commented values of REVALIDATE: Portage, rebuilt packages, apt, pacman.
pub fn patterns() -> [Vec<String>; 4] {
    let all = commented().into_iter();
    let lists: Vec<_> = all
        .filter(|(name, _)| name == "REVALIDATE")
        .map(|(_, value)| value.split(' ').map(str::to_owned).collect())
        .collect();
    lists.try_into().unwrap()
}

/// The first of `patterns` that matches; bash's `*` crosses slashes too.
fn matching(patterns: &[String], path: &str) -> Option<String> {
    let script = "path=$1; shift
        for pattern; do if [[ $path == $pattern ]]; then echo \"$pattern\"; exit; fi; done";
    let mut args = vec![path];
    args.extend(patterns.iter().map(String::as_str));
    run("bash", Path::new("/"), script, &args).filter(|said| !said.is_empty())
}

#[test]
fn the_patterns_match_what_changes_and_nothing_else() {
    if run("bash", Path::new("/"), "true", &[]).is_none() {
        return;
    }
    let [portage, rebuilt, apt, pacman] = patterns();
    let table: [(&[String], &[&str], &[&str]); 4] = [
        (
            &portage,
            &[
                "/distfiles/layout.conf",
                "/layout.conf",
                "/Packages",
                "/binpackages/23.0/x86-64/Packages.gz",
                "/distfiles/timestamp.mirmon",
                "/releases/amd64/autobuilds/latest-stage3-amd64-openrc.txt",
                "/snapshots/gentoo-latest.tar.xz",
                "/snapshots/gentoo-latest.tar.xz.gpgsig",
            ],
            &[
                "/distfiles/6f/small-1.0.tar.gz",
                "/distfiles/ab/mylayout.conf",
                "/snapshots/gentoo-20261121.tar.xz",
                "/binpackages/23.0/x86-64/app-misc/a/a-1-1.gpkg.tar",
                "/releases/amd64/autobuilds/20261115T164555Z/stage3-amd64-openrc-20261115T164555Z.tar.xz",
            ],
        ),
        (
            &rebuilt,
            &["/x/Packages", "/x/a/b-1.tbz2", "/x/a/b-1.gpkg.tar"],
            &["/x/a/b-1.tar.xz"],
        ),
        (
            &apt,
            &[
                "/debian/dists/sid/InRelease",
                "/debian/dists/sid/Release.gpg",
                "/debian/dists/sid/main/binary-amd64/Packages.xz",
                "/flat/Packages",
                "/flat/./Sources.gz",
                "/debian/dists/sid/main/source/Sources.gz",
                "/debian/dists/sid/main/binary-amd64/Packages.diff/Index",
                "/debian/dists/sid/main/Contents-amd64.gz",
                "/debian/dists/sid/main/i18n/Translation-en.bz2",
                "/ubuntu/dists/noble/main/cnf/Commands-amd64.xz",
                "/debian/dists/sid/main/dep11/icons-64x64.tar.gz",
            ],
            &[
                "/debian/pool/main/a/apt/apt_2.6.1_amd64.deb",
                "/debian/dists/sid/main/binary-amd64/by-hash/SHA256/0f3a",
                "/debian/dists/sid/main/binary-amd64/Packages.diff/by-hash/SHA256/0f3a",
                "/debian/dists/sid/main/Contents-amd64.diff/by-hash/SHA256/0f3a",
                "/debian/dists/sid/main/i18n/by-hash/SHA256/0f3a",
            ],
        ),
        (
            &pacman,
            &[
                "/core/os/x86_64/core.db",
                "/core/os/x86_64/core.db.sig",
                "/core/os/x86_64/core.files",
                "/core/os/x86_64/core.files.sig",
            ],
            &[
                "/core/os/x86_64/linux-6.1-1-x86_64.pkg.tar.zst",
                "/core/os/x86_64/linux-6.1-1-x86_64.pkg.tar.zst.sig",
            ],
        ),
    ];
    for (patterns, changing, fixed) in table {
        for path in changing {
            assert!(matching(patterns, path).is_some(), "{path}: {patterns:?}");
        }
        for path in fixed {
            assert_eq!(matching(patterns, path), None, "{path}");
        }
    }
}

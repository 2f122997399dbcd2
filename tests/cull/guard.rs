//! Directories that are never culled, whoever asks for it.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use assert_cmd::Command;

use crate::support::cull::{cull, files, put};
use crate::support::{CacheDir, PROGRAM};

/// The cull must refuse in one line that says all of `words`. A dry run, lest it does not.
#[track_caller]
fn refuses(path: &Path, words: &[&str]) {
    let (code, stdout, stderr) = cull(path, &["--unused-for=9999y", "--dry-run"]);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let path = path.to_str().unwrap();
    for word in words.iter().chain(&[path]) {
        assert!(stderr.contains(word), "no {word:?} in {stderr}");
    }
}

#[test]
fn what_is_no_cache_is_refused() {
    for path in ["/", "//", "/usr/..", "/proc/self/root"] {
        refuses(Path::new(path), &["root directory", "--cache"]);
    }
    refuses(Path::new("/root/."), &["home"]);
    for path in ["/etc", "/usr/lib", "/usr/bin/.."] {
        refuses(Path::new(path), &["--cache"]);
    }
    let cache = CacheDir::new();
    symlink("/", cache.file("slash")).unwrap();
    refuses(&cache.file("slash/"), &["root directory"]);
    refuses(&cache.file("missing"), &["--cache"]);
    put(&cache, "plain", 1, 1);
    refuses(&cache.file("plain"), &["--cache"]);
    for held in ["etc", "usr"] {
        put(&cache, &format!("{held}-root/{held}/x"), 1, 1);
        refuses(&cache.file(format!("{held}-root")), &[held]);
    }
}

#[test]
fn an_ebuild_repository_is_refused_and_spared_below() {
    for mark in ["profiles/repo_name", "metadata/layout.conf"] {
        let cache = CacheDir::new();
        put(&cache, "portage/app-misc/foo/foo-1.ebuild", 1, 99);
        put(&cache, "portage/distfiles/foo-1.tar.gz", 1, 99);
        put(&cache, "layout.conf", 1, 99);
        put(&cache, &format!("portage/{mark}"), 1, 99);
        let below = cache.file("portage/distfiles");
        refuses(&cache.file("portage"), &["ebuild", below.to_str().unwrap()]);
        let (code, stdout, stderr) = cull(&cache.path(), &["--max-size=0"]);
        assert_eq!(code, 1);
        assert!(stdout.starts_with("removed 1 files, "), "{stdout}");
        assert!(stderr.contains("ebuild"), "{stderr}");
        assert_eq!(files(&cache).len(), 3);
        let (code, ..) = cull(&below, &["--max-size=0"]);
        assert_eq!((code, files(&cache).len()), (0, 2));
    }
}

#[test]
fn a_home_is_refused_and_what_holds_one() {
    let cache = CacheDir::new();
    let home = cache.file("me");
    fs::create_dir(&home).unwrap();
    for path in [cache.path(), home.clone()] {
        let output = Command::new(PROGRAM)
            .env("HOME", &home)
            .args(["cull", "--max-size=0", "--cache"])
            .arg(path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains("home"));
    }
    // A cache in one's home is fine.
    let mut command = Command::new(PROGRAM);
    let command = command.env("HOME", cache.outside());
    let args = ["cull", "--max-size=0", "--cache"];
    assert!(
        command
            .args(args)
            .arg(cache.path())
            .output()
            .unwrap()
            .status
            .success()
    );
}

#[test]
fn as_root_only_what_is_roots_alone() {
    let cache = CacheDir::new();
    put(&cache, "d/a", 1, 9);
    if chown(cache.path(), Some(65_534), None).is_err() {
        return;
    }
    refuses(&cache.path(), &["belongs to", "run cull as"]);
    chown(cache.path(), Some(0), None).unwrap();
    // Nor a directory below in which another may lay links.
    chown(cache.file("d"), Some(65_534), None).unwrap();
    let (code, _, stderr) = cull(&cache.path(), &["--max-size=0"]);
    assert!(code == 1 && stderr.contains("belongs to"), "{stderr}");
    assert_eq!(files(&cache).len(), 1);
}

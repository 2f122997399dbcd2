//! Directories that are never culled, whoever asks for it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command as Process;

use assert_cmd::Command;

use crate::support::cull::{cull, files, put};
use crate::support::{CacheDir, Daemon, PROGRAM};

/// A user without rights.
const NOBODY: u32 = 65_534;

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
        assert!(stdout.starts_with("removed 1 file, "), "{stdout}");
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
fn what_is_no_cache_is_refused_behind_a_link_too() {
    let cache = CacheDir::new();
    let outside = |name: &str| cache.outside().join(name).to_str().unwrap().to_owned();
    put(&cache, "d/a", 1, 9);
    for (place, file) in [
        ("system", "etc/x"),
        ("system/deep", "usr/x"),
        ("repository", "profiles/repo_name"),
        ("homes", "me/x"),
    ] {
        put(&cache, &format!("../{place}/{file}"), 1, 9);
    }
    symlink(cache.outside(), outside("way")).unwrap();
    for (to, why) in [
        ("/", "root directory"),
        ("/proc/self/root", "root directory"),
        ("/etc", "system directory /etc"),
        ("/usr/lib", "system directory /usr/lib"),
        (&outside("system"), "holds etc"),
        ("../../system/deep", "holds usr"),
        (&outside("way/cache/../system"), "holds etc"),
        (&outside("repository"), "ebuild repository"),
        (&outside("homes"), "home directory"),
        ("../../way/homes/me/.", "home directory"),
    ] {
        let link = cache.file("d/link");
        symlink(to, &link).unwrap();
        let output = Process::new(PROGRAM)
            .env("HOME", outside("homes/me"))
            .args(["cull", "--unused-for=1h", "--dry-run", "--cache"])
            .arg(cache.path())
            .output();
        fs::remove_file(&link).unwrap();
        let output = output.unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(1), "{to}: {stdout}");
        assert!(stdout.ends_with("; nothing is left\n"), "{stdout}");
        assert!(stdout.contains("would remove 1 file,"), "{stdout}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        for word in [link.to_str().unwrap(), why] {
            assert!(stderr.contains(word), "no {word:?} in {stderr}");
        }
    }
}

#[test]
fn a_link_within_the_cache_is_no_way_out_of_it() {
    let cache = CacheDir::new();
    for name in ["a/etc/x", "a/usr/y", "b/z"] {
        put(&cache, name, 1, 9);
    }
    symlink("../a", cache.file("b/link")).unwrap();
    symlink(cache.path(), cache.file("a/up")).unwrap();
    let (code, stdout, stderr) = cull(&cache.path(), &["--max-size=0"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert_eq!(cache.walk(), ["a", "a/up", "b", "b/link"]);
}

#[test]
fn as_root_only_what_is_roots_alone() {
    let cache = CacheDir::new();
    put(&cache, "d/a", 1, 9);
    if chown(cache.path(), Some(NOBODY), None).is_err() {
        return;
    }
    refuses(&cache.path(), &["belongs to", "run this as"]);
    chown(cache.path(), Some(0), None).unwrap();
    // Nor a directory below in which another may lay links.
    chown(cache.file("d"), Some(NOBODY), None).unwrap();
    let (code, _, stderr) = cull(&cache.path(), &["--max-size=0"]);
    assert!(code == 1 && stderr.contains("belongs to"), "{stderr}");
    assert_eq!(files(&cache).len(), 1);
}

/// What a user `nobody` may not enter in his own cache: the closed directories are `owner`'s.
fn closed_to_nobody(owner: u32) -> Option<CacheDir> {
    let cache = CacheDir::new();
    put(&cache, "d/a", 1, 9);
    fs::set_permissions(cache.outside(), Permissions::from_mode(0o755)).unwrap();
    for dir in [cache.path(), cache.file("d")] {
        chown(dir, Some(NOBODY), None).ok()?;
    }
    for (dir, mode) in [("lost+found", 0o700), ("d/.snapshots", 0o744)] {
        put(&cache, &format!("{dir}/x"), 1, 9);
        chown(cache.file(dir), Some(owner), None).ok()?;
        fs::set_permissions(cache.file(dir), Permissions::from_mode(mode)).unwrap();
    }
    Some(cache)
}

/// Culls as `nobody`: exit status and standard error.
fn cull_as_nobody(cache: &Path) -> Option<(i32, String)> {
    let mut command = Process::new(PROGRAM);
    command.args(["cull", "--max-size=0", "--cache"]).arg(cache);
    let output = command.uid(NOBODY).gid(NOBODY).output().ok()?;
    let said = String::from_utf8(output.stderr).unwrap();
    Some((output.status.code().unwrap(), said))
}

#[test]
fn what_root_alone_may_enter_is_passed_over() {
    let Some(cache) = closed_to_nobody(0) else {
        return;
    };
    let Some(done) = cull_as_nobody(&cache.path()) else {
        return;
    };
    assert_eq!(done, (0, String::new()));
    let left = files(&cache).into_iter().collect::<Vec<_>>();
    assert_eq!(left, ["d/.snapshots/x", "lost+found/x"]);

    // Others' closed directories may hold files of the cache.
    let cache = closed_to_nobody(65_533).unwrap();
    let (code, said) = cull_as_nobody(&cache.path()).unwrap();
    assert_eq!((code, said.lines().count()), (1, 2), "{said}");
    // And a cache is not passed over.
    let cache = closed_to_nobody(0).unwrap();
    let (code, said) = cull_as_nobody(&cache.file("lost+found")).unwrap();
    assert_eq!((code, said.lines().count()), (1, 1), "{said}");
}

#[test]
fn a_sweep_passes_over_what_root_alone_may_enter() {
    let Some(cache) = closed_to_nobody(0) else {
        return;
    };
    let known = Process::new("setpriv").arg("--version").output();
    if known.is_err() {
        return;
    }
    cache.put("d/.package-cache-0123456789abcdef.part", b"half", 1);
    let nobody = "exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" \"$@\"";
    chown(
        cache.file("d/.package-cache-0123456789abcdef.part"),
        Some(NOBODY),
        None,
    )
    .unwrap();
    let daemon = Daemon::on(&cache).arg("-v").after(nobody).start();
    daemon.wait_for_log("swept 1 leftover in");
    let complaints = daemon.logged("cannot read");
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// Where a user may make a file system of his own, `/tmp` is an empty one.
#[test]
fn the_default_cache_is_no_link_however_it_is_spelt() {
    let script = r#"
        exec 3<"$0"
        mount -t tmpfs tmpfs /tmp || exit 77
        mkdir /tmp/theirs
        echo x >/tmp/theirs/a
        ln -s theirs /tmp/package-cache
        for path in /tmp/package-cache /tmp/package-cache/ /tmp/package-cache/. \
            /tmp/./package-cache// //tmp//package-cache/./ /tmp/../tmp/package-cache/; do
            /proc/self/fd/3 cull --cache "$path" --max-size 0
            echo "cull $? $path"
            /proc/self/fd/3 --check --port 0 --cache "$path"
            echo "check $? $path"
            timeout 5 /proc/self/fd/3 --port 0 --cache "$path"
            echo "serve $? $path"
        done
        ls /tmp/theirs
        # A link that leads nowhere is no directory that could be made.
        rm -r /tmp/theirs
        for path in /tmp/package-cache/ /tmp/other/; do
            ln -sf theirs "${path%/}"
            /proc/self/fd/3 --check --port 0 --cache "$path"
            echo "check $? $path"
        done
        # A directory of one's own is a cache.
        rm /tmp/package-cache
        mkdir -m 700 /tmp/package-cache
        /proc/self/fd/3 cull --cache /tmp/./package-cache/ --max-size 0
        echo "cull $?"
    "#;
    let output = Process::new("unshare")
        .args(["-Urm", "sh", "-c", script, PROGRAM])
        .output();
    let Some(output) = output.ok().filter(|output| !output.stdout.is_empty()) else {
        return;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = said.lines().collect();
    let (refused, rest) = lines.split_at(18);
    for line in refused {
        assert!(line.split(' ').nth(1) == Some("1"), "{line} of {said}");
    }
    let expected = [
        "a",
        "check 1 /tmp/package-cache/",
        "check 1 /tmp/other/",
        "removed 0 files, 0; nothing is left",
        "cull 0",
    ];
    assert_eq!(rest, expected, "{said}");
    let why = String::from_utf8(output.stderr).unwrap();
    assert_eq!(why.lines().count(), 20, "{why}");
}

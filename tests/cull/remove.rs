//! Trimming a cache by age, size and free space; what is spared.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Command as Process, Stdio};

use crate::support::cull::{cull, files, put};
use crate::support::program::{program, run};
use crate::support::{
    CacheDir, End, Gate, KEPT, LEFTOVER, LIMIT, MODIFIED, Origin, PROGRAM, Rig, Step, head,
    wait_until,
};

/// A cull that must succeed without complaint; its standard output.
#[track_caller]
fn culled(cache: &CacheDir, args: &[&str]) -> String {
    let (code, stdout, stderr) = cull(&cache.path(), args);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    stdout
}

fn size(cache: &CacheDir, name: &str) -> u64 {
    fs::symlink_metadata(cache.file(name)).unwrap().blocks() * 512
}

/// Files `0`, `1`, ... in the order of their last use, an hour apart, the least recent first.
fn aged(cache: &CacheDir, count: usize) -> Vec<String> {
    let names: Vec<_> = (0..count)
        .map(|i| format!("distfiles/{:02x}/{i:05}", i * 37 % 256))
        .collect();
    for (i, name) in names.iter().enumerate() {
        put(cache, name, 1 + i % 3 * 4096, (count - i) as u64);
    }
    names
}

#[test]
fn ten_thousand_files_by_age_by_size_and_together() {
    let cache = CacheDir::new();
    let names = aged(&cache, 10_000);
    let sizes: Vec<_> = names.iter().map(|name| size(&cache, name)).collect();
    let from = |first: usize| names[first..].iter().cloned().collect::<BTreeSet<_>>();
    // The first of those that stay, for a bound on the size.
    let fits = |most: u64| {
        (0..)
            .find(|&i| sizes[i..].iter().sum::<u64>() <= most)
            .unwrap()
    };

    // The last of those that go was used 8,999 hours and a moment ago.
    let said = culled(&cache, &["--unused-for=8999h", "-v"]);
    assert_eq!(files(&cache), from(1002));
    assert_eq!(said.lines().count(), 1003, "{said}");
    for (line, name) in said.lines().zip(&names[..1002]) {
        assert!(
            line.starts_with("removed ") && line.ends_with(name),
            "{line}"
        );
    }
    assert!(
        said.lines()
            .last()
            .unwrap()
            .starts_with("removed 1002 files, ")
    );

    let most = sizes[3456..].iter().sum::<u64>();
    assert_eq!(fits(most), 3456);
    let said = culled(&cache, &[&format!("--max-size={most}")]);
    assert_eq!(files(&cache), from(3456));
    assert_eq!(said.lines().count(), 1, "{said}");
    // One byte less costs one file; and then the other bound is the stricter one.
    culled(
        &cache,
        &[&format!("--max-size={}", most - 1), "--unused-for=9000h"],
    );
    assert_eq!(files(&cache), from(3457));
    culled(
        &cache,
        &[&format!("--max-size={most}"), "--unused-for=4999h"],
    );
    assert_eq!(files(&cache), from(5002));
    let free = ["--min-free=1", "--max-size=99T", "--unused-for=1y"];
    let said = culled(&cache, &free[..2]);
    assert!(said.starts_with("removed 0 files, 0;"), "{said}");
    assert_eq!(files(&cache), from(5002));
    culled(&cache, &["--max-size=0"]);
    assert!(cache.walk().is_empty() && cache.path().is_dir());
}

#[test]
fn a_dry_run_touches_nothing() {
    let cache = CacheDir::new();
    let names = aged(&cache, 2_500);
    cache.put(format!("d/{LEFTOVER}"), b"half", 1);
    let look = || -> Vec<_> {
        let entries = cache.walk().into_iter();
        let times = |of: fs::Metadata| {
            let changed = (of.ctime(), of.ctime_nsec(), of.mtime(), of.mtime_nsec());
            (changed, of.atime(), of.atime_nsec(), of.ino(), of.nlink())
        };
        entries
            .map(|name| {
                (
                    times(fs::symlink_metadata(cache.file(&name)).unwrap()),
                    name,
                )
            })
            .filter(|(_, name)| !cache.file(name).is_dir())
            .collect()
    };
    let before = look();
    let said = culled(&cache, &["--max-size=0", "--dry-run"]);
    assert_eq!(look(), before);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), names.len() + 2);
    assert!(lines[0].ends_with(LEFTOVER), "{}", lines[0]);
    for (line, name) in lines[1..].iter().zip(&names) {
        assert!(
            line.starts_with("would remove ") && line.ends_with(name),
            "{line}"
        );
    }
    assert!(lines.last().unwrap().contains("; nothing is left"));
}

/// What a stop has kept counts like a file, by its last use, and an old one like a leftover.
#[test]
fn what_a_stop_has_kept_counts() {
    let cache = CacheDir::new();
    let kept = format!("d/{KEPT}");
    for (name, hours) in [("d/old", 3), (kept.as_str(), 2), ("d/new", 1)] {
        put(&cache, name, 8192, hours);
    }
    culled(&cache, &["--max-size=16K"]);
    assert_eq!(
        files(&cache),
        BTreeSet::from([kept.clone(), "d/new".to_owned()])
    );
    culled(&cache, &["--unused-for=3h"]);
    assert!(files(&cache).contains(&kept));
    let mut old = program(&["cull", "--unused-for=3h", "--cache"]);
    old.arg(cache.path())
        .env("PACKAGE_CACHE_LIMITS", "partial_ms=0");
    let (code, stdout, _) = run(&mut old, LIMIT);
    assert!(code == 0 && stdout.contains("; 1 leftover"), "{stdout}");
    put(&cache, &kept, 8192, 2);
    culled(&cache, &["--max-size=8K"]);
    assert_eq!(files(&cache), BTreeSet::from(["d/new".to_owned()]));
}

#[test]
fn running_transfers_survive_and_dead_ones_go() {
    let (rig, gate) = (Rig::start(), Gate::new());
    let length = ["Content-Length: 20", &format!("Last-Modified: {MODIFIED}")];
    rig.origin.script(
        "/d/e/a.tar",
        vec![
            head("200 OK", &length),
            Step::Send(b"0123456789".to_vec()),
            Step::Wait(gate.clone()),
            Step::Send(b"abcdefghij".to_vec()),
        ],
    );
    let mut client = rig.daemon.begin("/d/e/a.tar");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.take(10), b"0123456789");
    rig.daemon.wait_idle();
    put(&rig.cache, "d/old.tar", 1, 5);
    put(&rig.cache, "gone/b/c.tar", 1, 5);
    rig.cache.put(format!("dead/x/{LEFTOVER}"), b"half", 1);

    let said = culled(&rig.cache, &["--max-size=0"]);
    assert!(said.starts_with("removed 2 files, "), "{said}");
    assert!(said.contains("; 1 leftover of a killed transfer"), "{said}");
    let left = rig.cache.walk();
    assert_eq!(left[..2], ["d", "d/e"], "{left:?}");
    assert_eq!((left.len(), rig.cache.partials().len()), (3, 1), "{left:?}");
    gate.open();
    assert_eq!(client.rest(), (b"abcdefghij".to_vec(), End::Complete));
    assert_eq!(rig.cache.wait_stored("d/e/a.tar"), b"0123456789abcdefghij");
    // What a cull removed is fetched anew, its directories too.
    rig.origin.file("/gone/b/c.tar", b"again");
    rig.daemon.get("/gone/b/c.tar").assert_whole(b"again");
    assert_eq!(rig.cache.wait_stored("gone/b/c.tar"), b"again");
}

#[test]
fn links_stay_and_what_linked_files_point_to() {
    let cache = CacheDir::new();
    let outside = cache.outside().join("outside");
    fs::create_dir_all(outside.join("sub")).unwrap();
    fs::write(outside.join("target"), b"content").unwrap();
    fs::write(outside.join("sub/real"), b"content").unwrap();
    fs::create_dir(cache.outside().join("linked")).unwrap();
    fs::rename(outside.join("sub"), cache.outside().join("linked/sub")).unwrap();
    put(&cache, "plain", 1, 5);
    symlink(outside.join("target"), cache.file("link")).unwrap();
    symlink("nowhere", cache.file("dangling")).unwrap();
    symlink(cache.path(), cache.file("loop")).unwrap();
    for name in ["dir", "dir-again"] {
        symlink(cache.outside().join("linked"), cache.file(name)).unwrap();
    }
    // A real file in a linked directory is one of the cache, once; the directory it was in goes.
    let said = culled(&cache, &["--max-size=0"]);
    assert!(said.starts_with("removed 2 files, "), "{said}");
    assert_eq!(
        cache.walk(),
        ["dangling", "dir", "dir-again", "link", "loop"]
    );
    assert_eq!(fs::read(outside.join("target")).unwrap(), b"content");
    let left: Vec<_> = fs::read_dir(cache.outside().join("linked"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_file_with_two_names_counts_once_and_goes_whole() {
    let cache = CacheDir::new();
    for (name, hours) in [("a", 9), ("c", 5), ("d", 3)] {
        put(&cache, name, 4096, hours);
    }
    fs::hard_link(cache.file("a"), cache.file("b")).unwrap();
    let one = size(&cache, "a");
    culled(&cache, &[&format!("--max-size={}", 3 * one)]);
    assert_eq!(files(&cache).len(), 4);
    let said = culled(&cache, &[&format!("--max-size={}", 2 * one)]);
    assert!(
        said.starts_with("removed 2 files, 4.0K; 2 files, "),
        "{said}"
    );
    assert_eq!(cache.walk(), ["c", "d"]);
}

#[test]
fn two_culls_at_once_remove_what_one_would() {
    let cache = CacheDir::new();
    let names = aged(&cache, 3_000);
    let sizes = names[1_200..].iter().map(|name| size(&cache, name));
    let most = format!("--max-size={}", sizes.sum::<u64>());
    let culls: Vec<_> = (0..2)
        .map(|_| {
            let mut command = Process::new(PROGRAM);
            command.args(["cull", &most, "--cache"]).arg(cache.path());
            let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            piped.spawn().unwrap()
        })
        .collect();
    for cull in culls {
        let output = cull.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
    assert_eq!(files(&cache), names[1_200..].iter().cloned().collect());
}

#[test]
fn a_closed_stdout_changes_nothing() {
    let cache = CacheDir::new();
    aged(&cache, 100);
    let mut child = Process::new(PROGRAM)
        .args(["cull", "-v", "--max-size=0", "--cache"])
        .arg(cache.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    assert!(cache.walk().is_empty());
}

#[test]
fn free_space_that_its_files_cannot_make_costs_none() {
    let cache = CacheDir::new();
    aged(&cache, 20);
    let (code, stdout, stderr) = cull(&cache.path(), &["--min-free=16000000T"]);
    assert_eq!(code, 1);
    assert!(
        stdout.starts_with("removed 0 files, 0; 20 files, "),
        "{stdout}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("--min-free=16000000.0T: "), "{stderr}");
    // The other bounds hold all the same.
    let (code, stdout, _) = cull(&cache.path(), &["--min-free=16000000T", "--unused-for=15h"]);
    assert_eq!((code, files(&cache).len()), (1, 14), "{stdout}");
}

/// Where a user may make a file system of his own, the shortage is a real one.
#[test]
fn free_space_is_made_to_the_file() {
    let cache = CacheDir::new();
    let script = r#"
        mount -t tmpfs -o size=32m,mode=755 tmpfs "$1" || exit 77
        for i in 10 11 12 13 14 15 16 17 18 19; do
            head -c 2097152 /dev/zero >"$1/$i"
            touch -a -d "@16000000$i" "$1/$i"
        done
        "$0" cull --cache "$1" --min-free 18M && ls "$1"
        "$0" cull --cache "$1" --min-free 33M; echo "$?"
        "$0" cull --cache "$1" --min-free 19M --max-size 10M && ls "$1"
    "#;
    let output = Process::new("unshare")
        .args(["-Urm", "sh", "-c", script, PROGRAM])
        .arg(cache.path())
        .output();
    let Some(output) = output.ok().filter(|output| !output.stdout.is_empty()) else {
        return;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    let free = "removed 3 files, 6.0M; 7 files, 14.0M, are left\n13\n14\n15\n16\n17\n18\n19\n";
    let none = "removed 0 files, 0; 7 files, 14.0M, are left\n1\n";
    let both = "removed 2 files, 4.0M; 5 files, 10.0M, are left\n15\n16\n17\n18\n19\n";
    assert_eq!(said, [free, none, both].concat());
}

/// What a dead partial takes counts once, and only where its removal makes room.
#[test]
fn leftovers_make_room_once() {
    let cache = CacheDir::new();
    let script = r#"
        mount -t tmpfs -o size=64m,mode=755 tmpfs "$1" || exit 77
        mkdir -p "$1/c/mount"
        mount -t tmpfs -o size=64m,mode=755 tmpfs "$1/c/mount" || exit 77
        for i in 10 11 12 13 14 15 16 17 18 19; do
            head -c 2097152 /dev/zero >"$1/c/$i"
            touch -a -d "@16000000$i" "$1/c/$i"
        done
        for i in 1 2 mount/3; do
            head -c 4194304 /dev/zero >"$1/c/$(dirname $i)/.package-cache-000000000000000${i#*/}.part"
        done
        ln "$1/c/.package-cache-0000000000000002.part" "$1/kept"
        "$0" cull --cache "$1/c" --min-free 46M --dry-run | tail -n 1
        "$0" cull --cache "$1/c" --min-free 46M
        df -B 1M --output=avail "$1" | tail -n 1
        head -c 4194304 /dev/zero >"$1/c/.package-cache-0000000000000001.part"
        "$0" cull --cache "$1/c" --max-size 10M
    "#;
    let output = Process::new("unshare")
        .args(["-Urm", "sh", "-c", script, PROGRAM])
        .arg(cache.path())
        .output();
    let Some(output) = output.ok().filter(|output| !output.stdout.is_empty()) else {
        return;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    let rest = "remove 3 files, 6.0M; 3 leftovers of killed transfers; 7 files, 14.0M, are left";
    let lines: Vec<_> = said.lines().map(str::trim).collect();
    let expected = [
        format!("would {rest}"),
        rest.replace("remove", "removed"),
        String::from("46"),
        String::from(
            "removed 2 files, 4.0M; 1 leftover of a killed transfer; 5 files, 10.0M, are left",
        ),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn hits_are_served_while_a_cull_runs() {
    let rig = Rig::start();
    let origin: &Origin = &rig.origin;
    let names: Vec<_> = (0..200).map(|i| format!("/d/{}/{i}.tar", i % 7)).collect();
    for name in &names {
        origin.file(name, name.as_bytes());
        rig.daemon.get(name).assert_whole(name.as_bytes());
    }
    let mut command = Process::new(PROGRAM);
    command.args(["cull", "--max-size=0", "--cache"]);
    command.arg(rig.cache.path()).stdout(Stdio::null());
    let mut cull = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut ended = false;
    wait_until("the cull has ended", || {
        for name in &names {
            rig.daemon.get(name).assert_whole(name.as_bytes());
        }
        ended = ended || cull.try_wait().unwrap().is_some();
        ended
    });
    // A file that was just served is spared, and then the bound does not hold.
    let output = cull.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let spared = said.lines().all(|line| line.contains("used meanwhile"));
    assert!(
        spared && output.status.success() == said.is_empty(),
        "{said}"
    );
}

#[test]
fn a_list_that_cannot_be_written_is_a_failure_and_what_is_old_goes_all_the_same() {
    let cache = CacheDir::new();
    aged(&cache, 3);
    let run = Process::new(PROGRAM)
        .args(["cull", "-v", "--unused-for=1h", "--cache"])
        .arg(cache.path())
        .stdout(fs::File::create("/dev/full").unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot print: No space left"), "{said}");
    assert!(files(&cache).is_empty());
}

//! Transfers and hits of distfiles that Manifests list.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::verify::{Repository, dist};
use crate::support::{
    CacheDir, Daemon, End, Gate, MODIFIED_UNIX, Origin, PROGRAM, REFUSED, Rig, Setup, gated,
    missing, noise, ok, wait_until,
};

const PATH: &str = "/distfiles/0f/a-1.tar";
const STORED: &str = "distfiles/0f/a-1.tar";

/// Looks at the Manifests as often as the tests need.
const LIMITS: &str = "follow_ms=100,again_ms=1";

/// A daemon with two sources and a repository that lists `content` as `a-1.tar`.
fn rig(content: &[u8], more: impl FnOnce(Setup) -> Setup) -> (Rig, Origin, Repository) {
    let (origin, second, cache) = (Origin::start(), Origin::start(), CacheDir::new());
    let repository = Repository::new(&cache, "gentoo");
    repository.write("app-misc/a", &dist("a-1.tar", content));
    let setup = Daemon::on(&cache).source(origin.url()).source(second.url());
    let setup = setup.arg("--manifests").arg(&repository.0).limits(LIMITS);
    let daemon = more(setup).start();
    let rig = Rig {
        daemon,
        origin,
        cache,
    };
    (rig, second, repository)
}

/// What the program has counted: good, bad, unknown.
fn verified(rig: &Rig) -> [u64; 3] {
    let metrics = rig.daemon.get("/.package-cache/metrics").text();
    ["good", "bad", "unknown"].map(|result| {
        let name = format!("package_cache_verified_total{{result=\"{result}\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
        value.unwrap().parse().unwrap()
    })
}

#[test]
fn a_wrong_length_goes_on_to_the_next_source_before_any_byte() {
    let content = noise(500_000);
    let (rig, second, _repository) = rig(&content, |setup| setup);
    rig.origin.script(PATH, ok(&content[..499_999]));
    second.script(PATH, ok(&content));
    let asked = rig.daemon.ask("HEAD", PATH, &[]);
    assert_eq!(asked.field("content-length"), Some("500000"));
    assert_eq!(verified(&rig), [0, 0, 0], "no file was fetched");
    rig.origin.script(PATH, ok(&content[..499_999]));
    second.script(PATH, ok(&content));
    rig.daemon.get(PATH).assert_whole(&content);
    rig.cache.assert_stored(STORED, &content);
    let line = rig.daemon.wait_for_log("499999 bytes, should be 500000");
    let named = format!("warning: source {}{PATH}: not the file: ", rig.origin.url());
    assert!(line.contains(&named), "{line}");
    assert_eq!(verified(&rig), [1, 1, 0]);
}

#[test]
fn the_right_length_with_wrong_bytes_is_cut_and_the_next_try_is_whole() {
    let content = noise(500_000);
    let mut wrong = content.clone();
    wrong[10] ^= 1;
    let (rig, second, _repository) = rig(&content, |setup| setup);
    rig.origin.script(PATH, ok(&wrong));
    second.script(PATH, ok(&content));
    let answer = rig.daemon.get(PATH);
    assert!(answer.end != End::Complete && answer.body.len() <= 500_000 - 65_536);
    rig.cache.wait_empty();
    rig.daemon.get(PATH).assert_whole(&content);
    assert_eq!(rig.origin.count(PATH), 1);
}

#[test]
fn a_name_that_no_manifest_lists_is_stored_and_counted() {
    let (rig, _second, _repository) = rig(b"x", |setup| setup);
    rig.origin.script("/distfiles/00/b.tar", ok(b"anything"));
    rig.origin.script("/other/a-1.tar", ok(b"no distfile"));
    rig.daemon
        .get("/distfiles/00/b.tar")
        .assert_whole(b"anything");
    rig.daemon
        .get("/other/a-1.tar")
        .assert_whole(b"no distfile");
    rig.cache.assert_stored("distfiles/00/b.tar", b"anything");
    rig.cache.assert_stored("other/a-1.tar", b"no distfile");
    assert_eq!(verified(&rig), [0, 0, 1]);
}

#[test]
fn a_stored_file_of_a_wrong_length_is_replaced() {
    let content = noise(1_000);
    let (rig, _second, _repository) = rig(&content, |setup| setup);
    rig.cache.put(STORED, &content[..999], MODIFIED_UNIX);
    rig.origin.script(PATH, ok(&content));
    // Until the Manifests are read it is a hit.
    wait_until("it is replaced", || {
        rig.daemon.get(PATH).body.len() == 1_000
    });
    wait_until("it has its name", || {
        fs::read(rig.cache.file(STORED)).unwrap() == content
    });
    let asked = rig.origin.requests();
    assert_eq!(asked.len(), 1);
    // Of another file it would mean nothing that it has not changed.
    assert_eq!(asked[0].field("if-modified-since"), None);
    assert!(rig.daemon.get(PATH).cache_status("hit"));
}

#[test]
fn a_slow_source_is_waited_for_where_a_wrong_length_is_stored() {
    let (content, gate) = (noise(1_000), Gate::new());
    let limits = format!("{LIMITS},stale_ms=0");
    let (rig, _second, _repository) = rig(&content, |setup| setup.limits(&limits).arg("-v"));
    rig.daemon.wait_for_log("the Manifests list");
    rig.cache.put(STORED, &content[..999], MODIFIED_UNIX);
    rig.origin.script(PATH, gated(&gate, ok(&content)));
    let mut client = rig.daemon.begin(PATH);
    wait_until("it is asked for", || rig.origin.count(PATH) > 0);
    gate.open();
    client.answer().assert_whole(&content);
}

#[test]
fn where_no_source_has_the_right_one_the_stored_file_is_served_with_a_warning() {
    let content = noise(1_000);
    for has_other in [true, false] {
        let (rig, second, _repository) = rig(&content, |setup| setup);
        rig.cache.put(STORED, b"another", MODIFIED_UNIX);
        if has_other {
            rig.origin.script(PATH, ok(b"another"));
            second.script(PATH, ok(b"a third one"));
        }
        wait_until("it is asked for", || {
            rig.daemon.get(PATH).assert_whole(b"another");
            rig.origin.count(PATH) > 0
        });
        let line = rig.daemon.wait_for_log("which no Manifest lists");
        assert!(
            line.contains("warning: distfiles/0f/a-1.tar: 7 bytes are stored"),
            "{line}"
        );
        let asked = rig
            .daemon
            .ask("GET", PATH, &["Cache-Control: only-if-cached"]);
        assert!([200, 504].contains(&asked.status));
        rig.cache.assert_stored(STORED, b"another");
    }
}

#[test]
fn a_sync_is_followed_and_a_name_is_looked_up_anew_before_it_counts_as_unknown() {
    let (old, new) = (noise(1_000), noise(2_000));
    let (rig, _second, repository) = rig(&old, |setup| setup);
    rig.origin.script(PATH, ok(&old));
    rig.origin.script(PATH, ok(&new));
    rig.daemon.get(PATH).assert_whole(&old);
    // A name that is new, and one whose file has changed under it.
    let lines = [dist("a-1.tar", &new), dist("b.tar", &old)].concat();
    let manifest = repository.0.join("app-misc/a/Manifest");
    fs::write(manifest.with_extension("new"), lines).unwrap();
    fs::rename(manifest.with_extension("new"), &manifest).unwrap();
    rig.origin.script("/distfiles/b.tar", ok(&new));
    // Its length is wrong.
    rig.daemon.get("/distfiles/b.tar").assert_error(502);
    wait_until("the new file is asked for", || {
        rig.daemon.get(PATH).body == new
    });
    wait_until("it has its name", || {
        fs::read(rig.cache.file(STORED)).unwrap() == new
    });
    assert_eq!(verified(&rig)[2], 0);
}

#[test]
fn a_repository_that_vanishes_fails_no_client() {
    let content = noise(1_000);
    let (rig, _second, repository) = rig(&content, |setup| setup);
    rig.origin.script(PATH, ok(&content[..10]));
    rig.origin.script(PATH, ok(&content));
    rig.daemon.get(PATH).assert_error(502);
    fs::remove_dir_all(&repository.0).unwrap();
    let line = rig.daemon.wait_for_log("until then ");
    assert!(line.contains("warning: --manifests="), "{line}");
    rig.daemon.get(PATH).assert_whole(&content);
    assert_eq!(verified(&rig), [1, 1, 0]);
}

#[test]
fn a_repository_that_vanishes_keeps_no_other_from_being_followed() {
    let (old, new, overlaid) = (noise(1_000), noise(2_000), noise(3_000));
    let (cache, origin) = (CacheDir::new(), Origin::start());
    let [overlay, gentoo] = ["overlay", "gentoo"].map(|name| Repository::new(&cache, name));
    overlay.write("app-misc/b", &dist("b.tar", &overlaid));
    gentoo.write("app-misc/a", &dist("a-1.tar", &old));
    let setup = Daemon::on(&cache).source(origin.url()).limits(LIMITS);
    let setup = setup.arg("--manifests").arg(&overlay.0);
    let daemon = setup.arg("--manifests").arg(&gentoo.0).start();
    origin.script(PATH, ok(&new));
    daemon.get(PATH).assert_error(502);
    fs::remove_dir_all(&overlay.0).unwrap();
    daemon.wait_for_log("until then ");
    gentoo.write("app-misc/a", &dist("a-1.tar", &new));
    daemon.get(PATH).assert_whole(&new);
    // What it said still counts.
    origin.script("/distfiles/b.tar", ok(&old));
    daemon.get("/distfiles/b.tar").assert_error(502);
}

#[test]
fn a_sync_that_shows_itself_before_its_end_is_followed_to_its_end() {
    // Of one length, so that nothing but the digest tells them apart, and the old one is not wrong for long.
    let (old, new) = (noise(1_000), vec![b'x'; 1_000]);
    let (rig, second, repository) = rig(&old, |setup| {
        setup.arg("-v").limits("follow_ms=1000,again_ms=1")
    });
    let mark = repository.0.join("metadata/timestamp.chk");
    fs::create_dir_all(mark.parent().unwrap()).unwrap();
    let read = || rig.daemon.logged("the Manifests list").len();
    wait_until("the Manifests are read", || read() > 0);
    let before = read();
    fs::write(&mark, "now").unwrap();
    wait_until("they are read again", || read() > before);
    // In a directory that no mark tells of; `rsync` renames.
    let manifest = repository.0.join("app-misc/a/Manifest");
    fs::write(manifest.with_extension("new"), dist("a-1.tar", &new)).unwrap();
    fs::rename(manifest.with_extension("new"), &manifest).unwrap();
    let before = read();
    wait_until("they are read to the end", || read() > before);
    rig.origin.script(PATH, ok(&old));
    second.script(PATH, ok(&new));
    rig.daemon.get(PATH).assert_whole(&new);
}

#[test]
fn memory_does_not_grow_from_sync_to_sync() {
    let (rig, _second, repository) = rig(b"x", |setup| setup.arg("-v"));
    // 2.3 MiB of them.
    let line = dist("NAME", b"y");
    for package in 0..50 {
        let lines = (0..500).map(|at| line.replace("NAME", &format!("{package}-{at}")));
        repository.write(&format!("c/{package}"), &lines.collect::<String>());
    }
    let read = || {
        let lines = rig.daemon.logged("the Manifests list 25001 distfiles");
        lines.len()
    };
    wait_until("all are read", || read() > 0);
    let mut first = None;
    for sync in 0..5 {
        // One Manifest more, which is looked for before all are read anew.
        let (package, before) = (format!("d/{sync}"), read());
        repository.write(&package, &dist("a-1.tar", b"x"));
        rig.daemon.get("/distfiles/00/b.tar").assert_error(404);
        wait_until("all are read again", || read() > before);
        first.get_or_insert_with(|| rig.daemon.memory());
    }
    let most = first.unwrap() + 1_000;
    wait_until("the last one is given back", || rig.daemon.memory() < most);
}

#[test]
fn nobody_waits_for_what_is_no_file_in_a_repository() {
    let content = noise(1_000);
    let (cache, origin) = (CacheDir::new(), Origin::start());
    let repository = Repository::new(&cache, "gentoo");
    repository.write("app-misc/a", &dist("a-1.tar", &content));
    repository.write("app-misc/b", "");
    let fifo = |path: &&str| {
        let path = repository.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
    };
    [".git/HEAD", "app-misc/c/Manifest"].iter().for_each(fifo);
    let setup = Daemon::on(&cache).source(origin.url());
    let daemon = setup.arg("--manifests").arg(&repository.0).start();
    origin.script(PATH, ok(b"another"));
    daemon.get(PATH).assert_error(502);
}

#[test]
fn what_is_no_repository_fails_the_check_and_the_start() {
    let cache = CacheDir::new();
    let empty = Repository::new(&cache, "empty");
    for dir in [&*empty.0, Path::new("/nonexistent")] {
        for check in [true, false] {
            let mut command = Command::new(PROGRAM);
            command.args(["--port=0", "--source", REFUSED, "--cache"]);
            command.arg(cache.path()).arg("--manifests").arg(dir);
            if check {
                command.arg("--check");
            }
            let output = command.output().unwrap();
            let why = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{why}");
            let named = format!("--manifests={}: ", dir.display());
            assert!(
                why.contains(&named) && why.contains("name an ebuild repository"),
                "{why}"
            );
            assert_eq!(why.lines().count(), 1, "{why}");
        }
    }
}

#[test]
fn an_unlisted_name_that_no_source_has_is_missing() {
    let (rig, second, _repository) = rig(b"x", |setup| setup);
    rig.origin.script("/distfiles/00/b.tar", missing());
    rig.daemon.get("/distfiles/00/b.tar").assert_error(404);
    assert_eq!(second.count("/distfiles/00/b.tar"), 1);
    assert_eq!(verified(&rig), [0, 0, 0]);
}

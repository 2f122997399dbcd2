//! What the cache directory promises on any disk: room that stays free, links of the administrator, clocks that
//! are wrong, places that hold no cache.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::{
    CacheDir, Daemon, End, Gate, MODIFIED, PROGRAM, Rig, Setup, Step, head, ok, reply, wait_until,
};

const LEFTOVER: &str = ".package-cache-0123456789abcdef.part";
/// A day after `MODIFIED`.
const LATER: &str = "Thu, 22 Oct 2015 07:28:00 GMT";

/// The bytes that are free on the file system of a directory.
fn free(dir: &Path) -> u64 {
    let mut stat = Command::new("stat");
    let output = stat.args(["-f", "-c", "%a %S"]).arg(dir).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (blocks, size) = said.trim().split_once(' ').unwrap();
    blocks.parse::<u64>().unwrap() * size.parse::<u64>().unwrap()
}

#[test]
fn what_running_transfers_are_still_to_write_counts() {
    // Other programs change the free space meanwhile, but hardly by a third of it.
    let rig = Rig::with(|setup| setup.arg("--min-free").arg("0"));
    let (length, gate) = (free(&rig.cache.path()) / 3 * 2, Gate::new());
    let announced = head("200 OK", &[&format!("Content-Length: {length}")]);
    let script = |gate: &Gate| {
        let some = Step::Send(b"some".to_vec());
        vec![announced.clone(), some, Step::Wait(gate.clone())]
    };
    let begin = |target: &str| {
        let mut client = rig.daemon.begin(target);
        let stored = client.head().cache_status("stored");
        (client, stored)
    };
    rig.origin.script("/d/a.tar", script(&gate));
    rig.origin.script("/d/b.tar", script(&gate));
    rig.origin.script("/d/c.tar", ok(b"small"));
    let (mut first, first_stored) = begin("/d/a.tar");
    let (mut second, second_stored) = begin("/d/b.tar");
    assert!(first_stored && !second_stored);
    assert!(rig.daemon.get("/d/c.tar").cache_status("stored"));
    gate.open();
    assert_ne!(first.rest().1, End::Complete);
    assert_ne!(second.rest().1, End::Complete);
    wait_until("the transfers are over", || rig.cache.partials().is_empty());
    // What was not written after all is free for others.
    let gate = Gate::new();
    rig.origin.script("/d/e.tar", script(&gate));
    let (mut third, third_stored) = begin("/d/e.tar");
    assert!(third_stored);
    gate.open();
    assert_ne!(third.rest().1, End::Complete);
}

/// A rig whose cache has `d/linked` leading to `to`, seen from the directory beside the cache.
fn linked(to: &str) -> (Rig, PathBuf) {
    let rig = Rig::start();
    fs::create_dir(rig.cache.outside().join("elsewhere")).unwrap();
    fs::create_dir(rig.cache.file("d")).unwrap();
    let end = rig.cache.outside().join(to);
    symlink(&end, rig.cache.file("d/linked.tar")).unwrap();
    (rig, end)
}

fn is_link(rig: &Rig) -> bool {
    let link = rig.cache.file("d/linked.tar");
    link.symlink_metadata().unwrap().is_symlink()
}

#[test]
fn a_link_that_leads_to_nothing_yet_is_followed() {
    let (rig, end) = linked("elsewhere/real.tar");
    rig.origin.file("/d/linked.tar", b"content");
    rig.daemon.get("/d/linked.tar").assert_whole(b"content");
    assert_eq!(rig.cache.wait_stored("d/linked.tar"), b"content");
    assert!(is_link(&rig), "the link was replaced");
    assert_eq!(fs::read(&end).unwrap(), b"content");
    assert!(rig.daemon.get("/d/linked.tar").cache_status("hit"));
}

#[test]
fn a_linked_file_is_replaced_where_it_lies() {
    let (rig, end) = linked("elsewhere/real.tar");
    fs::write(&end, b"old").unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let times = FileTimes::new().set_modified(old);
    File::open(&end).unwrap().set_times(times).unwrap();
    rig.origin.file("/d/linked.tar", b"newer");
    let answer = rig
        .daemon
        .ask("GET", "/d/linked.tar", &["Cache-Control: no-cache"]);
    answer.assert_whole(b"newer");
    wait_until("it is replaced", || fs::read(&end).unwrap() == b"newer");
    assert!(is_link(&rig), "the link was replaced");
    assert_eq!(rig.cache.modified("d/linked.tar"), 1_445_412_480);
}

#[test]
fn no_directory_is_made_for_a_link_to_a_file() {
    let (rig, end) = linked("nowhere/real.tar");
    rig.origin.file("/d/linked.tar", b"content");
    // Nobody knows of the link before the name is given, which is after the answer.
    rig.daemon.get("/d/linked.tar").assert_whole(b"content");
    rig.daemon.wait_for_log("cannot store");
    assert!(is_link(&rig) && !end.parent().unwrap().exists());
    assert_eq!(rig.cache.walk(), ["d", "d/linked.tar"]);
}

#[test]
fn what_was_left_beside_a_linked_file_is_swept() {
    let cache = CacheDir::new();
    let elsewhere = cache.outside().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for name in [LEFTOVER, "other.part", "real.tar"] {
        fs::write(elsewhere.join(name), b"half").unwrap();
    }
    for name in ["a.tar", "b.tar"] {
        symlink(elsewhere.join("real.tar"), cache.file(name)).unwrap();
    }
    let daemon = Daemon::on(&cache).arg("-v").start();
    daemon.wait_for_log("swept 1 leftover");
    assert!(!elsewhere.join(LEFTOVER).exists());
    assert!(elsewhere.join("other.part").exists() && elsewhere.join("real.tar").exists());
}

#[test]
fn a_last_modified_is_measured_by_the_clock_of_its_source() {
    let rig = Rig::start();
    // To a clock in 1970 every source's is ahead, as this one is to ours.
    for (target, modified, date, kept) in [
        (
            "/d/ahead",
            "Fri, 21 Oct 2095 07:28:00 GMT",
            "Sat, 22 Oct 2095 07:28:00 GMT",
            true,
        ),
        ("/d/right", MODIFIED, LATER, true),
        ("/d/wrong", LATER, MODIFIED, false),
    ] {
        let fields = [
            format!("Last-Modified: {modified}"),
            format!("Date: {date}"),
        ];
        let fields = fields.each_ref().map(String::as_str);
        rig.origin
            .script(target, reply("200 OK", &fields, b"content"));
        let answer = rig.daemon.get(target);
        let etag = answer.assert_whole(b"content").field("etag").unwrap();
        rig.cache.wait_stored(&target[1..]);
        let metadata = fs::metadata(rig.cache.file(&target[1..])).unwrap();
        assert_eq!(metadata.mtime_nsec() == 0, kept, "{target}");
        assert_eq!(rig.daemon.get(target).field("etag"), Some(etag), "{target}");
    }
    let ahead = fs::metadata(rig.cache.file("d/ahead")).unwrap();
    assert_eq!(ahead.mtime(), 3_970_020_480);
}

#[test]
fn a_time_of_use_in_the_future_is_set_by_a_hit() {
    let rig = Rig::start();
    rig.cache.put("a.tar", b"content", 1);
    let path = rig.cache.file("a.tar");
    let future = SystemTime::now() + Duration::from_secs(40 * 86_400);
    let times = FileTimes::new().set_accessed(future);
    File::open(&path).unwrap().set_times(times).unwrap();
    rig.daemon.get("/a.tar").assert_whole(b"content");
    let used = fs::metadata(&path).unwrap().accessed().unwrap();
    assert!(used <= SystemTime::now(), "{used:?}");
}

/// `--check` of a cache directory with a source: the exit status and what it says.
fn check(cache: &Path) -> (i32, String) {
    let mut command = Command::new(PROGRAM);
    command.args(["--check", "--host=127.0.0.1", "--port=0"]);
    command.args(["--source=http://127.0.0.1:1/", "--cache"]);
    let output = command.arg(cache).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn check_finds_places_where_no_cache_can_be() {
    let cache = CacheDir::new();
    cache.put("plain", b"a file", 1);
    let long = "n".repeat(300);
    let inside = |name: &str| cache.file(name).to_str().unwrap().to_owned();
    for path in [
        "/proc/package-cache-test".to_owned(),
        "/proc/self/package-cache-test/below".to_owned(),
        "/proc/self/fd".to_owned(),
        "/sys/package-cache-test".to_owned(),
        "/dev/null".to_owned(),
        "/dev/null/below".to_owned(),
        inside("plain"),
        inside("plain/below"),
        inside(&long),
        inside(&format!("missing/{long}")),
        inside(&format!("missing/{}", "deep/".repeat(2_000))),
    ] {
        let (code, said) = check(Path::new(&path));
        assert_eq!((code, said.lines().count()), (1, 1), "{path}: {said}");
        assert!(said.contains(&path) && said.contains("--cache"), "{said}");
    }
    // A user is told that he may not; root that nobody can.
    let said = check(Path::new("/proc/package-cache-test")).1;
    assert!(!said.contains("No such file"), "{said}");
    assert_eq!(check(&cache.file("not/yet/there")), (0, String::new()));
    assert_eq!(cache.walk(), ["plain"]);
}

#[test]
fn a_disk_that_fails_at_each_write_is_one_error_in_the_log() {
    let rig = Rig::with(|setup| setup.after("ulimit -f 8"));
    for name in ["/d/a.tar", "/d/b.tar", "/d/c.tar"] {
        rig.origin.file(name, &[b'x'; 20_000]);
        rig.daemon.get(name).assert_whole(&[b'x'; 20_000]);
    }
    rig.origin.file("/d/small.tar", b"small");
    rig.daemon.get("/d/small.tar").assert_whole(b"small");
    rig.daemon.wait_for_log("storing again");
    assert_eq!(rig.daemon.logged("cannot store").len(), 1);
    assert_eq!(rig.daemon.logged("storing again").len(), 1);
    assert_eq!(rig.cache.wait_stored("d/small.tar"), b"small");
}

#[test]
fn files_and_directories_in_each_others_place_cost_no_client_anything() {
    let rig = Rig::start();
    rig.cache.put("file", b"content", 1);
    fs::create_dir(rig.cache.file("dir.tar")).unwrap();
    let long = format!("/{}/{}", "n".repeat(255), "m".repeat(256));
    let deep = format!("{}/a.tar", "/d".repeat(3_000));
    for target in ["/file/below.tar", "/dir.tar", &long, &deep] {
        rig.origin.file(target, b"bytes");
        let answer = rig.daemon.get(target);
        assert!(
            !answer.assert_whole(b"bytes").cache_status("stored"),
            "{target}"
        );
    }
    assert_eq!(rig.cache.walk(), ["dir.tar", "file"]);
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_at_the_start() {
    // Root may write everywhere else.
    let unwritable = |setup: Setup| setup.arg("--cache").arg("/proc/tty");
    let rig = Rig::with(unwritable);
    let said = rig.daemon.wait_for_log("cannot store in /proc/tty: ");
    assert!(said.contains("nothing is stored until"), "{said}");
    let status = rig.daemon.get("/.package-cache/status.json");
    let failing = "\"storing\":false";
    assert!(status.text().contains(failing), "{}", status.text());
    rig.origin.file("/d/a.tar", b"content");
    rig.daemon.get("/d/a.tar").assert_whole(b"content");
    assert_eq!(rig.daemon.logged("cannot store").len(), 1);

    // What stores nothing need not write.
    let cache = CacheDir::new();
    let reader = unwritable(Daemon::on(&cache)).arg("-v").start();
    reader.wait_for_log("listening");
    reader.get("/d/a.tar").assert_error(404);
    reader.wait_idle();
    assert_eq!(reader.logged("cannot store").len(), 0);
}

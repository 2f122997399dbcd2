//! The flat name of a distfile and the one in the hashed layout.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread;

use crate::support::verify::{Repository, dist};
use crate::support::{
    CacheDir, Daemon, Gate, LATER, MODIFIED_UNIX, Origin, Rig, at, gated, halves, missing, noise,
    ok, wait_until,
};

const FLAT: &str = "/distfiles/runit-2.1.2.tar.gz";
const HASHED: &str = "/distfiles/09/runit-2.1.2.tar.gz";

/// More than is read ahead before anybody hears of it.
const LENGTH: usize = 300_000;

#[test]
fn what_is_stored_under_one_name_is_served_under_the_other() {
    for (stored, asked) in [(FLAT, HASHED), (HASHED, FLAT)] {
        for above in ["", "/gentoo"] {
            let (rig, content) = (Rig::start(), noise(1_000));
            let (stored, asked) = (format!("{above}{stored}"), format!("{above}{asked}"));
            rig.cache.put(&stored[1..], &content, MODIFIED_UNIX);
            let answer = rig.daemon.get(&asked);
            answer.assert_whole(&content);
            assert!(
                answer.cache_status("hit") || answer.field("cache-status").unwrap().contains("hit")
            );
            let answer = rig.daemon.ask("GET", &asked, &["Range: bytes=990-"]);
            assert_eq!((answer.status, &answer.body[..]), (206, &content[990..]));
            let answer = rig.daemon.ask("HEAD", &asked, &[]);
            assert_eq!(answer.field("content-length"), Some("1000"));
            assert!(rig.origin.requests().is_empty());
        }
    }
}

#[test]
fn other_names_are_one_file_each() {
    let rig = Rig::start();
    for (stored, asked) in [
        ("distfiles/08/runit-2.1.2.tar.gz", FLAT),
        ("runit-2.1.2.tar.gz", "/09/runit-2.1.2.tar.gz"),
        ("distfiles/layout.conf", "/distfiles/4d/layout.conf"),
    ] {
        rig.cache.put(stored, b"another", MODIFIED_UNIX);
        rig.daemon.get(asked).assert_error(404);
    }
}

#[test]
fn a_flat_name_that_no_source_has_is_asked_for_in_the_hashed_layout() {
    let (rig, content) = (Rig::start(), noise(1_000));
    rig.origin.script(HASHED, ok(&content));
    let answer = rig.daemon.ask("HEAD", FLAT, &[]);
    assert_eq!(answer.status, 200);
    rig.daemon.get(FLAT).assert_whole(&content);
    rig.cache.assert_stored(&HASHED[1..], &content);
    assert!(!rig.cache.file(&FLAT[1..]).exists());
    rig.daemon.get(FLAT).assert_whole(&content);
    // Once by HEAD, once by GET.
    assert_eq!((rig.origin.count(FLAT), rig.origin.count(HASHED)), (2, 2));
    // The reverse never.
    rig.origin.script("/distfiles/x.tar", ok(&content));
    let digits: Vec<_> = (0..256)
        .map(|at| format!("/distfiles/{at:02x}/x.tar"))
        .collect();
    for hashed in digits {
        rig.daemon.get(&hashed).assert_error(404);
    }
    assert_eq!(rig.origin.count("/distfiles/x.tar"), 0);
}

#[test]
fn requests_for_both_names_share_one_transfer() {
    let (rig, gate, content) = (Rig::start(), Gate::new(), noise(1_000));
    rig.origin.script(HASHED, gated(&gate, ok(&content)));
    thread::scope(|scope| {
        let asked = [HASHED, FLAT, HASHED, FLAT].map(|target| {
            let client = scope.spawn(|| rig.daemon.get(target));
            wait_until("it is asked for", || {
                rig.origin.count(HASHED) == 1 || target == FLAT
            });
            client
        });
        wait_until("the flat name is asked for", || rig.origin.count(FLAT) > 0);
        gate.open();
        for client in asked {
            client.join().unwrap().assert_whole(&content);
        }
    });
    assert_eq!(rig.origin.count(HASHED), 1);
}

#[test]
fn an_old_cache_and_a_linked_distdir_serve_todays_clients() {
    let (rig, content) = (Rig::start(), noise(5_000));
    let distdir = rig.cache.outside().join("distdir");
    fs::create_dir_all(&distdir).unwrap();
    fs::write(distdir.join("runit-2.1.2.tar.gz"), &content).unwrap();
    symlink(&distdir, rig.cache.file("distfiles")).unwrap();
    rig.daemon.get(HASHED).assert_whole(&content);
    assert!(rig.origin.requests().is_empty());
}

#[test]
fn of_two_copies_the_one_with_a_listed_length_serves() {
    let content = noise(1_000);
    for (broken, good) in [(FLAT, HASHED), (HASHED, FLAT)] {
        let cache = CacheDir::new();
        let repository = Repository::new(&cache, "gentoo");
        repository.write("sys-process/runit", &dist("runit-2.1.2.tar.gz", &content));
        cache.put(&broken[1..], &content[..10], MODIFIED_UNIX);
        cache.put(&good[1..], &content, MODIFIED_UNIX);
        let daemon = Daemon::on(&cache)
            .arg("--manifests")
            .arg(&repository.0)
            .start();
        wait_until("the whole one serves", || {
            daemon.get(broken).body == content
        });
        daemon.get(good).assert_whole(&content);
        assert_eq!(fs::read(cache.file(&good[1..])).unwrap(), content);
    }
}

#[test]
fn what_is_revalidated_is_not_served_unasked_under_its_other_name() {
    let rig = Rig::with(|setup| setup.arg("--revalidate=distfiles/??/*"));
    rig.cache.put(&HASHED[1..], b"old", MODIFIED_UNIX);
    rig.origin.script(FLAT, missing());
    rig.origin.script(HASHED, at(LATER, b"new"));
    rig.daemon.get(FLAT).assert_whole(b"new");
}

#[test]
fn a_flat_name_is_looked_for_in_the_hashed_layout_whatever_is_stored_there() {
    let (new, old) = (noise(2_000), noise(1_000));
    // The client has the file confirmed, or what is stored is broken.
    for field in ["Cache-Control: no-cache", "Accept: */*"] {
        let cache = CacheDir::new();
        let repository = Repository::new(&cache, "gentoo");
        repository.write("sys-process/runit", &dist("runit-2.1.2.tar.gz", &new));
        let origin = Origin::start();
        let setup = Daemon::on(&cache).source(origin.url());
        let daemon = setup.arg("--manifests").arg(&repository.0).start();
        origin.script(HASHED, ok(&new));
        // A distfile that is not stored waits until the Manifests are read.
        daemon.get("/distfiles/other.tar").assert_error(404);
        cache.put(&HASHED[1..], &old, 1_000_000);
        daemon.ask("GET", FLAT, &[field]).assert_whole(&new);
        wait_until("it has its name", || {
            fs::read(cache.file(&HASHED[1..])).unwrap() == new
        });
        assert_eq!((origin.count(FLAT), origin.count(HASHED)), (1, 1));
    }
}

#[test]
fn a_broken_file_under_its_flat_name_heals_by_mirrors_of_today() {
    let content = noise(LENGTH);
    let cache = CacheDir::new();
    let repository = Repository::new(&cache, "gentoo");
    repository.write("sys-process/runit", &dist("runit-2.1.2.tar.gz", &content));
    let (origin, gate) = (Origin::start(), Gate::new());
    let setup = Daemon::on(&cache).source(origin.url());
    let daemon = setup.arg("--manifests").arg(&repository.0).start();
    daemon.get("/distfiles/other.tar").assert_error(404);
    cache.put(&FLAT[1..], &content[..10], MODIFIED_UNIX);
    origin.script(HASHED, halves(&content, &gate));
    origin.script(HASHED, missing());
    // One that begins, and one that comes meanwhile.
    let mut clients = [daemon.begin(FLAT), daemon.begin(FLAT)];
    for client in &mut clients {
        client.assert_begins(&content[..LENGTH / 2]);
    }
    gate.open();
    for client in &mut clients {
        client.assert_ends(&content[LENGTH / 2..]);
    }
    cache.assert_stored(&HASHED[1..], &content);
    daemon.get(FLAT).assert_whole(&content);
    assert_eq!(origin.count(HASHED), 1);
    // As it is, if no source has it under either name.
    cache.put(&FLAT[1..], &content[..10], MODIFIED_UNIX);
    fs::remove_file(cache.file(&HASHED[1..])).unwrap();
    daemon.get(FLAT).assert_whole(&content[..10]);
    daemon.wait_for_log("which no Manifest lists");
}

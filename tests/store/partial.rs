//! Kills, leftovers, two processes on one directory.

use std::fs::{self, File};

use crate::support::{
    CacheDir, Daemon, End, Gate, LEFTOVER, Origin, Rig, Step, TWENTY, head, wait_until,
};

#[test]
fn a_killed_transfer_leaves_no_name_and_its_leftover_is_swept() {
    let (mut rig, gate, mut client) = Rig::half_way(|setup| setup);
    rig.daemon.kill();
    assert_ne!(client.rest().1, End::Complete);
    assert_eq!(rig.cache.partials().len(), 1, "{:?}", rig.cache.walk());
    assert!(!rig.cache.file("d/a.tar").exists());

    let daemon = Daemon::on(&rig.cache)
        .source(rig.origin.url())
        .arg("-v")
        .start();
    daemon.wait_for_log("swept 1 leftover");
    assert!(rig.cache.partials().is_empty(), "{:?}", rig.cache.walk());
    daemon.get("/d/a.tar").assert_whole(TWENTY);
    rig.cache.assert_stored("d/a.tar", TWENTY);
    gate.open();
}

#[test]
fn only_dead_partials_are_swept() {
    let (rig, gate, mut client) = Rig::half_way(|setup| setup);
    // Its own sweep is over.
    rig.daemon.wait_idle();
    let outside = rig.cache.outside().join("elsewhere");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), b"content").unwrap();
    for name in [LEFTOVER.to_owned(), format!("e/f/{LEFTOVER}")] {
        rig.cache.put(name, b"half", 1);
    }
    // Not of our form, so not ours; and links are the administrator's.
    rig.cache.put("e/.package-cache-notes", b"content", 1);
    rig.cache.put("e/foo.part", b"content", 1);
    std::os::unix::fs::symlink(outside.join("kept"), rig.cache.file("linked.tar")).unwrap();

    let second = Daemon::on(&rig.cache)
        .source(rig.origin.url())
        .arg("-v")
        .start();
    second.wait_for_log("swept 2 leftovers");
    let left = rig.cache.walk();
    for name in ["e/.package-cache-notes", "e/foo.part", "linked.tar"] {
        assert!(
            left.iter().any(|path| path == name),
            "{name} is gone: {left:?}"
        );
    }
    // The other daemon's partial is alive.
    assert_eq!(rig.cache.partials().len(), 1, "{left:?}");
    gate.open();
    client.assert_ends(&TWENTY[10..]);
    rig.cache.assert_stored("d/a.tar", TWENTY);
    assert!(second.get("/d/a.tar").cache_status("hit"));
}

#[test]
fn a_locked_leftover_is_somebody_elses() {
    let cache = CacheDir::new();
    cache.put(format!("d/{LEFTOVER}"), b"half", 1);
    cache.put(LEFTOVER.replace('0', "f"), b"half", 1);
    let owner = File::open(cache.file(format!("d/{LEFTOVER}"))).unwrap();
    owner.lock().unwrap();
    let daemon = Daemon::on(&cache).arg("-v").start();
    daemon.wait_for_log("swept 1 leftover");
    assert_eq!(cache.partials(), [format!("d/{LEFTOVER}")]);
}

#[test]
fn two_daemons_may_fetch_the_same_file_at_once() {
    let (rig, gate, mut client) = Rig::half_way(|setup| setup);
    let second = Daemon::on(&rig.cache).source(rig.origin.url()).start();
    second.get("/d/a.tar").assert_whole(TWENTY);
    rig.cache.assert_stored("d/a.tar", TWENTY);
    gate.open();
    client.assert_ends(&TWENTY[10..]);
    wait_until("both are done", || rig.cache.walk() == ["d", "d/a.tar"]);
    for daemon in [&rig.daemon, &second] {
        let answer = daemon.get("/d/a.tar");
        assert!(answer.assert_whole(TWENTY).cache_status("hit"));
    }
}

#[test]
fn what_is_stored_survives_a_kill() {
    let mut rig = Rig::start();
    let names: Vec<_> = (0..30).map(|number| format!("/d/{number}.tar")).collect();
    for name in &names {
        rig.origin.file(name, name.repeat(1_000).as_bytes());
    }
    let mut clients: Vec<_> = names.iter().map(|name| rig.daemon.begin(name)).collect();
    clients[0].answer();
    rig.daemon.kill();
    // Whatever has a name is whole.
    for path in rig
        .cache
        .walk()
        .into_iter()
        .filter(|path| path.ends_with(".tar"))
    {
        let content = fs::read(rig.cache.file(&path)).unwrap();
        assert_eq!(
            content,
            format!("/{path}").repeat(1_000).as_bytes(),
            "{path}"
        );
    }
}

#[test]
fn directories_made_for_a_failed_transfer_go_with_it() {
    let (cache, origin, gate) = (CacheDir::new(), Origin::start(), Gate::new());
    let script = vec![
        head("200 OK", &["Content-Length: 20"]),
        Step::Send(b"0123456789".to_vec()),
        Step::Wait(gate.clone()),
    ];
    origin.script("/d/e/f/a.tar", script);
    cache.put("d/kept.tar", b"content", 1);
    let daemon = Daemon::on(&cache).source(origin.url()).start();
    daemon.get("/g/h/none.tar").assert_error(404);
    let mut client = daemon.begin("/d/e/f/a.tar");
    client.head();
    assert_eq!(client.take(10), b"0123456789");
    assert!(cache.file("d/e/f").is_dir());
    gate.open();
    assert_ne!(client.rest().1, End::Complete);
    wait_until("its directories are gone", || {
        cache.walk() == ["d", "d/kept.tar"]
    });
}

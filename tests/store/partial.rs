//! Kills, restarts, leftovers, two processes on one directory, stopping.

use std::fs::{self, File};
use std::net::TcpStream;

use crate::support::{
    CacheDir, Client, Daemon, End, Gate, LEFTOVER, LIMIT, MODIFIED_UNIX, Origin, Rig, Setup, Step,
    gated, halves, head, ok, wait_until,
};

const CONTENT: &[u8] = b"0123456789abcdefghij";

/// A rig with a transfer of twenty bytes of which ten have come to a client; the next request for
/// the file gets it whole.
fn half_way(more: impl FnOnce(Setup) -> Setup) -> (Rig, Gate, Client) {
    let (rig, gate) = (Rig::with(more), Gate::new());
    rig.origin.script("/d/a.tar", halves(CONTENT, &gate));
    rig.origin.script("/d/a.tar", ok(CONTENT));
    let mut client = rig.daemon.begin("/d/a.tar");
    client.assert_begins(&CONTENT[..10]);
    (rig, gate, client)
}

/// Waits until the daemon no longer accepts: it has heard the signal.
fn wait_deaf(daemon: &Daemon) {
    wait_until("connections are refused", || {
        TcpStream::connect(daemon.address()).is_err()
    });
}

#[test]
fn a_killed_transfer_leaves_no_name_and_its_leftover_is_swept() {
    let (mut rig, gate, mut client) = half_way(|setup| setup);
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
    daemon.get("/d/a.tar").assert_whole(CONTENT);
    rig.cache.assert_stored("d/a.tar", CONTENT);
    gate.open();
}

#[test]
fn only_dead_partials_are_swept() {
    let (rig, gate, mut client) = half_way(|setup| setup);
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
    client.assert_ends(&CONTENT[10..]);
    rig.cache.assert_stored("d/a.tar", CONTENT);
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
    let (rig, gate, mut client) = half_way(|setup| setup);
    let second = Daemon::on(&rig.cache).source(rig.origin.url()).start();
    second.get("/d/a.tar").assert_whole(CONTENT);
    rig.cache.assert_stored("d/a.tar", CONTENT);
    gate.open();
    client.assert_ends(&CONTENT[10..]);
    wait_until("both are done", || rig.cache.walk() == ["d", "d/a.tar"]);
    for daemon in [&rig.daemon, &second] {
        let answer = daemon.get("/d/a.tar");
        assert!(answer.assert_whole(CONTENT).cache_status("hit"));
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
fn a_stop_closes_idle_connections_at_once() {
    for signal in ["TERM", "INT"] {
        let mut rig = Rig::start();
        rig.cache.put("a.tar", b"content", 1);
        let mut idle = rig.daemon.client();
        idle.get("/a.tar").assert_whole(b"content");
        let mut silent = rig.daemon.client();
        rig.daemon.signal(signal);
        assert!(idle.wait_closed().is_some() && silent.wait_closed().is_some());
        assert_eq!(rig.daemon.wait_exit().code(), Some(0), "SIG{signal}");
        assert_eq!(rig.cache.walk(), ["a.tar"]);
    }
}

/// A shell's ^Z and fg, or a debugger that looks at it, interrupt every wait of a process.
#[test]
fn being_halted_for_a_moment_is_no_stop() {
    let mut rig = Rig::start();
    rig.cache.put("a.tar", b"content", 1);
    rig.daemon.signal("STOP");
    rig.daemon.wait_halted();
    rig.daemon.signal("CONT");
    rig.daemon.client().get("/a.tar").assert_whole(b"content");
    rig.daemon.signal("TERM");
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
    let said = rig.daemon.logged("stopping");
    assert!(said.len() == 1 && said[0].contains("signal 15"), "{said:?}");
}

#[test]
fn a_stop_lets_running_answers_finish() {
    let (mut rig, gate, mut client) = half_way(|setup| setup);
    let mut idle = rig.daemon.client();
    rig.daemon.signal("TERM");
    wait_deaf(&rig.daemon);
    assert!(idle.wait_closed().is_some());
    gate.open();
    client.assert_ends(&CONTENT[10..]);
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
    // Stored or not, but nothing in between.
    assert!(rig.cache.partials().is_empty(), "{:?}", rig.cache.walk());
    let stored = fs::read(rig.cache.file("d/a.tar"));
    assert!(stored.is_ok_and(|content| content == CONTENT) || rig.cache.walk() == ["d"]);
}

#[test]
fn an_answer_given_while_stopping_closes_its_connection() {
    let (mut rig, gate) = (Rig::start(), Gate::new());
    rig.cache.put("b.tar", b"content of b", 1);
    rig.origin
        .script("/a.tar", gated(&gate, ok(b"content of a")));
    let mut client = rig.daemon.begin("/a.tar");
    client.ask("GET", "/b.tar", &[]);
    wait_until("it is asked for", || rig.origin.count("/a.tar") == 1);
    rig.daemon.signal("TERM");
    wait_deaf(&rig.daemon);
    gate.open();
    let answer = client.answer();
    assert_eq!(
        answer.assert_whole(b"content of a").field("connection"),
        Some("close")
    );
    assert!(
        client.wait_closed().is_some(),
        "the next request was answered"
    );
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
}

#[test]
fn a_stop_waits_for_the_grace_only_and_takes_partials_along() {
    let (mut rig, gate, mut client) = half_way(|setup| setup.limits("grace_ms=300"));
    rig.daemon.signal("TERM");
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
    assert_ne!(client.rest().1, End::Complete);
    assert!(rig.cache.partials().is_empty(), "{:?}", rig.cache.walk());
    assert!(!rig.cache.file("d/a.tar").exists());
    gate.open();
}

#[test]
fn a_second_signal_ends_at_once() {
    let (mut rig, gate, mut client) = half_way(|setup| setup.limits("grace_ms=600000"));
    rig.daemon.signal("TERM");
    wait_deaf(&rig.daemon);
    let begun = std::time::Instant::now();
    rig.daemon.signal("INT");
    rig.daemon.wait_exit();
    assert!(begun.elapsed() < LIMIT);
    assert_ne!(client.rest().1, End::Complete);
    assert!(!rig.cache.file("d/a.tar").exists());
    gate.open();
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

#[test]
fn a_file_cut_short_while_it_is_sent_is_never_a_clean_end() {
    // Sparse, and larger than any socket's buffers: most of it is unsent when it shrinks.
    const LENGTH: u64 = 1 << 30;
    let rig = Rig::start();
    rig.cache.put("a.tar", b"", MODIFIED_UNIX);
    let file = File::options().write(true).open(rig.cache.file("a.tar"));
    let file = file.unwrap();
    file.set_len(LENGTH).unwrap();
    for version in ["1.1", "1.0"] {
        file.set_len(LENGTH).unwrap();
        let mut client = rig.daemon.client();
        client.send(format!("GET /a.tar HTTP/{version}\r\nHost: x\r\n\r\n"));
        assert_eq!(client.head().field("content-length"), Some("1073741824"));
        file.set_len(4096).unwrap();
        let (body, end) = client.rest();
        assert!((body.len() as u64) < LENGTH);
        assert_ne!(end, End::Complete, "HTTP/{version}");
    }
    rig.daemon.wait_for_log("became shorter");
}

//! SIGTERM, SIGINT and SIGHUP: what ends at once, what may finish, and for how long.

use std::fs;
use std::net::TcpStream;

use crate::support::{Daemon, End, Gate, LIMIT, Rig, Step, TWENTY, gated, head, ok, wait_until};

/// Waits until the daemon no longer accepts: it has heard the signal.
fn wait_deaf(daemon: &Daemon) {
    wait_until("connections are refused", || {
        TcpStream::connect(daemon.address()).is_err()
    });
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
        assert!(rig.daemon.logged("warning: ").is_empty());
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
fn a_stop_lets_running_answers_finish() {
    let (mut rig, gate, mut client) = Rig::half_way(|setup| setup);
    let mut idle = rig.daemon.client();
    rig.daemon.signal("TERM");
    wait_deaf(&rig.daemon);
    assert!(idle.wait_closed().is_some());
    gate.open();
    client.assert_ends(&TWENTY[10..]);
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
    // Stored or not, but nothing in between.
    assert!(rig.cache.partials().is_empty(), "{:?}", rig.cache.walk());
    let stored = fs::read(rig.cache.file("d/a.tar"));
    assert!(stored.is_ok_and(|content| content == TWENTY) || rig.cache.walk() == ["d"]);
}

#[test]
fn a_stop_waits_for_the_grace_only_and_takes_partials_along() {
    let (mut rig, gate, mut client) = Rig::half_way(|setup| setup.limits("grace_ms=300"));
    rig.daemon.signal("TERM");
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
    assert_ne!(client.rest().1, End::Complete);
    assert!(rig.cache.partials().is_empty(), "{:?}", rig.cache.walk());
    assert!(!rig.cache.file("d/a.tar").exists());
    gate.open();
}

#[test]
fn a_second_signal_ends_at_once() {
    let (mut rig, gate, mut client) = Rig::half_way(|setup| setup.limits("grace_ms=600000"));
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
fn a_hang_up_is_a_graceful_stop_unless_it_is_ignored() {
    let mut rig = Rig::with(|setup| setup.limits("grace_ms=300"));
    let length = "Content-Length: 20";
    let begun = vec![
        head("200 OK", &[length]),
        Step::Send(b"0123".to_vec()),
        Step::Stall,
    ];
    rig.origin.script("/d/a.tar", begun);
    let mut client = rig.daemon.begin("/d/a.tar");
    client.head();
    assert_eq!(client.take(4), b"0123");
    assert_eq!(rig.cache.partials().len(), 1);
    rig.daemon.signal("HUP");
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
    assert!(rig.cache.partials().is_empty(), "{:?}", rig.cache.walk());
    // nohup(1) starts programs so that they outlive their terminal.
    let mut rig = Rig::with(|setup| setup.after("trap '' HUP"));
    rig.origin.file("/d/a.tar", b"content");
    rig.daemon.signal("HUP");
    rig.daemon.get("/d/a.tar").assert_whole(b"content");
    rig.daemon.signal("TERM");
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
    let said = rig.daemon.logged("stopping");
    assert!(said.len() == 1 && said[0].contains("signal 15"), "{said:?}");
}

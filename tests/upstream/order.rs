//! In which order sources are asked, and which status remains when all fail.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::support::{
    CacheDir, Daemon, Gate, Origin, REFUSED, Rig, Script, Step, gated, missing, ok, reply,
    unchanged, wait_until,
};

/// The status that remains when these two sources fail.
#[track_caller]
fn status_of_failures(first: Script, second: Script) -> u16 {
    let other = Origin::start();
    other.script("/d/a.tar", second);
    let rig = Rig::with(|setup| {
        setup
            .source(other.url())
            .arg("--timeout=1")
            .limits("patience_ms=300")
    });
    rig.origin.script("/d/a.tar", first);
    let answer = rig.daemon.get("/d/a.tar");
    answer.assert_error(answer.status);
    assert!(rig.cache.walk().is_empty(), "{:?}", rig.cache.walk());
    answer.status
}

#[test]
fn it_is_404_only_if_every_source_says_so() {
    let status = |status: &str| reply(status, &[], b"<html>no</html>");
    let (gone, oops) = (status("410 Gone"), status("500 Oops"));
    for (first, second, remains) in [
        (missing(), missing(), 404),
        (gone, missing(), 404),
        (missing(), oops.clone(), 502),
        (oops, missing(), 502),
        (unchanged(), missing(), 502),
        (status("403 Forbidden"), vec![Step::Reset], 502),
        (missing(), vec![Step::Stall], 504),
        // A source that was silent for a moment has no say against one that answered.
        (vec![Step::Stall], missing(), 404),
        // One that was only slower than our patience is heard out if nobody else can say anything.
        (vec![Step::Stall], status("500 Oops"), 504),
    ] {
        assert_eq!(status_of_failures(first, second), remains);
    }
}

#[test]
fn it_is_502_when_nobody_listens() {
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache).source(REFUSED).start();
    daemon.get("/d/a.tar").assert_error(502);
    daemon.get("/d/").assert_error(502);
    assert_eq!(daemon.ask("HEAD", "/d/a.tar", &[]).status, 502);
    assert!(cache.walk().is_empty());
}

#[test]
fn it_is_404_at_once_without_a_source() {
    let cache = CacheDir::new();
    cache.put("d/here.tar", b"content", 1);
    let daemon = Daemon::on(&cache).start();
    daemon.get("/d/a.tar").assert_error(404);
    daemon.get("/d/").assert_error(404);
    daemon.get("/e/").assert_error(404);
    daemon.get("/d/here.tar").assert_whole(b"content");
}

#[test]
fn a_failure_is_not_remembered() {
    let rig = Rig::start();
    rig.origin
        .script("/d/a.tar", reply("404 Not Found", &[], b""));
    rig.origin.script("/d/a.tar", reply("500 Oops", &[], b""));
    rig.origin.script("/d/a.tar", ok(b"the file"));
    rig.daemon.get("/d/a.tar").assert_error(404);
    rig.daemon.get("/d/a.tar").assert_error(502);
    rig.daemon.get("/d/a.tar").assert_whole(b"the file");
}

#[test]
fn a_dead_source_costs_one_timeout_not_one_per_file() {
    let (rig, second) = Rig::pair(&["/1.tar", "/2.tar", "/3.tar"], |setup| {
        setup.limits("patience_ms=300")
    });
    rig.origin.script("/1.tar", vec![Step::Stall]);
    for target in ["/1.tar", "/2.tar", "/3.tar"] {
        rig.daemon.get(target).assert_whole(b"the file");
    }
    assert_eq!(rig.origin.requests().len(), 1);
    // At the end of the order it is still asked for what the others lack.
    rig.origin.file("/only-here.tar", b"rare");
    rig.daemon.get("/only-here.tar").assert_whole(b"rare");
    assert_eq!(second.count("/only-here.tar"), 1);
}

#[test]
fn a_source_that_only_lacks_a_file_keeps_its_place() {
    let (rig, second) = Rig::pair(&["/1.tar", "/2.tar"], |setup| setup);
    rig.origin.file("/2.tar", b"the file of the first");
    rig.daemon.get("/1.tar").assert_whole(b"the file");
    rig.daemon
        .get("/2.tar")
        .assert_whole(b"the file of the first");
    assert_eq!(second.count("/2.tar"), 0);
}

#[test]
fn a_dead_source_recovers_by_itself() {
    let (rig, second) = Rig::pair(&["/1.tar"], |setup| {
        setup.limits("patience_ms=300,demote_ms=20")
    });
    rig.origin.script("/1.tar", vec![Step::Stall]);
    rig.daemon.get("/1.tar").assert_whole(b"the file");
    let mut tries = 1;
    wait_until("the first source is asked first again", || {
        tries += 1;
        let target = format!("/{tries}.tar");
        second.file(&target, b"from the second");
        rig.origin.file(&target, b"from the first");
        rig.daemon.get(&target).body == b"from the first"
    });
}

#[test]
fn the_order_given_is_the_order_asked() {
    let (gate, third) = (Gate::new(), Origin::start());
    let (rig, second) = Rig::pair(&[], |setup| setup.source(third.url()));
    rig.origin.script("/d/a.tar", gated(&gate, missing()));
    third.script("/d/a.tar", ok(b"third"));
    let mut client = rig.daemon.begin("/d/a.tar");
    wait_until("the first is asked", || rig.origin.count("/d/a.tar") == 1);
    assert_eq!((second.connections(), third.connections()), (0, 0));
    gate.open();
    client.answer().assert_whole(b"third");
    assert_eq!((second.count("/d/a.tar"), third.count("/d/a.tar")), (1, 1));
}

#[test]
fn it_is_what_object_stores_and_busy_sources_say_together() {
    let status = |status: &str, fields: &[&str]| reply(status, fields, b"<Error/>");
    let [s403, s404] = ["403 Forbidden", "404 Not Found"].map(|code| status(code, &[]));
    let busy = |field: &str| status("503 Slow Down", &[field]);
    let silent = vec![Step::Stall];
    for (first, second, expected, retry_after) in [
        (&s403, &s404, 404, None),
        (&s404, &s403, 404, None),
        (&s403, &s403, 403, None),
        (&s403, &status("500 Oops", &[]), 502, None),
        (&s404, &busy("Retry-After: 7"), 503, Some("7")),
        (&s404, &busy("Retry-After: 86400"), 503, Some("3600")),
        (
            &s404,
            &busy("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
            503,
            Some("0"),
        ),
        (&s404, &busy("Retry-After: soon"), 503, None),
        (
            &s404,
            &status("429 Too Many Requests", &["Retry-After: 9"]),
            503,
            Some("9"),
        ),
        (&s404, &busy("X: y"), 503, None),
        (&busy("Retry-After: 7"), &s404, 502, None),
        (&silent, &busy("Retry-After: 7"), 504, None),
    ] {
        let other = Origin::start();
        let rig = Rig::with(|setup| {
            let setup = setup.source(other.url()).arg("--timeout=1");
            setup.limits("patience_ms=300")
        });
        rig.origin.script("/d/a.tar", first.clone());
        other.script("/d/a.tar", second.clone());
        let answer = rig.daemon.get("/d/a.tar");
        answer.assert_error(expected);
        assert_eq!(answer.field("retry-after"), retry_after);
    }
}

#[test]
fn a_connect_that_times_out_is_504() {
    // A full queue of a listener that accepts nothing swallows what comes.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let mut queue: Vec<_> = std::iter::from_fn(|| connect().ok()).take(5_000).collect();
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache)
        .source(format!("http://{address}"))
        .limits("connect_ms=300")
        .start();
    daemon.get("/d/a.tar").assert_error(504);
    queue.clear();
}

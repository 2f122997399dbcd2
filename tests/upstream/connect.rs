//! Connections to a source that serve again, and those that must not.

use crate::support::{
    CacheDir, Daemon, End, Gate, Origin, Rig, Script, Step, gated, head, noise, wait_until,
};

/// A body by its length on a connection that may serve again, then `end`.
fn kept(body: &[u8], end: &[Step]) -> Script {
    let length = format!("Content-Length: {}", body.len());
    let start = [head("200 OK", &[&length]), Step::Send(body.to_vec())];
    [&start, end].concat()
}

/// Fetches a file and waits until it is stored: the connection is free again.
#[track_caller]
fn assert_fetched(rig: &Rig, target: &str, content: &[u8]) {
    rig.daemon.get(target).assert_whole(content);
    rig.cache.wait_stored(&target[1..]);
}

#[test]
fn small_files_come_by_one_connection() {
    let rig = Rig::start();
    let content = noise(10_000);
    for number in 0..20 {
        let target = format!("/d/{number}.tar");
        rig.origin.file(&target, &content[number..]);
        assert_fetched(&rig, &target, &content[number..]);
    }
    assert_eq!(rig.origin.requests().len(), 20);
    assert_eq!(rig.origin.connections(), 1);
}

#[test]
fn a_chunked_body_read_to_its_end_leaves_a_connection() {
    let rig = Rig::start();
    let script = vec![
        head("200 OK", &["Transfer-Encoding: chunked"]),
        Step::Chunk(b"content".to_vec()),
        Step::Send(b"0\r\nX-Trailer: x\r\n\r\n".to_vec()),
        Step::Keep,
    ];
    rig.origin.script("/a.tar", script);
    rig.origin.file("/b.tar", b"other content");
    assert_fetched(&rig, "/a.tar", b"content");
    assert_fetched(&rig, "/b.tar", b"other content");
    assert_eq!(rig.origin.connections(), 1);
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced_unnoticed() {
    let rig = Rig::start();
    rig.origin.script("/a.tar", kept(b"content", &[]));
    rig.origin
        .script("/b.tar", kept(b"other content", &[Step::Reset]));
    rig.origin.file("/c.tar", b"third content");
    assert_fetched(&rig, "/a.tar", b"content");
    assert_fetched(&rig, "/b.tar", b"other content");
    assert_fetched(&rig, "/c.tar", b"third content");
    assert_eq!(rig.origin.connections(), 3);
    assert!(rig.daemon.logged("warning: ").is_empty());
}

#[test]
fn a_connection_that_ends_with_its_body_is_not_used_again() {
    let rig = Rig::start();
    // The origin keeps each open all the same.
    let closing = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ncontent";
    let old = "HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\ncontent";
    for (number, answer) in [closing, old, closing].into_iter().enumerate() {
        let target = format!("/{number}.tar");
        let script = vec![Step::Send(answer.as_bytes().to_vec()), Step::Keep];
        rig.origin.script(&target, script);
        assert_fetched(&rig, &target, b"content");
        assert_eq!(rig.origin.connections(), number + 1);
    }
}

#[test]
fn what_comes_behind_a_body_is_no_answer() {
    let rig = Rig::start();
    let behind = b"contentHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison".to_vec();
    let script = vec![
        head("200 OK", &["Content-Length: 7"]),
        Step::Send(behind),
        Step::Keep,
    ];
    rig.origin.script("/a.tar", script);
    rig.origin.file("/b.tar", b"other content");
    assert_fetched(&rig, "/a.tar", b"content");
    assert_fetched(&rig, "/b.tar", b"other content");
}

#[test]
fn what_comes_unasked_on_an_idle_connection_is_no_answer() {
    let (rig, go, sent) = (Rig::start(), Gate::new(), Gate::new());
    let more = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison".to_vec();
    let later = [
        Step::Wait(go.clone()),
        Step::Send(more),
        Step::Open(sent.clone()),
        Step::Keep,
    ];
    rig.origin.script("/a.tar", kept(b"content", &later));
    rig.origin.file("/b.tar", b"other content");
    assert_fetched(&rig, "/a.tar", b"content");
    go.open();
    assert!(sent.wait_open());
    assert_fetched(&rig, "/b.tar", b"other content");
}

#[test]
fn a_body_that_broke_off_leaves_no_connection() {
    let rig = Rig::start();
    let script = vec![
        head("200 OK", &["Transfer-Encoding: chunked"]),
        Step::Chunk(b"half".to_vec()),
        Step::Send(b"zz\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison".to_vec()),
        Step::Keep,
    ];
    rig.origin.script("/a.tar", script);
    rig.origin.file("/b.tar", b"other content");
    assert_ne!(rig.daemon.get("/a.tar").end, End::Complete);
    assert_fetched(&rig, "/b.tar", b"other content");
}

#[test]
fn the_answer_to_a_head_leaves_a_connection() {
    let rig = Rig::start();
    rig.origin.file("/a.tar", b"content");
    for _ in 0..3 {
        assert_eq!(rig.daemon.ask("HEAD", "/a.tar", &[]).status, 200);
    }
    assert_fetched(&rig, "/a.tar", b"content");
    assert_eq!(rig.origin.connections(), 1);
}

#[test]
fn many_transfers_at_once_have_a_connection_each() {
    let rig = Rig::start();
    let gates: Vec<_> = (0..5).map(|_| Gate::new()).collect();
    let mut clients = Vec::new();
    for (number, gate) in gates.iter().enumerate() {
        let target = format!("/{number}.tar");
        let script = kept(target.as_bytes(), &[Step::Keep]);
        rig.origin.script(&target, gated(gate, script));
        clients.push((rig.daemon.begin(&target), target));
    }
    wait_until("all are asked for", || rig.origin.requests().len() == 5);
    assert_eq!(rig.origin.connections(), 5);
    gates.iter().for_each(Gate::open);
    for (mut client, target) in clients {
        client.answer().assert_whole(target.as_bytes());
    }
}

/// A whole response with an error, after which the source keeps the connection.
fn kept_error(status: &str, fields: &[&str], body: &[u8]) -> Script {
    let length = format!("Content-Length: {}", body.len());
    let fields = [&[length.as_str()], fields].concat();
    vec![head(status, &fields), Step::Send(body.to_vec()), Step::Keep]
}

#[test]
fn a_mirror_that_lacks_files_is_asked_on_one_connection() {
    let (mirror, rich, cache) = (Origin::start(), Origin::start(), CacheDir::new());
    let page = noise(5_000);
    let chunks = vec![
        head("404 Not Found", &["Transfer-Encoding: chunked"]),
        Step::Chunk(b"no such ".to_vec()),
        Step::Chunk(b"file".to_vec()),
        Step::LastChunk,
        Step::Keep,
    ];
    let daemon = Daemon::on(&cache)
        .source(mirror.url())
        .source(rich.url())
        .start();
    for number in 0..50 {
        let target = format!("/{number}.tar");
        mirror.script(
            &target,
            match number % 5 {
                0 => kept_error("404 Not Found", &[], b"no such file"),
                1 => chunks.clone(),
                2 => kept_error("410 Gone", &["Content-Type: text/html"], &page),
                3 => kept_error("500 Internal Server Error", &[], b""),
                _ => kept_error("403 Forbidden", &[], b"no"),
            },
        );
        rich.file(&target, b"content");
        daemon.get(&target).assert_whole(b"content");
    }
    assert_eq!((mirror.requests().len(), mirror.connections()), (50, 1));
}

#[test]
fn an_error_whose_content_is_long_or_late_holds_nobody_up() {
    let (mirror, rich, cache) = (Origin::start(), Origin::start(), CacheDir::new());
    let long = [
        vec![head("404 Not Found", &["Content-Length: 100000000"])],
        vec![Step::Stall],
    ];
    mirror.script("/long.tar", long.concat());
    mirror.script(
        "/late.tar",
        vec![head("404 Not Found", &["Content-Length: 10"]), Step::Stall],
    );
    let endless = vec![
        head("404 Not Found", &[]),
        Step::Send(noise(100_000)),
        Step::Stall,
    ];
    mirror.script("/endless.tar", endless);
    let daemon = Daemon::on(&cache)
        .source(mirror.url())
        .source(rich.url())
        .start();
    for target in ["/long.tar", "/late.tar", "/endless.tar"] {
        rich.file(target, b"content");
        daemon.get(target).assert_whole(b"content");
    }
    assert_eq!(mirror.connections(), 3);
}

#[test]
fn silence_on_a_kept_connection_costs_no_more_than_on_a_new_one() {
    let (second, limits) = (Origin::start(), "patience_ms=2000,kept_answer_ms=1500");
    let rig = Rig::with(|setup| setup.source(second.url()).limits(limits));
    rig.origin.file("/first.tar", b"first");
    rig.daemon.get("/first.tar").assert_whole(b"first");
    rig.daemon.wait_idle();
    rig.origin.script("/a.tar", vec![Step::Stall]);
    second.file("/a.tar", b"the file");
    rig.daemon.get("/a.tar").assert_whole(b"the file");
    assert_eq!(rig.origin.count("/a.tar"), 2);
    // Of two seconds the first one was for the kept connection.
    let line = rig.daemon.wait_for_log("no answer within");
    assert!(!line.contains("within 2 s"), "{line}");
}

//! How a body ends: by its length, its last chunk, its connection; or not at all.

use crate::support::{End, Gate, Rig, Script, Step, close_delimited, head, noise, ok};

#[test]
fn an_unknown_length_is_chunked_to_1_1_and_stored() {
    let (rig, gate) = (Rig::start(), Gate::new());
    let script = vec![
        head("200 OK", &["Transfer-Encoding: chunked"]),
        Step::Chunk(b"first ".to_vec()),
        Step::Wait(gate.clone()),
        Step::Chunk(b"second".to_vec()),
        Step::LastChunk,
    ];
    rig.origin.script("/d/a.tar", script);
    let mut client = rig.daemon.begin("/d/a.tar");
    let answer = client.head();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
    assert_eq!(client.take(6), b"first ");
    gate.open();
    client.assert_ends(b"second");
    assert_eq!(rig.cache.wait_stored("d/a.tar"), b"first second");
    let hit = rig.daemon.get("/d/a.tar");
    assert_eq!(
        hit.assert_whole(b"first second").field("content-length"),
        Some("12")
    );
}

/// What came behind the head is no content yet: the client must not wait for more of it.
#[test]
fn the_head_goes_out_before_the_first_chunk_is_there() {
    let rig = Rig::with(|setup| setup.limits("look_ms=60000"));
    let gate = Gate::new();
    let script = vec![
        Step::Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5".to_vec()),
        Step::Wait(gate.clone()),
        Step::Send(b"\r\nabcde\r\n0\r\n\r\n".to_vec()),
    ];
    rig.origin.script("/a.tar", script);
    let mut client = rig.daemon.begin("/a.tar");
    assert_eq!(client.head().status, 200);
    gate.open();
    client.assert_ends(b"abcde");
}

#[test]
fn chunk_extensions_and_trailers_are_skipped() {
    let rig = Rig::start();
    let body = b"3;a=b\r\nabc\r\n2 ;q=\"x\"\r\nde\r\n0\r\nX-Trailer: yes\r\n\r\n";
    let script = vec![
        head("200 OK", &["Transfer-Encoding: chunked"]),
        Step::Send(body.to_vec()),
    ];
    rig.origin.script("/a.tar", script);
    rig.daemon.get("/a.tar").assert_whole(b"abcde");
    assert_eq!(rig.cache.wait_stored("a.tar"), b"abcde");
}

#[test]
fn an_unknown_length_ends_with_the_connection_for_1_0() {
    let (rig, content) = (Rig::start(), noise(70_000));
    rig.origin.script("/d/a.tar", close_delimited(&content));
    let mut client = rig.daemon.client();
    let answer = client
        .send("GET /d/a.tar HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .answer();
    assert_eq!(
        answer.assert_whole(&content).field("transfer-encoding"),
        None
    );
    assert_eq!(answer.field("content-length"), None);
    assert_eq!(rig.cache.wait_stored("d/a.tar"), content);
}

#[test]
fn a_body_without_length_to_a_clean_end_is_complete() {
    let (rig, content) = (Rig::start(), noise(70_000));
    rig.origin.script("/d/a.tar", close_delimited(&content));
    rig.daemon.get("/d/a.tar").assert_whole(&content);
    assert_eq!(rig.cache.wait_stored("d/a.tar"), content);
}

#[test]
fn a_body_of_known_length_ends_without_the_connection() {
    let rig = Rig::start();
    let kept = |end| {
        vec![
            head("200 OK", &["Content-Length: 7"]),
            Step::Send(b"content".to_vec()),
            end,
        ]
    };
    for (target, end) in [("/d/a.tar", Step::Keep), ("/d/b.tar", Step::Stall)] {
        rig.origin.script(target, kept(end));
        rig.daemon.get(target).assert_whole(b"content");
        assert_eq!(rig.cache.wait_stored(&target[1..]), b"content");
    }
}

/// The source breaks off; the client must see it, nothing may stay, the next request starts anew.
#[track_caller]
fn assert_cut(target: &str, script: Script, received: &[u8]) {
    let rig = Rig::start();
    rig.origin.script(target, script);
    rig.origin.script(target, ok(b"all of it"));
    let answer = rig.daemon.get(target);
    assert_eq!(answer.status, 200);
    assert_ne!(answer.end, End::Complete, "{target}: {:?}", answer.text());
    assert!(
        received.starts_with(&answer.body),
        "{target}: {:?}",
        answer.text()
    );
    rig.cache.wait_empty();
    rig.daemon.get(target).assert_whole(b"all of it");
    assert_eq!(rig.cache.wait_stored(&target[1..]), b"all of it");
    let url = format!("{}{target}", rig.origin.url());
    assert!(
        rig.daemon.wait_for_log(&url).contains("warning: "),
        "{target}"
    );
}

#[test]
fn a_body_cut_short_is_cut_for_the_client_and_leaves_nothing() {
    // Without a validator nothing proves that a second body would be the same file.
    let length = head("200 OK", &["Content-Length: 20"]);
    let chunked = head("200 OK", &["Transfer-Encoding: chunked"]);
    let half = Step::Send(b"half of it".to_vec());
    assert_cut(
        "/d/length.tar",
        vec![length.clone(), half.clone()],
        b"half of it",
    );
    assert_cut(
        "/d/reset.tar",
        vec![length.clone(), half, Step::Reset],
        b"half of it",
    );
    let close = [close_delimited(b"half of it"), vec![Step::Reset]].concat();
    assert_cut("/d/close.tar", close, b"half of it");
    assert_cut("/d/none.tar", vec![length], b"");
    let chunk = Step::Chunk(b"half of it".to_vec());
    assert_cut(
        "/d/chunked.tar",
        vec![chunked.clone(), chunk.clone()],
        b"half of it",
    );
    let bad = |bytes: &[u8]| vec![chunked.clone(), chunk.clone(), Step::Send(bytes.to_vec())];
    assert_cut(
        "/d/no-size.tar",
        bad(b"zz\r\nabc\r\n0\r\n\r\n"),
        b"half of it",
    );
    assert_cut(
        "/d/huge.tar",
        bad(b"fffffffffffffffff\r\nabc"),
        b"half of it",
    );
    assert_cut(
        "/d/no-end.tar",
        bad(b"3\r\nabcdef\r\n0\r\n\r\n"),
        b"half of itabc",
    );
    assert_cut("/d/last.tar", bad(b"0\r\n"), b"half of it");
    assert_cut("/d/trailer.tar", bad(b"0\r\nX-Trailer"), b"half of it");
}

#[test]
fn a_reset_body_without_length_is_a_reset_for_1_0() {
    let (rig, gate) = (Rig::start(), Gate::new());
    let script = [
        close_delimited(b"half of it"),
        vec![Step::Wait(gate.clone()), Step::Reset],
    ];
    rig.origin.script("/d/a.tar", script.concat());
    let mut client = rig.daemon.client();
    assert_eq!(
        client.send("GET /d/a.tar HTTP/1.0\r\n\r\n").head().status,
        200
    );
    assert_eq!(client.take(10), b"half of it");
    gate.open();
    // A clean end would look like the end of the file.
    assert_eq!(client.rest(), (Vec::new(), End::Reset));
    rig.cache.wait_empty();
}

#[test]
fn a_source_silent_in_mid_body_is_given_up() {
    let rig = Rig::with(|setup| setup.arg("--timeout").arg("2"));
    let script = vec![
        head("200 OK", &["Content-Length: 20"]),
        Step::Send(b"half of it".to_vec()),
        Step::Stall,
    ];
    rig.origin.script("/d/a.tar", script);
    let answer = rig.daemon.get("/d/a.tar");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_ne!(answer.end, End::Complete);
    assert_eq!(answer.body, b"half of it");
    rig.cache.wait_empty();
}

#[test]
fn a_joiner_is_cut_with_the_rest() {
    let (rig, gate) = (Rig::start(), Gate::new());
    let script = vec![
        head("200 OK", &["Content-Length: 20"]),
        Step::Send(b"half of it".to_vec()),
        Step::Wait(gate.clone()),
    ];
    rig.origin.script("/d/a.tar", script);
    let mut clients = [rig.daemon.begin("/d/a.tar"), rig.daemon.begin("/d/a.tar")];
    for client in &mut clients {
        client.head();
        assert_eq!(client.take(10), b"half of it");
    }
    gate.open();
    for client in &mut clients {
        assert_ne!(client.rest().1, End::Complete);
    }
    rig.cache.wait_empty();
}

#[test]
fn too_much_of_unknown_length_is_relayed() {
    let (rig, content) = (
        Rig::with(|setup| setup.limits("unknown_bytes=100000")),
        noise(300_000),
    );
    rig.origin.script("/d/a.tar", close_delimited(&content));
    for _ in 0..2 {
        rig.daemon.get("/d/a.tar").assert_whole(&content);
        rig.cache.wait_empty();
    }
    rig.origin
        .script("/d/b.tar", close_delimited(&content[..90_000]));
    rig.daemon.get("/d/b.tar").assert_whole(&content[..90_000]);
    assert!(rig.cache.wait_stored("d/b.tar") == content[..90_000]);
}

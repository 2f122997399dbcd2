//! Preconditions, ranges and HEAD on a file that is just being received.

use crate::support::{Client, End, Gate, MODIFIED, Rig, Step, TWENTY, halves, head};

/// A file of twenty bytes of which ten are there.
struct Half {
    rig: Rig,
    gate: Gate,
    first: Client,
    etag: Option<String>,
}

fn half() -> Half {
    let (rig, gate) = (Rig::start(), Gate::new());
    rig.origin.script("/d/a.tar", halves(TWENTY, &gate));
    let mut first = rig.daemon.begin("/d/a.tar");
    let etag = first.head().field("etag").map(str::to_owned);
    first.assert_goes_on(&TWENTY[..10]);
    Half {
        rig,
        gate,
        first,
        etag,
    }
}

impl Half {
    /// Lets the rest come; everything must have been one transfer.
    fn assert_ends(mut self) {
        self.gate.open();
        self.first.assert_ends(&TWENTY[10..]);
        self.rig.cache.assert_stored("d/a.tar", TWENTY);
        assert_eq!(self.rig.origin.requests().len(), 1);
    }
}

#[test]
fn a_range_that_is_there_is_answered_at_once() {
    let half = half();
    for (range, part, content_range) in [
        ("bytes=0-0", &TWENTY[..1], "bytes 0-0/20"),
        ("bytes=2-5", &TWENTY[2..6], "bytes 2-5/20"),
        ("bytes=0-9", &TWENTY[..10], "bytes 0-9/20"),
    ] {
        let mut client = half.rig.daemon.client();
        for _ in 0..2 {
            // The connection is free again before the transfer ends.
            let answer = client
                .ask("GET", "/d/a.tar", &[&format!("Range: {range}")])
                .answer();
            assert_eq!((answer.status, answer.end), (206, End::Complete), "{range}");
            assert_eq!(answer.body, part, "{range}");
            assert_eq!(answer.field("content-range"), Some(content_range));
        }
    }
    half.assert_ends();
}

#[test]
fn a_range_that_is_still_to_come_is_waited_for() {
    let half = half();
    let ranges = [
        ("bytes=8-11", 8..12),
        ("bytes=15-", 15..20),
        ("bytes=-2", 18..20),
    ];
    let mut clients = ranges.clone().map(|(range, _)| {
        let mut client = half.rig.daemon.client();
        client.ask("GET", "/d/a.tar", &[&format!("Range: {range}")]);
        client
    });
    // The first reaches into what is there.
    assert_eq!(clients[0].head().status, 206);
    assert_eq!(clients[0].take(2), TWENTY[8..10]);
    half.gate.open();
    clients[0].assert_ends(&TWENTY[10..12]);
    for (client, (range, part)) in clients.iter_mut().zip(ranges).skip(1) {
        let answer = client.answer();
        assert_eq!((answer.status, answer.end), (206, End::Complete), "{range}");
        assert_eq!(answer.body, TWENTY[part], "{range}");
    }
    half.assert_ends();
}

#[test]
fn a_range_beyond_the_end_is_refused_at_once() {
    let half = half();
    let answer = half
        .rig
        .daemon
        .ask("GET", "/d/a.tar", &["Range: bytes=20-"]);
    assert_eq!(
        answer.assert_error(416).field("content-range"),
        Some("bytes */20")
    );
    half.assert_ends();
}

#[test]
fn a_head_is_answered_from_the_transfer() {
    let half = half();
    let answer = half.rig.daemon.ask("HEAD", "/d/a.tar", &[]);
    assert_eq!(
        (answer.status, answer.field("content-length")),
        (200, Some("20"))
    );
    assert_eq!(answer.field("last-modified"), Some(MODIFIED));
    half.assert_ends();
}

#[test]
fn preconditions_are_answered_from_the_transfer() {
    let half = half();
    let status = |field: &str| half.rig.daemon.ask("GET", "/d/a.tar", &[field]).status;
    assert_eq!(status(&format!("If-Modified-Since: {MODIFIED}")), 304);
    assert_eq!(
        status("If-Unmodified-Since: Wed, 21 Oct 2015 07:27:59 GMT"),
        412
    );
    assert_eq!(status("If-Match: \"x\""), 412);
    if let Some(etag) = &half.etag {
        assert_eq!(status(&format!("If-None-Match: {etag}")), 304);
    }
    half.assert_ends();
}

#[test]
fn if_range_guards_a_range_of_the_transfer() {
    let half = half();
    let mut client = half.rig.daemon.client();
    let guard = format!("If-Range: {MODIFIED}");
    let answer = client
        .ask("GET", "/d/a.tar", &["Range: bytes=2-5", &guard])
        .answer();
    assert_eq!((answer.status, answer.body), (206, TWENTY[2..6].to_vec()));
    let answer = client
        .ask("GET", "/d/a.tar", &["Range: bytes=2-5", "If-Range: \"x\""])
        .head();
    assert_eq!(answer.status, 200);
    assert_eq!(client.take(10), TWENTY[..10]);
    half.assert_ends();
}

#[test]
fn a_range_of_unknown_length_gives_the_whole_file() {
    let rig = Rig::start();
    let script = vec![
        head("200 OK", &["Transfer-Encoding: chunked"]),
        Step::Chunk(TWENTY.to_vec()),
        Step::LastChunk,
    ];
    rig.origin.script("/d/a.tar", script);
    rig.daemon
        .ask("GET", "/d/a.tar", &["Range: bytes=15-"])
        .assert_whole(TWENTY);
}

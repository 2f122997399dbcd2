//! Readers that do not keep up with a body that cannot be stored: who is left behind, and how it goes on.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    End, Gate, Rig, Step, gated, head, held, keep_crawling, modified, noise, part, reply,
    wait_until,
};

#[test]
fn a_slow_reader_of_an_unstorable_body_is_not_left_behind() {
    // The slow reader is still in the file, behind full socket buffers, when nothing more is stored.
    let rig = Rig::with(|setup| setup.after("ulimit -f 20000").limits("ring_ms=2000"));
    // Without a validator only the transfer itself can give the client all.
    let content = noise(16 << 20);
    let script = vec![
        head("200 OK", &["Content-Length: 16777216"]),
        Step::Send(content.clone()),
    ];
    rig.origin.script("/d/a.tar", script);
    let mut slow = rig.daemon.begin("/d/a.tar");
    assert_eq!(slow.head().status, 200);
    let mut body = Vec::new();
    // Slow at first, until surely nothing is stored any more; then so slow that a piece of the usual size
    // would take longer than a reader may take nothing.
    for (seconds, count, pause) in [(2, 64 << 10, 350), (5, 32 << 10, 500)] {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(seconds) {
            body.extend(slow.take(count));
            thread::park_timeout(Duration::from_millis(pause));
        }
    }
    let (rest, end) = slow.rest();
    body.extend(rest);
    assert!(end == End::Complete, "{end:?} after {} bytes", body.len());
    assert!(body == content, "other bytes");
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn a_reader_is_not_blamed_for_the_silence_of_the_source() {
    let limits = "ring_bytes=200000,ring_ms=300,idle_ms=600";
    let rig = Rig::with(|setup| setup.after("ulimit -f 2048").limits(limits));
    let (gate, content) = (Gate::new(), noise(6_000_000));
    let script = vec![
        head("200 OK", &["Content-Length: 6000000"]),
        Step::Send(content[..3_000_000].to_vec()),
        Step::Wait(gate.clone()),
        Step::Send(content[3_000_000..].to_vec()),
    ];
    rig.origin.script("/d/a.tar", script);
    let mut client = rig.daemon.begin("/d/a.tar");
    client.assert_begins(&content[..3_000_000]);
    // A connection that idles measures the time: longer than a reader may take nothing.
    assert_eq!(rig.daemon.client().wait_closed(), Some(End::Cut));
    gate.open();
    client.assert_ends(&content[3_000_000..]);
}

/// More than the ring and all socket buffers hold.
const LENGTH: usize = 24 << 20;
/// What is fetched again as proof, and what one way around gains before it breaks.
const OVERLAP: usize = 65_536;
const GAIN: usize = 50_000;

/// Leaves a reader behind. Of its own requests the first two are refused, the third gets other bytes, the
/// fourth breaks off, the fifth gets the rest. What it got, how it ended, and how many requests there were.
fn left_behind(content: &[u8], attempts: &str) -> (Vec<u8>, End, usize) {
    let limits = format!("ring_ms=1000,attempts={attempts}");
    let rig = Rig::with(|setup| setup.after("ulimit -f 2048").limits(&limits));
    let (begun, asked) = (Gate::new(), Gate::new());
    rig.origin
        .script("/d/a.tar", held(content, 100_000, &begun));
    let refused = reply("503 Gone to lunch", &[], b"");
    rig.origin.script("/d/a.tar", gated(&asked, refused));
    let mut clients = [rig.daemon.begin("/d/a.tar"), rig.daemon.begin("/d/a.tar")];
    for client in &mut clients {
        client.assert_begins(&content[..100_000]);
    }
    begun.open();
    let [mut fast, mut slow] = clients;
    fast.assert_ends(&content[100_000..]);
    let slow = thread::spawn(move || slow.rest());
    wait_until("the reader asks on its own", || {
        rig.origin.count("/d/a.tar") == 2
    });
    let range = rig.origin.requests()[1].field("range").unwrap().to_owned();
    let first = range.strip_prefix("bytes=").unwrap();
    let first: usize = first.split('-').next().unwrap().parse().unwrap();
    let other: Vec<u8> = content.iter().map(|byte| !byte).collect();
    let modified = modified();
    for script in [
        part(&other, first, LENGTH - first, &modified),
        part(content, first, OVERLAP + GAIN, &modified),
        part(content, first + GAIN, LENGTH - first - GAIN, &modified),
    ] {
        rig.origin.script("/d/a.tar", script);
    }
    asked.open();
    let (rest, end) = slow.join().unwrap();
    let body = [&content[..100_000], &rest].concat();
    assert!(end == End::Complete || body.len() == first + OVERLAP + GAIN);
    (body, end, rig.origin.count("/d/a.tar"))
}

#[test]
fn who_is_left_behind_goes_on_by_proven_requests_of_its_own() {
    let content = noise(LENGTH);
    let (body, end, requests) = left_behind(&content, "5");
    assert!(body == content, "{end:?} after {} bytes", body.len());
    assert_eq!((end, requests), (End::Complete, 6));
}

#[test]
fn who_is_left_behind_is_cut_when_all_its_attempts_are_used_up() {
    let content = noise(LENGTH);
    let (body, end, requests) = left_behind(&content, "4");
    assert!(content.starts_with(&body), "other bytes");
    assert_ne!(end, End::Complete);
    assert_eq!(requests, 5);
}

#[test]
fn nobody_waits_for_a_reader_that_goes_around_the_transfer() {
    const AHEAD: usize = 3_000_000;
    // Longer than a client of the tests waits.
    let limits = "ring_ms=60000,ring_bytes=300000,far_ms=100,look_ms=20";
    let rig = Rig::with(|setup| setup.after("ulimit -f 2048").limits(limits));
    let (begun, asked, content) = (Gate::new(), Gate::new(), noise(LENGTH));
    rig.origin
        .script("/d/a.tar", held(&content, 100_000, &begun));
    let mut script = part(&content, AHEAD, GAIN, &modified());
    script.push(Step::Wait(asked.clone()));
    script.push(Step::Send(content[AHEAD + GAIN..].to_vec()));
    rig.origin.script("/d/a.tar", script);
    let mut near = rig.daemon.begin("/d/a.tar");
    near.assert_begins(&content[..100_000]);
    let mut ahead = rig.daemon.client();
    ahead.ask("GET", "/d/a.tar", &[&format!("Range: bytes={AHEAD}-")]);
    assert_eq!(ahead.head().status, 206);
    ahead.assert_goes_on(&content[AHEAD..AHEAD + GAIN]);
    // The transfer passes where the other one is.
    begun.open();
    near.assert_ends(&content[100_000..]);
    asked.open();
    ahead.assert_ends(&content[AHEAD + GAIN..]);
    assert_eq!(rig.origin.requests().len(), 2);
}

#[test]
fn crawling_readers_of_what_cannot_be_stored_keep_no_turn_that_others_wait_for() {
    let limits = "transfers=3,ring_bytes=200000,crawl_ms=400,look_ms=50,turn_look_ms=50";
    let rig = Rig::with(|setup| setup.arg("--min-free=1000T").limits(limits));
    let content = noise(48 << 20);
    let mut crawlers = Vec::new();
    for number in 0..3 {
        let target = format!("/{number}.tar");
        rig.origin.script(
            &target,
            vec![
                head("200 OK", &["Content-Length: 50331648"]),
                Step::Send(content.clone()),
            ],
        );
        let mut client = rig.daemon.begin(&target);
        assert_eq!(client.head().status, 200);
        crawlers.push(client);
    }
    rig.origin.file("/small.tar", b"small");
    let mut late = rig.daemon.begin("/small.tar");
    let crawling = keep_crawling(crawlers);
    late.answer().assert_whole(b"small");
    drop(crawling);
}

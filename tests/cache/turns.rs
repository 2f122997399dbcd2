//! How many transfers run at a time, and which gives way.

use crate::support::{
    End, Gate, MODIFIED, Origin, Rig, Script, Step, halves, head, ok, wait_until,
};

#[test]
fn more_transfers_than_allowed_wait_their_turn() {
    let rig = Rig::with(|setup| setup.limits("transfers=2"));
    let gates: Vec<_> = (0..4).map(|_| Gate::new()).collect();
    for (number, gate) in gates.iter().enumerate() {
        rig.origin
            .script(&format!("/{number}.tar"), halves(b"0123456789", gate));
    }
    let mut running = [rig.daemon.begin("/0.tar"), rig.daemon.begin("/1.tar")];
    for client in &mut running {
        client.assert_begins(b"01234");
    }
    let waiting = [rig.daemon.begin("/2.tar"), rig.daemon.begin("/3.tar")];
    // Hits never wait.
    rig.cache.put("hit.tar", b"content", 1);
    rig.daemon.get("/hit.tar").assert_whole(b"content");
    assert_eq!(rig.origin.requests().len(), 2);
    gates.iter().for_each(Gate::open);
    for mut client in running {
        client.assert_ends(b"56789");
    }
    for mut client in waiting {
        client.answer().assert_whole(b"0123456789");
    }
}

#[test]
fn a_turn_that_does_not_come_is_said_to_be_busy() {
    let (rig, gate) = (
        Rig::with(|setup| setup.limits("transfers=1,turn_ms=300")),
        Gate::new(),
    );
    rig.origin.script("/0.tar", halves(b"0123456789", &gate));
    rig.origin.file("/1.tar", b"content");
    let mut client = rig.daemon.begin("/0.tar");
    client.assert_begins(b"01234");
    let answer = rig.daemon.get("/1.tar");
    assert!(
        answer.assert_error(503).field("retry-after").is_some(),
        "{:?}",
        answer.fields
    );
    gate.open();
    client.assert_ends(b"56789");
    wait_until("there is room again", || {
        rig.daemon.get("/1.tar").status == 200
    });
}

/// A little, then much when the gate opens, then silence; it never ends by itself.
fn endless(field: &str, gate: &Gate) -> Script {
    let start = vec![
        head("200 OK", &[field]),
        Step::Chunk(b"first ".to_vec()),
        Step::Wait(gate.clone()),
    ];
    let much = vec![Step::Chunk(vec![0; 1 << 16]); 400];
    [start, much, vec![Step::Stall]].concat()
}

/// Asks for it and leaves, which shows when the daemon has more to send.
fn ask_and_leave(rig: &Rig, target: &str, gate: &Gate) {
    let mut client = rig.daemon.begin(target);
    assert_eq!(client.head().status, 200);
    client.take(5);
    drop(client);
    gate.open();
}

#[test]
fn a_transfer_without_readers_gives_way() {
    let (rig, gate) = (Rig::with(|setup| setup.limits("transfers=1")), Gate::new());
    let length = "Content-Length: 1000000000";
    rig.origin.script("/0.tar", endless(length, &gate));
    rig.origin.script("/0.tar", ok(b"0123456789"));
    rig.origin.file("/1.tar", b"content");
    ask_and_leave(&rig, "/0.tar", &gate);
    rig.daemon.get("/1.tar").assert_whole(b"content");
    wait_until("only the second is stored", || {
        rig.cache.walk() == ["1.tar"]
    });
    rig.daemon.get("/0.tar").assert_whole(b"0123456789");
}

#[test]
fn a_body_of_unknown_length_ends_when_nobody_reads_it() {
    let (rig, gate) = (Rig::start(), Gate::new());
    let script = endless("Transfer-Encoding: chunked", &gate);
    rig.origin.script("/d/endless.tar", script);
    ask_and_leave(&rig, "/d/endless.tar", &gate);
    rig.cache.wait_empty();
}

#[test]
fn a_source_that_drips_keeps_no_turn_from_others() {
    let second = Origin::start();
    let limits = "transfers=2,crawl_ms=500";
    let rig = Rig::with(|setup| setup.source(second.url()).limits(limits));
    let content = vec![b'x'; 100_000];
    let fields = [
        "Content-Length: 100000",
        &format!("Last-Modified: {MODIFIED}"),
    ];
    rig.origin
        .script("/a.tar", vec![head("200 OK", &fields), Step::Drip]);
    second.file("/a.tar", &content);
    // Where only the end tells that content is whole, the end that we make tells nothing.
    let start = Step::Send(b"HTTP/1.0 200 OK\r\n\r\n".to_vec());
    rig.origin.script("/b.tar", vec![start, Step::Drip]);
    second.file("/new.tar", b"new");
    let mut known = rig.daemon.begin("/a.tar");
    let mut unknown = rig.daemon.begin("/b.tar");
    known.assert_begins(b"x");
    unknown.assert_begins(b"x");
    rig.daemon.get("/new.tar").assert_whole(b"new");
    assert_ne!(unknown.rest().1, End::Complete);
    known.assert_ends(&content[1..]);
    rig.cache.assert_stored("a.tar", &content);
    rig.daemon.wait_for_log("hardly anything comes");
}

//! Bodies that are relayed and not stored: listings, refused or impossible places, no room.

use std::fs;
use std::process::Command;
use std::thread;

use crate::support::{End, Gate, Rig, Step, head, held, noise, ok, reply, wait_until};

const HTML: &str = "Content-Type: text/html";

/// Asks twice, is answered twice from the source, and nothing is stored.
#[track_caller]
fn assert_relayed(rig: &Rig, target: &str, content: &[u8]) {
    let (before, asked) = (rig.cache.walk(), rig.origin.count(target));
    for _ in 0..2 {
        let answer = rig.daemon.get(target);
        assert_eq!(
            (answer.status, answer.end),
            (200, End::Complete),
            "{}",
            answer.text()
        );
        assert!(answer.body == content, "{target}: other content");
        assert!(
            !answer.cache_status("stored") && !answer.cache_status("hit"),
            "{target}"
        );
    }
    assert_eq!(rig.origin.count(target), asked + 2, "{target}");
    wait_until("no partial is left", || rig.cache.walk() == before);
}

#[test]
fn a_listing_is_relayed() {
    let rig = Rig::start();
    rig.origin.script("/d/", reply("200 OK", &[HTML], b"<ul>"));
    assert_relayed(&rig, "/d/", b"<ul>");
    let answer = rig.daemon.get("/d/");
    assert!(
        answer
            .field("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
    rig.daemon.get("/none/").assert_error(404);
    // Whatever its type.
    rig.origin.script("/e/", ok(b"plain"));
    assert_relayed(&rig, "/e/", b"plain");
}

#[test]
fn a_listing_of_unknown_length_is_relayed() {
    let rig = Rig::start();
    let script = vec![
        head("200 OK", &[HTML, "Transfer-Encoding: chunked"]),
        Step::Chunk(b"<ul>".to_vec()),
        Step::Chunk(b"</ul>".to_vec()),
        Step::LastChunk,
    ];
    rig.origin.script("/d/", script);
    assert_relayed(&rig, "/d/", b"<ul></ul>");
    let mut client = rig.daemon.client();
    client
        .send("GET /d/ HTTP/1.0\r\n\r\n")
        .answer()
        .assert_whole(b"<ul></ul>");
}

#[test]
fn a_listing_cut_short_is_cut_for_the_client() {
    let rig = Rig::start();
    let script = vec![
        head("200 OK", &[HTML, "Content-Length: 9"]),
        Step::Send(b"<ul>".to_vec()),
    ];
    rig.origin.script("/d/", script);
    assert_ne!(rig.daemon.get("/d/").end, End::Complete);
}

#[test]
fn a_page_without_extension_is_relayed_and_blocks_nothing() {
    let rig = Rig::start();
    rig.origin
        .script("/distfiles", reply("200 OK", &[HTML], b"<ul>"));
    assert_relayed(&rig, "/distfiles", b"<ul>");
    rig.origin.file("/distfiles/a.tar", b"content");
    rig.daemon.get("/distfiles/a.tar").assert_whole(b"content");
    assert_eq!(rig.cache.wait_stored("distfiles/a.tar"), b"content");
    // Now it is a directory.
    assert_relayed(&rig, "/distfiles", b"<ul>");
}

#[test]
fn a_redirect_that_only_adds_a_slash_is_a_listing() {
    let rig = Rig::start();
    for (target, to) in [
        ("/pub", "/pub/".to_owned()),
        ("/abs", rig.origin.url() + "/abs/"),
    ] {
        let location = format!("Location: {to}");
        rig.origin
            .script(target, reply("301 Moved Permanently", &[&location], b""));
        rig.origin
            .script(&format!("{target}/"), ok(b"a plain listing"));
        assert_relayed(&rig, target, b"a plain listing");
    }
}

#[test]
fn what_cannot_be_opened_is_relayed() {
    let rig = Rig::start();
    rig.cache
        .put("plain", b"a file where a directory is needed", 1);
    fs::create_dir_all(rig.cache.file("dir.tar")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(rig.cache.file("fifo.tar"))
            .status()
            .unwrap()
            .success()
    );
    std::os::unix::fs::symlink("loop.tar", rig.cache.file("loop.tar")).unwrap();
    for target in ["/plain/a.tar", "/dir.tar", "/fifo.tar", "/loop.tar"] {
        rig.origin.file(target, b"content");
        assert_relayed(&rig, target, b"content");
    }
    // Said in the log, and nothing was changed.
    for name in ["plain", "fifo.tar", "loop.tar"] {
        rig.daemon.wait_for_log(name);
    }
    assert_eq!(
        rig.cache.walk(),
        ["dir.tar", "fifo.tar", "loop.tar", "plain"]
    );
}

#[test]
fn without_room_bodies_are_relayed_with_one_error() {
    let rig = Rig::with(|setup| setup.arg("--min-free").arg("1000000T"));
    let content = noise(3_000_000);
    for target in ["/d/a.tar", "/d/b.tar"] {
        rig.origin.file(target, &content);
        assert_relayed(&rig, target, &content);
    }
    assert!(rig.cache.walk().is_empty());
    rig.daemon.wait_for_log("Z error: ");
    let said = [rig.daemon.logged("error: "), rig.daemon.logged("warning: ")].concat();
    assert_eq!(said.len(), 1, "{said:?}");
    // What is there already is served.
    rig.cache.put("d/c.tar", b"content", 1);
    assert!(
        rig.daemon
            .get("/d/c.tar")
            .assert_whole(b"content")
            .cache_status("hit")
    );
}

/// A daemon whose files cannot grow beyond about a megabyte.
fn limited() -> Rig {
    Rig::with(|setup| setup.after("ulimit -f 2048"))
}

#[test]
fn a_disk_that_fails_in_the_middle_costs_no_client_a_byte() {
    // Writes beyond this many blocks fail with EFBIG, as on a full disk in mid-transfer.
    let (rig, content) = (limited(), noise(6_000_000));
    rig.origin.file("/d/a.tar", &content);
    rig.daemon.get("/d/a.tar").assert_whole(&content);
    rig.cache.wait_empty();
    assert_eq!(
        rig.origin.requests().len(),
        1,
        "the same connection goes on"
    );
    rig.daemon.wait_for_log("error: ");
    // What fits is stored all the same.
    rig.origin.file("/d/small.tar", b"content");
    rig.daemon.get("/d/small.tar").assert_whole(b"content");
    assert_eq!(rig.cache.wait_stored("d/small.tar"), b"content");
}

#[test]
fn every_reader_of_an_unstorable_body_gets_all() {
    let (rig, gate, content) = (limited(), Gate::new(), noise(6_000_000));
    rig.origin
        .script("/d/a.tar", held(&content, 100_000, &gate));
    let mut clients = [rig.daemon.begin("/d/a.tar"), rig.daemon.begin("/d/a.tar")];
    for client in &mut clients {
        client.assert_begins(&content[..100_000]);
    }
    gate.open();
    // Both at once: neither may wait for the other.
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| client.assert_ends(&content[100_000..]));
        }
    });
    rig.cache.wait_empty();
}

#[test]
fn who_comes_late_to_an_unstorable_body_gets_a_relay_of_its_own() {
    let (rig, gate, content) = (limited(), Gate::new(), noise(4_000_000));
    rig.origin
        .script("/d/a.tar", held(&content, 3_000_000, &gate));
    rig.origin.file("/d/a.tar", &content);
    let mut first = rig.daemon.begin("/d/a.tar");
    first.assert_begins(&content[..3_000_000]);
    rig.daemon.get("/d/a.tar").assert_whole(&content);
    assert_eq!(rig.origin.count("/d/a.tar"), 2);
    gate.open();
    first.assert_ends(&content[3_000_000..]);
    rig.cache.wait_empty();
}

//! The cache directory, or a part of it, is removed while the program runs, and made again.

use std::fs;

use crate::support::{Client, End, Gate, MODIFIED, Rig, Step, head, noise, ok};

const LENGTH: usize = 400_000;
const FIRST: usize = 150_000;

/// A transfer of which a part has come to a client, and the gate that holds the rest.
fn held(rig: &Rig, target: &str, content: &[u8]) -> (Gate, Client) {
    let (gate, modified) = (Gate::new(), format!("Last-Modified: {MODIFIED}"));
    let script = vec![
        head("200 OK", &[&format!("Content-Length: {LENGTH}"), &modified]),
        Step::Send(content[..FIRST].to_vec()),
        Step::Wait(gate.clone()),
        Step::Send(content[FIRST..].to_vec()),
    ];
    rig.origin.script(target, script);
    rig.origin.script(target, ok(content));
    let mut client = rig.daemon.begin(target);
    assert_eq!(client.head().status, 200);
    assert!(client.take(FIRST) == content[..FIRST]);
    (gate, client)
}

/// Both clients of the transfer get every byte, and nothing is stored.
fn goes_on(rig: &Rig, target: &str, content: &[u8], gate: &Gate, client: &mut Client) {
    let mut joined = rig.daemon.begin(target);
    assert_eq!(joined.head().status, 200);
    assert!(joined.take(FIRST) == content[..FIRST]);
    gate.open();
    for client in [client, &mut joined] {
        assert!(client.rest() == (content[FIRST..].to_vec(), End::Complete));
    }
    assert!(
        rig.daemon
            .wait_for_log("Z error: ")
            .contains("cannot store")
    );
}

#[test]
fn a_directory_removed_under_a_transfer_costs_no_client_a_byte() {
    let (rig, content) = (Rig::start(), noise(LENGTH));
    rig.cache.put("kept.tar", b"kept", 1);
    let (gate, mut client) = held(&rig, "/d/e/a.tar", &content);
    fs::remove_dir_all(rig.cache.file("d")).unwrap();
    goes_on(&rig, "/d/e/a.tar", &content, &gate, &mut client);
    assert_eq!(rig.cache.walk(), ["kept.tar"]);
    assert_eq!(rig.origin.requests().len(), 1);
    // The next transfer makes it anew.
    rig.origin.file("/d/e/b.tar", &content);
    rig.daemon.get("/d/e/b.tar").is_whole(&content);
    assert!(rig.cache.stored("d/e/b.tar") == content);
    rig.daemon.wait_for_log("storing again");
}

#[test]
fn a_cache_removed_under_a_transfer_costs_no_client_a_byte() {
    let (rig, content) = (Rig::start(), noise(LENGTH));
    let (gate, mut client) = held(&rig, "/d/a.tar", &content);
    fs::remove_dir_all(rig.cache.path()).unwrap();
    goes_on(&rig, "/d/a.tar", &content, &gate, &mut client);
    assert!(!rig.cache.path().exists());
    comes_back(&rig, &content);
}

#[test]
fn without_a_cache_directory_bodies_are_relayed_until_it_is_made_again() {
    let (rig, content) = (Rig::start(), noise(LENGTH));
    rig.origin.file("/a.tar", b"content");
    rig.daemon.get("/a.tar").is_whole(b"content");
    assert_eq!(rig.cache.stored("a.tar"), b"content");
    fs::remove_dir_all(rig.cache.path()).unwrap();
    rig.daemon.get("/a.tar").is_whole(b"content");
    comes_back(&rig, &content);
    assert_eq!(rig.daemon.logged("Z error: ").len(), 1);
}

/// Nothing is stored while there is no cache directory; once there is one, storing resumes by itself.
fn comes_back(rig: &Rig, content: &[u8]) {
    rig.origin.file("/new/b.tar", content);
    for _ in 0..2 {
        let answer = rig.daemon.get("/new/b.tar");
        assert!(!answer.is_whole(content).cache_status("stored"));
    }
    assert!(!rig.cache.path().exists());
    fs::create_dir(rig.cache.path()).unwrap();
    let answer = rig.daemon.get("/new/b.tar");
    assert!(answer.is_whole(content).cache_status("stored"));
    assert!(rig.cache.stored("new/b.tar") == content);
    rig.daemon.wait_for_log("storing again");
}

#[test]
fn a_transfer_outlives_the_directory_that_another_makes_again() {
    let (rig, content) = (Rig::start(), noise(LENGTH));
    let (gate, mut client) = held(&rig, "/d/a.tar", &content);
    fs::remove_dir_all(rig.cache.file("d")).unwrap();
    rig.origin.file("/d/b.tar", &content);
    rig.daemon.get("/d/b.tar").is_whole(&content);
    assert!(rig.cache.stored("d/b.tar") == content);
    goes_on(&rig, "/d/a.tar", &content, &gate, &mut client);
    // What the other one has stored stays, and nothing else is there.
    assert_eq!(rig.cache.walk(), ["d", "d/b.tar"]);
}

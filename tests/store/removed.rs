//! The cache directory, or a part of it, is removed while the program runs, and made again.

use std::fs;

use crate::support::{Client, Gate, Rig, held, noise, ok};

const LENGTH: usize = 400_000;
const FIRST: usize = 150_000;

/// A transfer of which a part has come to a client, and the gate that holds the rest.
fn begun(rig: &Rig, target: &str, content: &[u8]) -> (Gate, Client) {
    let gate = Gate::new();
    rig.origin.script(target, held(content, FIRST, &gate));
    rig.origin.script(target, ok(content));
    let mut client = rig.daemon.begin(target);
    client.assert_begins(&content[..FIRST]);
    (gate, client)
}

/// Both clients of the transfer get every byte, and nothing is stored.
fn assert_goes_on_unstored(
    rig: &Rig,
    target: &str,
    content: &[u8],
    gate: &Gate,
    client: &mut Client,
) {
    let mut joined = rig.daemon.begin(target);
    joined.assert_begins(&content[..FIRST]);
    gate.open();
    for client in [client, &mut joined] {
        client.assert_ends(&content[FIRST..]);
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
    let (gate, mut client) = begun(&rig, "/d/e/a.tar", &content);
    fs::remove_dir_all(rig.cache.file("d")).unwrap();
    assert_goes_on_unstored(&rig, "/d/e/a.tar", &content, &gate, &mut client);
    assert_eq!(rig.cache.walk(), ["kept.tar"]);
    assert_eq!(rig.origin.requests().len(), 1);
    // The next transfer makes it anew.
    rig.origin.file("/d/e/b.tar", &content);
    rig.daemon.get("/d/e/b.tar").assert_whole(&content);
    rig.cache.assert_stored("d/e/b.tar", &content);
    rig.daemon.wait_for_log("storing again");
}

#[test]
fn a_cache_removed_under_a_transfer_costs_no_client_a_byte() {
    let (rig, content) = (Rig::start(), noise(LENGTH));
    let (gate, mut client) = begun(&rig, "/d/a.tar", &content);
    fs::remove_dir_all(rig.cache.path()).unwrap();
    assert_goes_on_unstored(&rig, "/d/a.tar", &content, &gate, &mut client);
    assert!(!rig.cache.path().exists());
    assert_storing_resumes(&rig, &content);
}

#[test]
fn without_a_cache_directory_bodies_are_relayed_until_it_is_made_again() {
    let (rig, content) = (Rig::start(), noise(LENGTH));
    rig.origin.file("/a.tar", b"content");
    rig.daemon.get("/a.tar").assert_whole(b"content");
    assert_eq!(rig.cache.wait_stored("a.tar"), b"content");
    fs::remove_dir_all(rig.cache.path()).unwrap();
    rig.daemon.get("/a.tar").assert_whole(b"content");
    assert_storing_resumes(&rig, &content);
    assert_eq!(rig.daemon.logged("Z error: ").len(), 1);
}

/// Nothing is stored while there is no cache directory; once there is one, storing resumes by itself.
fn assert_storing_resumes(rig: &Rig, content: &[u8]) {
    rig.origin.file("/new/b.tar", content);
    for _ in 0..2 {
        let answer = rig.daemon.get("/new/b.tar");
        assert!(!answer.assert_whole(content).cache_status("stored"));
    }
    assert!(!rig.cache.path().exists());
    fs::create_dir(rig.cache.path()).unwrap();
    let answer = rig.daemon.get("/new/b.tar");
    assert!(answer.assert_whole(content).cache_status("stored"));
    rig.cache.assert_stored("new/b.tar", content);
    rig.daemon.wait_for_log("storing again");
}

#[test]
fn a_transfer_outlives_the_directory_that_another_makes_again() {
    let (rig, content) = (Rig::start(), noise(LENGTH));
    let (gate, mut client) = begun(&rig, "/d/a.tar", &content);
    fs::remove_dir_all(rig.cache.file("d")).unwrap();
    rig.origin.file("/d/b.tar", &content);
    rig.daemon.get("/d/b.tar").assert_whole(&content);
    rig.cache.assert_stored("d/b.tar", &content);
    assert_goes_on_unstored(&rig, "/d/a.tar", &content, &gate, &mut client);
    // What the other one has stored stays, and nothing else is there.
    assert_eq!(rig.cache.walk(), ["d", "d/b.tar"]);
}

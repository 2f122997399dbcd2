//! One transfer, many readers: first bytes, joiners, leavers.

use crate::support::{Gate, Rig, gated, halves, head, noise, ok};

#[test]
fn bytes_leave_while_the_source_still_sends_and_the_name_comes_last() {
    let (rig, gate, content) = (Rig::start(), Gate::new(), noise(20_000));
    rig.origin.script("/d/slow.tar", halves(&content, &gate));
    let mut client = rig.daemon.begin("/d/slow.tar");
    client.assert_begins(&content[..content.len() / 2]);

    // The partial lies beside its final name, which is not there yet.
    let partials = rig.cache.partials();
    assert_eq!(partials.len(), 1, "{:?}", rig.cache.walk());
    assert!(partials[0].starts_with("d/"), "{partials:?}");
    assert!(!rig.cache.file("d/slow.tar").exists());

    gate.open();
    client.assert_ends(&content[content.len() / 2..]);
    assert_eq!(rig.cache.wait_stored("d/slow.tar"), content);
    assert_eq!(rig.cache.walk(), ["d", "d/slow.tar"]);
}

#[test]
fn twenty_clients_at_once_make_one_request() {
    let (rig, gate, content) = (Rig::start(), Gate::new(), noise(200_000));
    rig.origin.script("/d/hot.tar", halves(&content, &gate));
    let mut clients: Vec<_> = (0..20).map(|_| rig.daemon.begin("/d/hot.tar")).collect();
    let mut joined = 0;
    for client in &mut clients {
        let head = client.head();
        assert_eq!(head.status, 200);
        joined += usize::from(head.cache_status("collapsed"));
        assert!(client.take(100_000) == content[..100_000]);
    }
    assert_eq!(joined, 19, "all but one joined");
    gate.open();
    for mut client in clients {
        client.assert_ends(&content[content.len() / 2..]);
    }
    assert_eq!(rig.origin.requests().len(), 1);
    assert_eq!(rig.cache.wait_stored("d/hot.tar"), content);
}

#[test]
fn clients_that_wait_for_the_head_share_it() {
    let (rig, gate) = (Rig::start(), Gate::new());
    rig.origin.script("/late.tar", gated(&gate, ok(b"content")));
    let clients: Vec<_> = (0..5).map(|_| rig.daemon.begin("/late.tar")).collect();
    gate.open();
    for mut client in clients {
        client.answer().assert_whole(b"content");
    }
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn clients_that_wait_for_the_head_share_a_failure() {
    let (rig, gate) = (Rig::start(), Gate::new());
    rig.origin
        .script("/never.tar", gated(&gate, vec![head("404 No", &[])]));
    let clients: Vec<_> = (0..5).map(|_| rig.daemon.begin("/never.tar")).collect();
    gate.open();
    for mut client in clients {
        client.answer().assert_error(404);
    }
    assert!(rig.cache.walk().is_empty());
}

#[test]
fn the_first_client_may_leave() {
    let (rig, gate, content) = (Rig::start(), Gate::new(), noise(100_000));
    rig.origin.script("/d/a.tar", halves(&content, &gate));
    let mut first = rig.daemon.begin("/d/a.tar");
    first.assert_begins(&content[..content.len() / 2]);
    let mut second = rig.daemon.begin("/d/a.tar");
    second.assert_begins(&content[..content.len() / 2]);
    drop(first);
    gate.open();
    second.assert_ends(&content[content.len() / 2..]);
    rig.cache.assert_stored("d/a.tar", &content);
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn a_transfer_of_known_length_outlives_its_clients() {
    let (rig, gate, content) = (Rig::start(), Gate::new(), noise(5_000_000));
    rig.origin.script("/d/a.tar", halves(&content, &gate));
    let mut client = rig.daemon.begin("/d/a.tar");
    client.assert_begins(&content[..content.len() / 2]);
    drop(client);
    gate.open();
    rig.cache.assert_stored("d/a.tar", &content);
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let (rig, content) = (Rig::start(), noise(16 << 20));
    rig.origin.file("/d/big.tar", &content);
    let mut slow = rig.daemon.begin("/d/big.tar");
    assert_eq!(slow.head().status, 200);
    rig.daemon.get("/d/big.tar").assert_whole(&content);
    assert!(rig.cache.wait_stored("d/big.tar") == content);
    slow.assert_ends(&content);
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn many_files_at_once_do_not_mix() {
    let rig = Rig::start();
    let content = noise(64_000);
    let parts: Vec<_> = content.chunks(1_000).collect();
    for (number, part) in parts.iter().enumerate() {
        rig.origin.file(&format!("/{number}.tar"), part);
    }
    for _ in 0..2 {
        let names = (0..parts.len()).map(|number| format!("/{number}.tar"));
        let clients: Vec<_> = names.map(|name| rig.daemon.begin(&name)).collect();
        for (mut client, part) in clients.into_iter().zip(&parts) {
            client.answer().assert_whole(part);
        }
    }
}

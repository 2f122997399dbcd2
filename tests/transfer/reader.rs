//! One transfer, many readers: first bytes, joiners, leavers.

use crate::support::{Client, End, Gate, MODIFIED, Rig, Script, Step, head, noise, ok};

/// Half of the content, then the rest when the gate opens.
pub fn halves(content: &[u8], gate: &Gate) -> Script {
    let (first, second) = content.split_at(content.len() / 2);
    let (length, modified) = (
        format!("Content-Length: {}", content.len()),
        format!("Last-Modified: {MODIFIED}"),
    );
    vec![
        head("200 OK", &[&length, &modified]),
        Step::Send(first.to_vec()),
        Step::Wait(gate.clone()),
        Step::Send(second.to_vec()),
    ]
}

/// Reads the head and the first half; the rest is for later.
#[track_caller]
pub fn half(client: &mut Client, content: &[u8]) {
    assert_eq!(client.head().status, 200);
    let length = content.len() / 2;
    assert!(
        client.take(length) == content[..length],
        "other bytes in the first half"
    );
}

/// Reads the second half and expects a clean end.
#[track_caller]
pub fn other_half(mut client: Client, content: &[u8]) {
    let (rest, end) = client.rest();
    assert_eq!(end, End::Complete);
    assert!(
        rest == content[content.len() / 2..],
        "other bytes in the second half"
    );
}

#[test]
fn bytes_leave_while_the_source_still_sends_and_the_name_comes_last() {
    let (rig, gate, content) = (Rig::start(), Gate::new(), noise(20_000));
    rig.origin.script("/d/slow.tar", halves(&content, &gate));
    let mut client = rig.daemon.begin("/d/slow.tar");
    half(&mut client, &content);

    // The partial lies beside its final name, which is not there yet.
    let partials = rig.cache.partials();
    assert_eq!(partials.len(), 1, "{:?}", rig.cache.walk());
    assert!(partials[0].starts_with("d/"), "{partials:?}");
    assert!(!rig.cache.file("d/slow.tar").exists());

    gate.open();
    other_half(client, &content);
    assert_eq!(rig.cache.stored("d/slow.tar"), content);
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
    for client in clients {
        other_half(client, &content);
    }
    assert_eq!(rig.origin.requests().len(), 1);
    assert_eq!(rig.cache.stored("d/hot.tar"), content);
}

#[test]
fn clients_that_wait_for_the_head_share_it() {
    let (rig, gate) = (Rig::start(), Gate::new());
    let script = [vec![Step::Wait(gate.clone())], ok(b"content")].concat();
    rig.origin.script("/late.tar", script);
    let clients: Vec<_> = (0..5).map(|_| rig.daemon.begin("/late.tar")).collect();
    gate.open();
    for mut client in clients {
        client.answer().is_whole(b"content");
    }
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn clients_that_wait_for_the_head_share_a_failure() {
    let (rig, gate) = (Rig::start(), Gate::new());
    let script = [
        vec![Step::Wait(gate.clone())],
        Script::from([head("404 No", &[])]),
    ]
    .concat();
    rig.origin.script("/never.tar", script);
    let clients: Vec<_> = (0..5).map(|_| rig.daemon.begin("/never.tar")).collect();
    gate.open();
    for mut client in clients {
        client.answer().is_error(404);
    }
    assert!(rig.cache.walk().is_empty());
}

#[test]
fn who_joins_in_the_middle_gets_all() {
    let (rig, gate, content) = (Rig::start(), Gate::new(), noise(100_000));
    rig.origin.script("/d/a.tar", halves(&content, &gate));
    let mut first = rig.daemon.begin("/d/a.tar");
    half(&mut first, &content);
    let mut second = rig.daemon.begin("/d/a.tar");
    half(&mut second, &content);
    gate.open();
    other_half(second, &content);
    other_half(first, &content);
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn the_first_client_may_leave() {
    let (rig, gate, content) = (Rig::start(), Gate::new(), noise(100_000));
    rig.origin.script("/d/a.tar", halves(&content, &gate));
    let mut first = rig.daemon.begin("/d/a.tar");
    half(&mut first, &content);
    let mut second = rig.daemon.begin("/d/a.tar");
    half(&mut second, &content);
    drop(first);
    gate.open();
    other_half(second, &content);
    assert_eq!(rig.cache.stored("d/a.tar"), content);
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn a_transfer_of_known_length_outlives_its_clients() {
    let (rig, gate, content) = (Rig::start(), Gate::new(), noise(5_000_000));
    rig.origin.script("/d/a.tar", halves(&content, &gate));
    let mut client = rig.daemon.begin("/d/a.tar");
    half(&mut client, &content);
    drop(client);
    gate.open();
    assert!(rig.cache.stored("d/a.tar") == content);
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let (rig, content) = (Rig::start(), noise(16 << 20));
    rig.origin.file("/d/big.tar", &content);
    let mut slow = rig.daemon.begin("/d/big.tar");
    assert_eq!(slow.head().status, 200);
    rig.daemon.get("/d/big.tar").is_whole(&content);
    assert!(rig.cache.stored("d/big.tar") == content);
    let (body, end) = slow.rest();
    assert!(
        end == End::Complete && body == content,
        "{end:?} after {} bytes",
        body.len()
    );
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
            client.answer().is_whole(part);
        }
    }
}

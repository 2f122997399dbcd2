//! How many helpers there are at a time, and who waits.

use std::time::{Duration, Instant};

use super::Mirror;
use crate::support::{CacheDir, Front, Gate, Origin, Step, halves, noise, ok, wait_until};

#[test]
fn a_further_request_waits_for_a_helper() {
    let (mirror, cache, gate) = (Mirror::start(), CacheDir::new(), Gate::new());
    for name in ["a", "b", "c", "d"] {
        let target = format!("/d/{name}.tar");
        mirror.origin.script(&target, halves(b"content.", &gate));
    }
    let daemon = mirror.daemon(&cache).limits("helpers=2").start();
    let mut clients: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| daemon.begin(&format!("/d/{name}.tar")))
        .into();
    let asked = || mirror.origin.requests().len();
    wait_until("two are asked for", || asked() == 2);
    daemon.wait_idle();
    assert_eq!((asked(), daemon.children().len()), (2, 2));
    gate.open();
    for client in &mut clients {
        client.answer().assert_whole(b"content.");
    }
    assert_eq!(asked(), 4);
    assert!(daemon.logged("warning: ").is_empty());
}

#[test]
fn who_waits_in_vain_is_told_to_try_again_and_the_source_is_not_blamed() {
    let (mirror, cache, gate) = (Mirror::start(), CacheDir::new(), Gate::new());
    mirror.origin.script("/d/a.tar", halves(b"content.", &gate));
    mirror.origin.script("/d/b.tar", ok(b"other content"));
    let daemon = mirror
        .daemon(&cache)
        .limits("helpers=1,turn_ms=300")
        .start();
    let mut client = daemon.begin("/d/a.tar");
    client.assert_begins(b"cont");
    let refusal = daemon.get("/d/b.tar");
    refusal.assert_error(503);
    assert_eq!(refusal.field("retry-after"), Some("5"));
    daemon.wait_for_log("cannot speak TLS: all helpers are busy");
    gate.open();
    client.assert_ends(b"ent.");
    daemon.get("/d/b.tar").assert_whole(b"other content");
}

#[test]
fn while_one_waits_for_a_helper_another_source_serves_the_next() {
    let (mirror, cache, gate) = (Mirror::start(), CacheDir::new(), Gate::new());
    mirror.origin.script("/d/a.tar", halves(b"content.", &gate));
    let plain = Origin::start();
    plain.file("/d/c.tar", b"other content");
    let daemon = mirror.daemon(&cache).source(plain.url());
    let daemon = daemon.limits("helpers=1,suspect_ms=50").start();
    let mut client = daemon.begin("/d/a.tar");
    client.assert_begins(b"cont");
    let mut waiting = daemon.begin("/d/b.tar");
    let begun = Instant::now();
    wait_until("the source seems silent", || {
        begun.elapsed() > Duration::from_millis(200)
    });
    daemon.get("/d/c.tar").assert_whole(b"other content");
    assert_eq!(plain.count("/d/b.tar"), 0);
    gate.open();
    client.assert_ends(b"ent.");
    waiting.answer().assert_error(404);
}

#[test]
fn who_finds_all_helpers_busy_goes_on_to_another_source_and_comes_back() {
    let (mirror, cache, gate) = (Mirror::start(), CacheDir::new(), Gate::new());
    mirror.origin.script("/d/a.tar", halves(b"content.", &gate));
    mirror.origin.file("/d/c.tar", b"here alone");
    let plain = Origin::start();
    plain.file("/d/b.tar", b"other content");
    let daemon = mirror.daemon(&cache).source(plain.url());
    let daemon = daemon
        .limits("helpers=1,patience_ms=300,suspect_ms=60000")
        .start();
    let mut client = daemon.begin("/d/a.tar");
    client.assert_begins(b"cont");
    daemon.get("/d/b.tar").assert_whole(b"other content");
    daemon.wait_for_log("cannot speak TLS: all helpers are busy");
    // That the other lacks it does not mean that there is no such file.
    let mut waiting = daemon.begin("/d/c.tar");
    wait_until("the other was asked", || plain.count("/d/c.tar") == 1);
    gate.open();
    client.assert_ends(b"ent.");
    waiting.answer().assert_whole(b"here alone");
}

#[test]
fn idle_helpers_are_few_and_give_way_at_the_limit() {
    let (one, cache) = (Mirror::start(), CacheDir::new());
    let other = Front::start(one.origin.address(), &one.certificate, &[]);
    let content = noise(1000);
    for number in 0..3 {
        one.origin.file(&format!("/{number}.tar"), &content);
    }
    let daemon = |limits| {
        let setup = one.daemon(&cache).source(format!("one={}", one.url()));
        let other = other.url("mirror.example");
        setup
            .source(format!("other={other}"))
            .limits(limits)
            .start()
    };
    let first = daemon("helpers=1");
    for number in 0..3 {
        for name in ["one", "other"] {
            first
                .get(&format!("/{name}/{number}.tar"))
                .assert_whole(&content);
            assert!(first.children().len() <= 1);
        }
    }
    drop(first);
    let gate = Gate::new();
    let second = daemon("idle_helpers=1");
    for name in ["a", "b", "c"] {
        one.origin.script(
            &format!("/{name}.tar"),
            [halves(&content, &gate), vec![Step::Keep]].concat(),
        );
    }
    let mut clients = ["a", "b", "c"].map(|name| second.begin(&format!("/one/{name}.tar")));
    wait_until("there are three", || second.children().len() == 3);
    gate.open();
    for client in &mut clients {
        client.answer().assert_whole(&content);
    }
    wait_until("one is kept", || second.children().len() == 1);
}

#[test]
fn helpers_have_descriptors_kept_free_for_them() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    let limits = "helpers=32";
    let daemon = mirror.daemon(&cache).limits(limits).after("ulimit -n 256");
    let daemon = daemon.start();
    // A third of 256 without 64, and without 2 for each helper.
    daemon.wait_for_log("warning: 42 connections at once instead of 1024");
    let (content, gate) = (noise(100_000), Gate::new());
    let names: Vec<_> = (0..40).map(|number| format!("/d/{number}.tar")).collect();
    for name in &names {
        mirror.origin.script(name, halves(&content, &gate));
    }
    let mut clients: Vec<_> = names.iter().map(|name| daemon.begin(name)).collect();
    wait_until("as many as can be are asked for", || {
        mirror.origin.requests().len() == 32
    });
    gate.open();
    for client in &mut clients {
        client.answer().assert_whole(&content);
    }
    assert_eq!(daemon.logged("warning: ").len(), 1);
}

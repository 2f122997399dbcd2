//! Sources that are silent, drip, or die without a word: who waits for them, and for how long.

use std::time::{Duration, Instant};

use crate::support::{
    Client, Gate, MODIFIED, Origin, Rig, Script, Setup, Step, head, missing, noise, ok, reply,
    wait_until,
};

/// A response that redirects and whose small content never ends.
fn dripping_redirect() -> Script {
    let fields = ["Location: /elsewhere.tar", "Content-Length: 1000"];
    vec![head("302 Found", &fields), Step::Drip]
}

#[test]
fn clients_that_leave_silent_sources_use_up_nothing() {
    let (second, limits) = (Origin::start(), "transfers=8,look_ms=100,turn_ms=2000");
    let rig = Rig::with(|setup| setup.source(second.url()).limits(limits));
    rig.cache.put("here.tar", b"stored", 1);
    for number in 0..150 {
        let target = format!("/{number}.tar");
        rig.origin.script(&target, vec![Step::Stall]);
        second.script(&target, vec![Step::Stall]);
    }
    let before = (rig.daemon.threads(), rig.daemon.descriptors());
    for number in 0..150 {
        let mut client = rig.daemon.client();
        client.ask("HEAD", &format!("/{number}.tar"), &[]);
        // Closed at once.
        drop(client);
        if number % 10 == 0 {
            rig.daemon.get("/here.tar").assert_whole(b"stored");
        }
    }
    assert!(rig.origin.connections() + second.connections() <= 150);
    wait_until("the clients that left hold nothing", || {
        // Turns, a leader for each processor, and what waits to serve again.
        rig.daemon.threads() <= before.0 + 3 * 8 + 16 && rig.daemon.descriptors() <= before.1 + 24
    });
    rig.daemon.get("/here.tar").assert_whole(b"stored");
}

#[test]
fn ranges_far_ahead_have_turns_too() {
    let limits = "transfers=4,far_ms=100,look_ms=50,turn_ms=300,idle_ms=600";
    let rig = Rig::with(|setup| setup.limits(limits));
    rig.cache.put("here.tar", b"stored", 1);
    let length = "Content-Length: 10000000";
    let modified = format!("Last-Modified: {MODIFIED}");
    let started = vec![
        head("200 OK", &[length, &modified]),
        Step::Send(noise(1000)),
        Step::Stall,
    ];
    for number in 0..3 {
        // The beginning comes and no more; whatever else is asked for is met with silence.
        let target = format!("/{number}.tar");
        rig.origin.script(&target, started.clone());
        rig.origin.script(&target, vec![Step::Stall]);
    }
    let mut clients: Vec<Client> = Vec::new();
    for number in 0..3 {
        for _ in 0..8 {
            let mut client = rig.daemon.client();
            client.ask("GET", &format!("/{number}.tar"), &["Range: bytes=9000000-"]);
            clients.push(client);
        }
    }
    wait_until("somebody goes around", || rig.origin.requests().len() > 3);
    // A connection that idles measures the time: longer than a client waits before it goes around.
    assert!(rig.daemon.client().wait_closed().is_some());
    // Three transfers and one part at a time.
    assert!(
        rig.origin.connections() <= 4,
        "{}",
        rig.origin.connections()
    );
    rig.daemon.get("/here.tar").assert_whole(b"stored");
    drop(clients);
    // Those that wait for nobody give way.
    rig.origin.file("/new.tar", b"new");
    wait_until("a turn is free", || {
        rig.daemon.get("/new.tar").status == 200
    });
}

#[test]
fn a_silent_mirror_costs_one_wait_and_not_one_a_name() {
    let limits = "patience_ms=600,suspect_ms=100";
    let (rig, _second) = Rig::pair(&["/real.tar"], |setup| setup.limits(limits));
    for number in 0..30 {
        rig.origin
            .script(&format!("/{number}.tar"), vec![Step::Stall]);
    }
    rig.origin.script("/real.tar", vec![Step::Stall]);
    // The first pays, and so may the one that tries the mirror again for a name that nobody has.
    let mut waited = 0;
    for number in 0..30 {
        let begun = Instant::now();
        rig.daemon.get(&format!("/{number}.tar")).assert_error(404);
        waited += u32::from(begun.elapsed() > Duration::from_millis(500));
        if number == 15 {
            rig.daemon.get("/real.tar").assert_whole(b"the file");
        }
    }
    assert!(waited <= 2, "{waited} of 30 waited");
    assert!(
        rig.origin.requests().len() <= 2,
        "{}",
        rig.origin.requests().len()
    );
}

#[test]
fn a_mirror_that_was_silent_is_asked_where_not_all_others_say_404() {
    let third = Origin::start();
    let more = |setup: Setup| setup.source(third.url()).limits("patience_ms=600");
    let (rig, _second) = Rig::pair(&[], more);
    for target in ["/1.tar", "/2.tar"] {
        rig.origin.script(target, vec![Step::Stall]);
        rig.daemon.get(target).assert_error(404);
    }
    // It was silent twice in a row: for a name that nobody has it is passed over.
    rig.daemon.get("/3.tar").assert_error(404);
    assert_eq!(rig.origin.count("/3.tar"), 0);
    third.script("/only.tar", reply("500 Broken", &[], b""));
    rig.origin.file("/only.tar", b"the file");
    rig.daemon.get("/only.tar").assert_whole(b"the file");
}

#[test]
fn names_that_come_while_a_mirror_is_silent_do_not_wait_for_it() {
    let limits = "suspect_ms=50,silent_ms=50,idle_ms=300";
    let (rig, second) = Rig::pair(&["/real.tar"], |setup| setup.limits(limits));
    for target in ["/slow.tar", "/gone.tar", "/real.tar"] {
        rig.origin.script(target, vec![Step::Stall]);
    }
    let slow = rig.daemon.begin("/slow.tar");
    wait_until("it waits", || rig.origin.count("/slow.tar") == 1);
    // A connection that idles measures the time: longer than a mirror may be silent to somebody.
    assert!(rig.daemon.client().wait_closed().is_some());
    let begun = Instant::now();
    rig.daemon.get("/gone.tar").assert_error(404);
    rig.daemon.get("/real.tar").assert_whole(b"the file");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(rig.origin.requests().len(), 1);
    assert_eq!(second.count("/slow.tar"), 0);
    drop(slow);
}

#[test]
fn a_slow_source_is_asked_for_what_the_other_one_lacks() {
    let limits = "suspect_ms=50,idle_ms=300";
    let ((rig, _second), gate) = (Rig::pair(&[], |setup| setup.limits(limits)), Gate::new());
    let slow = [vec![Step::Wait(gate.clone())], ok(b"slow")].concat();
    rig.origin.script("/slow.tar", slow);
    rig.origin.file("/only.tar", b"the file");
    let mut client = rig.daemon.begin("/slow.tar");
    wait_until("it waits", || rig.origin.count("/slow.tar") == 1);
    // A connection that idles measures the time.
    assert!(rig.daemon.client().wait_closed().is_some());
    rig.daemon.get("/only.tar").assert_whole(b"the file");
    gate.open();
    client.answer().assert_whole(b"slow");
}

#[test]
fn a_redirect_that_drips_is_not_read() {
    let (rig, second) = Rig::pair(&["/a.tar"], |setup| setup.limits("patience_ms=500"));
    rig.origin.script("/a.tar", dripping_redirect());
    rig.origin.script("/elsewhere.tar", vec![Step::Drip]);
    let begun = Instant::now();
    rig.daemon.get("/a.tar").assert_whole(b"the file");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(second.count("/a.tar"), 1);
}

#[test]
fn a_head_that_drips_is_given_up_as_a_whole() {
    let (rig, _second) = Rig::pair(&["/a.tar"], |setup| setup.limits("patience_ms=500"));
    let begins = Step::Send(b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec());
    rig.origin.script("/a.tar", vec![begins, Step::Drip]);
    rig.daemon.get("/a.tar").assert_whole(b"the file");
    assert_eq!(rig.daemon.logged("no answer within 0 s").len(), 1);
}

#[test]
fn a_proof_that_drips_is_given_up_as_a_whole() {
    let content = noise(300_000);
    let (rig, second) = Rig::pair(&[], |setup| setup.limits("patience_ms=500"));
    let fields = [
        "Content-Length: 300000",
        &format!("Last-Modified: {MODIFIED}"),
    ];
    let breaks = vec![
        head("200 OK", &fields),
        Step::Send(content[..200_000].to_vec()),
    ];
    rig.origin.script("/a.tar", breaks);
    // All of it again, from the start, and slowly.
    rig.origin
        .script("/a.tar", vec![head("200 OK", &fields), Step::Drip]);
    second.file("/a.tar", &content);
    rig.daemon.get("/a.tar").assert_whole(&content);
    rig.cache.assert_stored("a.tar", &content);
    assert_eq!(second.count("/a.tar"), 1);
}

#[test]
fn a_kept_connection_that_died_without_a_word_is_replaced() {
    let rig = Rig::with(|setup| setup.limits("kept_answer_ms=300"));
    let kept = |body: &[u8]| {
        let length = format!("Content-Length: {}", body.len());
        vec![
            head("200 OK", &[&length]),
            Step::Send(body.to_vec()),
            Step::Keep,
        ]
    };
    rig.origin.script("/a.tar", kept(b"content"));
    rig.daemon.get("/a.tar").assert_whole(b"content");
    rig.cache.wait_stored("a.tar");
    // The same connection gives no answer; the next one does.
    rig.origin.script("/b.tar", vec![Step::Stall]);
    rig.origin.script("/b.tar", ok(b"other content"));
    rig.daemon.get("/b.tar").assert_whole(b"other content");
    assert_eq!(rig.origin.connections(), 2);
    assert!(rig.daemon.logged("warning: ").is_empty());
}

#[test]
fn a_reset_before_any_byte_is_tried_once_more() {
    let rig = Rig::start();
    rig.origin.script("/a.tar", vec![Step::Reset]);
    rig.origin.script("/a.tar", ok(b"the file"));
    rig.daemon.get("/a.tar").assert_whole(b"the file");
    rig.origin.script("/b.tar", vec![Step::Reset]);
    rig.daemon.get("/b.tar").assert_error(502);
    assert_eq!(rig.origin.count("/b.tar"), 2);
}

#[test]
fn a_head_that_a_source_refuses_is_asked_by_get() {
    let rig = Rig::start();
    for (target, status) in [
        ("/a.tar", "405 No"),
        ("/b.tar", "403 No"),
        ("/c.tar", "501 No"),
    ] {
        rig.origin
            .script(target, crate::support::reply(status, &[], b""));
        rig.origin.script(target, ok(b"the file"));
        let answer = rig.daemon.ask("HEAD", target, &[]);
        assert_eq!(
            (answer.status, answer.field("content-length")),
            (200, Some("8"))
        );
        let methods: Vec<_> = rig
            .origin
            .requests()
            .into_iter()
            .map(|of| of.method)
            .collect();
        assert_eq!(methods[methods.len() - 2..], ["HEAD", "GET"]);
    }
    assert!(rig.cache.walk().is_empty());
}

#[test]
fn a_head_passes_the_checks_of_get() {
    for fields in [
        &["Content-Length: "][..],
        &["Content-Length: 12345678901234567890123"],
        &["Content-Length: 8", "Transfer-Encoding: chunked"],
        &["Content-Length: 8", "Content-Length: 9"],
    ] {
        let (rig, second) = Rig::pair(&["/a.tar"], |setup| setup);
        rig.origin.script("/a.tar", vec![head("200 OK", fields)]);
        let answer = rig.daemon.ask("HEAD", "/a.tar", &[]);
        assert_eq!(
            (answer.status, answer.field("content-length")),
            (200, Some("8")),
            "{fields:?}"
        );
        assert_eq!(second.count("/a.tar"), 1);
    }
}

#[test]
fn a_refused_via_of_one_client_is_no_answer_to_another() {
    let rig = Rig::start();
    let gate = Gate::new();
    let refused = [vec![Step::Wait(gate.clone())], missing()].concat();
    rig.origin.script("/a.tar", refused);
    rig.origin.script("/a.tar", ok(b"the file"));
    let via = (0..8).map(|n| format!("1.1 package-cache-0000000{n}"));
    let via = format!("Via: {}", via.collect::<Vec<_>>().join(", "));
    let mut first = rig.daemon.client();
    first.ask("GET", "/a.tar", &[&via]);
    wait_until("it is asked", || rig.origin.count("/a.tar") == 1);
    let mut others: Vec<_> = (0..5).map(|_| rig.daemon.begin("/a.tar")).collect();
    rig.daemon.wait_idle();
    gate.open();
    first.answer().assert_error(404);
    for other in &mut others {
        other.answer().assert_whole(b"the file");
    }
    assert_eq!(rig.origin.count("/a.tar"), 2);
}

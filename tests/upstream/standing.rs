//! Sources that have failed: where in the order they are asked next, and when they are back in their place.

use crate::support::{
    End, Origin, Rig, Script, Setup, Step, head, missing, modified, noise, ok, part, wait_until,
};

/// Content of unknown length that breaks off: nobody could go on with it.
fn broken() -> Script {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    vec![Step::Send([head.as_bytes(), b"4\r\npart\r\n"].concat())]
}

/// Two sources, of which the first lacks everything, and the second is silent to two requests.
fn with_a_silent_second(limits: &str) -> (Rig, Origin) {
    let (rig, second) = Rig::pair(&[], |setup| setup.arg("--timeout").arg("1").limits(limits));
    for target in ["/1.tar", "/2.tar"] {
        second.script(target, vec![Step::Stall]);
        assert_ne!(rig.daemon.get(target).status, 200);
    }
    (rig, second)
}

#[test]
fn a_source_that_was_silent_twice_is_asked_again_for_what_another_one_lacks() {
    let (rig, second) = with_a_silent_second("patience_ms=200,demote_ms=300");
    second.file("/only.tar", b"the file");
    wait_until("it is asked again", || {
        rig.daemon.get("/only.tar").status == 200
    });
}

#[test]
fn what_another_source_has_is_no_trial() {
    let (rig, second) = with_a_silent_second("patience_ms=200,demote_ms=300");
    second.file("/only.tar", b"the file");
    let mut number = 0;
    wait_until("it is asked again", || {
        number += 1;
        let target = format!("/{number}.deb");
        rig.origin.file(&target, b"from the first");
        rig.daemon.get(&target).assert_whole(b"from the first");
        rig.daemon.get("/only.tar").status == 200
    });
}

#[test]
fn after_one_break_a_source_is_soon_back_in_its_place() {
    let (rig, second) = Rig::pair(&["/p.tar"], |setup| {
        setup.limits("demote_ms=300,pause_ms=1")
    });
    let content = noise(1_000);
    rig.origin.script("/p.tar", broken());
    rig.origin.script("/p.tar", ok(&content));
    assert_ne!(rig.daemon.get("/p.tar").end, End::Complete);
    // HEAD is asked of a source each time, and stores nothing.
    let length = || {
        let answer = rig.daemon.ask("HEAD", "/p.tar", &[]);
        answer.field("content-length").map(str::to_owned)
    };
    assert_eq!(length().as_deref(), Some("8"), "the second is asked first");
    wait_until("the first is asked first again", || {
        length().as_deref() == Some("1000")
    });
    assert!(second.count("/p.tar") >= 1);
}

#[test]
fn several_breaks_in_one_transfer_are_one() {
    let limits = "demote_ms=300,pause_ms=1,attempts=3";
    let (rig, second) = Rig::pair(&[], |setup| setup.limits(limits));
    let content = noise(300_000);
    let length = "Content-Length: 300000";
    let begun = head("200 OK", &[length, &modified()]);
    let start = 100_000 - 65_536;
    rig.origin.script(
        "/p.tar",
        vec![begun, Step::Send(content[..100_000].to_vec())],
    );
    rig.origin
        .script("/p.tar", part(&content, start, 150_000, &modified()));
    // From here on it is asked for the rest in vain.
    rig.origin.script("/p.tar", missing());
    assert_ne!(rig.daemon.get("/p.tar").end, End::Complete);
    assert!(rig.origin.count("/p.tar") >= 3);
    rig.origin.script("/p.tar", ok(&content));
    second.script("/p.tar", ok(b"another"));
    wait_until("the first is asked first again", || {
        let answer = rig.daemon.ask("HEAD", "/p.tar", &[]);
        answer.field("content-length") == Some("300000")
    });
}

#[test]
fn a_source_whose_content_broke_off_is_asked_before_one_that_is_silent() {
    let more = |setup: Setup| setup.arg("--timeout").arg("1").limits("pause_ms=1");
    let (rig, second) = Rig::pair(&[], more);
    second.script("/gone.tar", vec![Step::Stall]);
    assert_ne!(rig.daemon.get("/gone.tar").status, 200);
    rig.origin.script("/p.tar", broken());
    rig.origin.script("/p.tar", ok(b"the file"));
    second.script("/p.tar", vec![Step::Stall]);
    assert_ne!(rig.daemon.get("/p.tar").end, End::Complete);
    rig.daemon.get("/p.tar").assert_whole(b"the file");
    assert_eq!(second.count("/p.tar"), 0);
}

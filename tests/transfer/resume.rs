//! A source that dies in mid-body: going on with proof, or not at all.

use crate::support::{
    Client, End, Gate, MODIFIED_UNIX, Origin, Rig, Script, Setup, Step, head, modified, noise, ok,
    part, reply,
};

const LENGTH: usize = 200_000;
/// What arrives before the body breaks off.
const FIRST: usize = 100_000;
/// Where the rest is asked from: the last 64 KiB come again.
const AGAIN: usize = FIRST - 65_536;

/// The head and what arrives of the body, then `end`.
fn broken(content: &[u8], fields: &[&str], end: &[Step]) -> Script {
    let length = format!("Content-Length: {}", content.len());
    let head = head("200 OK", &[&[length.as_str()], fields].concat());
    [&[head, Step::Send(content[..FIRST].to_vec())], end].concat()
}

/// A rig with a second source that waits for nothing.
fn pair(more: impl FnOnce(Setup) -> Setup) -> (Rig, Origin) {
    Rig::pair(&[], |setup| more(setup.limits("pause_ms=1")))
}

/// Asks for the file: it must come whole, be stored, and the break be a warning.
#[track_caller]
fn assert_comes_whole(rig: &Rig, content: &[u8]) {
    rig.daemon.get("/d/a.tar").assert_whole(content);
    rig.cache.assert_stored("d/a.tar", content);
    let url = format!("{}/d/a.tar", rig.origin.url());
    assert!(rig.daemon.wait_for_log(&url).contains("warning: "));
}

/// Asks for the file: it must be cut after what arrived first, and nothing may stay.
#[track_caller]
fn assert_cut(rig: &Rig, content: &[u8], why: &str) {
    let answer = rig.daemon.get("/d/a.tar");
    assert_eq!(answer.status, 200, "{why}");
    assert_ne!(answer.end, End::Complete, "{why}");
    assert!(
        content[..FIRST].starts_with(&answer.body),
        "{why}: bytes of two files"
    );
    rig.cache.wait_empty();
}

#[test]
fn the_same_source_goes_on_from_the_break() {
    let (rig, content) = (Rig::start(), noise(LENGTH));
    rig.origin
        .script("/d/a.tar", broken(&content, &[&modified()], &[]));
    rig.origin.script(
        "/d/a.tar",
        part(&content, AGAIN, LENGTH - AGAIN, &modified()),
    );
    assert_comes_whole(&rig, &content);
    let requests = rig.origin.requests();
    assert_eq!(requests.len(), 2);
    let range = format!("bytes={AGAIN}-");
    assert_eq!(requests[1].field("range"), Some(range.as_str()));
    assert_eq!(rig.daemon.logged("warning: ").len(), 1);
}

#[test]
fn it_goes_on_as_often_as_there_is_progress() {
    let (rig, content) = (Rig::start(), noise(LENGTH));
    rig.origin
        .script("/d/a.tar", broken(&content, &[&modified()], &[Step::Reset]));
    let second = FIRST + 20_000;
    rig.origin.script(
        "/d/a.tar",
        part(&content, AGAIN, second - AGAIN, &modified()),
    );
    let again = second - 65_536;
    rig.origin.script(
        "/d/a.tar",
        part(&content, again, LENGTH - again, &modified()),
    );
    assert_comes_whole(&rig, &content);
    assert_eq!(rig.origin.requests().len(), 3);
}

#[test]
fn a_200_in_answer_is_compared_from_the_start() {
    let (rig, content) = (Rig::start(), noise(LENGTH));
    rig.origin
        .script("/d/a.tar", broken(&content, &[&modified()], &[]));
    rig.origin.file("/d/a.tar", &content);
    assert_comes_whole(&rig, &content);
}

#[test]
fn the_next_source_goes_on() {
    let ((rig, second), content) = (pair(|setup| setup), noise(LENGTH));
    rig.origin
        .script("/d/a.tar", broken(&content, &[&modified()], &[]));
    rig.origin
        .script("/d/a.tar", reply("503 Gone to lunch", &[], b""));
    second.script(
        "/d/a.tar",
        part(&content, AGAIN, LENGTH - AGAIN, &modified()),
    );
    assert_comes_whole(&rig, &content);
    assert_eq!(second.count("/d/a.tar"), 1);
}

#[test]
fn the_next_source_goes_on_after_silence() {
    let ((rig, second), content) = (pair(|setup| setup.arg("--timeout=2")), noise(LENGTH));
    rig.origin
        .script("/d/a.tar", broken(&content, &[&modified()], &[Step::Stall]));
    second.file("/d/a.tar", &content);
    assert_comes_whole(&rig, &content);
    assert_eq!(
        (rig.origin.requests().len(), second.count("/d/a.tar")),
        (1, 1)
    );
}

#[test]
fn no_reader_notices() {
    let (rig, gate, content) = (Rig::start(), Gate::new(), noise(LENGTH));
    rig.origin.script(
        "/d/a.tar",
        broken(&content, &[&modified()], &[Step::Wait(gate.clone())]),
    );
    rig.origin.script(
        "/d/a.tar",
        part(&content, AGAIN, LENGTH - AGAIN, &modified()),
    );
    let mut clients = [rig.daemon.begin("/d/a.tar"), rig.daemon.begin("/d/a.tar")];
    for client in &mut clients {
        client.assert_begins(&content[..FIRST]);
    }
    let mut ranged = rig.daemon.client();
    ranged.ask("GET", "/d/a.tar", &["Range: bytes=150000-"]);
    gate.open();
    for client in &mut clients {
        client.assert_ends(&content[FIRST..]);
    }
    let answer = ranged.answer();
    assert_eq!((answer.status, answer.end), (206, End::Complete));
    assert!(answer.body == content[150_000..]);
    assert_eq!(rig.origin.requests().len(), 2);
}

#[test]
fn another_file_is_never_taken_for_the_rest() {
    let content = noise(LENGTH);
    let (mut changed, longer) = (content.clone(), noise(LENGTH + 1));
    changed[FIRST - 1] ^= 1;
    let mut early = content.clone();
    early[AGAIN] ^= 1;
    let rest = |content: &[u8], field: &str| part(content, AGAIN, content.len() - AGAIN, field);
    let whole = |content: &[u8], field: &str| reply("200 OK", &[field], content);
    let other = "Last-Modified: Wed, 21 Oct 2015 07:28:01 GMT";
    let modified = modified();
    for (why, script) in [
        ("other time", rest(&content, other)),
        ("no time", rest(&content, "X: y")),
        ("other length", rest(&longer, &modified)),
        ("other bytes before the break", rest(&changed, &modified)),
        (
            "other bytes at the start of the part",
            rest(&early, &modified),
        ),
        (
            "other range",
            part(&content, AGAIN + 1, LENGTH - AGAIN - 1, &modified),
        ),
        (
            "a part after the break only",
            part(&content, FIRST, LENGTH - FIRST, &modified),
        ),
        ("a 200 of another time", whole(&content, other)),
        ("a 200 of another length", whole(&longer, &modified)),
        ("a 200 of other bytes", whole(&changed, &modified)),
    ] {
        let rig = Rig::with(|setup| setup.limits("pause_ms=1"));
        rig.origin
            .script("/d/a.tar", broken(&content, &[&modified], &[]));
        rig.origin.script("/d/a.tar", script);
        assert_cut(&rig, &content, why);
    }
}

#[test]
fn the_entity_tag_of_the_same_source_must_be_the_same() {
    let content = noise(LENGTH);
    for (tag, same) in [
        ("ETag: \"one\"", true),
        ("ETag: \"two\"", false),
        ("X: y", false),
    ] {
        let rig = Rig::with(|setup| setup.limits("pause_ms=1"));
        // Without Last-Modified the strong tag is proof enough from the same source.
        rig.origin
            .script("/d/a.tar", broken(&content, &["ETag: \"one\""], &[]));
        rig.origin
            .script("/d/a.tar", part(&content, AGAIN, LENGTH - AGAIN, tag));
        match same {
            true => assert_comes_whole(&rig, &content),
            false => assert_cut(&rig, &content, tag),
        }
    }
}

#[test]
fn an_entity_tag_says_nothing_of_another_source() {
    let ((rig, second), content) = (pair(|setup| setup), noise(LENGTH));
    rig.origin
        .script("/d/a.tar", broken(&content, &["ETag: \"one\""], &[]));
    rig.origin
        .script("/d/a.tar", reply("404 Not Found", &[], b""));
    second.script(
        "/d/a.tar",
        part(&content, AGAIN, LENGTH - AGAIN, "ETag: \"one\""),
    );
    assert_cut(&rig, &content, "no common validator");
}

#[test]
fn without_a_validator_nobody_is_asked_for_the_rest() {
    let content = noise(LENGTH);
    for field in ["X: y", "ETag: W/\"weak\"", "Last-Modified: soon"] {
        let rig = Rig::start();
        rig.origin
            .script("/d/a.tar", broken(&content, &[field], &[]));
        rig.origin.script("/d/a.tar", ok(&content));
        assert_cut(&rig, &content, field);
        assert_eq!(rig.origin.requests().len(), 1, "{field}");
        // The next request starts anew.
        rig.daemon.get("/d/a.tar").assert_whole(&content);
    }
}

#[test]
fn eight_attempts_without_gain_are_enough() {
    let (rig, content) = (Rig::with(|setup| setup.limits("pause_ms=1")), noise(LENGTH));
    rig.origin
        .script("/d/a.tar", broken(&content, &[&modified()], &[]));
    rig.origin
        .script("/d/a.tar", reply("503 Gone to lunch", &[], b""));
    assert_cut(&rig, &content, "nobody goes on");
    assert_eq!(rig.origin.requests().len(), 9);
}

#[test]
fn a_part_from_elsewhere_is_refused_even_if_its_bytes_would_fit() {
    // All that is compared is zero; one byte off, and what follows would be wrong.
    let content = [vec![0; FIRST + 10], noise(LENGTH)].concat();
    for start in [AGAIN - 1, AGAIN + 1] {
        let rig = Rig::with(|setup| setup.limits("pause_ms=1"));
        rig.origin
            .script("/d/a.tar", broken(&content, &[&modified()], &[]));
        let left = content.len() - start;
        rig.origin
            .script("/d/a.tar", part(&content, start, left, &modified()));
        assert_cut(&rig, &content, "another start");
    }
}

/// A transfer held at `FIRST`: the gate that holds it, and one client that has got that far.
fn held(rig: &Rig, content: &[u8], fields: &[&str], later: &[Script]) -> (Gate, Client) {
    let gate = Gate::new();
    let rest = [
        Step::Wait(gate.clone()),
        Step::Send(content[FIRST..].to_vec()),
    ];
    rig.origin
        .script("/d/a.tar", broken(content, fields, &rest));
    for script in later {
        rig.origin.script("/d/a.tar", script.clone());
    }
    let mut client = rig.daemon.begin("/d/a.tar");
    client.assert_begins(&content[..FIRST]);
    (gate, client)
}

/// Does not wait long before it goes around a transfer.
fn hasty(setup: Setup) -> Setup {
    setup.limits("far_ms=100,look_ms=20,attempts=2")
}

#[test]
fn a_range_far_ahead_goes_around_its_transfer() {
    const AHEAD: usize = 150_000;
    let (rig, content) = (Rig::with(hasty), noise(LENGTH));
    let around = part(&content, AHEAD, LENGTH - AHEAD, &modified());
    let (gate, mut client) = held(&rig, &content, &[&modified()], &[around]);
    let range = format!("Range: bytes={AHEAD}-");
    let ahead = rig.daemon.ask("GET", "/d/a.tar", &[&range]);
    assert_eq!((ahead.status, ahead.end), (206, End::Complete));
    assert!(ahead.body == content[AHEAD..]);
    gate.open();
    client.assert_ends(&content[FIRST..]);
    rig.cache.assert_stored("d/a.tar", &content);
    assert_eq!(rig.origin.requests().len(), 2);
}

#[test]
fn a_way_around_from_the_same_source_has_the_same_entity_tag() {
    const AHEAD: usize = 150_000;
    let ((rig, second), content) = (pair(hasty), noise(LENGTH));
    let tagged = |tag: &str| format!("{}\r\nETag: {tag}", modified());
    let around = part(&content, AHEAD, LENGTH - AHEAD, &tagged("\"two\""));
    let (gate, mut client) = held(
        &rig,
        &content,
        &[&tagged("\"one\"")],
        std::slice::from_ref(&around),
    );
    // That another source gives it another one says nothing.
    second.script("/d/a.tar", around);
    let range = format!("Range: bytes={AHEAD}-");
    let ahead = rig.daemon.ask("GET", "/d/a.tar", &[&range]);
    assert_eq!((ahead.status, ahead.end), (206, End::Complete));
    assert!(ahead.body == content[AHEAD..]);
    rig.daemon.wait_for_log("its entity tag is another");
    assert_eq!(second.count("/d/a.tar"), 1);
    gate.open();
    client.assert_ends(&content[FIRST..]);
}

#[test]
fn a_way_around_that_breaks_goes_on_with_proof_only() {
    const AHEAD: usize = 120_000;
    const BROKE: usize = AHEAD + 40_000;
    let (rig, content) = (Rig::with(hasty), noise(LENGTH));
    let other: Vec<u8> = content.iter().map(|byte| !byte).collect();
    // The rest comes of another file of equal length and time, what was sent before included.
    let around = [
        part(&content, AHEAD, BROKE - AHEAD, &modified()),
        part(&other, AHEAD, LENGTH - AHEAD, &modified()),
    ];
    let (gate, mut client) = held(&rig, &content, &[&modified()], &around);
    let mut ranged = rig.daemon.client();
    ranged.ask("GET", "/d/a.tar", &[&format!("Range: bytes={AHEAD}-")]);
    assert_eq!(ranged.head().status, 206);
    ranged.assert_goes_on(&content[AHEAD..BROKE]);
    rig.daemon.wait_for_log("its bytes are others");
    // Then the transfer itself gets there, with the same bytes.
    gate.open();
    ranged.assert_ends(&content[BROKE..]);
    client.assert_ends(&content[FIRST..]);
}

#[test]
fn what_cannot_be_gone_on_with_comes_from_another_source_next_time() {
    let chunked = || head("200 OK", &["Transfer-Encoding: chunked"]);
    let without_time = || head("200 OK", &["Content-Length: 1000"]);
    for first in [chunked as fn() -> Step, without_time] {
        let broken = || vec![first(), Step::Send(b"5\r\nhello\r\n".to_vec())];
        let (rig, _second) = Rig::pair(&["/d/a.tar"], |setup| setup);
        rig.origin.script("/d/a.tar", broken());
        assert_ne!(rig.daemon.get("/d/a.tar").end, End::Complete);
        rig.daemon.get("/d/a.tar").assert_whole(b"the file");
        // What is stored is served while nobody has a whole one.
        let rig = Rig::with(|setup| setup.arg("--revalidate=*.db"));
        rig.cache.put("a/x.db", b"ours", MODIFIED_UNIX);
        rig.origin.script("/a/x.db", broken());
        assert_ne!(rig.daemon.get("/a/x.db").end, End::Complete);
        let answer = rig.daemon.get("/a/x.db");
        assert!(
            answer
                .assert_whole(b"ours")
                .cache_status("detail=served-stale")
        );
    }
}

#[test]
fn a_page_in_place_of_the_rest_is_no_other_file() {
    let rig = Rig::with(|setup| setup.limits("pause_ms=1,overlap_bytes=100"));
    let content = noise(2_000);
    let length = format!("Content-Length: {}", content.len());
    let script = vec![
        head("200 OK", &[&length, &modified()]),
        Step::Send(content[..1_000].to_vec()),
    ];
    rig.origin.script("/d/a.tar", script);
    let page = reply(
        "200 OK",
        &["Content-Type: text/html"],
        b"<p>Back in a minute",
    );
    rig.origin.script("/d/a.tar", page);
    rig.origin
        .script("/d/a.tar", part(&content, 900, 1_100, &modified()));
    rig.daemon.get("/d/a.tar").assert_whole(&content);
    assert_eq!(rig.origin.count("/d/a.tar"), 3);
}

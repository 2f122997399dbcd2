//! What proves that the rest is of the same file, behind redirectors too, and what does not.

use crate::support::{End, Origin, Rig, Script, Step, head, noise, reply};

fn redirect(location: &str) -> Script {
    reply("301 Moved", &[&format!("Location: {location}")], b"")
}

/// What a source sends of a file before it breaks off, and the rest with `etag` and `date`.
fn halves(content: &[u8], etags: [&str; 2], dates: [&str; 2]) -> [Script; 2] {
    let (half, length) = (content.len() / 2, content.len());
    let again = half.saturating_sub(65_536);
    let fields = |number: usize| [etags[number], dates[number]];
    let first = [
        &format!("Content-Length: {length}"),
        fields(0)[0],
        fields(0)[1],
    ];
    let second = [
        &format!("Content-Range: bytes {again}-{}/{length}", length - 1),
        &format!("Content-Length: {}", length - again),
        fields(1)[0],
        fields(1)[1],
    ];
    [
        vec![head("200 OK", &first), Step::Send(content[..half].to_vec())],
        vec![
            head("206 Partial Content", &second),
            Step::Send(content[again..].to_vec()),
        ],
    ]
}

const DATE: &str = "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT";

const UNSET: &str = "Last-Modified: Thu, 01 Jan 1970 00:00:01 GMT";

#[test]
fn a_redirector_may_send_the_rest_to_another_mirror() {
    let (one, other) = (Origin::start(), Origin::start());
    let (rig, content) = (Rig::start(), noise(200_000));
    let [first, rest] = halves(&content, ["ETag: \"one\"", "ETag: \"other\""], [DATE; 2]);
    for mirror in [&one, &other] {
        let location = format!("{}/d/a.tar", mirror.url());
        rig.origin.script("/d/a.tar", redirect(&location));
    }
    one.script("/d/a.tar", first);
    other.script("/d/a.tar", rest);
    rig.daemon.get("/d/a.tar").assert_whole(&content);
    assert!(rig.cache.wait_stored("d/a.tar") == content);
    assert_eq!((one.count("/d/a.tar"), other.count("/d/a.tar")), (1, 1));
}

#[test]
fn one_mirror_behind_two_sources_has_one_entity_tag() {
    let (mirror, second, content) = (Origin::start(), Origin::start(), noise(200_000));
    let [first, rest] = halves(&content, ["ETag: \"one\"", "ETag: \"other\""], [DATE; 2]);
    mirror.script("/d/a.tar", first);
    mirror.script("/d/a.tar", rest);
    let rig = Rig::with(|setup| setup.source(second.url()).limits("pause_ms=1"));
    let location = format!("{}/d/a.tar", mirror.url());
    rig.origin.script("/d/a.tar", redirect(&location));
    rig.origin
        .script("/d/a.tar", reply("404 Not Found", &[], b""));
    second.script("/d/a.tar", redirect(&location));
    assert_ne!(rig.daemon.get("/d/a.tar").end, End::Complete);
    rig.daemon.wait_for_log("its entity tag is another");
    rig.cache.wait_empty();
}

#[test]
fn a_time_of_1970_proves_nothing() {
    let content = noise(200_000);
    let goes_on = |etags: [&str; 2]| {
        let rig = Rig::with(|setup| setup.limits("pause_ms=1,attempts=2"));
        for script in halves(&content, etags, [UNSET; 2]) {
            rig.origin.script("/d/a.tar", script);
        }
        let answer = rig.daemon.get("/d/a.tar");
        assert!(content.starts_with(&answer.body), "bytes of two files");
        answer.end == End::Complete
    };
    assert!(!goes_on(["X: 1", "X: 2"]));
    assert!(!goes_on(["ETag: W/\"a\"", "ETag: W/\"a\""]));
    assert!(!goes_on(["ETag: \"a\"", "ETag: \"b\""]));
    assert!(goes_on(["ETag: \"a\"", "ETag: \"a\""]));
}

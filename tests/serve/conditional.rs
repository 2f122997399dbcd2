//! Preconditions, whatever the content comes from.

use super::{ask, chunked, status, stored};
use crate::support::{Gate, MODIFIED, MODIFIED_UNIX, Rig, Step, head, reply};

const SAME: [&str; 3] = [
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Wednesday, 21-Oct-15 07:28:00 GMT",
    "Wed Oct 21 07:28:00 2015",
];
const EARLIER: [&str; 3] = [
    "Wed, 21 Oct 2015 07:27:59 GMT",
    "Wednesday, 21-Oct-15 07:27:59 GMT",
    "Wed Oct 21 07:27:59 2015",
];
const LATER: [&str; 3] = [
    "Thu, 22 Oct 2015 00:00:00 GMT",
    "Thursday, 22-Oct-15 00:00:00 GMT",
    "Thu Oct 22 00:00:00 2015",
];

/// In http-tests/cache-tests: conditional-lm-fresh, -fresh-earlier, -fresh-rfc850.
#[test]
fn dates_are_compared_as_times_in_all_three_forms() {
    let (rig, _) = stored();
    for (dates, since, unmodified) in [(SAME, 304, 200), (EARLIER, 200, 412), (LATER, 304, 200)] {
        for date in dates {
            let answer = ask(&rig, &[&format!("If-Modified-Since: {date}")]);
            assert_eq!(answer.status, since, "If-Modified-Since: {date}");
            let answer = ask(&rig, &[&format!("If-Unmodified-Since: {date}")]);
            assert_eq!(answer.status, unmodified, "If-Unmodified-Since: {date}");
        }
    }
    for field in [
        "If-Modified-Since: yesterday",
        "If-Unmodified-Since: 0",
        "If-Modified-Since:",
    ] {
        assert_eq!(ask(&rig, &[field]).status, 200, "{field}");
    }
}

/// In http-tests/cache-tests: conditional-etag-strong-respond, -multiple-first, -second, -last,
/// -weak-respond, conditional-304-etag; and of what is no entity tag of ours -quoted-respond-unquoted,
/// -weak-respond-lowercase, -backslash, -omit-slash, -strong-respond-obs-text.
#[test]
fn entity_tags_are_compared() {
    let (rig, etag) = stored();
    let opaque = etag.trim_matches('"');
    for (field, value, status) in [
        ("If-None-Match", etag.clone(), 304),
        ("If-None-Match", format!("W/{etag}"), 304),
        ("If-None-Match", format!("\"x\", {etag}"), 304),
        ("If-None-Match", format!("{etag}, \"x\", \"y\""), 304),
        ("If-None-Match", format!("\"x\", {etag}, \"y\""), 304),
        ("If-None-Match", format!("\"x\", \"y\", {etag}"), 304),
        ("If-None-Match", format!("\"x,y\",{etag}"), 304),
        ("If-None-Match", "*".to_owned(), 304),
        ("If-None-Match", "\"x\"".to_owned(), 200),
        ("If-None-Match", opaque.to_owned(), 200),
        ("If-None-Match", format!("w/{etag}"), 200),
        ("If-None-Match", format!("W\\{etag}"), 200),
        ("If-None-Match", format!("W{etag}"), 200),
        ("If-None-Match", format!("\"{opaque}\u{fc}\""), 200),
        ("If-None-Match", format!("'{opaque}'"), 200),
        ("If-Match", etag.clone(), 200),
        ("If-Match", "*".to_owned(), 200),
        ("If-Match", format!("\"x\", {etag}"), 200),
        ("If-Match", "\"x\"".to_owned(), 412),
        ("If-Match", format!("W/{etag}"), 412),
    ] {
        let line = format!("{field}: {value}");
        let answer = ask(&rig, &[&line]);
        assert_eq!(answer.status, status, "{line}");
        match status {
            200 => drop(answer.assert_whole(b"0123456789")),
            304 => assert_eq!(answer.field("etag"), Some(etag.as_str()), "{line}"),
            _ => drop(answer.assert_error(status)),
        }
    }
}

/// In http-tests/cache-tests: conditional-etag-precedence.
#[test]
fn preconditions_are_taken_in_their_order() {
    let (rig, etag) = stored();
    let (none, other) = (format!("If-None-Match: {etag}"), "If-None-Match: \"x\"");
    let (matching, since) = (
        format!("If-Match: {etag}"),
        format!("If-Modified-Since: {MODIFIED}"),
    );
    let unmodified = format!("If-Unmodified-Since: {}", EARLIER[0]);
    for (fields, status) in [
        // If-None-Match decides, whatever If-Modified-Since says.
        ([other, &since], 200),
        ([&none, &format!("If-Modified-Since: {}", EARLIER[0])], 304),
        // If-Match decides, whatever If-Unmodified-Since says.
        ([&matching, &unmodified], 200),
        // A failed If-Match comes before If-None-Match.
        (["If-Match: \"x\"", &none], 412),
        ([&matching, &none], 304),
        // A precondition comes before the range.
        ([&none, "Range: bytes=0-1"], 304),
        (["If-Match: \"x\"", "Range: bytes=0-1"], 412),
    ] {
        assert_eq!(ask(&rig, &fields).status, status, "{fields:?}");
    }
}

#[test]
fn not_modified_has_no_content_and_keeps_the_connection() {
    let (rig, etag) = stored();
    let mut client = rig.daemon.client();
    let field = format!("If-None-Match: {etag}");
    for method in ["GET", "HEAD"] {
        let answer = client.ask(method, "/d/a.tar", &[&field]).answer();
        assert_eq!((answer.status, answer.body.len()), (304, 0));
        assert_eq!(answer.field("etag"), Some(etag.as_str()));
        assert!(answer.field("date").is_some());
        assert_eq!(answer.field("content-length").unwrap_or("10"), "10");
    }
    client.get("/d/a.tar").assert_whole(b"0123456789");
}

#[test]
fn the_entity_tag_follows_the_file() {
    let (rig, etag) = stored();
    rig.cache.put("d/a.tar", b"0123456789", MODIFIED_UNIX + 1);
    let touched = ask(&rig, &[]).field("etag").unwrap().to_owned();
    rig.cache.put("d/a.tar", b"012345678", MODIFIED_UNIX);
    let shorter = ask(&rig, &[]).field("etag").unwrap().to_owned();
    assert!(etag != touched && touched != shorter && shorter != etag);
    assert_eq!(ask(&rig, &[&format!("If-None-Match: {etag}")]).status, 200);
}

/// Preconditions on a representation that was last modified at `MODIFIED`, and has no entity tag that a client
/// could know; those that ask for its content come last.
fn conditions() -> Vec<(String, u16)> {
    let before = EARLIER[0];
    let mut conditions: Vec<_> = SAME
        .iter()
        .flat_map(|date| {
            [
                (format!("If-Modified-Since: {date}"), 304),
                (format!("If-Unmodified-Since: {date}"), 200),
            ]
        })
        .collect();
    conditions.extend([
        (format!("If-Unmodified-Since: {before}"), 412),
        ("If-None-Match: *".to_owned(), 304),
        ("If-Match: \"other\"".to_owned(), 412),
        // The order of RFC 9110 section 13.2.2.
        (
            format!("If-Match: \"other\"\r\nIf-Modified-Since: {MODIFIED}"),
            412,
        ),
        (
            format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {MODIFIED}"),
            200,
        ),
        (format!("If-Match: *\r\nIf-Unmodified-Since: {before}"), 200),
        (format!("If-Modified-Since: {before}"), 200),
        ("If-Modified-Since: once".to_owned(), 200),
    ]);
    conditions
}

#[test]
fn preconditions_hold_on_a_transfer_of_unknown_length() {
    let (rig, gate) = (Rig::start(), Gate::new());
    let dated = format!("Last-Modified: {MODIFIED}");
    rig.origin.script("/d/a.tar", chunked(&[&dated], &gate));
    let mut first = rig.daemon.begin("/d/a.tar");
    assert_eq!(first.head().status, 200);
    for (fields, expected) in conditions() {
        let mut client = rig.daemon.client();
        let answer = client.ask("GET", "/d/a.tar", &[&fields]).head();
        assert_eq!(answer.status, expected, "{fields}");
        assert_eq!(
            status(&rig, "HEAD", "/d/a.tar", &[&fields]),
            expected,
            "HEAD {fields}"
        );
    }
    gate.open();
    assert_eq!(first.rest().0, b"0123456789abcdefghij");
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn preconditions_hold_on_what_is_relayed() {
    let (rig, open) = (Rig::start(), Gate::new());
    open.open();
    let dated = format!("Last-Modified: {MODIFIED}");
    let listing = &[dated.as_str(), "Content-Type: text/html"];
    rig.origin.script("/d/", chunked(listing, &open));
    rig.origin
        .script("/known/", reply("200 OK", listing, b"<html>"));
    rig.origin.script(
        "/closed/",
        vec![
            Step::Send(format!("HTTP/1.0 200 OK\r\n{dated}\r\n\r\n").into_bytes()),
            Step::Send(b"<html>".to_vec()),
        ],
    );
    for target in ["/d/", "/known/", "/closed/"] {
        for (fields, expected) in conditions() {
            assert_eq!(
                status(&rig, "GET", target, &[&fields]),
                expected,
                "{target} {fields}"
            );
        }
    }
}

#[test]
fn preconditions_hold_on_head_of_what_is_not_stored() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", b"content");
    let unknown = head(
        "200 OK",
        &[
            "Transfer-Encoding: chunked",
            &format!("Last-Modified: {MODIFIED}"),
        ],
    );
    rig.origin.script("/d/b.tar", vec![unknown]);
    for target in ["/d/a.tar", "/d/b.tar"] {
        for (fields, expected) in conditions() {
            assert_eq!(
                status(&rig, "HEAD", target, &[&fields]),
                expected,
                "{target} {fields}"
            );
        }
    }
    assert!(rig.cache.walk().is_empty());
}

#[test]
fn a_304_has_no_content_and_the_connection_goes_on() {
    let (rig, open) = (Rig::start(), Gate::new());
    open.open();
    let dated = format!("Last-Modified: {MODIFIED}");
    rig.origin.script("/d/", chunked(&[&dated], &open));
    let mut client = rig.daemon.client();
    let same = format!("If-Modified-Since: {MODIFIED}");
    let answer = client.ask("GET", "/d/", &[&same]).answer();
    assert_eq!(
        (answer.status, answer.field("transfer-encoding")),
        (304, None)
    );
    assert_eq!(answer.field("last-modified"), Some(MODIFIED));
    client.get("/d/").assert_whole(b"0123456789abcdefghij");
}

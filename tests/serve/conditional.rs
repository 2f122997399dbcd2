//! Preconditions and ranges, on stored files.

use crate::support::{End, MODIFIED, MODIFIED_UNIX, Response, Rig};

/// A stored file of ten bytes and its entity tag.
fn stored() -> (Rig, String) {
    let rig = Rig::start();
    rig.cache.put("d/a.tar", b"0123456789", MODIFIED_UNIX);
    let etag = rig.daemon.get("/d/a.tar").field("etag").unwrap().to_owned();
    (rig, etag)
}

/// The answer to a GET of it with these fields.
fn ask(rig: &Rig, fields: &[&str]) -> Response {
    rig.daemon.ask("GET", "/d/a.tar", fields)
}

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

#[test]
fn entity_tags_are_compared() {
    let (rig, etag) = stored();
    for (field, value, status) in [
        ("If-None-Match", etag.clone(), 304),
        ("If-None-Match", format!("W/{etag}"), 304),
        ("If-None-Match", format!("\"x\", {etag}"), 304),
        ("If-None-Match", "*".to_owned(), 304),
        ("If-None-Match", "\"x\"".to_owned(), 200),
        ("If-Match", etag.clone(), 200),
        ("If-Match", "*".to_owned(), 200),
        ("If-Match", format!("\"x\", {etag}"), 200),
        ("If-Match", "\"x\"".to_owned(), 412),
        ("If-Match", format!("W/{etag}"), 412),
    ] {
        assert_eq!(
            ask(&rig, &[&format!("{field}: {value}")]).status,
            status,
            "{field}: {value}"
        );
    }
}

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
fn one_range_gives_its_part() {
    let (rig, etag) = stored();
    for (range, part, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-5", "2345", "bytes 2-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=0-", "0123456789", "bytes 0-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
        ("bytes=-100", "0123456789", "bytes 0-9/10"),
        ("bytes=9-18446744073709551616", "9", "bytes 9-9/10"),
    ] {
        let answer = ask(&rig, &[&format!("Range: {range}")]);
        assert_eq!((answer.status, answer.end), (206, End::Complete), "{range}");
        assert_eq!(answer.text(), part, "{range}");
        assert_eq!(
            answer.field("content-range"),
            Some(content_range),
            "{range}"
        );
        assert_eq!(
            answer.field("content-length"),
            Some(part.len().to_string().as_str()),
            "{range}"
        );
        assert_eq!(answer.field("etag"), Some(etag.as_str()));
        assert_eq!(answer.field("last-modified"), Some(MODIFIED));
        assert_eq!(answer.field("content-type"), Some("application/x-tar"));
    }
}

#[test]
fn a_range_beyond_the_end_is_not_satisfiable() {
    let (rig, _) = stored();
    for range in ["bytes=10-", "bytes=100-200", "bytes=-0"] {
        let answer = ask(&rig, &[&format!("Range: {range}")]);
        assert_eq!(
            answer.assert_error(416).field("content-range"),
            Some("bytes */10"),
            "{range}"
        );
    }
}

#[test]
fn a_range_that_is_not_one_of_bytes_gives_the_whole_file() {
    let (rig, _) = stored();
    for range in [
        "bytes=0-1,4-5",
        "bytes=5-2",
        "lines=0-1",
        "bytes=a-b",
        "bytes",
        "bytes=",
        "5-6",
    ] {
        ask(&rig, &[&format!("Range: {range}")]).assert_whole(b"0123456789");
    }
    let head = rig.daemon.ask("HEAD", "/d/a.tar", &["Range: bytes=0-1"]);
    assert_eq!(
        (head.status, head.field("content-length")),
        (200, Some("10"))
    );
}

#[test]
fn if_range_guards_the_range() {
    let (rig, etag) = stored();
    for (guard, status) in [
        (etag.as_str(), 206),
        (MODIFIED, 206),
        ("Wednesday, 21-Oct-15 07:28:00 GMT", 206),
        ("\"x\"", 200),
        (&format!("W/{etag}"), 200),
        (EARLIER[0], 200),
        (LATER[0], 200),
        ("nonsense", 200),
    ] {
        let answer = ask(&rig, &["Range: bytes=2-5", &format!("If-Range: {guard}")]);
        assert_eq!(answer.status, status, "If-Range: {guard}");
        assert_eq!(
            answer.body.len(),
            if status == 206 { 4 } else { 10 },
            "If-Range: {guard}"
        );
    }
    // What the guard refuses is the whole file, even beyond its end.
    ask(&rig, &["Range: bytes=50-", "If-Range: \"x\""]).assert_whole(b"0123456789");
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

#[test]
fn a_range_of_an_empty_file_is_not_satisfiable() {
    let rig = Rig::start();
    rig.cache.put("empty.tar", b"", MODIFIED_UNIX);
    let answer = rig.daemon.ask("GET", "/empty.tar", &["Range: bytes=0-"]);
    assert_eq!(
        answer.assert_error(416).field("content-range"),
        Some("bytes */0")
    );
}

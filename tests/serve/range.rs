//! Ranges of stored files.

use super::{ask, stored};
use crate::support::{End, MODIFIED, MODIFIED_UNIX, Rig, TWENTY};

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
        ("Wed, 21 Oct 2015 07:27:59 GMT", 200),
        ("Thu, 22 Oct 2015 00:00:00 GMT", 200),
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
fn a_range_of_an_empty_file_is_not_satisfiable() {
    let rig = Rig::start();
    rig.cache.put("empty.tar", b"", MODIFIED_UNIX);
    let answer = rig.daemon.ask("GET", "/empty.tar", &["Range: bytes=0-"]);
    assert_eq!(
        answer.assert_error(416).field("content-range"),
        Some("bytes */0")
    );
}

/// In http-tests/cache-tests: partial-store-partial-reuse-partial, -byterange, -absent, -suffix, and
/// partial-store-complete-reuse-partial, -no-last, -suffix.
#[test]
fn a_range_of_a_missing_file_stores_all_of_it_for_every_later_range() {
    let rig = Rig::start();
    for (target, range) in [("/d/a.tar", "bytes=15-"), ("/d/b.tar", "bytes=-5")] {
        rig.origin.file(target, TWENTY);
        let answer = rig.daemon.ask("GET", target, &[&format!("Range: {range}")]);
        assert_eq!((answer.status, answer.end), (206, End::Complete), "{range}");
        assert_eq!(answer.body, TWENTY[15..], "{range}");
        assert_eq!(answer.field("content-range"), Some("bytes 15-19/20"));
        rig.cache.assert_stored(&target[1..], TWENTY);
    }
    // Nothing beyond the end: the client has it all.
    rig.origin.file("/d/c.tar", TWENTY);
    let answer = rig.daemon.ask("GET", "/d/c.tar", &["Range: bytes=20-"]);
    let beyond = answer.assert_error(416).field("content-range");
    assert_eq!(beyond, Some("bytes */20"));
    rig.cache.assert_stored("d/c.tar", TWENTY);
    for (range, part) in [
        ("bytes=-5", 15..20),
        ("bytes=6-8", 6..9),
        ("bytes=6-", 6..20),
        ("bytes=1-", 1..20),
        ("bytes=-1", 19..20),
        ("bytes=0-1", 0..2),
    ] {
        let answer = ask(&rig, &[&format!("Range: {range}")]);
        assert!(answer.cache_status("hit"), "{range}");
        assert_eq!(
            (answer.status, &answer.body[..]),
            (206, &TWENTY[part]),
            "{range}"
        );
    }
    let requests = rig.origin.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .iter()
            .all(|request| request.field("range").is_none())
    );
}

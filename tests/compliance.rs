//! What the conformance suite of HTTP caches (http-tests/cache-tests) asks in its sets `partial`,
//! `conditional` and `other`, as far as it applies; the ids there are named at each test.
//!
//! Rules: our entity tags are our own, so a test with a tag of the source's is asked with ours; a file
//! is stored whatever its source says of caching, so nothing here becomes stale.
//!
//! Not here: the sets on freshness, Vary and revalidation, and what `conditional` already asks.

use crate::support::{MODIFIED, MODIFIED_UNIX, Response, Rig, reply};

/// What the suite serves for its ranges.
const BODY: &[u8] = b"0123456789A";

/// A rig that has stored a file of the source's, whose answer had these fields.
fn fetched(fields: &[&str]) -> Rig {
    let rig = Rig::start();
    let modified = format!("Last-Modified: {MODIFIED}");
    let fields = [&[modified.as_str()], fields].concat();
    rig.origin
        .script("/d/a.tar", reply("200 OK", &fields, BODY));
    rig.daemon.get("/d/a.tar").is_whole(BODY);
    assert_eq!(rig.cache.stored("d/a.tar"), BODY);
    rig
}

/// The answer from the cache to a GET with these fields.
#[track_caller]
fn cached(rig: &Rig, fields: &[&str]) -> Response {
    let answer = rig.daemon.ask("GET", "/d/a.tar", fields);
    assert!(answer.cache_status("hit"), "{fields:?}");
    assert_eq!(rig.origin.count("/d/a.tar"), 1);
    answer
}

/// partial-store-complete-reuse-partial, -no-last, -suffix.
#[test]
fn ranges_are_served_from_a_stored_file() {
    let rig = fetched(&["Cache-Control: max-age=3600"]);
    for (range, part) in [
        ("bytes=0-1", "01"),
        ("bytes=1-", "123456789A"),
        ("bytes=-1", "A"),
    ] {
        let answer = cached(&rig, &[&format!("Range: {range}")]);
        assert_eq!((answer.status, answer.text().as_str()), (206, part));
    }
}

/// partial-store-partial-reuse-partial, -byterange, -absent, -suffix: the source is asked for all of
/// it, so that every later range is a hit.
#[test]
fn a_range_of_a_missing_file_serves_every_later_one() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", BODY);
    let first = rig.daemon.ask("GET", "/d/a.tar", &["Range: bytes=-5"]);
    assert_eq!((first.status, first.text().as_str()), (206, "6789A"));
    assert_eq!(rig.origin.requests()[0].field("range"), None);
    assert_eq!(rig.cache.stored("d/a.tar"), BODY);
    for (range, part) in [
        ("bytes=-5", "6789A"),
        ("bytes=6-8", "678"),
        ("bytes=6-", "6789A"),
        ("bytes=-1", "A"),
        ("bytes=0-1", "01"),
    ] {
        let answer = cached(&rig, &[&format!("Range: {range}")]);
        assert_eq!((answer.status, answer.text().as_str()), (206, part));
    }
}

/// conditional-etag-strong-respond, -multiple-first, -second, -last, conditional-etag-precedence,
/// conditional-304-etag, conditional-etag-weak-respond.
#[test]
fn a_matching_entity_tag_is_answered_304_with_it() {
    let rig = fetched(&["ETag: \"abcdef\"", "Cache-Control: max-age=3600"]);
    let etag = cached(&rig, &[]).field("etag").unwrap().to_owned();
    for given in [
        etag.clone(),
        format!("{etag}, \"1234\", \"5678\""),
        format!("\"1234\", {etag}, \"5678\""),
        format!("\"1234\", \"5678\", {etag}"),
        format!("\"12,34\",{etag}"),
        format!("W/{etag}"),
    ] {
        let none_match = format!("If-None-Match: {given}");
        // Whatever date stands beside it.
        let since = "If-Modified-Since: Tue, 20 Oct 2015 07:28:00 GMT";
        for fields in [&[&none_match[..]][..], &[&none_match, since]] {
            let answer = cached(&rig, fields);
            assert_eq!(answer.status, 304, "{fields:?}");
            assert_eq!(answer.field("etag"), Some(etag.as_str()), "{fields:?}");
        }
    }
}

/// conditional-etag-quoted-respond-unquoted, -weak-respond-lowercase, -backslash, -omit-slash,
/// -strong-respond-obs-text: what is no entity tag of ours does not match.
#[test]
fn what_only_resembles_the_entity_tag_does_not_match() {
    let rig = fetched(&[]);
    let etag = cached(&rig, &[]).field("etag").unwrap().to_owned();
    let opaque = etag.trim_matches('"');
    for given in [
        opaque.to_owned(),
        format!("w/{etag}"),
        format!("W\\{etag}"),
        format!("W{etag}"),
        format!("\"{opaque}\u{fc}\""),
        format!("'{opaque}'"),
        "\"abcdef\"".to_owned(),
    ] {
        cached(&rig, &[&format!("If-None-Match: {given}")]).is_whole(BODY);
    }
}

/// conditional-etag-forward, -forward-unquoted: the source is never asked conditionally for a client,
/// for its 304 could not be stored.
#[test]
fn conditions_on_a_missing_file_are_not_passed_on() {
    let rig = Rig::start();
    let conditions = [
        "If-None-Match: \"abcdef\"",
        "If-None-Match: abcdef",
        "If-Match: *",
        "If-Modified-Since: Tue, 20 Oct 2015 07:28:00 GMT",
        "If-Unmodified-Since: Thu, 22 Oct 2015 07:28:00 GMT",
        "If-Range: \"abcdef\"",
    ];
    for (number, condition) in conditions.into_iter().enumerate() {
        let target = format!("/{number}.tar");
        rig.origin.file(&target, BODY);
        rig.daemon.ask("GET", &target, &[condition]).is_whole(BODY);
    }
    for request in rig.origin.requests() {
        let conditional = |(name, _): &&(String, String)| name.starts_with("if-");
        assert_eq!(request.fields.iter().find(conditional), None);
    }
}

/// conditional-lm-fresh, -fresh-earlier, -fresh-rfc850.
#[test]
fn a_file_not_modified_since_is_answered_304() {
    let rig = fetched(&["Cache-Control: max-age=100000"]);
    for (date, status) in [
        (MODIFIED, 304),
        ("Thu, 22 Oct 2015 07:28:00 GMT", 304),
        ("Wednesday, 21-Oct-15 07:28:00 GMT", 304),
        ("Tue, 20 Oct 2015 07:28:00 GMT", 200),
    ] {
        let answer = cached(&rig, &[&format!("If-Modified-Since: {date}")]);
        assert_eq!(answer.status, status, "{date}");
    }
}

/// conditional-lm-fresh-no-lm: the time of storing stands in for the time that the source did not say.
#[test]
fn a_file_without_a_time_has_the_time_of_storing() {
    let rig = Rig::start();
    rig.origin.script("/d/a.tar", reply("200 OK", &[], BODY));
    rig.daemon.get("/d/a.tar").is_whole(BODY);
    assert_eq!(rig.cache.stored("d/a.tar"), BODY);
    assert!(rig.cache.modified("d/a.tar") > MODIFIED_UNIX);
    let time = cached(&rig, &[]).field("last-modified").unwrap().to_owned();
    assert_eq!(
        cached(&rig, &[&format!("If-Modified-Since: {time}")]).status,
        304
    );
    cached(&rig, &[&format!("If-Modified-Since: {MODIFIED}")]).is_whole(BODY);
}

/// other-age-gen; a file that was there before has an unknown age, which is not said.
#[test]
fn a_file_fetched_has_an_age() {
    let rig = fetched(&["Cache-Control: max-age=3600"]);
    let age = cached(&rig, &[]).field("age").map(str::parse::<u64>);
    assert!(age.is_some_and(|age| age.is_ok_and(|age| age < 60)));
    rig.cache.put("there.tar", BODY, MODIFIED_UNIX);
    assert_eq!(rig.daemon.get("/there.tar").field("age"), None);
}

/// query-args-same, and the contrary of query-args-different: a query is no part of the name.
#[test]
fn a_query_is_no_part_of_the_name() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", BODY);
    rig.daemon.get("/d/a.tar?test=1").is_whole(BODY);
    assert_eq!(rig.cache.stored("d/a.tar"), BODY);
    for target in ["/d/a.tar?test=1", "/d/a.tar?test=2", "/d/a.tar?"] {
        rig.daemon.get(target).is_whole(BODY);
    }
    assert_eq!(rig.origin.count("/d/a.tar"), 1);
    assert_eq!(rig.origin.requests().len(), 1);
}

/// other-set-cookie, other-fresh-content-disposition-attachment,
/// other-heuristic-content-disposition-attachment: stored, and nothing of them told to anyone.
#[test]
fn a_file_is_stored_whatever_its_source_says() {
    for field in [
        "Set-Cookie: a=b",
        "Content-Disposition: attachment; filename=example.txt",
        "Cache-Control: no-store, private, max-age=0",
        "Cache-Control: must-revalidate, s-maxage=0",
        "Expires: Thu, 01 Jan 1970 00:00:00 GMT",
        "Pragma: no-cache",
        "Vary: *",
        "Vary: Accept-Encoding, User-Agent",
        "Warning: 110 - \"Response is Stale\"",
    ] {
        let rig = fetched(&[field]);
        let answer = cached(&rig, &["User-Agent: another"]);
        let (name, value) = field.split_once(": ").unwrap();
        assert_ne!(
            answer.is_whole(BODY).field(&name.to_lowercase()),
            Some(value)
        );
    }
}

/// other-cookie: what identifies a client neither parts the cache nor leaves it.
#[test]
fn cookies_and_credentials_go_no_further() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", BODY);
    let personal = [
        "Cookie: a=b",
        "Authorization: Basic dTpw",
        "Proxy-Authorization: Basic dTpw",
        "Referer: http://intranet.example/",
        "X-Forwarded-For: 10.0.0.1",
    ];
    rig.daemon.ask("GET", "/d/a.tar", &personal).is_whole(BODY);
    assert_eq!(rig.cache.stored("d/a.tar"), BODY);
    cached(&rig, &personal).is_whole(BODY);
    for line in personal {
        let name = line.split(':').next().unwrap().to_lowercase();
        assert_eq!(rig.origin.requests()[0].field(&name), None);
    }
}

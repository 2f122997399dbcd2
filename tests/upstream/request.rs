//! What a source is asked: path, fields, Via.

use super::{FIELDS, field_names};
use crate::support::{CacheDir, Daemon, Origin, Rig};

/// The pseudonym under which a daemon passes requests on.
fn pseudonym(via: &str) -> &str {
    let name = via.split([' ', ',']).nth(1).unwrap_or_default();
    let hex = name
        .strip_prefix("package-cache-")
        .unwrap_or_else(|| panic!("via {via:?}"));
    assert!(
        hex.len() == 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "via {via:?}"
    );
    name
}

#[test]
fn only_the_path_of_the_client_reaches_a_source() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", b"content");
    let fields = [
        "User-Agent: Wget/1.21",
        "Accept: */*",
        "Accept-Encoding: br, gzip",
        "Authorization: Basic c2VjcmV0",
        "Proxy-Authorization: Basic c2VjcmV0",
        "Cookie: secret",
        "Referer: http://elsewhere.example/",
        "Range: bytes=2-",
        "If-Modified-Since: Sat, 01 Jan 2022 00:00:00 GMT",
        "X-Forwarded-For: 10.0.0.1",
        "Via: 1.1 proxy.example (squid)",
        "Cache-Control: no-transform",
        "Content-Length: 6",
    ];
    let mut client = rig.daemon.client();
    assert_eq!(
        client
            .ask("GET", "/d/a.tar?secret=1", &fields)
            .send("secret")
            .answer()
            .status,
        304
    );
    let request = &rig.origin.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/d/a.tar")
    );
    assert_eq!(field_names(request), FIELDS);
    assert_eq!(
        request.field("host"),
        rig.origin.url().strip_prefix("http://")
    );
    assert_eq!(request.field("accept-encoding"), Some("identity"));
    let agent = concat!("package-cache/", env!("CARGO_PKG_VERSION"));
    assert!(
        request
            .field("user-agent")
            .is_some_and(|name| name.starts_with(agent)),
        "{request:?}"
    );
    let via = request.field("via").unwrap();
    assert!(
        via.starts_with("1.1 ") && !via.contains("proxy.example"),
        "{via}"
    );
    pseudonym(via);
}

#[test]
fn a_head_is_asked_in_the_same_words() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", b"content");
    assert_eq!(
        rig.daemon
            .ask("HEAD", "/d/a.tar", &["Cookie: secret"])
            .status,
        200
    );
    let request = &rig.origin.requests()[0];
    assert_eq!(
        (request.method.as_str(), field_names(request).as_slice()),
        ("HEAD", &FIELDS[..])
    );
}

#[test]
fn the_path_of_a_source_comes_first() {
    let (origin, cache) = (Origin::start(), CacheDir::new());
    origin.file("/pub/gentoo%20x/d/a.tar", b"content");
    let daemon = Daemon::on(&cache)
        .source(format!("{}/pub/gentoo%20x/", origin.url()))
        .start();
    daemon.get("/d/a.tar").assert_whole(b"content");
    assert_eq!(cache.wait_stored("d/a.tar"), b"content");
    assert_eq!(origin.requests()[0].target, "/pub/gentoo%20x/d/a.tar");
}

#[test]
fn a_request_that_comes_back_is_refused_before_any_lookup() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", b"content");
    rig.daemon.get("/d/a.tar").assert_whole(b"content");
    rig.cache.wait_stored("d/a.tar");
    let via = rig.origin.requests()[0].field("via").unwrap().to_owned();
    let own = pseudonym(&via);
    for field in [
        format!("Via: {via}"),
        format!("Via: 1.0 fred, 1.1 {own}, 1.1 other.example"),
        format!("Via: 1.1 fred\r\nVia: 1.1 {own} (package-cache)"),
    ] {
        for target in ["/d/a.tar", "/d/b.tar", "/d/"] {
            rig.daemon.ask("GET", target, &[&field]).assert_error(508);
        }
    }
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn entries_of_other_caches_of_our_kind_are_passed_on() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", b"content");
    let via = "Via: 1.1 squid.example, 1.1 package-cache-0123abcd, 1.1 package-cache-nothex00";
    rig.daemon
        .ask("GET", "/d/a.tar", &[via])
        .assert_whole(b"content");
    let requests = rig.origin.requests();
    let lines = requests[0].fields.iter().filter(|(name, _)| name == "via");
    let sent: Vec<_> = lines.flat_map(|(_, value)| value.split(", ")).collect();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(sent[0], "1.1 package-cache-0123abcd");
    assert_ne!(pseudonym(sent[1]), "package-cache-0123abcd");
}

#[test]
fn more_than_eight_entries_are_a_loop() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", b"content");
    let entries = |count: u32| {
        let entries = (0..count).map(|number| format!("1.1 package-cache-{number:08x}"));
        format!("Via: {}", entries.collect::<Vec<_>>().join(", "))
    };
    rig.daemon
        .ask("GET", "/d/a.tar", &[&entries(9)])
        .assert_error(508);
    assert!(rig.origin.requests().is_empty());
    rig.daemon
        .ask("GET", "/d/a.tar", &[&entries(8)])
        .assert_whole(b"content");
}

#[test]
fn caches_can_be_chained() {
    let (rig, cache) = (Rig::start(), CacheDir::new());
    rig.origin.file("/d/a.tar", b"content");
    let front = Daemon::on(&cache)
        .source(format!("http://{}", rig.daemon.address()))
        .start();
    front.get("/d/a.tar").assert_whole(b"content");
    assert_eq!(cache.wait_stored("d/a.tar"), b"content");
    assert_eq!(rig.cache.wait_stored("d/a.tar"), b"content");
    assert_eq!(cache.modified("d/a.tar"), rig.cache.modified("d/a.tar"));
    front.get("/d/none.tar").assert_error(404);
}

/// In http-tests/cache-tests: conditional-etag-forward, -forward-unquoted. The source is never asked conditionally for a client,
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
        rig.origin.file(&target, b"content");
        rig.daemon
            .ask("GET", &target, &[condition])
            .assert_whole(b"content");
    }
    for request in rig.origin.requests() {
        let conditional = |(name, _): &&(String, String)| name.starts_with("if-");
        assert_eq!(request.fields.iter().find(conditional), None);
    }
}

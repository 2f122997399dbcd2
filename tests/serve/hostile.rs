//! Requests that no honest client sends: paths, names and noise.
//!
//! Not here: malformed syntax and smuggled requests, of which `malformed` has a table.

use std::fs;

use crate::support::{End, MODIFIED_UNIX, Rig, noise};

/// The answer to raw bytes, after which the connection must be closed.
#[track_caller]
fn assert_refused(rig: &Rig, request: &[u8], status: u16) {
    let shown = String::from_utf8_lossy(request);
    let mut client = rig.daemon.client();
    let answer = client.send(request).answer();
    assert_eq!(answer.status, status, "{shown:?}: {}", answer.text());
    assert_eq!(
        answer.assert_error(status).field("connection"),
        Some("close"),
        "{shown:?}"
    );
    assert!(
        client.wait_closed().is_some(),
        "{shown:?} is followed by more"
    );
}

/// A rig with a file inside the cache and one outside.
fn guarded() -> Rig {
    let rig = Rig::start();
    rig.cache.put("d/a.tar", b"content", MODIFIED_UNIX);
    fs::write(rig.cache.outside().join("secret"), b"secret").unwrap();
    rig
}

#[test]
fn a_body_whose_end_is_in_doubt_is_refused_whatever_the_method() {
    let rig = guarded();
    let table = [
        ("Content-Length: 5\r\nContent-Length: 5", 400),
        ("Content-Length: 5\r\nContent-Length: 6", 400),
        ("Content-Length: 5, 5", 400),
        ("Content-Length: +5", 400),
        ("Content-Length: -1", 400),
        ("Content-Length: 0x5", 400),
        ("Content-Length:", 400),
        ("Content-Length: 99999999999999999999", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        ("Transfer-Encoding: chunked, chunked", 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            400,
        ),
        ("Transfer-Encoding: gzip", 501),
        ("Transfer-Encoding: xchunked", 501),
    ];
    for (fields, status) in table {
        // What follows must never be taken for a request.
        let smuggled = "0\r\n\r\nGET /d/smuggled.tar HTTP/1.1\r\nHost: x\r\n\r\n";
        let request = format!("POST /d/a.tar HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n{smuggled}");
        assert_refused(&rig, request.as_bytes(), status);
    }
    let old = b"POST /d/a.tar HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_refused(&rig, old, 400);
    assert!(rig.origin.requests().is_empty());
}

#[test]
fn no_path_leads_out_of_the_cache() {
    let rig = guarded();
    for target in [
        "/../secret",
        "/d/../../secret",
        "/d/..",
        "/..",
        "/d/%2e%2e/%2e%2e/secret",
        "/%2E%2e/secret",
        "/.%2e/secret",
        "/..%2fsecret",
        "/..%2Fsecret",
        "/d%2f..%2f..%2fsecret",
        "/d%2f%2e%2e/secret",
        "/./../secret",
        "/d/a.tar%00",
        "/%00",
        "/d/%0aa.tar",
        "/d/%0d%0aX:%20y",
        "/d/%7f.tar",
        "/d/%",
        "/d/%2",
        "/d/%zz.tar",
        "/d/%u002e",
        "http://x/../secret",
    ] {
        let answer = rig.daemon.get(target);
        assert_eq!(answer.assert_error(400).status, 400, "{target}");
        assert_eq!(answer.field("x"), None, "{target} split the answer");
    }
    assert!(rig.origin.requests().is_empty());
    assert_eq!(rig.cache.walk(), ["d", "d/a.tar"]);
}

#[test]
fn names_that_only_look_dangerous_are_names() {
    let rig = guarded();
    for (target, upstream) in [
        ("/d/...", "/d/..."),
        ("/d/..a.tar", "/d/..a.tar"),
        ("/d/.hidden", "/d/.hidden"),
        ("/d/%252e%252e", "/d/%252e%252e"),
        ("/d/..%5csecret", "/d/..%5Csecret"),
        ("/d/%c0%ae%c0%ae", "/d/%C0%AE%C0%AE"),
        ("/d/-rf", "/d/-rf"),
        ("/d/$(id)", "/d/%24%28id%29"),
    ] {
        rig.origin.file(upstream, b"content");
        rig.daemon.get(target).assert_whole(b"content");
    }
    assert_eq!(
        fs::read(rig.cache.outside().join("secret")).unwrap(),
        b"secret"
    );
}

#[test]
fn reserved_names_are_not_found() {
    let rig = guarded();
    let partial = ".package-cache-0123456789abcdef.part";
    rig.cache
        .put(format!("d/{partial}"), b"half", MODIFIED_UNIX);
    rig.cache
        .put(".package-cache-dir/a.tar", b"content", MODIFIED_UNIX);
    for target in [
        format!("/d/{partial}"),
        "/d/.package-cache-0123456789abcdef.par%74".to_owned(),
        "/d/%2epackage-cache-x.tar".to_owned(),
        "/.package-cache".to_owned(),
        "/.package-cache-dir/a.tar".to_owned(),
        "/.package-cache-dir/".to_owned(),
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(rig.daemon.ask(method, &target, &[]).status, 404, "{target}");
        }
    }
    assert!(rig.origin.requests().is_empty());
}

#[test]
fn an_answer_carries_nothing_that_the_client_chose() {
    let rig = guarded();
    let fields = [
        "Range: bytes=0-1\t",
        "If-None-Match: \"<script>\"",
        "Via: 1.1 <script>",
    ];
    let answer = rig.daemon.ask("GET", "/d/%3Cscript%3E.tar", &fields);
    answer.assert_error(404);
    assert!(!answer.text().contains("script"), "{}", answer.text());
}

#[test]
fn noise_is_answered_or_cut_and_serving_goes_on() {
    let rig = guarded();
    for piece in noise(64_000).chunks(1_000) {
        let mut client = rig.daemon.client();
        client.send(piece).send("\r\n\r\n");
        if client.wait_closed().is_none() {
            assert!(client.answer().status >= 400);
        }
    }
    rig.daemon.get("/d/a.tar").assert_whole(b"content");
    assert!(rig.daemon.logged("panic").is_empty());
}

#[test]
fn every_prefix_of_a_request_may_be_the_last() {
    let rig = guarded();
    let request = b"GET /d/a.tar HTTP/1.1\r\nHost: x\r\nRange: bytes=0-3\r\n\r\n";
    for length in 0..request.len() {
        // The client hangs up; the daemon must neither answer a half nor stumble.
        rig.daemon.client().send(&request[..length]);
    }
    let mut client = rig.daemon.client();
    let answer = client.send(request).answer();
    assert_eq!((answer.status, answer.end), (206, End::Complete));
    assert!(rig.daemon.logged("panic").is_empty());
}

//! Keep-alive, pipelining, request bodies, limits of a head.

use super::filled;
use crate::support::{Client, End, Gate, gated, noise, ok};

#[test]
fn a_connection_is_kept() {
    let rig = filled(|setup| setup);
    let mut client = rig.daemon.client();
    for _ in 0..3 {
        client.get("/a.tar").assert_whole(b"content of a");
        client.get("/miss.tar").assert_whole(b"content of the miss");
        client.get("/none.tar").assert_error(404);
        assert_eq!(
            client
                .ask("HEAD", "/b.tar", &[])
                .answer()
                .field("content-length"),
            Some("12")
        );
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let rig = filled(|setup| setup);
    let gate = Gate::new();
    rig.origin
        .script("/late.tar", gated(&gate, ok(b"content of the late")));
    let mut client = rig.daemon.client();
    let names = [
        "/a.tar",
        "/late.tar",
        "/b.tar",
        "/none.tar",
        "/miss.tar",
        "/a.tar",
    ];
    let requests = names.map(|name| format!("GET {name} HTTP/1.1\r\nHost: x\r\n\r\n"));
    client.send(requests.concat());
    client.answer().assert_whole(b"content of a");
    gate.open();
    client.answer().assert_whole(b"content of the late");
    client.answer().assert_whole(b"content of b");
    client.answer().assert_error(404);
    client.answer().assert_whole(b"content of the miss");
    client.answer().assert_whole(b"content of a");
}

#[test]
fn connection_close_closes() {
    let rig = filled(|setup| setup);
    for field in ["Connection: close", "Connection: TE, Close"] {
        let mut client = rig.daemon.client();
        let answer = client.ask("GET", "/a.tar", &[field]).answer();
        assert_eq!(
            answer.assert_whole(b"content of a").field("connection"),
            Some("close")
        );
        assert_eq!(client.wait_closed(), Some(End::Cut), "{field}");
    }
}

#[test]
fn http_1_0_closes_unless_asked_to_keep() {
    let rig = filled(|setup| setup);
    let mut client = rig.daemon.client();
    client
        .send("GET /a.tar HTTP/1.0\r\n\r\n")
        .answer()
        .assert_whole(b"content of a");
    assert_eq!(client.wait_closed(), Some(End::Cut));
    let mut client = rig.daemon.client();
    let request = "GET /a.tar HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let answer = client.send(request).answer();
    // It may be refused, but then both must know.
    match answer.assert_whole(b"content of a").field("connection") {
        Some("keep-alive") => drop(client.send(request).answer().assert_whole(b"content of a")),
        _ => assert_eq!(client.wait_closed(), Some(End::Cut)),
    }
}

#[test]
fn other_methods_are_refused_and_the_connection_stays_in_step() {
    let rig = filled(|setup| setup);
    let mut client = rig.daemon.client();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let answer = client.ask(method, "/a.tar", &[]).answer();
        assert_eq!(
            answer.assert_error(405).field("allow"),
            Some("GET, HEAD"),
            "{method}"
        );
    }
    for method in ["BREW", "get", "PROPFIND"] {
        client.ask(method, "/a.tar", &[]).answer().assert_error(501);
    }
    let answer = client.ask("CONNECT", "mirror.example:443", &[]).answer();
    assert!(answer.assert_error(405).text().contains("http://"));
    client.get("/a.tar").assert_whole(b"content of a");
    assert!(rig.origin.requests().is_empty());
}

#[test]
fn a_small_request_body_is_drained() {
    let rig = filled(|setup| setup);
    let mut client = rig.daemon.client();
    // What looks like a request in the body is none.
    client
        .ask("POST", "/a.tar", &["Content-Length: 27"])
        .send("GET /b.tar HTTP/1.1\r\nX: y\r\n");
    client.answer().assert_error(405);
    client.ask("PUT", "/a.tar", &["Transfer-Encoding: chunked"]);
    client
        .send("5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n")
        .answer()
        .assert_error(405);
    client
        .ask("GET", "/a.tar", &["Content-Length: 5"])
        .send("hello");
    client.answer().assert_whole(b"content of a");
    client.get("/b.tar").assert_whole(b"content of b");
}

#[test]
fn a_large_request_body_costs_the_connection() {
    let rig = filled(|setup| setup.limits("drain_bytes=1000"));
    let mut client = rig.daemon.client();
    client
        .ask("POST", "/a.tar", &["Content-Length: 100000"])
        .send(noise(100_000));
    // The answer arrives before the reset that unread bytes would cause.
    client.answer().assert_error(405);
    assert!(client.wait_closed().is_some());
}

#[test]
fn absolute_form_and_host_do_not_choose_the_source() {
    let rig = filled(|setup| setup);
    let mut client = rig.daemon.client();
    for target in [
        "http://elsewhere.example/a.tar",
        "HTTP://elsewhere.example:8080/a.tar?x",
        "https://elsewhere.example/a.tar",
    ] {
        client.get(target).assert_whole(b"content of a");
    }
    client
        .get("http://127.0.0.1:1/miss.tar")
        .assert_whole(b"content of the miss");
    let request = &rig.origin.requests()[0];
    assert_eq!(request.target, "/miss.tar");
    assert_eq!(
        request.field("host"),
        rig.origin.url().strip_prefix("http://")
    );
}

#[test]
fn a_head_that_does_not_end_is_given_up() {
    let rig = filled(|setup| setup.limits("head_ms=300"));
    let mut client = rig.daemon.client();
    client.get("/a.tar").assert_whole(b"content of a");
    client.send("GET /a.tar HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    // 408, or a silent close.
    if client.wait_closed().is_none() {
        client.answer().assert_error(408);
        assert!(client.wait_closed().is_some());
    }
}

/// The status of a request, after which the connection must be closed.
fn refusal(mut client: Client, request: &str) -> u16 {
    let answer = client.send(request).answer();
    assert_eq!(
        answer.assert_error(answer.status).field("connection"),
        Some("close")
    );
    assert!(client.wait_closed().is_some());
    answer.status
}

/// Not here: heads that end, of which `malformed` has a table.
#[test]
fn a_head_over_its_limits_is_refused_before_it_ends() {
    let rig = filled(|setup| setup);
    let ask = |request: &str| refusal(rig.daemon.client(), request);
    let long = "x".repeat(17_000);
    assert_eq!(ask(&format!("GET /{}", &long[..8_200])), 414);
    let head = "GET /a.tar HTTP/1.1\r\nHost: x\r\n";
    assert_eq!(ask(&format!("{head}X: {long}")), 431);
    // No file system has such a name; no source has it either.
    let within = rig.daemon.get(&format!("/{}", &long[..8_000]));
    within.assert_error(404);
}

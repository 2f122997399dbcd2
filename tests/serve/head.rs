//! HEAD: the fields of GET, and no content, of a refusal either.

use std::io::Write;

use super::{connect, read_all, status};
use crate::support::{End, MODIFIED, MODIFIED_UNIX, Response, Rig, head, reply};

#[test]
fn head_of_a_hit_is_its_get_without_content() {
    let rig = Rig::start();
    rig.cache
        .put("distfiles/foo.tar.xz", b"0123456789", MODIFIED_UNIX);
    let (get, head) = (
        rig.daemon.get("/distfiles/foo.tar.xz"),
        "/distfiles/foo.tar.xz",
    );
    let head = rig.daemon.ask("HEAD", head, &[]);
    assert_eq!(
        (head.status, head.end, head.body.len()),
        (200, End::Complete, 0)
    );
    for name in [
        "content-length",
        "content-type",
        "last-modified",
        "etag",
        "accept-ranges",
    ] {
        assert!(get.field(name).is_some(), "{name} is missing");
        assert_eq!(get.field(name), head.field(name), "{name}");
    }
}

/// The fields of a response, without those of one moment or one connection.
fn fields(answer: &Response) -> Vec<&(String, String)> {
    let varies = ["date", "age", "connection", "cache-status", "etag"];
    let kept = answer.fields.iter();
    kept.filter(|(name, _)| !varies.contains(&name.as_str()))
        .collect()
}

#[test]
fn head_has_the_fields_of_get() {
    let rig = Rig::start();
    let dated = format!("Last-Modified: {MODIFIED}");
    let source = [dated.as_str(), "Content-Type: text/x-listing"];
    let script = |fields: &[&str], method: &str| match method {
        "HEAD" => vec![head(
            "200 OK",
            &[fields, &["Content-Length: 7", "Connection: close"]].concat(),
        )],
        _ => reply("200 OK", fields, b"content"),
    };
    let html = [dated.as_str(), "Content-Type: text/html"];
    let coded = [
        dated.as_str(),
        "Content-Type: text/html",
        "Content-Encoding: gzip",
    ];
    for (target, source) in [
        ("/d/", &source[..]),
        ("/coded/", &coded),
        // A page for a name without extension is a listing too.
        ("/listing", &html),
        ("/d/a.tar.gz", &source),
        ("/d/page.html", &html),
    ] {
        rig.origin.script(target, script(source, "HEAD"));
        rig.origin.script(target, script(source, "GET"));
        let from_head = rig.daemon.ask("HEAD", target, &[]);
        let from_get = rig.daemon.get(target);
        from_get.assert_whole(b"content");
        assert_eq!(fields(&from_head), fields(&from_get), "{target}");
    }
    // A directory in the cache is a listing as well, under whatever name.
    rig.cache.put("sub.d/x", b"x", 1);
    rig.origin.script("/sub.d", script(&source, "HEAD"));
    rig.origin.script("/sub.d", script(&source, "GET"));
    let from_head = rig.daemon.ask("HEAD", "/sub.d", &[]);
    assert_eq!(from_head.field("content-type"), Some("text/x-listing"));
    assert_eq!(fields(&from_head), fields(&rig.daemon.get("/sub.d")));
}

#[test]
fn a_length_that_get_would_refuse_is_refused_for_head() {
    let rig = Rig::start();
    for (target, lengths) in [
        ("/two.tar", &["Content-Length: 7", "Content-Length: 7"][..]),
        ("/word.tar", &["Content-Length: seven"]),
        (
            "/both.tar",
            &["Content-Length: 7", "Transfer-Encoding: chunked"],
        ),
    ] {
        rig.origin.script(target, vec![head("200 OK", lengths)]);
        assert_eq!(status(&rig, "HEAD", target, &[]), 502, "{target}");
    }
}

#[test]
fn a_refused_head_has_no_content() {
    let long = format!("HEAD /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9_000));
    let large = format!(
        "HEAD /a HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "a".repeat(17_000)
    );
    let lines = format!(
        "HEAD /a HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "X: y\r\n".repeat(101)
    );
    let rig = Rig::with(|setup| setup.limits("head_ms=300"));
    for (request, status) in [
        ("HEAD /a HTTP/1.1\r\n\r\n", 400),
        ("HEAD /a%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("\r\nHEAD /a HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (
            "HEAD /a HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n",
            400,
        ),
        (
            "HEAD /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
        ),
        ("HEAD /../a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("HEAD /a HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (&long, 414),
        (&large, 431),
        (&lines, 431),
        // It never ends.
        ("HEAD /a HTTP/1.1\r\n", 408),
    ] {
        let mut stream = connect(&rig.daemon);
        stream.write_all(request.as_bytes()).unwrap();
        let answer = String::from_utf8(read_all(&stream)).unwrap();
        let (head, content) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:.80}: {head}"
        );
        // The fields are those of the refused GET.
        assert!(
            head.contains("Content-Length: ") && content.is_empty(),
            "{request:.80}: {answer}"
        );
    }
    let mut client = rig.daemon.client();
    let answer = client.send("GET /a HTTP/1.1\r\n\r\n").answer();
    answer.assert_error(400);
}

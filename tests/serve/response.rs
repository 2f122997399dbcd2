//! The fields of a response.

use crate::support::{EARLIER, MODIFIED, MODIFIED_UNIX, Rig, reply};

#[test]
fn types_follow_the_extension() {
    let rig = Rig::start();
    let types = [
        ("a.tar.gz", "application/gzip"),
        ("a.TGZ", "application/gzip"),
        ("a.tar.xz", "application/x-xz"),
        ("a.unheard-of", "application/octet-stream"),
        ("noextension", "application/octet-stream"),
        ("a.html", "text/html"),
        ("a.txt", "text/plain"),
    ];
    for (name, kind) in types {
        rig.cache.put(name, b"content", MODIFIED_UNIX);
        let answer = rig.daemon.get(&format!("/{name}"));
        let given = answer.field("content-type").unwrap_or_default();
        assert_eq!(given.split(';').next(), Some(kind), "{name}");
        assert_eq!(answer.field("content-encoding"), None, "{name}");
    }
}

#[test]
fn a_listing_keeps_its_coding_and_a_file_has_none() {
    let rig = Rig::start();
    let coded = ["Content-Encoding: gzip", "Content-Type: text/html"];
    rig.origin
        .script("/d/", reply("200 OK", &coded, b"\x1f\x8bcoded"));
    let answer = rig.daemon.get("/d/");
    assert_eq!(
        answer
            .assert_whole(b"\x1f\x8bcoded")
            .field("content-encoding"),
        Some("gzip")
    );
    // The same directory under its name without the slash.
    let moved = reply("301 Moved Permanently", &["Location: /d/"], b"");
    rig.origin.script("/d", moved);
    let answer = rig.daemon.get("/d");
    assert_eq!(
        answer
            .assert_whole(b"\x1f\x8bcoded")
            .field("content-encoding"),
        Some("gzip")
    );
    // A file whose name says it already is the file, on the miss and on the hit.
    rig.origin.script(
        "/a.tar.gz",
        reply("200 OK", &["Content-Encoding: gzip"], b"\x1f\x8bfile"),
    );
    for _ in 0..2 {
        let answer = rig.daemon.get("/a.tar.gz");
        assert_eq!(
            answer
                .assert_whole(b"\x1f\x8bfile")
                .field("content-encoding"),
            None
        );
        rig.cache.wait_stored("a.tar.gz");
    }
}

#[test]
fn every_response_says_when_and_by_whom_it_was_made() {
    let rig = Rig::start();
    rig.cache.put("a.tar", b"content", MODIFIED_UNIX);
    rig.origin.script("/bad.tar", reply("500 Oops", &[], b""));
    let same = format!("If-Modified-Since: {MODIFIED}");
    let since = format!("If-Unmodified-Since: {EARLIER}");
    for (method, target, fields, status) in [
        ("GET", "/a.tar", &[][..], 200),
        ("GET", "/a.tar", &["Range: bytes=0-0,2-2"], 200),
        ("GET", "/a.tar", &["Expect: 100-continue"], 200),
        ("GET", "/a.tar", &["Range: bytes=0-0"], 206),
        ("GET", "/a.tar", &[same.as_str()], 304),
        ("GET", "/a%zz", &[], 400),
        ("GET", "/none.tar", &[], 404),
        ("OPTIONS", "*", &[], 405),
        ("GET", "/a.tar", &[since.as_str()], 412),
        ("GET", "/a.tar", &["Range: bytes=7-"], 416),
        ("GET", "/a.tar", &["Expect: a-cake"], 417),
        ("BREW", "/a.tar", &[], 501),
        ("GET", "/a.tar", &["Transfer-Encoding: gzip"], 501),
        ("GET", "/bad.tar", &[], 502),
    ] {
        let answer = rig.daemon.ask(method, target, fields);
        assert_eq!(answer.status, status, "{method} {target} {fields:?}");
        for name in ["date", "server", "via"] {
            let lines = answer.fields.iter().filter(|(given, _)| given == name);
            assert_eq!(lines.count(), 1, "{status}: {name}");
        }
        if status >= 400 {
            answer.assert_error(status);
        }
        let allowed = answer.field("allow");
        assert_eq!(allowed, (status == 405).then_some("GET, HEAD"));
        let whole = answer.field("content-range");
        assert_eq!(
            whole == Some("bytes */7"),
            status == 416,
            "{status}: {whole:?}"
        );
    }
}

//! What is the file that was asked for: listings, documents, empty archives, codings.

use crate::support::{End, Rig, Step, assert_goes_on_after, close_delimited, head, ok, reply};

#[test]
fn a_document_for_a_name_without_extension_is_relayed_and_blocks_nothing() {
    let rig = Rig::start();
    for (number, media_type) in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/vnd.pypi.simple.v1+json",
        "application/vnd.npm.install-v1+json",
        "application/xhtml+xml",
        "text/xml",
        "application/xml",
        "httpd/unix-directory",
    ]
    .iter()
    .enumerate()
    {
        // The end of a version is no extension either.
        let target = format!("/distfiles-{number}.{number}");
        let field = format!("Content-Type: {media_type}");
        rig.origin
            .script(&target, reply("200 OK", &[&field], b"[\"a.tar\"]"));
        let answer = rig.daemon.get(&target);
        answer.assert_whole(b"[\"a.tar\"]");
        assert!(answer.cache_status("fwd=uri-miss"), "{answer:?}");
        assert_eq!(answer.field("content-type"), Some(*media_type));
        let below = format!("{target}/a.tar");
        rig.origin.file(&below, b"the file");
        rig.daemon.get(&below).assert_whole(b"the file");
        assert_eq!(
            rig.cache.wait_stored(&below[1..]),
            b"the file",
            "{media_type}"
        );
    }
}

#[test]
fn indexes_without_extension_are_stored() {
    let rig = Rig::start();
    let hash = "a0".repeat(32);
    for (name, fields) in [
        (
            "InRelease",
            ["Content-Type: text/plain; charset=UTF-8"].as_slice(),
        ),
        ("Packages", &["Content-Type: application/octet-stream"]),
        ("SHA256SUMS", &["Content-Type: text/plain"]),
        ("Contents-amd64", &["Content-Type: binary/octet-stream"]),
        ("Release", &[]),
        (&hash, &["Content-Type: application/octet-stream"]),
    ] {
        let target = format!("/d/{name}");
        rig.origin
            .script(&target, reply("200 OK", fields, b"index"));
        rig.daemon.get(&target).assert_whole(b"index");
        assert_eq!(rig.cache.wait_stored(&target[1..]), b"index", "{name}");
    }
    // A document with an extension is a file like others.
    let json = reply("200 OK", &["Content-Type: application/json"], b"{}");
    rig.origin.script("/d/repodata.json", json);
    rig.daemon.get("/d/repodata.json").assert_whole(b"{}");
    assert_eq!(rig.cache.wait_stored("d/repodata.json"), b"{}");
}

#[test]
fn an_empty_archive_is_a_failed_source() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_goes_on_after("length 0", "/d/a.tar.gz", ok(b""));
    assert_goes_on_after("no chunk", "/d/a.deb", vec![Step::Send(chunked.to_vec())]);
    let rig = Rig::start();
    rig.origin.script("/d/a.tar.xz", ok(b""));
    rig.daemon.get("/d/a.tar.xz").assert_error(502);
    // Where nobody could know it at the head, the client sees no end of it, and nothing is stored.
    rig.origin.script("/d/b.tar.xz", close_delimited(b""));
    assert_ne!(rig.daemon.get("/d/b.tar.xz").end, End::Complete);
    rig.daemon.wait_for_log("it is empty");
    rig.cache.wait_empty();
    // The next client gets another source's.
    let (two, _second) = Rig::pair(&["/d/b.tar.xz"], |setup| setup);
    two.origin.script("/d/b.tar.xz", close_delimited(b""));
    assert_ne!(two.daemon.get("/d/b.tar.xz").end, End::Complete);
    two.daemon.get("/d/b.tar.xz").assert_whole(b"the file");
    // Other files may be empty.
    for name in ["layout.conf", "Packages", "a.patch"] {
        let target = format!("/d/{name}");
        rig.origin.script(&target, ok(b""));
        rig.daemon.get(&target).assert_whole(b"");
        assert_eq!(rig.cache.wait_stored(&target[1..]), b"", "{name}");
    }
    // An index that has become empty is a fault of the source: ours is served.
    rig.cache.put("d/core.db", b"ours", 1_000_000_000);
    rig.origin.script("/d/core.db", ok(b""));
    let answer = rig
        .daemon
        .ask("GET", "/d/core.db", &["Cache-Control: no-cache"]);
    assert!(
        answer
            .assert_whole(b"ours")
            .cache_status("detail=served-stale")
    );
}

#[test]
fn a_coding_that_a_name_or_the_first_bytes_carry_is_the_file() {
    let rig = Rig::start();
    let by_hash = format!("/debian/by-hash/SHA1/{}", "c0".repeat(20));
    let gzip = b"\x1f\x8b...".as_slice();
    for (target, coding, content) in [
        ("/p/serde-1.0.0.crate", "gzip", gzip),
        ("/p/busybox-1.36.1-r2.apk", "x-gzip", gzip),
        ("/p/core.db", "gzip", gzip),
        ("/p/extra.db", "zstd", b"\x28\xb5\x2f\xfd..."),
        ("/p/core.files", "x-gzip", gzip),
        ("/p/a_1_all.ipk", "gzip", gzip),
        ("/p/logo.svgz", "identity, gzip", gzip),
        ("/p/a.pkg.tar.zst", "zstd", b"\x28\xb5\x2f\xfd..."),
        ("/p/a.tar.bz2", "bzip2", b"BZh9..."),
        (&by_hash, "gzip", gzip),
        ("/p/b/by-hash/c1", "x-xz", b"\xfd7zXZ\0..."),
        // Apache's mod_mime_magic labels what it finds in a file of a type that it does not know.
        ("/p/a.unitypackage", "x-gzip", gzip),
    ] {
        let field = format!("Content-Encoding: {coding}");
        rig.origin
            .script(target, reply("200 OK", &[&field], content));
        let answer = rig.daemon.get(target);
        answer.assert_whole(content);
        assert_eq!(answer.field("content-encoding"), None, "{target}");
        assert_eq!(rig.cache.wait_stored(&target[1..]), content, "{target}");
        assert_eq!(rig.daemon.get(target).body, content, "{target}");
        assert_eq!(rig.origin.count(target), 1, "{target}");
    }
    // A chunk that comes in pieces is looked at all the same.
    let pieces = [b"\x1f".as_slice(), b"\x8b", b"..."];
    let pieces = pieces.map(|piece| Step::Chunk(piece.to_vec()));
    let fields = ["Content-Encoding: gzip", "Transfer-Encoding: chunked"];
    let head = head("200 OK", &fields);
    let script = [vec![head], pieces.to_vec(), vec![Step::LastChunk]].concat();
    rig.origin.script("/p/by-hash/c2", script);
    rig.daemon.get("/p/by-hash/c2").assert_whole(gzip);
    assert_eq!(rig.cache.wait_stored("p/by-hash/c2"), gzip);
}

#[test]
fn a_coding_that_was_put_on_the_file_is_a_failed_source() {
    let gzip = b"\x1f\x8b...".as_slice();
    for (target, coding, content) in [
        ("/p/a.txt", "gzip", gzip),
        ("/p/a.txt", "x-gzip", gzip),
        ("/p/layout.conf", "x-gzip", gzip),
        ("/p/a.yaml", "gzip", gzip),
        ("/p/a.tar.gz", "gzip, gzip", gzip),
        ("/p/a.tar.gz", "br", b"..."),
        ("/p/a.tar.gz", "xz", b"\xfd7zXZ\0..."),
        ("/p/by-hash/c0", "gzip", b"plain"),
        ("/p/by-hash/c0", "gzip", b"\x1f"),
        ("/p/by-hash/c0", "br", gzip),
    ] {
        let field = format!("Content-Encoding: {coding}");
        assert_goes_on_after(coding, target, reply("200 OK", &[&field], content));
    }
}

//! What real package managers ask, and what real mirrors, object stores and redirectors answer.

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::support::assert_goes_on_after;
use crate::support::{
    CacheDir, Daemon, End, MODIFIED, Origin, PROGRAM, REFUSED, Rig, Script, Step, close_delimited,
    head, noise, ok, reply,
};

fn redirect(location: &str) -> Script {
    reply("301 Moved", &[&format!("Location: {location}")], b"")
}

/// The targets that the origin was asked for.
fn asked(origin: &Origin) -> Vec<String> {
    let requests = origin.requests().into_iter();
    requests.map(|request| request.target).collect()
}

#[test]
fn dot_segments_are_dropped() {
    let rig = Rig::start();
    rig.origin.file("/flat/InRelease", b"flat");
    let authority = rig.daemon.address();
    // The first is what apt asks of a flat repository.
    for target in [
        "/flat/./InRelease",
        "/flat/InRelease",
        "/./flat/%2e/InRelease",
        "/flat/%2E//././InRelease",
        &format!("http://{authority}/flat/./InRelease"),
        "http://mirror.example/./flat/InRelease",
    ] {
        rig.daemon.get(target).assert_whole(b"flat");
        assert_eq!(rig.cache.wait_stored("flat/InRelease"), b"flat", "{target}");
    }
    assert_eq!(asked(&rig.origin), ["/flat/InRelease"]);
    // At the end of a path one names the directory.
    rig.origin.file("/flat/", b"listing");
    rig.daemon.get("/flat/.").assert_whole(b"listing");
    rig.daemon.get("/flat/%2e").assert_whole(b"listing");
    for target in ["/flat/..", "/flat/./../x", "http://x/flat/%2e%2e/x"] {
        rig.daemon.get(target).assert_error(400);
    }
    assert_eq!(asked(&rig.origin)[1..], ["/flat/", "/flat/"]);
    assert_eq!(rig.cache.walk(), ["flat", "flat/InRelease"]);
}

#[test]
fn a_segment_with_an_encoded_slash_is_relayed_as_it_came() {
    let rig = Rig::start();
    for target in ["/@scope%2fname", "/npm/@scope%2Fname", "/p/a%2fb-1.0.tgz"] {
        rig.origin.script(target, ok(b"by npm"));
        for _ in 0..2 {
            let answer = rig.daemon.get(target);
            assert!(answer.assert_whole(b"by npm").cache_status("fwd=bypass"));
        }
        assert_eq!(rig.origin.count(target), 2, "{target}");
        let answer = rig.daemon.ask("HEAD", target, &[]);
        assert_eq!(answer.status, 200, "{target}");
    }
    // Dots and empty segments around it go all the same.
    rig.daemon
        .get("/./npm//@scope%2Fname?x")
        .assert_whole(b"by npm");
    for target in ["/a%2f..%2fb", "/a%2f%2e%2e", "/a%2f%0ab", "/a%2f%zz"] {
        rig.daemon.get(target).assert_error(400);
    }
    rig.daemon.get("/a%2f.package-cache-x").assert_error(404);
    let other = |target: &String| target.contains("a%2f.");
    assert!(!asked(&rig.origin).iter().any(other));
    assert!(rig.cache.walk().is_empty(), "{:?}", rig.cache.walk());
}

#[test]
fn a_redirect_to_the_same_directory_is_a_listing_however_it_is_spelt() {
    let (rig, elsewhere) = (Rig::start(), Origin::start());
    let origin = &rig.origin;
    let html = reply("200 OK", &["Content-Type: text/html"], b"<ul>");
    origin.script("/p/gtk%2B3.0", redirect("/p/gtk+3.0/?C=N"));
    origin.script("/p/gtk+3.0/?C=N", html.clone());
    // Apache writes escapes in lower case.
    origin.script("/p/b%5B3.0", redirect("/p/b%5b3.0/"));
    origin.script("/p/b%5b3.0/", html.clone());
    // A redirector to a mirror, which adds the slash, and a mirror that sends on to another one.
    let there = |path: &str| redirect(&format!("{}{path}", elsewhere.url()));
    origin.script("/p/c%2B3.0", there("/p/c%2B3.0"));
    elsewhere.script("/p/c%2B3.0", redirect("/p/c+3.0/"));
    elsewhere.script("/p/c+3.0/", html.clone());
    origin.script("/p/d-3.0", redirect("/p/d-3.0/"));
    origin.script("/p/d-3.0/", there("/pub/d-3.0/"));
    elsewhere.script("/pub/d-3.0/", html);
    for target in ["/p/gtk+3.0", "/p/b[3.0", "/p/c+3.0", "/p/d-3.0"] {
        rig.daemon.get(target).assert_whole(b"<ul>");
    }
    // What begins as a directory and ends as a file is one.
    origin.script("/p/e.tar", redirect("/p/e.tar/"));
    origin.script("/p/e.tar/", redirect("/files/e.tar"));
    origin.file("/files/e.tar", b"the file");
    rig.daemon.get("/p/e.tar").assert_whole(b"the file");
    assert_eq!(rig.cache.wait_stored("p/e.tar"), b"the file");
    assert_eq!(rig.cache.walk(), ["p", "p/e.tar"]);
}

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

/// What a source sends of a file before it breaks off, and the rest with `etag` and `date`.
fn halves(content: &[u8], etags: [&str; 2], dates: [&str; 2]) -> [Script; 2] {
    let (half, length) = (content.len() / 2, content.len());
    let again = half.saturating_sub(65_536);
    let fields = |number: usize| [etags[number], dates[number]];
    let first = [
        &format!("Content-Length: {length}"),
        fields(0)[0],
        fields(0)[1],
    ];
    let second = [
        &format!("Content-Range: bytes {again}-{}/{length}", length - 1),
        &format!("Content-Length: {}", length - again),
        fields(1)[0],
        fields(1)[1],
    ];
    [
        vec![head("200 OK", &first), Step::Send(content[..half].to_vec())],
        vec![
            head("206 Partial Content", &second),
            Step::Send(content[again..].to_vec()),
        ],
    ]
}

const DATE: &str = "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT";
const UNSET: &str = "Last-Modified: Thu, 01 Jan 1970 00:00:01 GMT";

#[test]
fn a_redirector_may_send_the_rest_to_another_mirror() {
    let (one, other) = (Origin::start(), Origin::start());
    let (rig, content) = (Rig::start(), noise(200_000));
    let [first, rest] = halves(&content, ["ETag: \"one\"", "ETag: \"other\""], [DATE; 2]);
    for mirror in [&one, &other] {
        let location = format!("{}/d/a.tar", mirror.url());
        rig.origin.script("/d/a.tar", redirect(&location));
    }
    one.script("/d/a.tar", first);
    other.script("/d/a.tar", rest);
    rig.daemon.get("/d/a.tar").assert_whole(&content);
    assert!(rig.cache.wait_stored("d/a.tar") == content);
    assert_eq!((one.count("/d/a.tar"), other.count("/d/a.tar")), (1, 1));
}

#[test]
fn one_mirror_behind_two_sources_has_one_entity_tag() {
    let (mirror, second, content) = (Origin::start(), Origin::start(), noise(200_000));
    let [first, rest] = halves(&content, ["ETag: \"one\"", "ETag: \"other\""], [DATE; 2]);
    mirror.script("/d/a.tar", first);
    mirror.script("/d/a.tar", rest);
    let rig = Rig::with(|setup| setup.source(second.url()).limits("pause_ms=1"));
    let location = format!("{}/d/a.tar", mirror.url());
    rig.origin.script("/d/a.tar", redirect(&location));
    rig.origin
        .script("/d/a.tar", reply("404 Not Found", &[], b""));
    second.script("/d/a.tar", redirect(&location));
    assert_ne!(rig.daemon.get("/d/a.tar").end, End::Complete);
    rig.daemon.wait_for_log("its entity tag is another");
    rig.cache.wait_empty();
}

#[test]
fn a_time_of_1970_proves_nothing() {
    let content = noise(200_000);
    let goes_on = |etags: [&str; 2]| {
        let rig = Rig::with(|setup| setup.limits("pause_ms=1,attempts=2"));
        for script in halves(&content, etags, [UNSET; 2]) {
            rig.origin.script("/d/a.tar", script);
        }
        let answer = rig.daemon.get("/d/a.tar");
        assert!(content.starts_with(&answer.body), "bytes of two files");
        answer.end == End::Complete
    };
    assert!(!goes_on(["X: 1", "X: 2"]));
    assert!(!goes_on(["ETag: W/\"a\"", "ETag: W/\"a\""]));
    assert!(!goes_on(["ETag: \"a\"", "ETag: \"b\""]));
    assert!(goes_on(["ETag: \"a\"", "ETag: \"a\""]));
}

#[test]
fn the_verdict_of_object_stores_and_busy_sources() {
    let status = |status: &str, fields: &[&str]| reply(status, fields, b"<Error/>");
    let [s403, s404] = ["403 Forbidden", "404 Not Found"].map(|code| status(code, &[]));
    let busy = |field: &str| status("503 Slow Down", &[field]);
    let silent = vec![Step::Stall];
    for (first, second, expected, retry_after) in [
        (&s403, &s404, 404, None),
        (&s404, &s403, 404, None),
        (&s403, &s403, 403, None),
        (&s403, &status("500 Oops", &[]), 502, None),
        (&s404, &busy("Retry-After: 7"), 503, Some("7")),
        (&s404, &busy("Retry-After: 86400"), 503, Some("3600")),
        (
            &s404,
            &busy("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
            503,
            Some("0"),
        ),
        (&s404, &busy("Retry-After: soon"), 503, None),
        (
            &s404,
            &status("429 Too Many Requests", &["Retry-After: 9"]),
            503,
            Some("9"),
        ),
        (&s404, &busy("X: y"), 503, None),
        (&busy("Retry-After: 7"), &s404, 502, None),
        (&silent, &busy("Retry-After: 7"), 504, None),
    ] {
        let other = Origin::start();
        let rig = Rig::with(|setup| {
            let setup = setup.source(other.url()).arg("--timeout=1");
            setup.limits("patience_ms=300")
        });
        rig.origin.script("/d/a.tar", first.clone());
        other.script("/d/a.tar", second.clone());
        let answer = rig.daemon.get("/d/a.tar");
        answer.assert_error(expected);
        assert_eq!(answer.field("retry-after"), retry_after);
    }
}

#[test]
fn a_connect_that_times_out_is_504() {
    // A full queue of a listener that accepts nothing swallows what comes.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let mut queue: Vec<_> = std::iter::from_fn(|| connect().ok()).take(5_000).collect();
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache)
        .source(format!("http://{address}"))
        .limits("connect_ms=300")
        .start();
    daemon.get("/d/a.tar").assert_error(504);
    queue.clear();
}

#[test]
fn space_before_a_colon_is_removed_and_hides_no_conflict() {
    let rig = Rig::start();
    let answer = |fields: &str, body: &str| {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\nConnection: close\r\n\r\n{body}");
        vec![Step::Send(head.into_bytes())]
    };
    let fields = format!("Content-Length \t: 8\r\nLast-Modified : {MODIFIED}");
    rig.origin.script("/d/a.tar", answer(&fields, "the file"));
    let got = rig.daemon.get("/d/a.tar");
    got.assert_whole(b"the file");
    assert_eq!(got.field("last-modified"), Some(MODIFIED));
    assert_eq!(rig.cache.wait_stored("d/a.tar"), b"the file");
    for fields in [
        "Content-Length: 3\r\nContent-Length : 4",
        "Content-Length : 3\r\nTransfer-Encoding: chunked",
        "Content-Length: 3\r\nTransfer-Encoding : chunked",
    ] {
        let body = "3\r\nbad\r\n0\r\n\r\n";
        assert_goes_on_after(fields, "/d/b.tar", answer(fields, body));
    }
}

#[test]
fn a_hang_up_is_a_graceful_stop_unless_it_is_ignored() {
    let mut rig = Rig::with(|setup| setup.limits("grace_ms=300"));
    let length = "Content-Length: 20";
    let begun = vec![
        head("200 OK", &[length]),
        Step::Send(b"0123".to_vec()),
        Step::Stall,
    ];
    rig.origin.script("/d/a.tar", begun);
    let mut client = rig.daemon.begin("/d/a.tar");
    client.head();
    assert_eq!(client.take(4), b"0123");
    assert_eq!(rig.cache.partials().len(), 1);
    rig.daemon.signal("HUP");
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
    assert!(rig.cache.partials().is_empty(), "{:?}", rig.cache.walk());
    // nohup(1) starts programs so that they outlive their terminal.
    let mut rig = Rig::with(|setup| setup.after("trap '' HUP"));
    rig.origin.file("/d/a.tar", b"content");
    rig.daemon.signal("HUP");
    rig.daemon.get("/d/a.tar").assert_whole(b"content");
    rig.daemon.signal("TERM");
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
    let said = rig.daemon.logged("stopping");
    assert!(said.len() == 1 && said[0].contains("signal 15"), "{said:?}");
}

#[test]
fn no_proxy_may_be_a_block_of_addresses() {
    let origin = Origin::start();
    origin.file("/d/a.tar", b"content");
    for (list, status) in [
        ("10.0.0.0/8, 127.0.0.0/8", 200),
        ("127.0.0.1/32", 200),
        ("10.0.0.0/8", 502),
        ("0.1", 502),
    ] {
        let cache = CacheDir::new();
        let daemon = Daemon::on(&cache).source(origin.url());
        let daemon = daemon.env("http_proxy", REFUSED).env("no_proxy", list);
        assert_eq!(daemon.start().get("/d/a.tar").status, status, "{list}");
    }
}

#[test]
fn no_password_is_ever_printed() {
    let told = |args: &[&str], proxy: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(args).env("http_proxy", proxy);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{args:?}");
        assert!(!text.contains("secret"), "{args:?} {proxy}: {text}");
        text
    };
    for url in [
        "http://user:secret@host/",
        "http://user:se/secret@host/",
        "https://user:secret@host",
        "user:secret@host",
    ] {
        let text = told(&["--check", &format!("--source={url}")], "");
        assert!(text.contains("@host"), "{text}");
        told(&["--check", "--source", url], "");
    }
    let url = "http://user:secret@host/";
    for args in [
        [url].as_slice(),
        &["--host", url],
        &["-x", url],
        &["--sauce", url],
        &["--port", url],
    ] {
        told(args, "");
    }
    for proxy in [
        "https://user:secret@proxy:3128",
        "http://user:secret@proxy:no",
        "user:secret@",
        "socks5://user:se@secret@proxy",
    ] {
        let text = told(&["--check"], proxy);
        assert!(text.contains("http_proxy=") && text.contains("@"), "{text}");
    }
    // Nor of where a source sends us.
    let rig = Rig::start();
    rig.origin
        .script("/d/a.tar", redirect("http://user:secret@host/d/a.tar"));
    rig.daemon.get("/d/a.tar").assert_error(502);
    rig.daemon.wait_for_log("@host/d/a.tar");
    assert!(rig.daemon.logged("secret").is_empty());
}

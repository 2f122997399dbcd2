//! What RFC 9110, 9111 and 9112 ask of an answer in its details, whatever its content comes from.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{
    CacheDir, Daemon, Gate, LIMIT, MODIFIED, MODIFIED_UNIX, Origin, Response, Rig, Script, Setup,
    Step, head, noise, reply, wait_until,
};

const BEFORE: &str = "Wed, 21 Oct 2015 07:27:59 GMT";

/// A source's answer in chunks, of which the first has come.
fn chunked(fields: &[&str], gate: &Gate) -> Script {
    let fields = [&["Transfer-Encoding: chunked"], fields].concat();
    vec![
        head("200 OK", &fields),
        Step::Chunk(b"0123456789".to_vec()),
        Step::Wait(gate.clone()),
        Step::Chunk(b"abcdefghij".to_vec()),
        Step::LastChunk,
    ]
}

/// The status of the answer to a request on a connection of its own, read to its end.
fn status(rig: &Rig, method: &str, target: &str, fields: &[&str]) -> u16 {
    let answer = rig.daemon.ask(method, target, fields);
    if answer.status == 412 && method == "GET" {
        answer.assert_error(412);
    }
    answer.status
}

/// Preconditions on a representation that was last modified at `MODIFIED`, and has no entity tag that a client
/// could know; those that ask for its content come last.
fn conditions() -> Vec<(String, u16)> {
    let obsolete = [
        "Wednesday, 21-Oct-15 07:28:00 GMT",
        "Wed Oct 21 07:28:00 2015",
    ];
    let unchanged = [MODIFIED, obsolete[0], obsolete[1]];
    let mut conditions: Vec<_> = unchanged
        .iter()
        .flat_map(|date| {
            [
                (format!("If-Modified-Since: {date}"), 304),
                (format!("If-Unmodified-Since: {date}"), 200),
            ]
        })
        .collect();
    conditions.extend([
        (format!("If-Unmodified-Since: {BEFORE}"), 412),
        ("If-None-Match: *".to_owned(), 304),
        ("If-Match: \"other\"".to_owned(), 412),
        // The order of RFC 9110 section 13.2.2.
        (
            format!("If-Match: \"other\"\r\nIf-Modified-Since: {MODIFIED}"),
            412,
        ),
        (
            format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {MODIFIED}"),
            200,
        ),
        (format!("If-Match: *\r\nIf-Unmodified-Since: {BEFORE}"), 200),
        (format!("If-Modified-Since: {BEFORE}"), 200),
        ("If-Modified-Since: once".to_owned(), 200),
    ]);
    conditions
}

#[test]
fn preconditions_hold_on_a_transfer_of_unknown_length() {
    let (rig, gate) = (Rig::start(), Gate::new());
    let dated = format!("Last-Modified: {MODIFIED}");
    rig.origin.script("/d/a.tar", chunked(&[&dated], &gate));
    let mut first = rig.daemon.begin("/d/a.tar");
    assert_eq!(first.head().status, 200);
    for (fields, expected) in conditions() {
        let mut client = rig.daemon.client();
        let answer = client.ask("GET", "/d/a.tar", &[&fields]).head();
        assert_eq!(answer.status, expected, "{fields}");
        assert_eq!(
            status(&rig, "HEAD", "/d/a.tar", &[&fields]),
            expected,
            "HEAD {fields}"
        );
    }
    gate.open();
    assert_eq!(first.rest().0, b"0123456789abcdefghij");
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn preconditions_hold_on_what_is_relayed() {
    let (rig, open) = (Rig::start(), Gate::new());
    open.open();
    let dated = format!("Last-Modified: {MODIFIED}");
    let listing = &[dated.as_str(), "Content-Type: text/html"];
    rig.origin.script("/d/", chunked(listing, &open));
    rig.origin
        .script("/known/", reply("200 OK", listing, b"<html>"));
    rig.origin.script(
        "/closed/",
        vec![
            Step::Send(format!("HTTP/1.0 200 OK\r\n{dated}\r\n\r\n").into_bytes()),
            Step::Send(b"<html>".to_vec()),
        ],
    );
    for target in ["/d/", "/known/", "/closed/"] {
        for (fields, expected) in conditions() {
            assert_eq!(
                status(&rig, "GET", target, &[&fields]),
                expected,
                "{target} {fields}"
            );
        }
    }
}

#[test]
fn preconditions_hold_on_head_of_what_is_not_stored() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", b"content");
    let unknown = head(
        "200 OK",
        &[
            "Transfer-Encoding: chunked",
            &format!("Last-Modified: {MODIFIED}"),
        ],
    );
    rig.origin.script("/d/b.tar", vec![unknown]);
    for target in ["/d/a.tar", "/d/b.tar"] {
        for (fields, expected) in conditions() {
            assert_eq!(
                status(&rig, "HEAD", target, &[&fields]),
                expected,
                "{target} {fields}"
            );
        }
    }
    assert!(rig.cache.walk().is_empty());
}

#[test]
fn a_304_has_no_content_and_the_connection_goes_on() {
    let (rig, open) = (Rig::start(), Gate::new());
    open.open();
    let dated = format!("Last-Modified: {MODIFIED}");
    rig.origin.script("/d/", chunked(&[&dated], &open));
    let mut client = rig.daemon.client();
    let same = format!("If-Modified-Since: {MODIFIED}");
    let answer = client.ask("GET", "/d/", &[&same]).answer();
    assert_eq!(
        (answer.status, answer.field("transfer-encoding")),
        (304, None)
    );
    assert_eq!(answer.field("last-modified"), Some(MODIFIED));
    client.get("/d/").assert_whole(b"0123456789abcdefghij");
}

/// The fields of an answer but for those of one moment or one connection.
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

/// A connection of its own, without any framing.
fn connect(rig: &Rig) -> TcpStream {
    let stream = TcpStream::connect_timeout(&rig.daemon.address(), LIMIT).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// All that comes until the daemon closes.
fn everything(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
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
        let mut stream = connect(&rig);
        stream.write_all(request.as_bytes()).unwrap();
        let answer = String::from_utf8(everything(&stream)).unwrap();
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

/// The Age of an answer, in seconds.
fn age(answer: &Response) -> Option<u64> {
    answer.field("age").map(|age| age.parse().unwrap())
}

#[test]
fn the_age_at_the_source_counts() {
    let rig = Rig::start();
    for (target, given, expected) in [
        ("/day.tar", &["Age: 86400"][..], 86_400_u64),
        ("/list.tar", &["Age: 7, 99"], 7),
        ("/huge.tar", &["Age: 99999999999999999999999"], 1 << 31),
        ("/word.tar", &["Age: old"], 0),
        ("/none.tar", &[], 0),
    ] {
        let dated = format!("Last-Modified: {MODIFIED}");
        let fields = [given, &[dated.as_str()]].concat();
        rig.origin
            .script(target, reply("200 OK", &fields, b"content"));
        let heard = age(&rig.daemon.ask("HEAD", target, &[]));
        let missed = age(rig.daemon.get(target).assert_whole(b"content"));
        rig.cache.wait_stored(&target[1..]);
        let hit = age(rig.daemon.get(target).assert_whole(b"content")).unwrap();
        assert!(
            (expected.saturating_sub(1)..expected + 60).contains(&hit),
            "{target}: {hit}"
        );
        // An answer of the source's own has none.
        let told = expected > 0;
        for found in [heard, missed] {
            assert_eq!(found.is_some(), told, "{target}: {found:?}");
            assert!(
                found.is_none_or(|age| age >= expected),
                "{target}: {found:?}"
            );
        }
    }
}

#[test]
fn the_age_of_a_confirmation_counts() {
    let rig = Rig::with(|setup| setup.arg("--revalidate").arg("*/layout.conf"));
    rig.cache.put("d/layout.conf", b"content", MODIFIED_UNIX);
    let confirmed = vec![head(
        "304 Not Modified",
        &["Age: 3600", "Connection: close"],
    )];
    rig.origin.script("/d/layout.conf", confirmed);
    let answer = rig.daemon.get("/d/layout.conf");
    let age = age(answer.assert_whole(b"content")).unwrap();
    assert!((3600..3660).contains(&age), "{age}");
}

#[test]
fn an_answer_that_others_get_already_has_an_age() {
    let (rig, gate) = (Rig::start(), Gate::new());
    rig.origin.script("/a.tar", chunked(&["Age: 100"], &gate));
    rig.origin.script("/b.tar", chunked(&[], &gate));
    for (target, least) in [("/a.tar", 100), ("/b.tar", 0)] {
        let mut first = rig.daemon.begin(target);
        assert_eq!(age(&first.head()).is_some(), least > 0, "{target}");
        let mut joined = rig.daemon.begin(target);
        let answer = joined.head();
        assert!(answer.cache_status("collapsed"), "{answer:?}");
        assert!(age(&answer).is_some_and(|age| age >= least), "{answer:?}");
    }
    gate.open();
}

/// A large answer of which the client reads nothing before it has sent more.
#[test]
fn what_comes_after_the_last_request_takes_no_answer_away() {
    let cache = CacheDir::new();
    // More than the client's side takes unread, less than the daemon's side does.
    let content = noise(1_500_000);
    cache.put("a.tar", &content, 1);
    let daemon = Daemon::on(&cache).arg("-v").start();
    for (number, (fields, late)) in [
        ("HTTP/1.1\r\nHost: x\r\nConnection: close", "\r\n"),
        ("HTTP/1.0", "GET /a.tar HTTP/1.0\r\n\r\n"),
        (
            "HTTP/1.1\r\nHost: x\r\nConnection: close",
            "GET /a.tar HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut stream = TcpStream::connect(daemon.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let request = format!("GET /a.tar {fields}\r\nUser-Agent: late{number}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        // The daemon has sent it all, and its thread has gone on.
        daemon.wait_for_log(&format!("late{number}"));
        daemon.wait_idle();
        for byte in late.bytes() {
            stream.write_all(&[byte]).unwrap();
        }
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        assert!(
            read.is_ok(),
            "{late:?}: {read:?} after {} bytes",
            answer.len()
        );
        assert!(
            answer.ends_with(&content),
            "{late:?}: {} bytes",
            answer.len()
        );
    }
}

/// Connections that were refused, and whose clients do not close.
fn refused(daemon: &Daemon, count: usize) -> Vec<TcpStream> {
    let refuse = |_| {
        let mut stream = TcpStream::connect(daemon.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(b"GET\r\n\r\n").unwrap();
        let answer = String::from_utf8(everything(&stream)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        stream
    };
    (0..count).map(refuse).collect()
}

#[test]
fn who_never_closes_after_the_last_answer_is_closed() {
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache)
        .limits("linger_ms=100,idle_ms=3000")
        .start();
    for mut stream in refused(&daemon, 3) {
        wait_until("it is closed", || stream.write_all(b"x").is_err());
    }
}

#[test]
fn who_sends_without_end_after_the_last_answer_is_closed() {
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache).limits("linger_ms=60000").start();
    for mut stream in refused(&daemon, 3) {
        let sent = (0..100_000).take_while(|_| stream.write_all(&[b'x'; 1024]).is_ok());
        assert!(sent.count() < 100_000);
    }
}

#[test]
fn who_never_closes_after_the_last_answer_holds_no_thread() {
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache)
        .limits("linger_ms=60000,worker_ms=100")
        .start();
    let silent = refused(&daemon, 40);
    wait_until("no thread waits for them", || daemon.threads() < 30);
    drop(silent);
}

/// A whole answer with an error after which the source keeps the connection.
fn kept(status: &str, fields: &[&str], body: &[u8]) -> Script {
    let length = format!("Content-Length: {}", body.len());
    let fields = [&[length.as_str()], fields].concat();
    vec![head(status, &fields), Step::Send(body.to_vec()), Step::Keep]
}

#[test]
fn a_mirror_that_lacks_files_is_asked_on_one_connection() {
    let (mirror, rich, cache) = (Origin::start(), Origin::start(), CacheDir::new());
    let page = noise(5_000);
    let chunks = vec![
        head("404 Not Found", &["Transfer-Encoding: chunked"]),
        Step::Chunk(b"no such ".to_vec()),
        Step::Chunk(b"file".to_vec()),
        Step::LastChunk,
        Step::Keep,
    ];
    let daemon = Daemon::on(&cache)
        .source(mirror.url())
        .source(rich.url())
        .start();
    for number in 0..50 {
        let target = format!("/{number}.tar");
        mirror.script(
            &target,
            match number % 5 {
                0 => kept("404 Not Found", &[], b"no such file"),
                1 => chunks.clone(),
                2 => kept("410 Gone", &["Content-Type: text/html"], &page),
                3 => kept("500 Internal Server Error", &[], b""),
                _ => kept("403 Forbidden", &[], b"no"),
            },
        );
        rich.file(&target, b"content");
        daemon.get(&target).assert_whole(b"content");
    }
    assert_eq!((mirror.requests().len(), mirror.connections()), (50, 1));
}

#[test]
fn an_error_whose_content_is_long_or_late_holds_nobody_up() {
    let (mirror, rich, cache) = (Origin::start(), Origin::start(), CacheDir::new());
    let long = [
        vec![head("404 Not Found", &["Content-Length: 100000000"])],
        vec![Step::Stall],
    ];
    mirror.script("/long.tar", long.concat());
    mirror.script(
        "/late.tar",
        vec![head("404 Not Found", &["Content-Length: 10"]), Step::Stall],
    );
    let endless = vec![
        head("404 Not Found", &[]),
        Step::Send(noise(100_000)),
        Step::Stall,
    ];
    mirror.script("/endless.tar", endless);
    let daemon = Daemon::on(&cache)
        .source(mirror.url())
        .source(rich.url())
        .start();
    for target in ["/long.tar", "/late.tar", "/endless.tar"] {
        rich.file(target, b"content");
        daemon.get(target).assert_whole(b"content");
    }
    assert_eq!(mirror.connections(), 3);
}

#[test]
fn that_a_source_has_no_such_file_is_no_warning() {
    for (arguments, expected) in [(&[][..], 0), (&["-v"], 40)] {
        let (first, second, cache) = (Origin::start(), Origin::start(), CacheDir::new());
        let gone = reply("410 Gone", &[], b"");
        let setup = Daemon::on(&cache).source(first.url()).source(second.url());
        let daemon = arguments.iter().fold(setup, Setup::arg).start();
        for number in 0..20 {
            second.script(&format!("/{number}.tar"), gone.clone());
            daemon.get(&format!("/{number}.tar")).assert_error(404);
        }
        second.script("/last.tar", reply("403 Forbidden", &[], b""));
        daemon.get("/last.tar");
        // All other failures are: then what came before it would be there.
        let warning = daemon.wait_for_log("last.tar: answered 403");
        assert!(warning.contains("Z warning: source "), "{warning}");
        assert_eq!(daemon.logged("Z warning: ").len(), 1);
        let told = [daemon.logged("answered 404"), daemon.logged("answered 410")].concat();
        let told = told.iter().filter(|line| !line.contains("last.tar"));
        assert_eq!(
            told.filter(|line| line.contains("Z source ")).count(),
            expected
        );
    }
}

#[test]
fn every_answer_says_when_and_by_whom_it_was_made() {
    let rig = Rig::start();
    rig.cache.put("a.tar", b"content", MODIFIED_UNIX);
    rig.origin.script("/bad.tar", reply("500 Oops", &[], b""));
    let same = format!("If-Modified-Since: {MODIFIED}");
    let since = format!("If-Unmodified-Since: {BEFORE}");
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

//! Certificates that are refused, servers that speak no TLS or none any more.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use super::{Mirror, NAMES};
use crate::support::{
    CacheDir, Certificate, Daemon, Gate, LIMIT, Origin, Server, close_delimited, gated, halves,
    modified, noise, ok, part, wait_until,
};

/// The second source serves the file, one warning says why the first does not, and nothing is left of its helper.
#[track_caller]
fn assert_refused(what: &str, url: &str, trusted: &Certificate, why: &str) {
    let (second, cache) = (Origin::start(), CacheDir::new());
    // A busy machine may be slow to answer; only silence is meant to run out of time.
    let silent = why.contains("no answer");
    let limits = if silent { "connect_ms=500" } else { "" };
    second.file("/d/a.tar", b"the file");
    second.file("/d/b.tar", b"the file");
    let daemon = Daemon::on(&cache)
        .source(url)
        .source(second.url())
        .env("PACKAGE_CACHE_HOSTS", "mirror.example=127.0.0.1")
        .env("SSL_CERT_FILE", trusted.path())
        .limits(limits);
    let daemon = daemon.start();
    let open = daemon.descriptors();
    daemon.get("/d/a.tar").assert_whole(b"the file");
    daemon.wait_childless();
    // The connection to the second source is kept, and serves again.
    wait_until("nothing more is open", || daemon.descriptors() <= open + 1);
    daemon.get("/d/b.tar").assert_whole(b"the file");
    let line = daemon.wait_for_log("warning: ");
    let lines = daemon.logged("warning: ");
    let url = format!("source {url}/d/a.tar: ");
    assert!(line.contains(&url) && line.contains(why), "{what}: {line}");
    assert!(!line.contains("/usr/"), "{what}: {line}");
    // It is at the end of the order meanwhile.
    assert_eq!(lines.len(), 1, "{what}: {lines:?}");
    wait_until("nothing more is open", || daemon.descriptors() <= open + 1);
}

#[test]
fn who_is_not_proved_is_no_source() {
    let good = || Certificate::of(NAMES);
    let other = Certificate::of("DNS:other.example");
    let expired = Certificate::expired(NAMES);
    let cases: [(_, _, &[&str], _); 4] = [
        ("expired", expired, &[], "certificate has expired"),
        ("wrong name", other, &[], "hostname mismatch"),
        (
            "TLS 1.0 alone",
            good(),
            &["-tls1", "-cipher", "ALL@SECLEVEL=0"],
            "TLS: ",
        ),
        (
            "no cipher in common",
            good(),
            &["-tls1_2", "-cipher", "NULL@SECLEVEL=0"],
            "TLS: ",
        ),
    ];
    for (what, certificate, options, why) in cases {
        let mirror = Mirror::with(certificate, options);
        mirror.origin.file("/d/a.tar", b"an impostor's");
        let url = mirror.front.url("mirror.example");
        assert_refused(what, &url, &mirror.certificate, why);
        assert!(mirror.origin.requests().is_empty(), "{what}");
    }
    let (mirror, trusted) = (Mirror::start(), good());
    let url = mirror.front.url("mirror.example");
    assert_refused(
        "unknown issuer",
        &url,
        &trusted,
        "certificate refused: self",
    );
    assert!(mirror.origin.requests().is_empty());
}

/// A server that answers in plain HTTP whatever it is sent.
fn plain() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1000]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    format!("https://mirror.example:{port}")
}

#[test]
fn who_speaks_no_tls_is_no_source() {
    let trusted = Certificate::of(NAMES);
    assert_refused("plain", &plain(), &trusted, "TLS: wrong version number");
    let nobody = "https://mirror.example:1";
    assert_refused(
        "nobody",
        nobody,
        &trusted,
        "cannot connect: Connection refused",
    );
    // It waits for the end of a head, which no hello has.
    let silent = Server::start(LIMIT, |_| Ok(false));
    let url = silent
        .url()
        .replace("http://127.0.0.1", "https://mirror.example");
    assert_refused("silent", &url, &trusted, "cannot connect: no answer");
}

#[test]
fn silence_in_the_handshake_of_the_last_source_is_a_time_out() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    let silent = Server::start(LIMIT, |_| Ok(false));
    let url = silent
        .url()
        .replace("http://127.0.0.1", "https://mirror.example");
    // --timeout is for a source that has proved itself.
    let daemon = Daemon::on(&cache).source(url).limits("connect_ms=300");
    let daemon = daemon.env("PACKAGE_CACHE_HOSTS", "mirror.example=127.0.0.1");
    daemon.start().get("/d/a.tar").assert_error(504);
    let gate = Gate::new();
    mirror
        .origin
        .script("/d/a.tar", gated(&gate, ok(b"content")));
    // Long enough for the handshake on a busy machine.
    let daemon = mirror.daemon(&cache).limits("connect_ms=3000").start();
    let mut client = daemon.begin("/d/a.tar");
    wait_until("it was asked", || mirror.origin.count("/d/a.tar") == 1);
    let asked = Instant::now();
    wait_until("the time for a connect is over", || {
        asked.elapsed() > Duration::from_millis(3100)
    });
    gate.open();
    client.answer().assert_whole(b"content");
}

#[test]
fn a_connection_that_is_cut_in_mid_body_is_continued() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    let content = noise(400_000);
    let (gate, half) = (Gate::new(), content.len() / 2);
    mirror.origin.script("/d/a.tar", halves(&content, &gate));
    // The proof, which is the last 64 KiB again, and half of what is left; then the server closes, as TLS wants it.
    let start = half - 64 * 1024;
    let sent = 64 * 1024 + half / 2;
    mirror
        .origin
        .script("/d/a.tar", part(&content, start, sent, &modified()));
    let start = half / 2;
    mirror.origin.script(
        "/d/a.tar",
        part(
            &content,
            half + half / 2 - 64 * 1024,
            64 * 1024 + start,
            &modified(),
        ),
    );
    let daemon = mirror.daemon(&cache).start();
    let mut client = daemon.begin("/d/a.tar");
    client.assert_begins(&content[..half]);
    mirror.front.cut();
    client.assert_ends(&content[half..]);
    assert_eq!(cache.wait_stored("d/a.tar"), content);
    daemon.wait_for_log("broke off after 200000 of 400000 bytes: closed without the end of TLS");
    daemon.wait_for_log("broke off after 300000 of 400000 bytes: ");
    gate.open();
    daemon.wait_childless();
}

#[test]
fn content_that_only_the_connection_ends_is_not_taken() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    mirror
        .origin
        .script("/d/a.tar", close_delimited(b"whole or cut"));
    let daemon = mirror.daemon(&cache).start();
    daemon.get("/d/a.tar").assert_error(502);
    daemon.get("/d/a.tar").assert_error(502);
    daemon.wait_for_log("nothing tells where it ends");
    assert!(cache.walk().is_empty());
    daemon.wait_childless();
}

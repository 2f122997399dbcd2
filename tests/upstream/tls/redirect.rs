//! Redirects to https, and back.

use super::Mirror;
use crate::support::{CacheDir, Daemon, Fake, Origin, reply};

#[test]
fn a_plain_source_may_redirect_to_https() {
    let (mirror, plain, cache) = (Mirror::start(), Origin::start(), CacheDir::new());
    let there = format!("Location: {}/d/a.tar", mirror.url());
    plain.script("/d/a.tar", reply("302 Found", &[&there], b""));
    mirror.origin.file("/d/a.tar", b"content");
    let daemon = mirror.daemon(&cache).start();
    drop(daemon);
    let daemon = Daemon::on(&cache)
        .source(plain.url())
        .env("PACKAGE_CACHE_HOSTS", "mirror.example=127.0.0.1")
        .env("SSL_CERT_FILE", mirror.certificate.path())
        .start();
    daemon.get("/d/a.tar").assert_whole(b"content");
    assert_eq!(cache.wait_stored("d/a.tar"), b"content");
    assert!(daemon.logged("warning: ").is_empty());
}

#[test]
fn a_redirect_to_https_without_openssl_is_a_failed_source() {
    let (plain, second, cache) = (Origin::start(), Origin::start(), CacheDir::new());
    let there = "Location: https://mirror.example/d/a.tar";
    plain.script("/d/a.tar", reply("302 Found", &[there], b""));
    second.file("/d/a.tar", b"content");
    let daemon = Daemon::on(&cache).source(plain.url()).source(second.url());
    let nowhere = Fake::new("");
    let daemon = daemon.env("PATH", nowhere.path(true)).start();
    daemon.get("/d/a.tar").assert_whole(b"content");
    let line = daemon.wait_for_log("warning: ");
    for part in [
        "cannot follow its redirect to https://mirror.example/d/a.tar",
        "openssl",
        "install it",
    ] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn no_redirect_leads_back_from_https() {
    let (mirror, plain, cache) = (Mirror::start(), Origin::start(), CacheDir::new());
    plain.file("/d/a.tar", b"an impostor's");
    let there = format!("Location: {}/d/a.tar", plain.url());
    mirror
        .origin
        .script("/d/a.tar", reply("302 Found", &[&there], b""));
    let daemon = mirror.daemon(&cache).start();
    daemon.get("/d/a.tar").assert_error(502);
    let line = daemon.wait_for_log("warning: ");
    let why = format!(
        "cannot follow its redirect to {}/d/a.tar: it leads from https back to http",
        plain.url()
    );
    assert!(line.contains(&why), "{line}");
    assert!(plain.requests().is_empty());
    daemon.wait_childless();
}

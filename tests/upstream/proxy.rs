//! Proxies of the environment, and what is asked without them.

use super::{FIELDS, field_names};
use crate::support::{CacheDir, Daemon, Origin, REFUSED};

#[test]
fn a_proxy_of_the_environment_is_asked_in_absolute_form() {
    let (proxy, cache) = (Origin::start(), CacheDir::new());
    proxy.file("http://mirror.invalid/pub/d/a.tar", b"content");
    proxy.file("http://mirror.invalid:8080/d/b.tar", b"other content");
    let daemon = Daemon::on(&cache)
        .source("http://mirror.invalid/pub")
        .source("http://mirror.invalid:8080/")
        .env("http_proxy", proxy.url())
        .start();
    daemon.get("/d/a.tar").assert_whole(b"content");
    daemon.get("/d/b.tar").assert_whole(b"other content");
    let requests = proxy.requests();
    assert_eq!(requests[0].field("host"), Some("mirror.invalid"));
    assert_eq!(field_names(&requests[0]), FIELDS);
    assert_eq!(
        requests.last().unwrap().field("host"),
        Some("mirror.invalid:8080")
    );
}

#[test]
fn no_proxy_names_sources_that_are_asked_directly() {
    let origin = Origin::start();
    origin.file("/d/a.tar", b"content");
    for list in ["127.0.0.1", "mirror.example, 127.0.0.1", "*"] {
        let cache = CacheDir::new();
        let daemon = Daemon::on(&cache)
            .source(origin.url())
            .env("http_proxy", REFUSED);
        let daemon = daemon.env("no_proxy", list).start();
        daemon.get("/d/a.tar").assert_whole(b"content");
    }
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache)
        .source(origin.url())
        .env("http_proxy", REFUSED);
    daemon
        .env("no_proxy", "mirror.example")
        .start()
        .get("/d/a.tar")
        .assert_error(502);
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

//! Sources over TLS, by the real openssl on both sides.

/// Helpers that crash, lie or are silent, and what is left of them.
mod helpers;
/// The proxy that https goes through.
mod proxy;
/// Redirects to https, and back.
mod redirect;
/// Certificates that are refused, servers that speak no TLS or none any more.
mod refused;
/// How many helpers there are at a time, and who waits.
mod turns;

use crate::support::{
    CacheDir, Certificate, Daemon, Front, Json, Origin, Setup, noise, wait_until,
};

use super::{FIELDS, field_names};

/// What the certificates of these tests are for.
const NAMES: &str = "DNS:mirror.example,IP:127.0.0.1";

/// An origin, TLS before it, and the certificate.
struct Mirror {
    front: Front,
    origin: Origin,
    certificate: Certificate,
}

impl Mirror {
    fn start() -> Self {
        Self::with(Certificate::of(NAMES), &[])
    }

    fn with(certificate: Certificate, options: &'static [&str]) -> Self {
        let origin = Origin::start();
        let front = Front::start(origin.address(), &certificate, options);
        Self {
            front,
            origin,
            certificate,
        }
    }

    fn url(&self) -> String {
        self.front.url("mirror.example")
    }

    /// A daemon whose source it is, and that trusts it.
    fn daemon(&self, cache: &CacheDir) -> Setup {
        let setup = Daemon::on(cache).source(self.url());
        let setup = setup.env("PACKAGE_CACHE_HOSTS", "mirror.example=127.0.0.1");
        setup.env("SSL_CERT_FILE", self.certificate.path())
    }
}

#[test]
fn files_come_over_tls_by_one_connection() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    let daemon = mirror.daemon(&cache).start();
    let content = noise(300_000);
    for number in 0..20 {
        let target = format!("/d/{number}.tar");
        mirror.origin.file(&target, &content[number..]);
        daemon.get(&target).assert_whole(&content[number..]);
        let stored = cache.wait_stored(&target[1..]);
        assert!(stored == content[number..]);
    }
    assert_eq!(mirror.front.connections(), 1);
    assert_eq!(daemon.children().len(), 1);
    let requests = mirror.origin.requests();
    let host = mirror.url().replace("https://", "");
    assert_eq!(requests[0].field("host"), Some(host.as_str()));
    assert_eq!(field_names(&requests[0]), FIELDS);
    let status = daemon.get("/.package-cache/status.json").text();
    let url = format!("{}/", mirror.url());
    assert_eq!(Json::parse(&status).text("sources.0.url"), url);
    assert!(daemon.logged("warning: ").is_empty());
}

#[test]
fn fifty_clients_of_one_file_make_one_request() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    let daemon = mirror.daemon(&cache).start();
    let content = noise(2_000_000);
    mirror.origin.file("/d/a.tar", &content);
    let mut clients: Vec<_> = (0..50).map(|_| daemon.begin("/d/a.tar")).collect();
    for client in &mut clients {
        client.answer().assert_whole(&content);
    }
    assert_eq!(mirror.origin.count("/d/a.tar"), 1);
    assert_eq!(mirror.front.connections(), 1);
}

#[test]
fn an_address_is_checked_as_an_address() {
    let mirror = Mirror::start();
    mirror.origin.file("/d/a.tar", b"content");
    for (host, status) in [("127.0.0.1", 200), ("127.0.0.2", 502)] {
        let cache = CacheDir::new();
        let daemon = Daemon::on(&cache).source(mirror.front.url("127.0.0.1"));
        let daemon = match host {
            "127.0.0.1" => daemon.env("SSL_CERT_FILE", mirror.certificate.path()),
            // The same, but the certificate is for another address.
            _ => {
                let other = Mirror::with(Certificate::of("IP:127.0.0.2"), &[]);
                let daemon = Daemon::on(&cache).source(other.front.url("127.0.0.1"));
                let daemon = daemon
                    .env("SSL_CERT_FILE", other.certificate.path())
                    .start();
                daemon.get("/d/a.tar").assert_error(status);
                daemon.wait_for_log("certificate refused: IP address mismatch");
                continue;
            }
        };
        daemon.start().get("/d/a.tar").assert_whole(b"content");
    }
}

#[test]
fn a_named_source_may_speak_tls() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    mirror.origin.file("/pub/pool/a.deb", b"content");
    let named = format!("debian={}/pub", mirror.url());
    let daemon = mirror.daemon(&cache).source(named).start();
    daemon.get("/debian/pool/a.deb").assert_whole(b"content");
    assert_eq!(cache.wait_stored("debian/pool/a.deb"), b"content");
}

#[test]
fn a_kept_connection_goes_when_its_time_is_over_or_its_source_closes_it() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    let daemon = mirror.daemon(&cache);
    let daemon = daemon.limits("kept_ms=3000,kept_look_ms=20").start();
    mirror.origin.file("/d/a.tar", b"content");
    mirror.origin.file("/d/b.tar", b"other content");
    daemon.get("/d/a.tar").assert_whole(b"content");
    wait_until("its helper is idle", || daemon.children().len() == 1);
    mirror.front.cut();
    daemon.wait_childless();
    daemon.get("/d/b.tar").assert_whole(b"other content");
    daemon.wait_childless();
    assert!(daemon.logged("warning: ").is_empty());
}

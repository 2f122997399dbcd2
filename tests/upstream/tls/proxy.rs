//! The proxy that https goes through.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::{FIELDS, Mirror, field_names};
use crate::support::{CacheDir, Daemon, Gate, LIMIT, REFUSED, halves, wait_until};

/// A proxy that makes tunnels to one place, whatever it is asked for, and notes the heads of the requests.
struct Tunnel {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// Each request for a tunnel is answered with `status`; a 200 leads to `port`.
    fn start(port: u16, status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&heads);
        // Ends with the tests.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                thread::spawn(move || serve(stream, port, status, &noted));
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(
    mut near: TcpStream,
    port: u16,
    status: &str,
    noted: &Mutex<Vec<String>>,
) -> io::Result<()> {
    near.set_read_timeout(Some(LIMIT))?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        near.read_exact(&mut byte)?;
        head.extend(byte);
    }
    noted.lock().unwrap().push(String::from_utf8(head).unwrap());
    write!(near, "HTTP/1.1 {status}\r\n\r\n")?;
    if !status.starts_with("200") {
        return Ok(());
    }
    let far = TcpStream::connect(("127.0.0.1", port))?;
    let (mut from, mut to) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut &far, &mut near);
    near.shutdown(Shutdown::Both)
}

fn port(mirror: &Mirror) -> u16 {
    mirror.url().rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn https_goes_through_a_tunnel_of_its_proxy() {
    let (mirror, cache, gate) = (Mirror::start(), CacheDir::new(), Gate::new());
    let tunnel = Tunnel::start(port(&mirror), "200 OK");
    mirror.origin.script("/d/a.tar", halves(b"content.", &gate));
    // The name is the proxy's to look up.
    let daemon = Daemon::on(&cache)
        .source("https://mirror.example")
        .env("SSL_CERT_FILE", mirror.certificate.path())
        .env(
            "https_proxy",
            format!("http://me:se%40cret@{}", tunnel.address),
        )
        .env("http_proxy", REFUSED)
        .start();
    let mut client = daemon.begin("/d/a.tar");
    client.assert_begins(b"cont");
    let head = tunnel.heads().concat();
    assert!(
        head.starts_with("CONNECT mirror.example:443 HTTP/1."),
        "{head}"
    );
    // me:se@cret
    assert!(head.contains("Basic bWU6c2VAY3JldA=="), "{head}");
    let request = &mirror.origin.requests()[0];
    assert_eq!(
        (request.target.as_str(), request.field("host")),
        ("/d/a.tar", Some("mirror.example"))
    );
    assert_eq!(field_names(request), FIELDS);
    wait_until("there is a helper", || daemon.children().len() == 1);
    let process = daemon.children()[0].0;
    let arguments = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap();
    assert!(
        arguments.contains("mirror.example") && !arguments.contains("cret"),
        "{arguments}"
    );
    gate.open();
    client.assert_ends(b"ent.");
    assert!(daemon.logged("cret").is_empty());
}

#[test]
fn a_tunnel_that_is_refused_is_a_failed_source_and_its_reason_is_told() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    let tunnel = Tunnel::start(port(&mirror), "407 Proxy Authentication Required");
    let proxy = format!("me:secret@{}", tunnel.address);
    let daemon = mirror.daemon(&cache).env("HTTPS_PROXY", proxy).start();
    daemon.get("/d/a.tar").assert_error(502);
    daemon.wait_for_log("cannot connect: ");
    daemon.wait_for_log("407");
    assert!(daemon.logged("secret").is_empty());
    daemon.wait_childless();
}

#[test]
fn no_proxy_names_sources_of_https_too() {
    let mirror = Mirror::start();
    mirror.origin.file("/d/a.tar", b"content");
    for (list, status) in [("mirror.example", 200), ("other.example", 502)] {
        let cache = CacheDir::new();
        let daemon = mirror.daemon(&cache).env("https_proxy", REFUSED);
        let daemon = daemon.env("no_proxy", list).start();
        assert_eq!(daemon.get("/d/a.tar").status, status, "{list}");
    }
}

#[test]
fn a_host_that_would_be_checked_for_less_than_its_name_is_no_source() {
    let mirror = Mirror::start();
    let tunnel = Tunnel::start(port(&mirror), "200 OK");
    mirror.origin.file("/d/a.tar", b"content");
    // To openssl the first is no name at all, and the others stand for every name that ends so.
    for host in [".example", "..example.", "."] {
        let cache = CacheDir::new();
        let daemon = Daemon::on(&cache)
            .source(format!("https://{host}"))
            .env("SSL_CERT_FILE", mirror.certificate.path())
            .env("https_proxy", &tunnel.address);
        let daemon = daemon.start();
        daemon.get("/d/a.tar").assert_error(502);
        daemon.wait_for_log("no valid host");
    }
    assert!(mirror.origin.requests().is_empty());
}

#[test]
fn of_a_password_that_openssl_takes_in_part_the_source_gets_nothing() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    let tunnel = Tunnel::start(port(&mirror), "200 OK");
    mirror.origin.file("/d/a.tar", b"content");
    let proxy = format!("me:{}@{}", "s".repeat(1100), tunnel.address);
    let daemon = mirror.daemon(&cache).env("https_proxy", proxy).start();
    daemon.get("/d/a.tar").assert_error(502);
    daemon.wait_for_log("cannot speak TLS: the proxy's password is too long");
    assert!(mirror.origin.requests().is_empty());
}

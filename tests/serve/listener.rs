//! The addresses that are listened on.

use std::net::TcpListener;

use crate::support::{CacheDir, Client, Daemon};

#[test]
fn every_address_of_a_name_is_listened_on() {
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache).arg("--host=localhost").start();
    assert_ne!(daemon.address().port(), 0);
    daemon.get("/none.tar").assert_error(404);
    let port = format!(":{}/", daemon.address().port());
    // One line an address, one port for all; a family that the host lacks is a warning.
    let lines = daemon.logged("listening on ");
    assert!(lines.iter().all(|line| line.ends_with(&port)), "{lines:?}");
}

#[test]
fn ipv6_works_where_the_host_has_it() {
    let cache = CacheDir::new();
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let daemon = Daemon::on(&cache).arg("--host").arg("::1").start();
    assert!(daemon.address().is_ipv6());
    daemon.get("/none.tar").assert_error(404);
}

#[test]
fn the_unspecified_address_of_ipv6_is_dual_stack() {
    let cache = CacheDir::new();
    if TcpListener::bind("[::]:0").is_err() {
        return;
    }
    let daemon = Daemon::on(&cache).arg("--host=::").start();
    let address = ([127, 0, 0, 1], daemon.address().port()).into();
    Client::connect(address).get("/none.tar").assert_error(404);
}

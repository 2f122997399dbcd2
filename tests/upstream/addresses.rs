//! A source whose host has several addresses, of which some are of no use.

use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{CacheDir, Daemon, Exchange, LIMIT, REFUSED, Server};

/// A source with two addresses: at the first it has no answer that is of use, at the second every file. It is
/// asked there first from then on.
fn assert_address_is_passed(
    connections: usize,
    useless: impl Fn(&mut Exchange) -> io::Result<bool> + Send + Sync + 'static,
) {
    let first = Server::start_on(TcpListener::bind("127.0.0.2:0").unwrap(), LIMIT, useless);
    let port = first.address().port();
    let Ok(second) = TcpListener::bind(("127.0.0.1", port)) else {
        return;
    };
    let _second = Server::start_on(second, LIMIT, |exchange| {
        exchange.read_last()?;
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe file")?;
        Ok(false)
    });
    let cache = CacheDir::new();
    let setup = Daemon::on(&cache)
        .source(format!("http://pool.example:{port}"))
        .env("PACKAGE_CACHE_HOSTS", "pool.example=127.0.0.2+127.0.0.1")
        .limits("patience_ms=300");
    let daemon = setup.start();
    for name in ["/a.tar", "/b.tar", "/c.tar"] {
        daemon.get(name).assert_whole(b"the file");
    }
    assert_eq!(first.connections(), connections);
    assert!(daemon.logged("warning: ").is_empty());
}

#[test]
fn an_address_without_a_useful_answer_is_followed_by_the_next_one() {
    assert_address_is_passed(1, |exchange| exchange.stall().map(|()| false));
    // Closed before any byte of an answer, and so tried once more.
    assert_address_is_passed(2, |_| Ok(false));
    assert_address_is_passed(1, |exchange| {
        exchange.read_last()?;
        exchange.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")?;
        Ok(true)
    });
    assert_address_is_passed(1, |exchange| exchange.drip().map(|()| false));
}

/// A source whose first address is slow once, and has the file; its second one answers with `broken`, if that is
/// anything, and closes. No other source has the file.
fn assert_slow_address_gets_more_time(broken: &'static str) {
    let asked = AtomicUsize::new(0);
    let slow = move |exchange: &mut Exchange| {
        exchange.read_last()?;
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => exchange.stall()?,
            _ => exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe file")?,
        }
        Ok(false)
    };
    let slow = Server::start_on(TcpListener::bind("127.0.0.2:0").unwrap(), LIMIT, slow);
    let port = slow.address().port();
    let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) else {
        return;
    };
    let _broken = Server::start_on(listener, LIMIT, move |exchange| {
        exchange.read_last()?;
        exchange.send(broken)?;
        Ok(false)
    });
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache)
        .source(format!("http://pool.example:{port}"))
        .source(REFUSED)
        .env("PACKAGE_CACHE_HOSTS", "pool.example=127.0.0.2+127.0.0.1")
        .limits("patience_ms=300")
        .start();
    daemon.get("/a.tar").assert_whole(b"the file");
}

#[test]
fn a_slow_address_beside_a_broken_one_gets_more_time_if_no_other_source_has_the_file() {
    assert_slow_address_gets_more_time("");
    assert_slow_address_gets_more_time("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn what_a_source_says_stands_if_there_is_no_more_time_for_its_slow_address() {
    let silent = Server::start_on(
        TcpListener::bind("127.0.0.2:0").unwrap(),
        LIMIT,
        |exchange| exchange.stall().map(|()| false),
    );
    let port = silent.address().port();
    let Ok(busy) = TcpListener::bind(("127.0.0.1", port)) else {
        return;
    };
    let _busy = Server::start_on(busy, LIMIT, |exchange| {
        exchange.read_last()?;
        exchange.send("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n")?;
        Ok(false)
    });
    for (timeout, limits) in [("30", "patience_ms=300"), ("1", "")] {
        let cache = CacheDir::new();
        let daemon = Daemon::on(&cache)
            .source(format!("http://pool.example:{port}"))
            .env("PACKAGE_CACHE_HOSTS", "pool.example=127.0.0.2+127.0.0.1")
            .arg("--timeout")
            .arg(timeout)
            .limits(limits)
            .start();
        let answer = daemon.get("/a.tar");
        answer.assert_error(503);
        assert_eq!(answer.field("retry-after"), Some("7"));
    }
}

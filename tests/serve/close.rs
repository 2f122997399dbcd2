//! The end of a connection: what comes after the last response, and who never closes.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{connect, read_all};
use crate::support::{CacheDir, Daemon, noise, wait_until};

/// A large response of which the client reads nothing before it has sent more.
#[test]
fn what_comes_after_the_last_request_takes_no_response_away() {
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
        let mut stream = connect(&daemon);
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
        let mut stream = connect(daemon);
        stream.write_all(b"GET\r\n\r\n").unwrap();
        let answer = String::from_utf8(read_all(&stream)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        stream
    };
    (0..count).map(refuse).collect()
}

#[test]
fn who_never_closes_after_the_last_response_is_closed() {
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache)
        .limits("linger_ms=100,idle_ms=3000")
        .start();
    for mut stream in refused(&daemon, 3) {
        wait_until("it is closed", || stream.write_all(b"x").is_err());
    }
}

#[test]
fn who_sends_without_end_after_the_last_response_is_closed() {
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache).limits("linger_ms=60000").start();
    for mut stream in refused(&daemon, 3) {
        let sent = (0..100_000).take_while(|_| stream.write_all(&[b'x'; 1024]).is_ok());
        assert!(sent.count() < 100_000);
    }
}

#[test]
fn who_never_closes_after_the_last_response_holds_no_thread() {
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache)
        .limits("linger_ms=60000,worker_ms=100")
        .start();
    let silent = refused(&daemon, 40);
    wait_until("no thread waits for them", || daemon.threads() < 30);
    drop(silent);
}

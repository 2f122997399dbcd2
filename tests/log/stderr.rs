//! The log on stderr, also where nobody reads it.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::support::{CacheDir, Client, PROGRAM};

use super::Running;

#[test]
fn a_closed_stdout_is_ignored() {
    let mut command = Command::new(PROGRAM);
    command
        .arg("--help")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn a_closed_stderr_is_ignored() {
    let cache = CacheDir::new();
    cache.put("a.tar", b"content", 1);
    let mut daemon = Running::start(&cache, &["-v"], "");
    let address = daemon.address();
    drop(daemon.0.stderr.take());
    let mut client = Client::connect(address.parse().unwrap());
    for _ in 0..50 {
        client.get("/a.tar").assert_whole(b"content");
    }
}

#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    let cache = CacheDir::new();
    cache.put("a.tar", b"content", 1);
    let mut daemon = Running::start(&cache, &["-v"], "");
    let mut client = Client::connect(daemon.address().parse().unwrap());
    // More than any pipe holds.
    let agent = format!("User-Agent: {}", "x".repeat(4_000));
    for _ in 0..400 {
        client
            .ask("GET", "/a.tar", &[&agent])
            .answer()
            .assert_whole(b"content");
    }
}

//! The log on a syslog socket.

use std::io::Read;
use std::os::unix::net::UnixDatagram;

use crate::support::{CacheDir, Client, LIMIT};

use super::Running;

/// A syslog socket of our own, as `/dev/log` is one.
fn dev_log(cache: &CacheDir) -> (UnixDatagram, String) {
    let path = cache.outside().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    (socket, path.to_str().unwrap().to_owned())
}

/// The next datagram.
fn datagram(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn syslog_gets_severities_and_a_tag() {
    let cache = CacheDir::new();
    let (socket, path) = dev_log(&cache);
    let daemon = Running::start(
        &cache,
        &["--syslog", "-v", "--source", "http://127.0.0.1:1"],
        &path,
    );
    let tag = format!("package-cache[{}]: ", daemon.0.id());
    let ready = datagram(&socket);
    // Facility daemon (3), severity notice (5).
    assert!(
        ready.starts_with(&format!("<29>{tag}listening on http://")),
        "{ready}"
    );
    let address = ready
        .split("http://")
        .nth(1)
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    Client::connect(address.parse().unwrap())
        .get("/d/none.tar")
        .assert_error(502);
    // A line about leftovers may come between.
    let lines = std::iter::repeat_with(|| datagram(&socket));
    let lines: Vec<_> = lines
        .filter(|line| !line.contains("swept"))
        .take(2)
        .collect();
    let (warning, access) = (&lines[0], &lines[1]);
    assert!(warning.starts_with(&format!("<28>{tag}")), "{warning}");
    assert!(
        warning.contains("http://127.0.0.1:1/d/none.tar"),
        "{warning}"
    );
    assert!(access.starts_with(&format!("<30>{tag}")), "{access}");
    assert!(
        access.contains("\"GET /d/none.tar HTTP/1.1\" 502 "),
        "{access}"
    );
}

#[test]
fn a_syslog_that_is_gone_costs_nothing_but_lines() {
    let cache = CacheDir::new();
    cache.put("a.tar", b"content", 1);
    let (socket, path) = dev_log(&cache);
    let _daemon = Running::start(&cache, &["--syslog", "-v"], &path);
    let ready = datagram(&socket);
    let address = ready
        .split("http://")
        .nth(1)
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    drop(socket);
    let mut client = Client::connect(address.parse().unwrap());
    for _ in 0..10 {
        client.get("/a.tar").assert_whole(b"content");
    }
    // A new one is found; what was lost is counted.
    std::fs::remove_file(&path).unwrap();
    let (socket, _) = dev_log(&cache);
    client.get("/a.tar").assert_whole(b"content");
    let mut said = Vec::new();
    while !said.iter().any(|line: &String| line.contains("dropped")) {
        said.push(datagram(&socket));
        assert!(said.len() < 5, "{said:?}");
    }
}

#[test]
fn a_failure_to_start_is_said_on_both() {
    let cache = CacheDir::new();
    let (socket, path) = dev_log(&cache);
    cache.put("plain", b"a file", 1);
    let file = cache.file("plain").into_os_string().into_string().unwrap();
    let mut daemon = Running::start(&cache, &["--syslog", "--cache", &file], &path);
    let mut said = String::new();
    daemon
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(
        (said.lines().count(), said.contains(&file)),
        (1, true),
        "{said}"
    );
    assert_eq!(daemon.0.wait().unwrap().code(), Some(1));
    let line = datagram(&socket);
    // Facility daemon (3), severity error (3).
    assert!(
        line.starts_with("<27>package-cache[") && line.contains(&file),
        "{line}"
    );
}

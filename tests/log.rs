//! Access lines, warnings, syslog, a log that nobody reads.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use crate::support::{CacheDir, Client, Daemon, LIMIT, PROGRAM, Rig, noise, reply};

/// The access line of a request with this user agent, without time and duration.
#[track_caller]
fn access(daemon: &Daemon, agent: &str) -> String {
    let line = daemon.wait_for_log(&format!("\"{agent}\""));
    let (client, rest) = line.split_once(" [").unwrap_or_else(|| panic!("{line:?}"));
    let (time, rest) = rest.split_once("] ").unwrap_or_else(|| panic!("{line:?}"));
    // 22/Nov/2026:19:21:00 +0000
    assert_eq!((time.len(), &time[20..]), (26, " +0000"), "{line:?}");
    let (rest, duration) = rest.rsplit_once(' ').unwrap();
    let milliseconds = duration.strip_suffix("ms").map(str::parse::<u64>);
    assert!(matches!(milliseconds, Some(Ok(_))), "{line:?}");
    format!("{client} {rest}")
}

#[test]
fn an_access_line_a_request() {
    let rig = Rig::with(|setup| setup.arg("-v"));
    rig.origin.file("/d/a.tar", b"content");
    let mut client = rig.daemon.client();
    let mut ask = |method: &str, target: &str, agent: &str, field: &str| {
        client
            .ask(method, target, &[&format!("User-Agent: {agent}"), field])
            .answer()
            .status
    };
    assert_eq!(
        ask("GET", "/d/a.tar?x=1", "first", "Referer: http://x/"),
        200
    );
    rig.cache.stored("d/a.tar");
    assert_eq!(ask("GET", "/d/a.tar", "second", "Range: bytes=2-3"), 206);
    assert_eq!(ask("HEAD", "/d/a.tar", "third", "Accept: */*"), 200);
    assert_eq!(ask("GET", "/d/none.tar", "fourth", "Accept: */*"), 404);
    let lines = ["first", "second", "third"].map(|agent| access(&rig.daemon, agent));
    let start = "127.0.0.1 - - ";
    assert_eq!(
        lines,
        [
            format!(r#"{start}"GET /d/a.tar?x=1 HTTP/1.1" 200 7 "http://x/" "first" MISS"#),
            format!(r#"{start}"GET /d/a.tar HTTP/1.1" 206 2 "-" "second" HIT"#),
            format!(r#"{start}"HEAD /d/a.tar HTTP/1.1" 200 0 "-" "third" HIT"#),
        ]
    );
    let failed = access(&rig.daemon, "fourth");
    assert!(
        failed.starts_with(&format!(r#"{start}"GET /d/none.tar HTTP/1.1" 404 "#)),
        "{failed}"
    );
}

#[test]
fn without_verbose_there_are_no_access_lines() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", b"content");
    let failed = reply("500 Internal Server Error", &[], b"");
    rig.origin.script("/d/none.tar", failed);
    rig.daemon.get("/d/a.tar").is_whole(b"content");
    rig.daemon.get("/d/none.tar").is_error(502);
    // The warning about the second proves that the first would be there.
    let line = rig.daemon.wait_for_log("warning: ");
    assert!(
        line.contains(&format!("{}/d/none.tar", rig.origin.url())),
        "{line}"
    );
    assert!(
        line.starts_with("20") && line.contains("Z warning: "),
        "{line}"
    );
    assert_eq!(
        rig.daemon.logged("").len(),
        2,
        "{:?}",
        rig.daemon.logged("")
    );
}

#[test]
fn no_client_can_forge_a_line() {
    let rig = Rig::with(|setup| setup.arg("-v"));
    let mut client = rig.daemon.client();
    let raw: &[u8] =
        b"GET /none.tar HTTP/1.1\r\nHost: x\r\nUser-Agent: forged\" 200 \xc2\x9b\xff\r\n\r\n";
    client.send(raw).answer().is_error(404);
    let line = rig.daemon.wait_for_log("forged");
    assert!(!line.contains("forged\" 200"), "{line}");
    assert!(line.is_ascii() || !line.contains('\u{9b}'), "{line}");
}

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
        .is_error(502);
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
        client.get("/a.tar").is_whole(b"content");
    }
    // A new one is found; what was lost is counted.
    std::fs::remove_file(&path).unwrap();
    let (socket, _) = dev_log(&cache);
    client.get("/a.tar").is_whole(b"content");
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
        client.get("/a.tar").is_whole(b"content");
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
            .is_whole(b"content");
    }
}

#[test]
fn a_long_or_binary_target_is_one_line() {
    let rig = Rig::with(|setup| setup.arg("-vv"));
    let target: String = noise(2_000)
        .iter()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    // The connection closes after the line is written.
    let mut client = rig.daemon.client();
    client.get(&format!("/{target}")).is_error(400);
    assert!(client.closed().is_some());
    rig.daemon.get("/end.tar").is_error(404);
    rig.daemon.wait_for_log("\"GET /end.tar ");
    assert_eq!(rig.daemon.logged("\"GET /").len(), 2);
}

/// A daemon whose stderr is left to the test; `Drop` kills it.
struct Running(Child);

impl Running {
    fn start(cache: &CacheDir, args: &[&str], dev_log: &str) -> Self {
        let mut command = Command::new(PROGRAM);
        for name in ["http_proxy", "no_proxy", "PACKAGE_CACHE_LIMITS"] {
            command.env_remove(name);
        }
        command
            .args(["--host=127.0.0.1", "--port=0", "--cache"])
            .arg(cache.path())
            .args(args);
        command
            .env("PACKAGE_CACHE_DEV_LOG", dev_log)
            .stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Reads the readiness line, byte by byte, and nothing after it.
    fn address(&mut self) -> String {
        let stderr = self.0.stderr.as_mut().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(1, stderr.by_ref())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .split("http://")
            .nth(1)
            .unwrap_or_else(|| panic!("{line:?}"));
        address.trim_end().trim_end_matches('/').to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

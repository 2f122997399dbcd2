//! The access line.

use crate::support::{Daemon, Rig, close_delimited, noise, reply};

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
    rig.cache.wait_stored("d/a.tar");
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
fn what_frames_content_of_unknown_length_is_no_content() {
    let rig = Rig::with(|setup| setup.arg("-v"));
    rig.origin.script("/a.tar", close_delimited(b"content"));
    let mut client = rig.daemon.client();
    let answer = client
        .ask("GET", "/a.tar", &["User-Agent: chunked"])
        .answer();
    assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
    answer.assert_whole(b"content");
    let line = access(&rig.daemon, "chunked");
    assert!(line.contains("\" 200 7 \"-\""), "{line}");
}

#[test]
fn without_verbose_there_are_no_access_lines() {
    let rig = Rig::start();
    rig.origin.file("/d/a.tar", b"content");
    let failed = reply("500 Internal Server Error", &[], b"");
    rig.origin.script("/d/none.tar", failed);
    rig.daemon.get("/d/a.tar").assert_whole(b"content");
    rig.daemon.get("/d/none.tar").assert_error(502);
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
    client.send(raw).answer().assert_error(404);
    let line = rig.daemon.wait_for_log("forged");
    assert!(!line.contains("forged\" 200"), "{line}");
    assert!(line.is_ascii() || !line.contains('\u{9b}'), "{line}");
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
    client.get(&format!("/{target}")).assert_error(400);
    assert!(client.wait_closed().is_some());
    rig.daemon.get("/end.tar").assert_error(404);
    rig.daemon.wait_for_log("\"GET /end.tar ");
    assert_eq!(rig.daemon.logged("\"GET /").len(), 2);
}

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;

use super::stderr::Queue;
use super::*;

#[test]
fn levels_are_ordered_and_off_before_init() {
    use Level::*;
    assert!([Error, Warning, Notice, Info, Debug].is_sorted());
    assert!(!enabled(Error));
    write(Error, format_args!("goes nowhere"));
    access(format_args!("goes nowhere"));
    flush();
}

#[test]
fn lines_for_stderr() {
    let table = [
        (Level::Error, "error: disk full"),
        (Level::Warning, "warning: disk full"),
        (Level::Notice, "disk full"),
        (Level::Info, "disk full"),
        (Level::Debug, "debug: disk full"),
    ];
    for (level, expected) in table {
        let line = stamped(level, format_args!("disk {}", "full"));
        let (time, rest) = line.split_once(' ').unwrap();
        assert_eq!(rest, expected);
        let shape = time
            .bytes()
            .map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        assert_eq!(shape.collect::<Vec<_>>(), b"0000-00-00T00:00:00Z", "{time}");
    }
}

#[test]
fn control_characters_are_escaped() {
    let table = [
        ("plain", "plain"),
        ("", ""),
        ("a\nb", "a\\x0ab"),
        ("\r\n", "\\x0d\\x0a"),
        ("\0\x01\x1f", "\\x00\\x01\\x1f"),
        ("tab\there", "tab\\x09here"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x7f", "\\x7f"),
        ("\u{80}\u{9b}2J\u{9f}", "\\x80\\x9b2J\\x9f"),
        ("\u{a0}\u{e4}\u{1f600}", "\u{a0}\u{e4}\u{1f600}"),
        ("back\\slash \"quoted\"", "back\\slash \"quoted\""),
    ];
    for (text, expected) in table {
        assert_eq!(clean(format_args!("{text}")), expected);
    }
    for code in 0..=0x2ff {
        let line = clean(format_args!("<{}>", char::from_u32(code).unwrap()));
        assert!(!line.contains(char::is_control), "{code:#x}");
        assert_eq!(
            line.len() == 6,
            matches!(code, 0..0x20 | 0x7f..0xa0),
            "{code:#x}"
        );
    }
}

#[test]
fn long_lines_are_cut_at_a_character() {
    let at_most = "x".repeat(LINE_MOST);
    assert_eq!(clean(format_args!("{at_most}")), at_most);
    assert_eq!(clean(format_args!("{at_most}{}", "y")), at_most);
    for (text, cut) in [("\u{e4}", 8191), ("\u{20ac}", 8191), ("\u{1f600}", 8189)] {
        let line = clean(format_args!("x{}", text.repeat(LINE_MOST)));
        assert_eq!(line.len(), cut, "{text}");
        assert!(line.ends_with(text));
    }
    // What follows a cut is not taken, however short.
    let (almost, wide, narrow) = ("x".repeat(LINE_MOST - 1), '\u{e4}', 'y');
    assert_eq!(clean(format_args!("{almost}{wide}{narrow}")), almost);
    let escaped = clean(format_args!("{}", "\n".repeat(LINE_MOST)));
    assert_eq!(escaped.len(), LINE_MOST);
    assert_eq!(cut("a\u{20ac}b", 0), "");
    assert_eq!(cut("a\u{20ac}b", 3), "a");
    assert_eq!(cut("a\u{20ac}b", 4), "a\u{20ac}");
    assert_eq!(cut("a\u{20ac}b", 99), "a\u{20ac}b");
}

#[test]
fn queue_keeps_order_and_counts_what_it_drops() {
    let queue = Queue::default();
    let mut lines = Vec::new();
    queue.push("one");
    queue.push("two");
    queue.take(&mut lines);
    assert_eq!(lines, b"one\ntwo\n");
    // The thread is stuck in its write from here on.
    let line = "x".repeat(1023);
    for _ in 0..600 {
        queue.push(&line);
    }
    queue.take(&mut lines);
    let text = String::from_utf8(lines.clone()).unwrap();
    let kept = text.lines().filter(|&text| text == line).count();
    assert_eq!(kept, 512);
    let report = format!(
        " warning: {} log lines dropped, stderr was too slow\n",
        600 - kept
    );
    assert!(text.ends_with(&report), "{}", text.lines().last().unwrap());
    assert_eq!(text.lines().count(), kept + 1);
    queue.push("after");
    queue.take(&mut lines);
    assert_eq!(lines, b"after\n");
}

#[test]
fn drain_waits_for_the_thread_but_not_for_ever() {
    let queue = Arc::new(Queue::default());
    let source = Arc::clone(&queue);
    let written = Arc::new(Mutex::new(Vec::new()));
    let out = Arc::clone(&written);
    queue.drain(Duration::MAX);
    let thread = std::thread::spawn(move || {
        let mut lines = Vec::new();
        loop {
            source.take(&mut lines);
            lock(&out).extend_from_slice(&lines);
            if lines.ends_with(b"stuck\n") {
                return;
            }
        }
    });
    let mut expected = String::new();
    for round in 0..100 {
        for number in 0..10 {
            let line = format!("{round} {number}");
            queue.push(&line);
            expected += &line;
            expected.push('\n');
        }
        queue.drain(Duration::from_secs(60));
        assert_eq!(String::from_utf8_lossy(&lock(&written)), expected);
    }
    queue.push("stuck");
    queue.drain(Duration::from_millis(1));
    thread.join().unwrap();
}

fn daemon(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

/// The next datagram without its tag: `<28>message`.
fn received(daemon: &UnixDatagram) -> String {
    let mut buffer = vec![0; 64 * 1024];
    let length = daemon.recv(&mut buffer).expect("no datagram");
    let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
    let tag = format!("package-cache[{}]: ", std::process::id());
    assert_eq!(text.matches(&tag).count(), 1, "{text}");
    text.replacen(&tag, "", 1)
}

#[test]
fn syslog_priorities() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let daemon = daemon(&path);
    let mut syslog = Syslog::at(path);
    let table = [
        (Level::Error, "<27>event"),
        (Level::Warning, "<28>event"),
        (Level::Notice, "<29>event"),
        (Level::Info, "<30>event"),
        (Level::Debug, "<31>event"),
    ];
    for (level, expected) in table {
        syslog.send(level, "event");
        assert_eq!(received(&daemon), expected);
    }
}

#[test]
fn syslog_comes_late_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut syslog = Syslog::at(path.clone());
    for _ in 0..3 {
        syslog.send(Level::Info, "lost");
    }
    let first = daemon(&path);
    syslog.send(Level::Info, "heard");
    assert_eq!(
        received(&first),
        "<28>3 log lines dropped, syslog did not take them"
    );
    assert_eq!(received(&first), "<30>heard");
    // Restarted between two events: nothing is lost.
    drop(first);
    std::fs::remove_file(&path).unwrap();
    let second = daemon(&path);
    syslog.send(Level::Info, "again");
    assert_eq!(received(&second), "<30>again");
}

#[test]
fn syslog_never_blocks_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let daemon = daemon(&path);
    let mut syslog = Syslog::at(path);
    // More than net.unix.max_dgram_qlen is ever set to, and more than the send buffer holds.
    let sent = 5_000;
    for _ in 0..sent {
        syslog.send(Level::Info, "event");
    }
    daemon.set_nonblocking(true).unwrap();
    let taken = std::iter::from_fn(|| daemon.recv(&mut [0; 256]).ok()).count();
    assert!(taken > 0 && taken < sent, "{taken}");
    daemon.set_nonblocking(false).unwrap();
    syslog.send(Level::Info, "room");
    let report = format!(
        "<28>{} log lines dropped, syslog did not take them",
        sent - taken
    );
    assert_eq!(received(&daemon), report);
    assert_eq!(received(&daemon), "<30>room");
}

#[test]
fn syslog_message_too_long_for_the_system_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let daemon = daemon(&path);
    let mut syslog = Syslog::at(path);
    syslog.send(Level::Info, &"\u{20ac}".repeat(1 << 20));
    assert_eq!(received(&daemon), format!("<30>{}", "\u{20ac}".repeat(341)));
    syslog.send(Level::Info, "next");
    assert_eq!(received(&daemon), "<30>next");
}

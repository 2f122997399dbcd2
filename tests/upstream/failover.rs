//! Sources that fail: the next one is asked, and the log says why.

use crate::support::{
    CacheDir, Daemon, MODIFIED, Origin, REFUSED, Rig, Setup, Step, assert_goes_on_after, head, ok,
    reply,
};

#[test]
fn a_status_other_than_200_is_a_failed_source() {
    for status in ["403 Forbidden", "500 Oops", "503 Busy"] {
        assert_goes_on_after(status, "/d/a.tar", reply(status, &[], b"sorry"));
    }
    for status in ["204 No Content", "304 Not Modified"] {
        assert_goes_on_after(status, "/d/a.tar", vec![head(status, &[])]);
    }
    let range = ["Content-Range: bytes 0-3/8"];
    assert_goes_on_after(
        "206",
        "/d/a.tar",
        reply("206 Partial Content", &range, b"the "),
    );
}

#[test]
fn a_malformed_head_is_a_failed_source() {
    let send = |bytes: &str| vec![Step::Send(bytes.as_bytes().to_vec())];
    let table = [
        ("nothing", vec![]),
        ("reset", vec![Step::Reset]),
        ("cut head", send("HTTP/1.1 200 OK\r\nContent-Le")),
        ("not HTTP", send("220 ftp.example ready\r\n\r\n")),
        ("HTTP/0.9", send("<html>welcome</html>")),
        (
            "bad status",
            send("HTTP/1.1 2000 OK\r\nContent-Length: 3\r\n\r\nbad"),
        ),
        ("bare LF", send("HTTP/1.1 200 OK\nContent-Length: 3\n\nbad")),
        (
            "obs-fold",
            send("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 3\r\n\r\nbad"),
        ),
        (
            "space in a name",
            send("HTTP/1.1 200 OK\r\nContent Length: 3\r\n\r\nbad"),
        ),
        (
            "bad length",
            send("HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nbad"),
        ),
    ];
    for (what, script) in table {
        assert_goes_on_after(what, "/d/a.tar", script);
    }
}

#[test]
fn a_conflict_of_lengths_is_a_failed_source() {
    for (what, fields) in [
        (
            "two lengths",
            ["Content-Length: 3", "Content-Length: 4"].as_slice(),
        ),
        (
            "length and coding",
            &["Content-Length: 3", "Transfer-Encoding: chunked"],
        ),
        ("unknown coding", &["Transfer-Encoding: gzip, chunked"]),
        (
            "coding that is not last",
            &["Transfer-Encoding: chunked, gzip"],
        ),
    ] {
        let body = Step::Send(b"3\r\nbad\r\n0\r\n\r\n".to_vec());
        assert_goes_on_after(what, "/d/a.tar", vec![head("200 OK", fields), body]);
    }
}

#[test]
fn an_oversized_head_is_a_failed_source() {
    let long = format!("X-Long: {}", "x".repeat(70_000));
    assert_goes_on_after(
        "one long line",
        "/d/a.tar",
        reply("200 OK", &[&long], b"bad"),
    );
    let lines = vec!["X-Many: x"; 300];
    assert_goes_on_after("300 lines", "/d/a.tar", reply("200 OK", &lines, b"bad"));
}

#[test]
fn what_is_not_the_package_is_a_failed_source() {
    let html = ["Content-Type: text/html; charset=utf-8"];
    assert_goes_on_after(
        "soft 404",
        "/d/a.tar.gz",
        reply("200 OK", &html, b"<html>not here</html>"),
    );
    let gzip = ["Content-Encoding: gzip"];
    assert_goes_on_after(
        "gzip for txt",
        "/d/a.txt",
        reply("200 OK", &gzip, b"\x1f\x8b"),
    );
    assert_goes_on_after(
        "gzip for xz",
        "/d/a.tar.xz",
        reply("200 OK", &gzip, b"\x1f\x8b"),
    );
}

#[test]
fn a_coding_that_the_name_carries_is_the_file() {
    let rig = Rig::start();
    for target in ["/d/a.tar.gz", "/d/a.tgz"] {
        rig.origin.script(
            target,
            reply("200 OK", &["Content-Encoding: gzip"], b"\x1f\x8b..."),
        );
        for _ in 0..2 {
            let answer = rig.daemon.get(target);
            assert_eq!(
                answer
                    .assert_whole(b"\x1f\x8b...")
                    .field("content-encoding"),
                None,
                "{target}"
            );
            rig.cache.wait_stored(&target[1..]);
        }
        assert_eq!(rig.origin.count(target), 1);
    }
}

#[test]
fn html_is_the_file_if_the_name_says_so() {
    let rig = Rig::start();
    rig.origin.script(
        "/d/manual.html",
        reply("200 OK", &["Content-Type: text/html"], b"<p>"),
    );
    rig.daemon.get("/d/manual.html").assert_whole(b"<p>");
    assert_eq!(rig.cache.wait_stored("d/manual.html"), b"<p>");
}

#[test]
fn silence_before_the_head_is_a_failed_source() {
    assert_goes_on_after("silence", "/d/a.tar", vec![Step::Stall]);
    let begun = Step::Send(b"HTTP/1.1 200 OK\r\nContent-".to_vec());
    assert_goes_on_after("silence in the head", "/d/a.tar", vec![begun, Step::Stall]);
}

#[test]
fn a_refused_connection_is_a_failed_source() {
    let (origin, cache) = (Origin::start(), CacheDir::new());
    origin.file("/d/a.tar", b"the file");
    let daemon = Daemon::on(&cache)
        .source(REFUSED)
        .source(origin.url())
        .start();
    daemon.get("/d/a.tar").assert_whole(b"the file");
    assert!(
        daemon
            .wait_for_log(&format!("{REFUSED}/d/a.tar"))
            .contains("warning: ")
    );
}

#[test]
fn interim_answers_are_skipped() {
    let rig = Rig::start();
    let interim = [
        head("100 Continue", &[]),
        head("103 Early Hints", &["Link: </a>"]),
    ];
    rig.origin
        .script("/d/a.tar", [interim.to_vec(), ok(b"the file")].concat());
    rig.daemon.get("/d/a.tar").assert_whole(b"the file");
}

#[test]
fn that_a_source_has_no_such_file_is_no_warning() {
    for (arguments, expected) in [(&[][..], 0), (&["-v"], 40)] {
        let (first, second, cache) = (Origin::start(), Origin::start(), CacheDir::new());
        let gone = reply("410 Gone", &[], b"");
        let setup = Daemon::on(&cache).source(first.url()).source(second.url());
        let daemon = arguments.iter().fold(setup, Setup::arg).start();
        for number in 0..20 {
            second.script(&format!("/{number}.tar"), gone.clone());
            daemon.get(&format!("/{number}.tar")).assert_error(404);
        }
        second.script("/last.tar", reply("403 Forbidden", &[], b""));
        daemon.get("/last.tar");
        // All other failures are: then what came before it would be there.
        let warning = daemon.wait_for_log("last.tar: answered 403");
        assert!(warning.contains("Z warning: source "), "{warning}");
        assert_eq!(daemon.logged("Z warning: ").len(), 1);
        let told = [daemon.logged("answered 404"), daemon.logged("answered 410")].concat();
        let told = told.iter().filter(|line| !line.contains("last.tar"));
        assert_eq!(
            told.filter(|line| line.contains("Z source ")).count(),
            expected
        );
    }
}

#[test]
fn space_before_a_colon_is_removed_and_hides_no_conflict() {
    let rig = Rig::start();
    let answer = |fields: &str, body: &str| {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\nConnection: close\r\n\r\n{body}");
        vec![Step::Send(head.into_bytes())]
    };
    let fields = format!("Content-Length \t: 8\r\nLast-Modified : {MODIFIED}");
    rig.origin.script("/d/a.tar", answer(&fields, "the file"));
    let got = rig.daemon.get("/d/a.tar");
    got.assert_whole(b"the file");
    assert_eq!(got.field("last-modified"), Some(MODIFIED));
    assert_eq!(rig.cache.wait_stored("d/a.tar"), b"the file");
    for fields in [
        "Content-Length: 3\r\nContent-Length : 4",
        "Content-Length : 3\r\nTransfer-Encoding: chunked",
        "Content-Length: 3\r\nTransfer-Encoding : chunked",
    ] {
        let body = "3\r\nbad\r\n0\r\n\r\n";
        assert_goes_on_after(fields, "/d/b.tar", answer(fields, body));
    }
}

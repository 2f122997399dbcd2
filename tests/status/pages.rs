//! The five pages: who gets which, what is escaped, what they never name.

use std::fmt::Write;

use super::{BROWSER, PAGES, json, page};
use crate::support::{
    CacheDir, Daemon, Gate, Json, Origin, Rig, TWENTY, gated, halves, head, html, metrics, noise,
    ok, reply, wait_until,
};

/// The page as a browser gets it.
#[track_caller]
fn browsed(daemon: &Daemon) -> String {
    page(daemon, "/", BROWSER).text()
}

#[test]
fn each_gets_the_page_that_it_understands() {
    let rig = Rig::start();
    for (target, field, kind) in [
        (PAGES[0], BROWSER, "text/html; charset=utf-8"),
        (PAGES[0], "Accept: */*", "text/plain; charset=utf-8"),
        (PAGES[0], "X: y", "text/plain; charset=utf-8"),
        (PAGES[1], BROWSER, "application/json"),
        (
            PAGES[2],
            BROWSER,
            "text/plain; version=0.0.4; charset=utf-8",
        ),
        (PAGES[3], BROWSER, "text/plain; charset=utf-8"),
    ] {
        let got = page(&rig.daemon, target, field);
        assert_eq!(got.field("content-type"), Some(kind), "{target} {field}");
        let head = rig.daemon.ask("HEAD", target, &[field]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{target}");
        assert_eq!(head.field("content-type"), Some(kind), "{target}");
        rig.daemon.ask("POST", target, &[]).assert_error(405);
    }
    assert_eq!(page(&rig.daemon, PAGES[3], "X: y").body, b"ok\n");
}

#[test]
fn the_keys_of_the_json_are_those_that_were_promised() {
    let (rig, gate, _client) = Rig::half_way(|setup| setup);
    let trouble = reply("500 Internal Server Error", &[], b"");
    rig.origin.script("/ill.tar", trouble);
    rig.daemon.get("/ill.tar").assert_error(502);
    let status = json(&rig.daemon);
    for (at, keys) in [
        (
            "",
            "connections failures received_bytes requests sent_bytes sources store transfers uptime_seconds verified version",
        ),
        (
            "requests",
            "bypass collapsed expired hit miss none revalidated stale",
        ),
        (
            "sent_bytes",
            "bypass collapsed expired hit miss none revalidated stale",
        ),
        ("connections", "limit open"),
        (
            "sources.0",
            "failures last_failure name received_bytes requests up url",
        ),
        (
            "transfers.0",
            "bytes_per_second length path readers received source stored",
        ),
        ("failures.0", "path time why"),
        ("store", "free_bytes min_free_bytes storing"),
        ("verified", "bad good unknown"),
    ] {
        assert_eq!(status.keys(at).join(" "), keys, "{at:?}");
    }
    let transfer = |key: &str| status.at(&format!("transfers.0.{key}")).clone();
    assert_eq!(transfer("path"), Json::Text("/d/a.tar".to_owned()));
    assert_eq!(transfer("received"), Json::Number(10));
    assert_eq!(transfer("length"), Json::Number(20));
    assert_eq!(transfer("readers"), Json::Number(1));
    assert_eq!(transfer("stored"), Json::Bool(true));
    assert_eq!(transfer("source"), status.at("sources.0.url").clone());
    assert_eq!(status.at("sources.0.name"), &Json::Null);
    assert_eq!(status.text("version"), env!("CARGO_PKG_VERSION"));
    gate.open();
}

#[test]
fn the_metrics_are_those_that_were_promised() {
    let rig = Rig::start();
    let text = page(&rig.daemon, PAGES[2], "X: y").text();
    let samples = metrics(&text);
    let mut names: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE package_cache_"))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    names.sort_unstable();
    let promised = "build_info connections connections_limit connections_total first_byte_seconds free_bytes log_messages_total min_free_bytes requests_total responses_total sent_bytes_total source_failures_total source_received_bytes_total source_requests_total source_up start_time_seconds store_failures_total transfer_readers transfers transfers_resumed_total transfers_total verified_total";
    assert_eq!(names.join(" "), promised);
    let bounds: Vec<_> = samples
        .keys()
        .filter_map(|name| name.split("cache=\"miss\",le=\"").nth(1))
        .map(|rest| rest.trim_end_matches("\"}"))
        .collect();
    assert_eq!(bounds.len(), 9, "{bounds:?}");
    assert!(samples["package_cache_start_time_seconds"] > 1.7e9);
    assert!(samples["package_cache_free_bytes"] > 0.0);
}

/// A path with everything that means something to HTML, JSON, a terminal or Prometheus, as it is sent and as it is shown,
/// about as long as this.
fn odd_path(length: usize) -> (String, String) {
    let name = "%3Cscript%3Ealert(1)%3C%2Fx\\\"'&amp;%22%5C%7B%7D%C3%A4%FF%FE\u{e9}<b>";
    let name = name.replace("%2F", "");
    let mut shown = String::new();
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                write!(shown, "%{}", str::from_utf8(&digits).unwrap()).unwrap();
            }
            b'a'..=b'z' | b'0'..=b'9' => shown.push(char::from(byte)),
            _ => write!(shown, "%{byte:02X}").unwrap(),
        }
    }
    let long = "/d".repeat((length - shown.len()) / 2);
    (format!("{long}/{name}"), format!("{long}/{shown}"))
}

#[test]
fn a_path_that_means_something_elsewhere_means_nothing_here() {
    let (rig, gate) = (Rig::start(), Gate::new());
    let (sent, shown) = odd_path(900);
    rig.origin.script(&shown, halves(TWENTY, &gate));
    let mut client = rig.daemon.begin(&sent);
    client.assert_begins(&TWENTY[..10]);
    // A newline gets nowhere.
    rig.daemon.get("/d/a%0Ab").assert_error(400);
    assert_eq!(json(&rig.daemon).text("transfers.0.path"), shown);
    let text = html(&browsed(&rig.daemon));
    assert!(text.contains("script"), "{text}");
    metrics(&page(&rig.daemon, PAGES[2], "X: y").text());
    gate.open();
    client.assert_ends(&TWENTY[10..]);
    // The same as failures.
    rig.origin
        .script(&format!("{shown}2"), reply("500 No\u{9b}", &[], b""));
    rig.daemon.get(&format!("{sent}2")).assert_error(502);
    assert_eq!(
        json(&rig.daemon).text("failures.0.path"),
        format!("{shown}2")
    );
    let text = html(&browsed(&rig.daemon));
    assert!(text.contains("script"), "{text}");
    metrics(&page(&rig.daemon, PAGES[2], "X: y").text());
}

#[test]
fn of_a_giant_path_the_beginning_is_shown() {
    // Many clients could hold many pages with many such paths.
    let (rig, gate) = (Rig::start(), Gate::new());
    let (sent, shown) = odd_path(4_096);
    rig.origin.script(&shown, halves(TWENTY, &gate));
    let mut client = rig.daemon.begin(&sent);
    client.assert_begins(&TWENTY[..10]);
    rig.origin
        .script(&format!("{shown}2"), reply("500 No", &[], b""));
    rig.daemon.get(&format!("{sent}2")).assert_error(502);
    let status = json(&rig.daemon);
    for at in ["transfers.0.path", "failures.0.path"] {
        let path = status.text(at);
        assert!(path.len() <= 1_024 + 3, "{at}: {}", path.len());
        assert!(shown.starts_with(path.strip_suffix("...").unwrap()), "{at}");
    }
    html(&browsed(&rig.daemon));
    gate.open();
    client.assert_ends(&TWENTY[10..]);
}

#[test]
fn nothing_grows_with_what_clients_ask_for() {
    let rig = Rig::start();
    let size = |target: &str| page(&rig.daemon, target, "X: y").body.len();
    rig.daemon.get("/0.tar").assert_error(404);
    rig.origin.script("/d/0.tar", reply("500 No", &[], b""));
    rig.daemon.get("/d/0.tar").assert_error(502);
    let (before, bytes) = (size(PAGES[2]), noise(40));
    for number in 0..500 {
        let mut path = format!("/d/{number}%22%5C");
        bytes
            .iter()
            .for_each(|byte| write!(path, "%{:02X}", byte | 0x80).unwrap());
        rig.origin.script(&path, reply("500 No", &[], b""));
        rig.daemon.get(&path).assert_error(502);
    }
    // Nothing but digits that numbers have gained.
    assert!(size(PAGES[2]) < before + 200, "{before} {}", size(PAGES[2]));
    assert_eq!(json(&rig.daemon).list("failures").len(), 20);
    assert!(size("/") < 12 * 1024);
    let page = browsed(&rig.daemon);
    html(&page);
    assert!(page.len() < 12 * 1024, "{}", page.len());
}

#[test]
fn no_page_names_a_path_of_this_host_a_credential_or_a_client() {
    let (proxy, cache, gate) = (Origin::start(), CacheDir::new(), Gate::new());
    let url = proxy.url().replace("http://", "http://someone:secret@");
    let setup = Daemon::on(&cache).source("http://mirror.invalid/pub");
    let daemon = setup.env("http_proxy", url).start();
    let target = |path: &str| format!("http://mirror.invalid/pub/{path}");
    proxy.script(&target("a.tar"), halves(TWENTY, &gate));
    let mut client = daemon.begin("/a.tar");
    client.assert_begins(&TWENTY[..10]);
    let elsewhere = head(
        "302 Found",
        &[
            "Location: http://someone:secret@elsewhere.invalid:x/",
            "Content-Length: 0",
        ],
    );
    proxy.script(&target("b.tar"), vec![elsewhere]);
    daemon.get("/b.tar").assert_error(502);
    // Where a directory is needed there is a file.
    cache.put("d", b"in the way", 1);
    proxy.script(&target("d/c.tar"), ok(b"content"));
    daemon.get("/d/c.tar").assert_whole(b"content");
    cache.put("e/x", b"so that e can be", 1);
    wait_until("a failure to store is seen", || {
        json(&daemon)
            .list("failures")
            .iter()
            .any(|failure| failure.text("path") == "/d/c.tar")
            || daemon
                .logged("cannot")
                .iter()
                .any(|line| line.contains("d/c.tar"))
    });
    let outside = cache.outside().display().to_string();
    for (target, field) in PAGES
        .map(|page| (page, "X: y"))
        .into_iter()
        .chain([("/", BROWSER)])
    {
        let text = page(&daemon, target, field).text();
        for secret in ["secret", "someone", "127.0.0.1", &outside, "/tmp"] {
            assert!(!text.contains(secret), "{target} names {secret}: {text}");
        }
    }
    gate.open();
}

#[test]
fn the_root_and_the_names_of_pages_are_no_packages() {
    let rig = Rig::start();
    rig.cache.put("x/.package-cache/health", b"a file", 1);
    for target in [
        "//",
        "/.",
        "/./",
        "/%2e",
        "/x/.package-cache/health",
        "/.package-cache/",
        "/.package-cache/health/x",
    ] {
        rig.daemon.get(target).assert_error(404);
    }
    // Meant for another host, whose page this is not.
    let absolute = format!("http://{}/", rig.daemon.address());
    rig.daemon.get(&absolute).assert_error(404);
    rig.daemon
        .get(&format!("{absolute}.package-cache/health"))
        .assert_error(404);
    assert!(rig.origin.requests().is_empty());
}

#[test]
fn without_a_status_nothing_of_it_is_shown() {
    let rig = Rig::with(|setup| setup.arg("--no-status"));
    for target in PAGES {
        for field in [BROWSER, "Accept: */*"] {
            rig.daemon.ask("GET", target, &[field]).assert_error(404);
        }
    }
    assert!(rig.origin.requests().is_empty());
}

#[test]
fn health_tells_of_the_stop_on_a_connection_that_is_open() {
    let (mut rig, gate) = (Rig::start(), Gate::new());
    rig.origin.script("/d/a.tar", halves(TWENTY, &gate));
    let both =
        ["/d/a.tar", PAGES[3]].map(|target| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let mut client = rig.daemon.client();
    client.send(both.concat());
    client.assert_begins(&TWENTY[..10]);
    rig.daemon.signal("TERM");
    rig.daemon.wait_for_log("stopping");
    wait_until("connections are refused", || {
        std::net::TcpStream::connect(rig.daemon.address()).is_err()
    });
    gate.open();
    client.assert_ends(&TWENTY[10..]);
    let health = client.answer();
    assert_eq!((health.status, health.text().as_str()), (503, "stopping\n"));
    assert_eq!(health.field("connection"), Some("close"));
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
}

#[test]
fn the_text_fits_and_says_what_runs() {
    let (rig, gate) = (Rig::start(), Gate::new());
    let long = format!("/d/{}.tar", "long-".repeat(40));
    rig.origin.script(&long, halves(TWENTY, &gate));
    let mut client = rig.daemon.begin(&long);
    client.assert_begins(&TWENTY[..10]);
    rig.origin.script("/b.tar", gated(&gate, ok(b"")));
    for (query, columns) in [
        ("", 80),
        ("?columns=40", 40),
        ("?columns=120&bars=blocks", 120),
    ] {
        let text = page(&rig.daemon, &format!("/{query}"), "X: y").text();
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns, "{widest} of {columns}: {text}");
        assert_eq!(text.is_ascii(), !query.contains("blocks"), "{text}");
        // A terminal that watches shows the beginning alone.
        let at = |what: &str| text.find(what).unwrap();
        assert!(at("Transfers: ") < at("Cache status"), "{text}");
        for said in [
            "Transfers: 1",
            "10 B of 20 B",
            " 50 %",
            "1 reader",
            &rig.origin.url(),
        ] {
            assert!(text.contains(said), "no {said}: {text}");
        }
    }
    gate.open();
    client.assert_ends(&TWENTY[10..]);
}

#[test]
fn one_of_a_kind_is_not_many() {
    let rig = Rig::start();
    for (name, said) in [
        (
            "/a.tar",
            ["1 question, 1 failure, 0 B fetched", "of 1 request"],
        ),
        (
            "/b.tar",
            ["2 questions, 2 failures, 0 B fetched", "of 2 requests"],
        ),
    ] {
        rig.origin.script(name, reply("500 No", &[], b""));
        rig.daemon.get(name).assert_error(502);
        rig.daemon.wait_idle();
        let text = page(&rig.daemon, "/", "X: y").text();
        let browsed = browsed(&rig.daemon);
        for said in said {
            for end in ["<", "\n"] {
                let page = if end == "<" { &browsed } else { &text };
                assert!(page.contains(&format!("{said}{end}")), "no {said}: {page}");
            }
        }
    }
}

#[test]
fn a_page_is_logged_like_any_other_answer() {
    let rig = Rig::with(|setup| setup.arg("-v"));
    for target in PAGES {
        page(&rig.daemon, target, "X: y");
        let line = rig.daemon.wait_for_log(&format!("GET {target} HTTP"));
        assert!(line.contains("\" \"-\" - "), "{line}");
    }
}

//! Every counter and gauge, beside what the clients and the source counted.

use std::collections::BTreeMap;

use super::{PAGES, json};
use crate::support::{
    Client, Daemon, EARLIER, End, Gate, Json, LATER, MODIFIED_UNIX, Response, Rig, Step, at, gated,
    head, metrics, noise, ok, reply, unchanged, wait_until,
};

const KINDS: [&str; 8] = [
    "hit",
    "miss",
    "collapsed",
    "bypass",
    "revalidated",
    "expired",
    "stale",
    "none",
];

/// What the clients counted.
#[derive(Default)]
struct Outside {
    requests: BTreeMap<&'static str, u64>,
    sent: BTreeMap<&'static str, u64>,
    codes: BTreeMap<u16, u64>,
    connections: u64,
}

impl Outside {
    /// Counts an answer of that kind.
    fn count(&mut self, kind: &'static str, answer: &Response) {
        *self.requests.entry(kind).or_default() += 1;
        *self.sent.entry(kind).or_default() += answer.body.len() as u64;
        *self.codes.entry(answer.status).or_default() += 1;
    }

    /// A request on a connection of its own, whose answer must be of that kind and status.
    #[track_caller]
    fn ask(
        &mut self,
        daemon: &Daemon,
        kind: &'static str,
        status: u16,
        (method, target): (&str, &str),
        field: &str,
    ) -> Response {
        self.connections += 1;
        let answer = daemon.ask(method, target, &[field]);
        assert_eq!(
            answer.status,
            status,
            "{method} {target}: {}",
            answer.text()
        );
        self.count(kind, &answer);
        answer
    }

    #[track_caller]
    fn get(&mut self, daemon: &Daemon, kind: &'static str, status: u16, target: &str) -> Response {
        self.ask(daemon, kind, status, ("GET", target), "X: y")
    }
}

/// Fifty clients that ask for one missing file while its source says nothing yet: one asks for it, the others join.
#[track_caller]
fn fifty_at_once(rig: &Rig, outside: &mut Outside) {
    let (gate, content) = (Gate::new(), noise(100_000));
    rig.origin
        .script("/d/fifty.tar", gated(&gate, ok(&content)));
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..50 {
        clients.push(rig.daemon.begin("/d/fifty.tar"));
    }
    outside.connections += 50;
    wait_until("all of them read", || {
        outside.connections += 1;
        let answer = rig.daemon.get(PAGES[1]);
        outside.count("none", &answer);
        let status = Json::parse(&answer.text());
        assert!(status.number("connections.open") <= 51);
        let running = status.list("transfers").first();
        running.is_some_and(|transfer| transfer.number("readers") == 50)
    });
    gate.open();
    for client in &mut clients {
        let answer = client.answer();
        let kind = match answer.assert_whole(&content).cache_status("collapsed") {
            true => "collapsed",
            false => "miss",
        };
        outside.count(kind, &answer);
    }
    rig.cache.assert_stored("d/fifty.tar", &content);
}

/// One of everything that a cache does for a client; how many bytes of content the source sent for it.
#[track_caller]
fn traffic(rig: &Rig, outside: &mut Outside) -> u64 {
    let (daemon, content) = (&rig.daemon, noise(5_000));
    rig.origin.file("/d/a.tar", &content);
    outside
        .get(daemon, "miss", 200, "/d/a.tar")
        .assert_whole(&content);
    rig.cache.assert_stored("d/a.tar", &content);
    let etag = outside.get(daemon, "hit", 200, "/d/a.tar");
    let etag = etag.field("etag").unwrap();
    let a = |method| (method, "/d/a.tar");
    outside.ask(daemon, "hit", 200, a("HEAD"), "X: y");
    outside.ask(daemon, "hit", 206, a("GET"), "Range: bytes=10-19");
    outside.ask(daemon, "hit", 416, a("GET"), "Range: bytes=9000-");
    outside.ask(
        daemon,
        "hit",
        304,
        a("GET"),
        &format!("If-None-Match: {etag}"),
    );
    outside.ask(daemon, "hit", 412, a("GET"), "If-Match: \"other\"");
    outside.ask(daemon, "none", 405, a("POST"), "X: y");
    outside.ask(daemon, "none", 417, a("GET"), "Expect: miracles");
    outside.get(daemon, "none", 400, "/d/%zz");
    outside.get(daemon, "none", 404, "/.package-cache/other");
    outside.get(daemon, "none", 404, "//");
    outside.get(daemon, "miss", 404, "/d/none.tar");
    outside.ask(
        daemon,
        "miss",
        504,
        ("GET", "/d/no.tar"),
        "Cache-Control: only-if-cached",
    );
    outside.ask(daemon, "bypass", 200, ("HEAD", "/d/a2.tar"), "X: y");
    let listing = reply("200 OK", &["Content-Type: text/html"], b"<a>");
    rig.origin.script("/d/", listing);
    outside.get(daemon, "bypass", 200, "/d/");
    let chunks = vec![
        head("200 OK", &["Transfer-Encoding: chunked"]),
        Step::Chunk(b"of unknown ".to_vec()),
        Step::Chunk(b"length".to_vec()),
        Step::LastChunk,
    ];
    rig.origin.script("/d/chunks.tar", chunks);
    outside
        .get(daemon, "miss", 200, "/d/chunks.tar")
        .assert_whole(b"of unknown length");
    rig.cache
        .assert_stored("d/chunks.tar", b"of unknown length");
    let broken = vec![
        head("200 OK", &["Content-Length: 20"]),
        Step::Send(b"0123456789".to_vec()),
    ];
    rig.origin.script("/d/broken.tar", broken);
    let cut = outside.get(daemon, "miss", 200, "/d/broken.tar");
    assert_eq!((cut.body.len(), cut.end), (10, End::Cut));
    outside.get(daemon, "revalidated", 200, "/same.conf");
    outside
        .get(daemon, "expired", 200, "/new.conf")
        .assert_whole(b"newer");
    outside
        .get(daemon, "stale", 200, "/ill.conf")
        .assert_whole(b"ours");
    fifty_at_once(rig, outside);
    [5_000, 3, 17, 10, 5, 100_000].iter().sum()
}

/// A rig whose source is asked about three stored files: it has the first, a newer one, and trouble.
fn rig() -> Rig {
    let rig = Rig::with(|setup| setup.arg("--revalidate").arg("*.conf"));
    for name in ["same.conf", "new.conf", "ill.conf"] {
        rig.cache.put(name, b"ours", MODIFIED_UNIX);
    }
    rig.origin.script("/same.conf", unchanged());
    rig.origin.script("/new.conf", at(LATER, b"newer"));
    let trouble = reply("500 Internal Server Error", &[], b"");
    rig.origin.script("/ill.conf", trouble);
    let head_only = reply("200 OK", &[&format!("Last-Modified: {EARLIER}")], b"");
    rig.origin.script("/d/a2.tar", vec![head_only[0].clone()]);
    rig
}

#[test]
fn what_clients_and_sources_counted_is_what_is_shown() {
    let (rig, mut outside) = (rig(), Outside::default());
    let received = traffic(&rig, &mut outside);
    rig.daemon.wait_idle();

    let status = json(&rig.daemon);
    for kind in KINDS {
        let of = |map: &BTreeMap<&str, u64>| map.get(kind).copied().unwrap_or(0);
        let requests = status.number(&format!("requests.{kind}"));
        assert_eq!(requests, of(&outside.requests), "{kind}");
        assert!(requests > 0, "no {kind}");
        let sent = status.number(&format!("sent_bytes.{kind}"));
        assert_eq!(sent, of(&outside.sent), "{kind}");
    }
    assert_eq!(status.number("received_bytes"), received);
    assert_eq!(status.number("connections.open"), 1);
    assert_eq!(status.number("connections.limit"), 1024);
    assert!(status.list("transfers").is_empty());
    let asked = rig.origin.requests().len() as u64;
    assert_eq!(status.number("sources.0.requests"), asked);
    assert_eq!(status.number("sources.0.received_bytes"), received);
    // A 500, and a body that broke off; the 404 is none.
    assert_eq!(status.number("sources.0.failures"), 2);
    assert_eq!(status.at("sources.0.up"), &Json::Bool(true));
    let failures = status.list("failures");
    let of = |at: usize| (failures[at].text("path"), failures[at].text("why"));
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert_eq!(of(0).0, "/ill.conf");
    assert!(of(0).1.contains("answered 500"), "{:?}", of(0));
    assert_eq!(of(1).0, "/d/broken.tar");
    assert!(of(1).1.contains("broke off"), "{:?}", of(1));
    outside.count("none", &Response::new(200, Vec::new()));
    // The answer before is counted a moment after its client has it.
    rig.daemon.wait_idle();
    let shown = Json::parse(&json_text(&rig.daemon, &mut outside));
    assert_eq!(shown.number("requests.none"), outside.requests["none"] - 1);
    assert_metrics(&rig, &outside, received);
}

/// The JSON as text, its own answer counted.
#[track_caller]
fn json_text(daemon: &Daemon, outside: &mut Outside) -> String {
    let answer = daemon.get(PAGES[1]);
    outside.count("none", &answer);
    // That of the question before.
    outside.connections += 2;
    answer.text()
}

/// The metrics say the same as the clients; two of their own kind were asked for since.
#[track_caller]
fn assert_metrics(rig: &Rig, outside: &Outside, received: u64) {
    rig.daemon.wait_idle();
    let samples = metrics(&rig.daemon.get(PAGES[2]).text());
    let sample = |name: &str| {
        let name = format!("package_cache_{name}");
        *samples.get(&name).unwrap_or_else(|| panic!("no {name}")) as u64
    };
    for (kind, count) in &outside.requests {
        let shown = sample(&format!("requests_total{{cache=\"{kind}\"}}"));
        assert_eq!(shown, *count, "{kind}");
    }
    for (code, count) in &outside.codes {
        let shown = sample(&format!("responses_total{{code=\"{code}\"}}"));
        assert_eq!(shown, *count, "{code}");
    }
    let codes = samples
        .keys()
        .filter(|name| name.contains("responses_total"));
    assert_eq!(codes.count(), outside.codes.len());
    for (kind, sent) in outside.sent.iter().filter(|(kind, _)| **kind != "none") {
        let shown = sample(&format!("sent_bytes_total{{cache=\"{kind}\"}}"));
        assert_eq!(shown, *sent, "{kind}");
    }
    for kind in ["hit", "miss"] {
        let count = sample(&format!("first_byte_seconds_count{{cache=\"{kind}\"}}"));
        assert_eq!(count, outside.requests[kind], "{kind}");
        let all = format!("first_byte_seconds_bucket{{cache=\"{kind}\",le=\"+Inf\"}}");
        assert_eq!(sample(&all), count);
    }
    assert_eq!(sample("connections"), 1);
    assert_eq!(sample("connections_total"), outside.connections + 1);
    let url = format!("{}/", rig.origin.url());
    let source =
        |name: &str, more: &str| sample(&format!("source_{name}{{source=\"{url}\"{more}}}"));
    assert_eq!(source("received_bytes_total", ""), received);
    assert_eq!(
        source("requests_total", ""),
        rig.origin.requests().len() as u64
    );
    assert_eq!(source("up", ""), 1);
    for (reason, count) in [("status", 1), ("broken", 1), ("connect", 0), ("timeout", 0)] {
        let more = format!(",reason=\"{reason}\"");
        assert_eq!(source("failures_total", &more), count, "{reason}");
    }
    let ended = |result: &str| sample(&format!("transfers_total{{result=\"{result}\"}}"));
    // a, chunks, the newer file, the fifty's; 304, 404, HEAD, listing; 500, the cut.
    let all = [ended("stored"), ended("passed"), ended("failed")];
    assert_eq!(all, [4, 4, 2]);
    for name in [
        "transfers",
        "transfer_readers",
        "transfers_resumed_total",
        "store_failures_total",
    ] {
        assert_eq!(sample(name), 0, "{name}");
    }
    let warnings = rig.daemon.logged("warning: ").len() as u64;
    assert_eq!(sample("log_messages_total{level=\"warning\"}"), warnings);
    assert_eq!(sample("log_messages_total{level=\"notice\"}"), 1);
}

#[test]
fn sources_are_told_by_their_names() {
    let (rig, second) = Rig::pair(&["/a.tar"], |setup| setup);
    let url = second.url();
    let named = Daemon::on(&rig.cache)
        .source(&url)
        .source(format!("deb={url}"));
    let daemon = named.start();
    daemon.get("/deb/a.tar").assert_whole(b"the file");
    let status = json(&daemon);
    assert_eq!(status.at("sources.0.name"), &Json::Null);
    assert_eq!(status.text("sources.1.name"), "deb");
    assert_eq!(status.text("sources.0.url"), status.text("sources.1.url"));
    assert_eq!(status.number("sources.0.requests"), 0);
    assert_eq!(status.number("sources.1.requests"), 1);
    let samples = metrics(&daemon.get(PAGES[2]).text());
    let label = format!("package_cache_source_up{{source=\"deb={url}/\"}}");
    assert!(samples.contains_key(&label), "{samples:?}");
}

#[test]
fn what_the_kernel_took_of_a_client_that_left_is_counted() {
    let rig = Rig::start();
    let content = noise(16 << 20);
    rig.cache.put("a.tar", &content, MODIFIED_UNIX);
    let mut client = rig.daemon.begin("/a.tar");
    client.assert_begins(&content[..100_000]);
    drop(client);
    rig.daemon.wait_idle();
    let sent = json(&rig.daemon).number("sent_bytes.hit");
    assert!((100_000..content.len() as u64).contains(&sent), "{sent}");
}

#[test]
fn a_source_that_is_down_and_one_that_goes_on_are_counted() {
    let (rig, second) = Rig::pair(&["/b.tar"], |setup| setup.source(crate::support::REFUSED));
    let content = noise(10_000);
    let length = format!("Content-Length: {}", content.len());
    let half = vec![
        head("200 OK", &[&length, &crate::support::modified()]),
        Step::Send(content[..5_000].to_vec()),
    ];
    rig.origin.script("/a.tar", half);
    rig.origin.script("/a.tar", crate::support::missing());
    second.script(
        "/a.tar",
        crate::support::part(&content, 0, 10_000, &crate::support::modified()),
    );
    rig.daemon.get("/a.tar").assert_whole(&content);
    // None of the three has it: the last one is asked too.
    rig.daemon.get("/none.tar");
    rig.daemon.wait_idle();
    let samples = metrics(&rig.daemon.get(PAGES[2]).text());
    assert_eq!(samples["package_cache_transfers_resumed_total"], 1.0);
    let status = json(&rig.daemon);
    let up = |at: usize| status.at(&format!("sources.{at}.up")).clone();
    assert_eq!([up(0), up(1), up(2)], [true, true, false].map(Json::Bool));
    let why = status.text("sources.2.last_failure");
    assert!(why.contains("cannot connect"), "{why}");
    // Half, and for the proof all of it again.
    assert_eq!(status.number("received_bytes"), 15_000);
}

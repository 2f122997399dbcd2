//! Files that change at their source, with sources that lie, hands that meddle, and crowds that wait.

use crate::support::{
    CacheDir, Daemon, EARLIER, Gate, INDEX, LATER, MODIFIED, MODIFIED_UNIX, Origin, Rig, Script,
    Step, at, gated, head, held_at, reply, unchanged, wait_until,
};

/// What a captive portal answers to whatever is asked.
fn portal() -> Script {
    let page = b"<html>Log in first</html>";
    reply("200 OK", &["Content-Type: text/html"], page)
}

#[test]
fn answers_that_are_no_file_leave_ours_as_it_is() {
    let rig = Rig::revalidating(|setup| setup.limits("share_ms=0"));
    let date = format!("Last-Modified: {LATER}");
    let lies = [
        portal(),
        reply(
            "206 Partial Content",
            &["Content-Range: bytes 0-2/3", &date],
            b"new",
        ),
        reply("200 OK", &["Content-Encoding: gzip", &date], b"new"),
        reply("204 No Content", &[&date], b""),
        reply("412 Precondition Failed", &[&date], b"no"),
        reply("302 Found", &["Location: https://127.0.0.1:1/"], b""),
        reply("302 Found", &["Location: /login"], b""),
        vec![head(
            "200 OK",
            &["Content-Length: 3", "Content-Length: 4", &date],
        )],
    ];
    rig.origin.script("/login", portal());
    let count = lies.len();
    lies.into_iter()
        .for_each(|lie| rig.origin.script(INDEX, lie));
    for number in 0..count {
        let answer = rig.daemon.get(INDEX);
        answer.assert_whole(b"old");
        assert!(answer.cache_status("detail=served-stale"), "lie {number}");
    }
    assert_eq!(rig.origin.count(INDEX), count);
    assert_eq!(rig.cache.wait_stored(&INDEX[1..]), b"old");
    assert_eq!(rig.cache.modified(&INDEX[1..]), MODIFIED_UNIX);
}

#[test]
fn a_portals_page_is_no_index_though_its_name_has_no_extension() {
    let rig = Rig::with(|setup| setup.arg("--revalidate=*/Packages"));
    for name in ["binhost/Packages", "dist/InRelease"] {
        let target = format!("/{name}");
        rig.cache.put(name, b"ours", MODIFIED_UNIX);
        rig.origin.script(&target, portal());
        let answer = rig
            .daemon
            .ask("GET", &target, &["Cache-Control: max-age=0"]);
        answer.assert_whole(b"ours");
        assert!(answer.cache_status("detail=served-stale"), "{answer:?}");
    }
    // Nor is a listing of a directory.
    rig.cache.put("a/Packages", b"ours", MODIFIED_UNIX);
    let location = "Location: /a/Packages/";
    rig.origin
        .script("/a/Packages", reply("301 Moved", &[location], b""));
    rig.origin
        .script("/a/Packages/", reply("200 OK", &[], b"listing"));
    rig.daemon.get("/a/Packages").assert_whole(b"ours");
    assert_eq!(rig.origin.count("/a/Packages/"), 1);
}

#[test]
fn a_304_may_come_by_a_redirect_or_with_content_that_it_cannot_have() {
    let rig = Rig::revalidating(|setup| setup.limits("share_ms=0"));
    rig.origin.script(
        INDEX,
        reply("302 Found", &["Location: /elsewhere/layout.conf"], b""),
    );
    rig.origin.script("/elsewhere/layout.conf", unchanged());
    let with_content = vec![
        head("304 Not Modified", &["Content-Length: 3"]),
        Step::Send(b"bad".to_vec()),
        Step::Keep,
    ];
    rig.origin.script(INDEX, with_content);
    rig.origin.script(INDEX, at(LATER, b"new"));
    for _ in 0..2 {
        let answer = rig.daemon.get(INDEX);
        assert!(answer.assert_whole(b"old").cache_status("fwd-status=304"));
    }
    rig.daemon.get(INDEX).assert_whole(b"new");
    let asked = rig.origin.requests();
    assert_eq!(asked[1].target, "/elsewhere/layout.conf");
    assert_eq!(asked[1].field("if-modified-since"), Some(MODIFIED));
}

#[test]
fn the_first_source_may_change_a_file_without_changing_its_time() {
    let rig = Rig::revalidating(|setup| setup);
    rig.origin.script(INDEX, at(MODIFIED, b"longer than ours"));
    let answer = rig.daemon.get(INDEX);
    answer.assert_whole(b"longer than ours");
    let tag = answer.field("etag").unwrap().to_owned();
    rig.cache.wait_replaced(&INDEX[1..], b"longer than ours");
    let answer = rig.daemon.get(INDEX);
    assert_eq!(answer.field("etag"), Some(tag.as_str()));
}

#[test]
fn validators_are_those_of_the_version_served() {
    let rig = Rig::revalidating(|setup| setup.limits("share_ms=0"));
    let gate = Gate::new();
    rig.origin.script(INDEX, unchanged());
    rig.origin
        .script(INDEX, held_at(LATER, b"newest", 3, &gate));
    rig.origin.script(INDEX, unchanged());
    let before = rig.daemon.get(INDEX);
    let ours = format!("If-None-Match: {}", before.field("etag").unwrap());
    let range = format!("If-Range: {}", before.field("etag").unwrap());
    // Whoever has the old version gets the new one whole, while it comes.
    let mut client = rig.daemon.client();
    client.ask(
        "GET",
        INDEX,
        &[&ours, &range, "Range: bytes=3-", "Connection: close"],
    );
    let answer = client.head();
    assert_eq!(
        (answer.status, answer.field("content-length")),
        (200, Some("6"))
    );
    assert_eq!(answer.field("last-modified"), Some(LATER));
    let tag = answer.field("etag").unwrap().to_owned();
    assert!(!ours.contains(&tag));
    gate.open();
    assert_eq!(client.rest().0, b"newest");
    rig.cache.wait_replaced(&INDEX[1..], b"newest");
    rig.daemon.wait_idle();
    let range = format!("If-Range: {tag}");
    let answer = rig.daemon.ask("GET", INDEX, &[&range, "Range: bytes=3-"]);
    assert_eq!((answer.status, answer.body.as_slice()), (206, &b"est"[..]));
    assert_eq!(answer.field("age"), Some("0"));
    let answer = rig
        .daemon
        .ask("GET", INDEX, &[&format!("If-None-Match: {tag}")]);
    assert_eq!(
        (answer.status, answer.field("etag")),
        (304, Some(tag.as_str()))
    );
}

#[test]
fn a_head_replaces_a_changed_file() {
    let rig = Rig::revalidating(|setup| setup);
    rig.origin.script(INDEX, at(LATER, b"newer"));
    let answer = rig.daemon.ask("HEAD", INDEX, &[]);
    assert_eq!(answer.field("content-length"), Some("5"));
    assert_eq!(answer.field("last-modified"), Some(LATER));
    rig.cache.wait_replaced(&INDEX[1..], b"newer");
    assert_eq!(rig.origin.count(INDEX), 1);
}

#[test]
fn a_check_speaks_for_the_file_that_was_asked_about() {
    let rig = Rig::revalidating(|setup| setup);
    let gate = Gate::new();
    let name = &INDEX[1..];
    rig.origin.script(INDEX, gated(&gate, unchanged()));
    rig.origin.script(INDEX, at(LATER, b"newest"));
    rig.origin.script(INDEX, unchanged());
    let mut checking = rig.daemon.begin(INDEX);
    wait_until("the source is asked", || rig.origin.count(INDEX) == 1);
    // Renamed into place, as whoever replaces a file in use should do.
    rig.cache.put("by-hand", b"by hand", MODIFIED_UNIX - 9_000);
    std::fs::rename(rig.cache.file("by-hand"), rig.cache.file(name)).unwrap();
    rig.daemon.get(INDEX).assert_whole(b"newest");
    gate.open();
    checking.answer().assert_whole(b"old");
    rig.cache.wait_replaced(name, b"newest");
    rig.daemon.wait_idle();
    rig.daemon.get(INDEX).assert_whole(b"newest");
    assert_eq!(rig.origin.count(INDEX), 2);
    // The last check said nothing of this one.
    rig.cache
        .put("by-hand", b"by hand again", MODIFIED_UNIX - 9_000);
    std::fs::rename(rig.cache.file("by-hand"), rig.cache.file(name)).unwrap();
    let answer = rig.daemon.get(INDEX);
    assert!(
        answer
            .assert_whole(b"by hand again")
            .cache_status("fwd-status=304")
    );
    assert_eq!(rig.origin.count(INDEX), 3);
}

#[test]
fn a_crowd_is_served_stale_in_time_with_one_warning() {
    // A connection that is closed before any byte of an answer is tried once more.
    for (begun, requests) in [("", 2), ("HTTP/1.1 200 OK\r\nContent-Le", 1)] {
        let rig = Rig::revalidating(|setup| setup.limits("stale_ms=300"));
        let gate = Gate::new();
        let script = vec![
            Step::Send(begun.as_bytes().to_vec()),
            Step::Wait(gate.clone()),
        ];
        rig.origin.script(INDEX, script);
        let mut clients: Vec<_> = (0..40).map(|_| rig.daemon.begin(INDEX)).collect();
        for client in &mut clients {
            let answer = client.answer();
            answer.assert_whole(b"old");
            assert!(answer.cache_status("detail=served-stale"), "{answer:?}");
        }
        rig.daemon.wait_for_log("no source could be asked about");
        gate.open();
        rig.daemon.wait_for_log("closed before its head ended");
        rig.daemon.wait_idle();
        let warned = rig.daemon.logged("no source could be asked about");
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert_eq!(rig.origin.count(INDEX), requests);
    }
}

#[test]
fn what_every_source_lost_is_one_warning_for_all_who_ask() {
    let rig = Rig::start();
    rig.cache.put("a/x.tar", b"kept", MODIFIED_UNIX);
    let mut client = rig.daemon.client();
    for _ in 0..20 {
        client.ask("GET", "/a/x.tar", &["Cache-Control: no-cache"]);
        client.answer().assert_whole(b"kept");
    }
    assert_eq!(rig.origin.count("/a/x.tar"), 1);
    rig.daemon.wait_for_log("no source has a/x.tar any more");
    let warned = rig.daemon.logged("no source has a/x.tar any more");
    assert_eq!(warned.len(), 1, "{warned:?}");
}

#[test]
fn a_mirror_that_lags_costs_no_content_and_takes_nothing_back() {
    let (cache, first, second) = (CacheDir::new(), Origin::start(), Origin::start());
    cache.put("a/x.db", b"ours", MODIFIED_UNIX);
    first.script("/a/x.db", reply("503 Oops", &[], b""));
    // It announces more than it will send: nobody waits for it.
    let date = format!("Last-Modified: {EARLIER}");
    second.script(
        "/a/x.db",
        vec![
            head("200 OK", &["Content-Length: 1000", &date]),
            Step::Stall,
        ],
    );
    let daemon = Daemon::on(&cache)
        .source(first.url())
        .source(second.url())
        .arg("--revalidate=*.db")
        .start();
    for _ in 0..2 {
        let answer = daemon.get("/a/x.db");
        answer.assert_whole(b"ours");
        assert_eq!(answer.field("age"), Some("0"));
    }
    assert_eq!(second.count("/a/x.db"), 1);
}

/// A daemon that asks two sources about each index at each request.
fn asking_each_time(cache: &CacheDir, first: &Origin, second: &Origin) -> Daemon {
    Daemon::on(cache)
        .source(first.url())
        .source(second.url())
        .arg("--revalidate=*.db")
        .limits("share_ms=0")
        .start()
}

#[test]
fn only_the_first_source_may_bring_an_older_file() {
    let cache = CacheDir::new();
    cache.put("a/x.db", b"ours", MODIFIED_UNIX);
    let (first, second) = (Origin::start(), Origin::start());
    first.script("/a/x.db", reply("500 Oops", &[], b""));
    first.script("/a/x.db", at(EARLIER, b"older"));
    second.script("/a/x.db", at(EARLIER, b"older"));
    let daemon = asking_each_time(&cache, &first, &second);
    daemon.get("/a/x.db").assert_whole(b"ours");
    assert_eq!(second.count("/a/x.db"), 1);
    daemon.get("/a/x.db").assert_whole(b"older");
    assert_eq!(second.count("/a/x.db"), 1);
}

#[test]
fn a_304_makes_nobody_the_giver_of_a_file_of_another_time() {
    // Of a file that is older than ours 304 is right, too.
    for (given, then) in [
        (None, "ours"),
        (Some(EARLIER), "ours"),
        (Some(MODIFIED), "older"),
    ] {
        let cache = CacheDir::new();
        cache.put("a/x.db", b"ours", MODIFIED_UNIX);
        let (first, second) = (Origin::start(), Origin::start());
        first.script("/a/x.db", reply("500 Oops", &[], b""));
        let mut fields = vec!["ETag: \"theirs\"".to_owned()];
        fields.extend(given.map(|date| format!("Last-Modified: {date}")));
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        second.script("/a/x.db", vec![head("304 Not Modified", &fields)]);
        second.script("/a/x.db", at(EARLIER, b"older"));
        let daemon = asking_each_time(&cache, &first, &second);
        daemon.get("/a/x.db").assert_whole(b"ours");
        daemon.get("/a/x.db").assert_whole(then.as_bytes());
        let tag = second.requests()[1]
            .field("if-none-match")
            .map(str::to_owned);
        assert_eq!(tag.is_some(), then == "older", "{given:?}: {tag:?}");
    }
}

#[test]
fn a_storm_of_no_cache_is_bounded_and_harms_no_hit() {
    let rig = Rig::with(|setup| setup.limits("transfers=3,stale_ms=500"));
    let gate = Gate::new();
    let mut clients = Vec::new();
    for number in 0..40 {
        let target = format!("/a/{number}.tar");
        rig.cache.put(&target[1..], b"ours", MODIFIED_UNIX);
        rig.origin.script(&target, gated(&gate, unchanged()));
        let mut client = rig.daemon.client();
        client.ask("GET", &target, &["Cache-Control: no-cache"]);
        clients.push(client);
    }
    wait_until("all turns are taken", || rig.origin.requests().len() == 3);
    rig.daemon.get("/a/7.tar").assert_whole(b"ours");
    for client in &mut clients {
        let answer = client.answer();
        answer.assert_whole(b"ours");
        assert!(answer.cache_status("detail=served-stale"), "{answer:?}");
    }
    // Silent sources are not asked by more at a time, however many clients have waited.
    assert_eq!(rig.origin.requests().len(), 3);
    gate.open();
    wait_until("files are confirmed again", || {
        let answer = rig
            .daemon
            .ask("GET", "/a/b/new.tar", &["Cache-Control: no-cache"]);
        answer.status == 404
    });
}

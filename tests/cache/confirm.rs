//! Checks of stored files with real sources: caches on the way, entity tags, clocks that stand still, mirrors that lag.

use crate::support::{
    CacheDir, Daemon, MODIFIED, MODIFIED_UNIX, Origin, Rig, Script, head, ok, reply, wait_until,
};

const EARLIER: &str = "Last-Modified: Tue, 20 Oct 2015 07:28:00 GMT";
const DATE: &str = "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT";
const UNSET: &str = "Last-Modified: Thu, 01 Jan 1970 00:00:01 GMT";

/// A rig whose stored `.db` files are checked at each request.
fn checking() -> Rig {
    Rig::with(|setup| setup.arg("--revalidate=*.db").limits("share_ms=0"))
}

fn unchanged() -> Script {
    vec![head("304 Not Modified", &[])]
}

/// A field of the latest request for the target.
fn last(origin: &Origin, target: &str, field: &str) -> Option<String> {
    let requests = origin.requests();
    let mut asked = requests.iter().filter(|request| request.target == target);
    asked.next_back()?.field(field).map(str::to_owned)
}

#[test]
fn a_check_and_a_client_that_wants_one_are_passed_on() {
    let rig = checking();
    let sent = |target: &str, fields: &[&str]| {
        rig.origin.script(target, ok(b"index"));
        // A transfer that still lacks its name would be joined.
        rig.daemon.wait_idle();
        rig.daemon.ask("GET", target, fields).assert_whole(b"index");
        last(&rig.origin, target, "cache-control")
    };
    // Nothing is stored, but a cache on the way may have something.
    for (number, (field, expected)) in [
        ("X: y", None),
        ("Cache-Control: no-cache", Some("no-cache")),
        ("Cache-Control: max-age=0", Some("max-age=0")),
        ("Pragma: no-cache", Some("no-cache")),
        ("Pragma: no-cache\r\nCache-Control: no-store", None),
    ]
    .into_iter()
    .enumerate()
    {
        for target in [format!("/m/{number}.tar"), format!("/m/{number}/")] {
            assert_eq!(sent(&target, &[field]).as_deref(), expected, "{field}");
        }
    }
    // What is stored is checked at its source, not at a cache on the way.
    rig.cache.put("a.db", b"index", MODIFIED_UNIX);
    rig.cache.put("a.tar", b"index", MODIFIED_UNIX);
    assert_eq!(sent("/a.db", &[]).as_deref(), Some("max-age=0"));
    let no_cache = sent("/a.db", &["Cache-Control: no-cache"]);
    assert_eq!(no_cache.as_deref(), Some("no-cache"));
    let pragma = sent("/a.tar", &["Pragma: no-cache"]);
    assert_eq!(pragma.as_deref(), Some("no-cache"));
    assert_eq!(rig.origin.count("/a.tar"), 1);
}

#[test]
fn no_cache_at_a_leaf_passes_its_parent() {
    let (parent, cache) = (Rig::start(), CacheDir::new());
    parent.origin.script("/x.db", ok(b"old"));
    let newer = "Last-Modified: Thu, 22 Oct 2015 07:28:00 GMT";
    parent
        .origin
        .script("/x.db", reply("200 OK", &[newer], b"newer"));
    let leaf = Daemon::on(&cache)
        .source(format!("http://{}", parent.daemon.address()))
        .arg("--revalidate=*.db")
        .start();
    parent.daemon.get("/x.db").assert_whole(b"old");
    assert_eq!(parent.cache.wait_stored("x.db"), b"old");
    // The parent has no --revalidate: the leaf's check alone makes it ask.
    leaf.ask("GET", "/x.db", &["Cache-Control: no-cache"])
        .assert_whole(b"newer");
    assert_eq!(parent.origin.count("/x.db"), 2);
    assert_eq!(cache.wait_stored("x.db"), b"newer");
}

#[test]
fn only_if_cached_asks_nothing() {
    let rig = Rig::with(|setup| setup.arg("--revalidate=*.db"));
    rig.cache.put("d/a.tar", b"ours", MODIFIED_UNIX);
    rig.cache.put("d/a.db", b"ours", MODIFIED_UNIX);
    let only = "Cache-Control: only-if-cached";
    for target in ["/d/b.tar", "/d/", "/d", "/@a%2fb"] {
        rig.daemon.ask("GET", target, &[only]).assert_error(504);
        assert_eq!(rig.daemon.ask("HEAD", target, &[only]).status, 504);
    }
    for target in ["/d/a.tar", "/d/a.db"] {
        let answer = rig.daemon.ask("GET", target, &[only]);
        assert!(
            answer.assert_whole(b"ours").cache_status("hit"),
            "{answer:?}"
        );
    }
    let both = "Cache-Control: no-cache, Only-If-Cached";
    rig.daemon.ask("GET", "/d/a.tar", &[both]).assert_error(504);
    assert!(rig.origin.requests().is_empty());
    // Without a source it is the same.
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache).start();
    daemon.ask("GET", "/d/b.tar", &[only]).assert_error(504);
}

#[test]
fn the_entity_tag_of_a_source_is_asked_about_there_alone() {
    let (other, cache, first) = (Origin::start(), CacheDir::new(), Origin::start());
    let tag = "ETag: W/\"one\"";
    first.script("/a.db", reply("200 OK", &[DATE, tag], b"index"));
    first.script("/a.db", unchanged());
    first.script("/a.db", reply("404 Not Found", &[], b""));
    other.script("/a.db", unchanged());
    let daemon = Daemon::on(&cache)
        .source(first.url())
        .source(other.url())
        .arg("--revalidate=*.db")
        .limits("share_ms=0")
        .start();
    daemon.get("/a.db").assert_whole(b"index");
    assert_eq!(cache.wait_stored("a.db"), b"index");
    daemon.wait_idle();
    for (origin, expected) in [(&first, Some("W/\"one\"")), (&other, None)] {
        daemon.get("/a.db").assert_whole(b"index");
        let none_match = last(origin, "/a.db", "if-none-match");
        assert_eq!(none_match.as_deref(), expected);
        let since = last(origin, "/a.db", "if-modified-since");
        assert_eq!(since.as_deref(), Some(MODIFIED));
    }
    // Nor is it told to where a redirect leads.
    assert_eq!(
        last(&first, "/a.db", "if-none-match").as_deref(),
        Some("W/\"one\"")
    );
}

#[test]
fn a_source_whose_clock_stands_at_1970_is_not_stale_for_ever() {
    let rig = checking();
    let version = |tag: &str, content: &[u8]| reply("200 OK", &[UNSET, tag], content);
    rig.origin.script("/a.db", version("ETag: \"1\"", b"one"));
    rig.origin.script("/a.db", unchanged());
    rig.origin.script("/a.db", version("ETag: \"2\"", b"two"));
    rig.daemon.get("/a.db").assert_whole(b"one");
    assert_eq!(rig.cache.wait_stored("a.db"), b"one");
    rig.daemon.wait_idle();
    rig.daemon.get("/a.db").assert_whole(b"one");
    let asked = |field| last(&rig.origin, "/a.db", field);
    assert_eq!(asked("if-none-match").as_deref(), Some("\"1\""));
    assert_eq!(asked("if-modified-since"), None);
    rig.daemon.get("/a.db").assert_whole(b"two");
    wait_until("it is stored", || rig.cache.wait_stored("a.db") == b"two");
    // One that was there before this process is asked for plainly.
    rig.cache.put("b.db", b"ours", 1);
    rig.origin.script("/b.db", version("ETag: \"2\"", b"two"));
    rig.daemon.get("/b.db").assert_whole(b"two");
    for field in ["if-none-match", "if-modified-since"] {
        assert_eq!(last(&rig.origin, "/b.db", field), None);
    }
}

#[test]
fn an_unasked_304_is_a_failed_source() {
    let rig = checking();
    rig.cache.put("a.db", b"ours", 1);
    rig.origin.script("/a.db", unchanged());
    let answer = rig.daemon.get("/a.db");
    assert!(
        answer
            .assert_whole(b"ours")
            .cache_status("detail=served-stale")
    );
}

#[test]
fn a_mirror_behind_a_redirector_that_lags_takes_nothing_back() {
    let (rig, fresh, lagging) = (checking(), Origin::start(), Origin::start());
    let to = |mirror: &Origin| {
        let location = format!("Location: {}/a.db", mirror.url());
        reply("302 Found", &[&location], b"")
    };
    rig.origin.script("/a.db", to(&fresh));
    rig.origin.script("/a.db", to(&lagging));
    rig.origin.script("/a.db", to(&fresh));
    fresh.script("/a.db", reply("200 OK", &[DATE], b"ours"));
    fresh.script("/a.db", reply("200 OK", &[EARLIER], b"taken back"));
    lagging.script("/a.db", reply("200 OK", &[EARLIER], b"older"));
    rig.daemon.get("/a.db").assert_whole(b"ours");
    assert_eq!(rig.cache.wait_stored("a.db"), b"ours");
    rig.daemon.wait_idle();
    let answer = rig.daemon.get("/a.db");
    assert!(answer.assert_whole(b"ours").cache_status("fwd-status=304"));
    assert_eq!(lagging.count("/a.db"), 1);
    // The server that gave it may.
    rig.daemon.get("/a.db").assert_whole(b"taken back");
    wait_until("it is stored", || {
        rig.cache.wait_stored("a.db") == b"taken back"
    });
}

#[test]
fn a_second_source_that_gave_a_file_may_take_it_back() {
    let (cache, first, second) = (CacheDir::new(), Origin::start(), Origin::start());
    first.script("/a.db", reply("500 Oops", &[], b""));
    second.script("/a.db", reply("200 OK", &[DATE], b"ours"));
    second.script("/a.db", reply("200 OK", &[EARLIER], b"taken back"));
    let daemon = Daemon::on(&cache)
        .source(first.url())
        .source(second.url())
        .arg("--revalidate=*.db")
        .limits("share_ms=0")
        .start();
    daemon.get("/a.db").assert_whole(b"ours");
    assert_eq!(cache.wait_stored("a.db"), b"ours");
    daemon.wait_idle();
    daemon.get("/a.db").assert_whole(b"taken back");
    wait_until("it is stored", || {
        cache.wait_stored("a.db") == b"taken back"
    });
}

//! Files that change at their source: asked about before they are served, or when a client wants it.

use crate::support::{
    CacheDir, Daemon, End, Gate, INDEX, LATER, MODIFIED, MODIFIED_UNIX, Origin, REFUSED, Rig, Step,
    at, gated, head, held_at, missing, noise, ok, reply, unchanged, wait_until,
};

#[test]
fn an_unchanged_file_is_asked_about_once_for_everybody() {
    let rig = Rig::revalidating(|setup| setup);
    let gate = Gate::new();
    rig.origin.script(INDEX, gated(&gate, unchanged()));
    let mut clients: Vec<_> = (0..20).map(|_| rig.daemon.begin(INDEX)).collect();
    wait_until("the source is asked", || rig.origin.count(INDEX) == 1);
    gate.open();
    for client in &mut clients {
        let answer = client.answer();
        answer.assert_whole(b"old");
        assert_eq!(answer.field("age"), Some("0"), "{answer:?}");
        assert!(answer.cache_status("fwd=stale") || answer.cache_status("hit"));
    }
    let answer = rig.daemon.get(INDEX);
    assert!(
        answer.assert_whole(b"old").cache_status("hit"),
        "{answer:?}"
    );
    let requests = rig.origin.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0].method, "GET");
    assert_eq!(requests[0].field("if-modified-since"), Some(MODIFIED));
    assert_eq!(rig.cache.modified(&INDEX[1..]), MODIFIED_UNIX);
}

#[test]
fn the_log_and_cache_status_say_what_was_done() {
    let rig = Rig::revalidating(|setup| setup.arg("-v").limits("share_ms=0"));
    rig.origin.script(INDEX, unchanged());
    rig.origin.script(INDEX, at(LATER, b"new"));
    rig.origin.script(INDEX, vec![Step::Reset]);
    let answer = rig.daemon.get(INDEX);
    assert!(answer.cache_status("fwd=stale") && answer.cache_status("fwd-status=304"));
    rig.daemon.wait_for_log("REVALIDATED");
    let answer = rig.daemon.get(INDEX);
    assert!(answer.cache_status("fwd=stale") && answer.cache_status("fwd-status=200"));
    assert!(answer.cache_status("stored"), "{answer:?}");
    rig.daemon.wait_for_log("EXPIRED");
    rig.cache.wait_replaced(&INDEX[1..], b"new");
    rig.daemon.wait_idle();
    let answer = rig.daemon.get(INDEX);
    answer.assert_whole(b"new");
    assert!(answer.cache_status("fwd=stale") && answer.cache_status("detail=served-stale"));
    rig.daemon.wait_for_log("STALE");
    rig.daemon
        .wait_for_log("no source could be asked about distfiles/layout.conf");
}

#[test]
fn a_changed_file_replaces_ours_while_it_streams_and_old_readers_finish_theirs() {
    let rig = Rig::with(|setup| setup.arg("--revalidate=*.db").limits("share_ms=0"));
    let (old, new) = (noise(8 << 20), noise((1 << 20) + 7));
    rig.cache.put("core/core.db", &old, MODIFIED_UNIX);
    let gate = Gate::new();
    rig.origin.script("/core/core.db", unchanged());
    rig.origin
        .script("/core/core.db", held_at(LATER, &new, 1000, &gate));
    let mut reader_of_old = rig.daemon.begin("/core/core.db");
    reader_of_old.assert_begins(&old[..1000]);
    let mut reader_of_new = rig.daemon.begin("/core/core.db");
    assert_eq!(reader_of_new.head().field("last-modified"), Some(LATER));
    assert_eq!(reader_of_new.take(1000), new[..1000]);
    // Until it is complete, the name is the old file's.
    assert!(rig.cache.wait_stored("core/core.db") == old);
    let mut joiner = rig.daemon.begin("/core/core.db");
    assert!(joiner.head().cache_status("collapsed"));
    gate.open();
    reader_of_new.assert_ends(&new[1000..]);
    joiner.assert_ends(&new);
    reader_of_old.assert_ends(&old[1000..]);
    rig.cache.wait_replaced("core/core.db", &new);
    assert_eq!(rig.origin.count("/core/core.db"), 2);
}

#[test]
fn after_a_replacement_nobody_asks_again_for_a_while() {
    let rig = Rig::revalidating(|setup| setup);
    rig.origin.script(INDEX, at(LATER, b"new"));
    rig.daemon.get(INDEX).assert_whole(b"new");
    rig.cache.wait_replaced(&INDEX[1..], b"new");
    rig.daemon.wait_idle();
    rig.daemon.get(INDEX).assert_whole(b"new");
    assert_eq!(rig.origin.count(INDEX), 1);
    // The check was for these few seconds only.
    let rig = Rig::revalidating(|setup| setup.limits("share_ms=1000"));
    rig.origin.script(INDEX, unchanged());
    wait_until("the source is asked again", || {
        rig.daemon.get(INDEX).assert_whole(b"old");
        rig.origin.count(INDEX) > 1
    });
}

#[test]
fn a_file_just_stored_is_asked_about_all_the_same() {
    let rig = Rig::with(|setup| setup.arg("--revalidate").arg("*/layout.conf"));
    rig.origin.script(INDEX, ok(b"one"));
    rig.origin.script(INDEX, at(LATER, b"two"));
    rig.daemon.get(INDEX).assert_whole(b"one");
    assert_eq!(rig.cache.wait_stored(&INDEX[1..]), b"one");
    rig.daemon.wait_idle();
    rig.daemon.get(INDEX).assert_whole(b"two");
}

#[test]
fn a_broken_replacement_leaves_the_old_file() {
    let rig = Rig::revalidating(|setup| setup.limits("share_ms=0,attempts=1"));
    rig.origin.script(
        INDEX,
        vec![
            head(
                "200 OK",
                &["Content-Length: 10", &format!("Last-Modified: {LATER}")],
            ),
            Step::Send(b"new".to_vec()),
        ],
    );
    rig.origin.script(INDEX, missing());
    rig.origin.script(INDEX, unchanged());
    let answer = rig.daemon.get(INDEX);
    assert_eq!(
        (answer.body.as_slice(), answer.end),
        (&b"new"[..], End::Cut)
    );
    rig.daemon.get(INDEX).assert_whole(b"old");
    wait_until("the partial is gone", || rig.cache.partials().is_empty());
}

#[test]
fn sources_that_are_down_leave_the_stored_file_served() {
    let cache = CacheDir::new();
    cache.put(&INDEX[1..], b"old", MODIFIED_UNIX);
    let daemon = Daemon::on(&cache)
        .source(REFUSED)
        .arg("--revalidate=*/layout.conf")
        .start();
    for _ in 0..3 {
        let answer = daemon.get(INDEX);
        answer.assert_whole(b"old");
        assert!(answer.cache_status("detail=served-stale"), "{answer:?}");
    }
    // One check, one warning of each kind.
    daemon.wait_for_log("no source could be asked");
    assert_eq!(daemon.logged("cannot connect").len(), 1);
    assert_eq!(daemon.logged("no source could be asked").len(), 1);
}

#[test]
fn a_silent_source_leaves_the_stored_file_served_and_may_still_bring_a_new_one() {
    let rig = Rig::revalidating(|setup| setup.limits("stale_ms=200,share_ms=0"));
    let gate = Gate::new();
    rig.origin.script(INDEX, gated(&gate, at(LATER, b"new")));
    for _ in 0..2 {
        let answer = rig.daemon.get(INDEX);
        answer.assert_whole(b"old");
        assert!(answer.cache_status("detail=served-stale"), "{answer:?}");
    }
    assert_eq!(rig.origin.count(INDEX), 1);
    gate.open();
    rig.cache.wait_replaced(&INDEX[1..], b"new");
}

#[test]
fn a_check_that_fails_late_warns_once() {
    let rig = Rig::revalidating(|setup| setup.limits("stale_ms=200"));
    let gate = Gate::new();
    rig.origin
        .script(INDEX, vec![head("200 OK", &["Content-Length: nonsense"])]);
    rig.origin
        .script("/other/layout.conf", vec![Step::Wait(gate.clone())]);
    rig.cache.put("other/layout.conf", b"old", MODIFIED_UNIX);
    rig.daemon.get("/other/layout.conf").assert_whole(b"old");
    gate.open();
    rig.daemon.wait_for_log("closed before its head ended");
    // What comes after the late failure is told in the log.
    rig.daemon.get(INDEX).assert_whole(b"old");
    rig.daemon
        .wait_for_log("no source could be asked about distfiles");
    assert_eq!(
        rig.daemon
            .logged("no source could be asked about other")
            .len(),
        1
    );
}

#[test]
fn a_broken_replacement_goes_on_without_the_condition() {
    let rig = Rig::revalidating(|setup| setup);
    let date = format!("Last-Modified: {LATER}");
    rig.origin.script(
        INDEX,
        vec![
            head("200 OK", &["Content-Length: 6", &date]),
            Step::Send(b"new".to_vec()),
        ],
    );
    rig.origin.script(
        INDEX,
        reply(
            "206 Partial Content",
            &["Content-Range: bytes 0-5/6", &date],
            b"newest",
        ),
    );
    rig.daemon.get(INDEX).assert_whole(b"newest");
    let requests = rig.origin.requests();
    assert_eq!(requests[0].field("if-modified-since"), Some(MODIFIED));
    assert_eq!(requests[1].field("if-modified-since"), None);
    assert_eq!(requests[1].field("range"), Some("bytes=0-"));
}

#[test]
fn a_file_gone_everywhere_is_404_and_stays_on_disk() {
    let rig = Rig::revalidating(|setup| setup);
    rig.origin.script(INDEX, missing());
    rig.daemon.get(INDEX).assert_error(404);
    rig.daemon.get(INDEX).assert_error(404);
    assert_eq!(rig.origin.count(INDEX), 1);
    assert_eq!(rig.cache.wait_stored(&INDEX[1..]), b"old");
}

#[test]
fn one_404_and_one_dead_source_are_no_proof_that_it_is_gone() {
    let cache = CacheDir::new();
    cache.put(&INDEX[1..], b"old", MODIFIED_UNIX);
    let origin = Origin::start();
    let daemon = Daemon::on(&cache)
        .source(origin.url())
        .source(REFUSED)
        .arg("--revalidate=*/layout.conf")
        .start();
    daemon.get(INDEX).assert_whole(b"old");
}

#[test]
fn a_time_that_is_not_the_sources_is_no_condition() {
    let rig = Rig::with(|setup| setup.arg("--revalidate=*.db"));
    rig.origin.script("/x.db", reply("200 OK", &[], b"one"));
    rig.origin.script("/x.db", reply("200 OK", &[], b"two"));
    rig.daemon.get("/x.db").assert_whole(b"one");
    assert_eq!(rig.cache.wait_stored("x.db"), b"one");
    rig.daemon.wait_idle();
    rig.daemon.get("/x.db").assert_whole(b"two");
    for request in rig.origin.requests() {
        assert_eq!(request.field("if-modified-since"), None);
    }
}

#[test]
fn a_client_may_want_any_file_confirmed() {
    let rig = Rig::with(|setup| setup.limits("share_ms=0"));
    rig.cache.put("a/x.tar", b"bad", MODIFIED_UNIX);
    rig.origin.script("/a/x.tar", unchanged());
    rig.origin.script("/a/x.tar", at(LATER, b"good"));
    rig.daemon.get("/a/x.tar").assert_whole(b"bad");
    assert_eq!(rig.origin.count("/a/x.tar"), 0);
    let answer = rig
        .daemon
        .ask("GET", "/a/x.tar", &["Cache-Control: max-age=0"]);
    assert!(answer.assert_whole(b"bad").cache_status("fwd=request"));
    let answer = rig
        .daemon
        .ask("GET", "/a/x.tar", &["Cache-Control: no-cache"]);
    assert!(answer.assert_whole(b"good").cache_status("fwd=request"));
    rig.cache.wait_replaced("a/x.tar", b"good");
    let requests = rig.origin.requests();
    assert_eq!(requests[0].field("if-modified-since"), Some(MODIFIED));
    assert_eq!(requests[0].field("cache-control"), Some("max-age=0"));
    assert_eq!(requests[1].field("cache-control"), Some("no-cache"));
}

#[test]
fn conditions_ranges_and_head_are_weighed_after_the_check() {
    let rig = Rig::revalidating(|setup| setup.limits("share_ms=0"));
    rig.origin.script(INDEX, unchanged());
    rig.origin.script(INDEX, unchanged());
    rig.origin.script(INDEX, unchanged());
    rig.origin.script(INDEX, at(LATER, b"newer"));
    let since = format!("If-Modified-Since: {MODIFIED}");
    let answer = rig.daemon.ask("GET", INDEX, &[&since]);
    assert_eq!(
        (answer.status, answer.cache_status("fwd-status=304")),
        (304, true)
    );
    let answer = rig.daemon.ask("GET", INDEX, &["Range: bytes=1-"]);
    assert_eq!((answer.status, answer.body.as_slice()), (206, &b"ld"[..]));
    let answer = rig.daemon.ask("HEAD", INDEX, &[]);
    assert_eq!(
        (answer.status, answer.field("content-length")),
        (200, Some("3"))
    );
    let answer = rig.daemon.ask("GET", INDEX, &[&since, "Range: bytes=1-"]);
    assert_eq!((answer.status, answer.body.as_slice()), (206, &b"ewer"[..]));
}

#[test]
fn without_sources_there_is_nobody_to_ask() {
    let cache = CacheDir::new();
    cache.put(&INDEX[1..], b"old", MODIFIED_UNIX);
    let daemon = Daemon::on(&cache).arg("--revalidate=*").start();
    let answer = daemon.ask("GET", INDEX, &["Cache-Control: no-cache"]);
    assert!(answer.assert_whole(b"old").cache_status("hit"));
}

#[test]
fn a_cache_that_cannot_be_written_passes_the_new_file_on() {
    let rig = Rig::revalidating(|setup| setup.arg("--min-free=1000T"));
    rig.origin.script(INDEX, at(LATER, b"new"));
    for _ in 0..2 {
        rig.daemon.get(INDEX).assert_whole(b"new");
    }
    assert_eq!(rig.cache.wait_stored(&INDEX[1..]), b"old");
}

#[test]
fn a_file_removed_during_its_check_is_fetched() {
    let rig = Rig::revalidating(|setup| setup);
    let (gate, late) = (Gate::new(), b"whole".as_slice());
    rig.origin.script(INDEX, gated(&gate, unchanged()));
    rig.origin.script(INDEX, ok(late));
    let mut checking = rig.daemon.begin(INDEX);
    wait_until("the source is asked", || rig.origin.count(INDEX) == 1);
    std::fs::remove_file(rig.cache.file(&INDEX[1..])).unwrap();
    rig.daemon.get(INDEX).assert_whole(late);
    gate.open();
    // It holds the file open that it had found.
    checking.answer().assert_whole(b"old");
}

#[test]
fn a_refused_via_of_one_client_keeps_nothing_stale() {
    let rig = Rig::revalidating(|setup| setup);
    let gate = Gate::new();
    let refused = reply("508 Loop Detected", &[], b"");
    rig.origin.script(INDEX, gated(&gate, refused.clone()));
    rig.origin.script(INDEX, at(LATER, b"new"));
    let via = "Via: 1.1 package-cache-0123abcd";
    let mut first = rig.daemon.client();
    first.ask("GET", INDEX, &[via]);
    wait_until("it is asked", || rig.origin.count(INDEX) == 1);
    // One that shares the question, and one that asks soon after it.
    let mut second = rig.daemon.begin(INDEX);
    rig.daemon.wait_idle();
    gate.open();
    first.answer().assert_whole(b"old");
    second.answer().assert_whole(b"new");
    rig.cache.wait_replaced(&INDEX[1..], b"new");

    let rig = Rig::revalidating(|setup| setup);
    rig.origin.script(INDEX, refused);
    rig.origin.script(INDEX, at(LATER, b"new"));
    rig.daemon.ask("GET", INDEX, &[via]).assert_whole(b"old");
    rig.daemon.get(INDEX).assert_whole(b"new");
}

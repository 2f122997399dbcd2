//! The times of a stored file, and what is announced of them.

use crate::support::{MODIFIED, MODIFIED_UNIX, Rig, close_delimited, reply, wait_until};

/// In http-tests/cache-tests: conditional-lm-fresh-no-lm.
#[test]
fn a_file_without_last_modified_gets_the_time_of_storing() {
    let rig = Rig::start();
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap();
    let begun = now().as_secs();
    rig.origin
        .script("/undated.tar", close_delimited(b"content"));
    rig.daemon.get("/undated.tar").assert_whole(b"content");
    rig.cache.wait_stored("undated.tar");
    let stored = rig.cache.modified("undated.tar");
    assert!(
        (begun..=now().as_secs()).contains(&stored),
        "{begun} {stored}"
    );
    // Marked as a time that is not the source's.
    let times = std::fs::metadata(rig.cache.file("undated.tar")).unwrap();
    let stamp = times
        .modified()
        .unwrap()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert_ne!(stamp.subsec_nanos(), 0);
    let hit = rig.daemon.get("/undated.tar");
    assert!(hit.cache_status("hit"));
    // It stands in for the time that the source did not say.
    let ask = |date: &str| {
        let since = format!("If-Modified-Since: {date}");
        rig.daemon.ask("GET", "/undated.tar", &[&since])
    };
    assert_eq!(ask(hit.field("last-modified").unwrap()).status, 304);
    ask(MODIFIED).assert_whole(b"content");
}

#[test]
fn the_time_of_last_use_is_kept_up() {
    let rig = Rig::start();
    rig.cache.put("used.tar", b"content", MODIFIED_UNIX);
    // Nothing is read for a HEAD: the file system itself has no reason to set it.
    assert_eq!(rig.daemon.ask("HEAD", "/used.tar", &[]).status, 200);
    let day = std::time::Duration::from_secs(86_400);
    wait_until("atime is of today", || {
        let used = std::fs::metadata(rig.cache.file("used.tar"))
            .unwrap()
            .accessed()
            .unwrap();
        used.elapsed().is_ok_and(|age| age < day)
    });
    assert_eq!(rig.cache.modified("used.tar"), MODIFIED_UNIX);
}

#[test]
fn a_last_modified_in_any_form_is_kept_and_one_in_the_future_is_not() {
    let rig = Rig::start();
    for (target, date) in [
        ("/rfc850.tar", "Wednesday, 21-Oct-15 07:28:00 GMT"),
        ("/asctime.tar", "Wed Oct 21 07:28:00 2015"),
    ] {
        let field = format!("Last-Modified: {date}");
        rig.origin
            .script(target, reply("200 OK", &[&field], b"content"));
        assert_eq!(
            rig.daemon.get(target).field("last-modified"),
            Some(MODIFIED),
            "{date}"
        );
        rig.cache.wait_stored(&target[1..]);
        assert_eq!(rig.cache.modified(&target[1..]), MODIFIED_UNIX, "{date}");
    }
    let future = "Fri, 01 Jan 2100 00:00:00 GMT";
    for (target, date) in [("/future.tar", future), ("/garbled.tar", "soon")] {
        let field = format!("Last-Modified: {date}");
        rig.origin
            .script(target, reply("200 OK", &[&field], b"content"));
        let answer = rig.daemon.get(target);
        assert_ne!(
            answer.assert_whole(b"content").field("last-modified"),
            Some(date)
        );
        rig.cache.wait_stored(&target[1..]);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(rig.cache.modified(&target[1..]) <= now, "{date}");
    }
}

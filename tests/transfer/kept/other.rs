//! Files that changed meanwhile, sources that do not answer, conditions.

use std::sync::Arc;

use super::{AGAIN, AT, FILE, LENGTH, Mirror, Restarts, State, stop};
use crate::support::{EARLIER, End, LATER, noise};

#[test]
fn another_file_is_fetched_anew() {
    type Change = fn(&mut State);
    let changes: [(&str, Change); 7] = [
        ("later", |state| state.modified = LATER.to_owned()),
        ("earlier", |state| state.modified = EARLIER.to_owned()),
        ("longer", |state| {
            state.content = Arc::new(noise(LENGTH + 1))
        }),
        ("shorter than what was kept", |state| {
            state.content = Arc::new(noise(LENGTH)[1..AGAIN].to_vec());
        }),
        ("of other bytes at the end", |state| {
            Arc::make_mut(&mut state.content)[AT - 1] ^= 1;
        }),
        ("of other bytes before", |state| {
            Arc::make_mut(&mut state.content)[AGAIN] ^= 1;
        }),
        ("from a source without ranges", |state| {
            (state.ranges, state.modified) = (false, LATER.to_owned());
        }),
    ];
    for (what, change) in changes {
        let it = Restarts::kept();
        it.mirror.set(change);
        it.assert_comes_whole(&it.setup().start());
        assert_eq!(it.ranges(), [&format!("bytes={AGAIN}-"), "-"], "{what}");
    }
}

#[test]
fn the_entity_tag_of_the_same_server_must_be_the_same() {
    for (tag, same) in [("\"one\"", true), ("\"two\"", false), ("W/\"one\"", false)] {
        let it = Restarts::new();
        it.mirror
            .set(|state| state.etag = Some("\"one\"".to_owned()));
        it.keep();
        it.mirror.set(|state| state.etag = Some(tag.to_owned()));
        it.assert_comes_whole(&it.setup().start());
        assert_eq!(it.ranges().len(), if same { 1 } else { 2 }, "{tag}");
    }
}

#[test]
fn a_source_without_ranges_is_read_from_the_start() {
    let it = Restarts::kept();
    it.mirror.set(|state| state.ranges = false);
    let daemon = it.setup().start();
    it.assert_comes_whole(&daemon);
    daemon.wait_for_log("goes on at byte");
    assert_eq!(it.ranges().len(), 1);
}

#[test]
fn sources_without_an_answer_leave_it_for_later() {
    for status in ["503 Gone to lunch", "404 Not Found", "500 Ouch"] {
        let it = Restarts::kept();
        let kept = it.partials();
        it.mirror.set(|state| state.status = Some(status));
        let mut daemon = it.setup().start();
        let answer = daemon.get(FILE);
        assert!(answer.status >= 400, "{status}");
        assert_eq!((it.partials(), it.ranges().len()), (kept.clone(), 1));
        stop(&mut daemon);
        assert_eq!(it.partials(), kept);
        it.mirror.set(|state| state.status = None);
        it.assert_comes_whole(&it.setup().start());
        assert_eq!(it.ranges(), vec![format!("bytes={AGAIN}-"); 2]);
    }
}

#[test]
fn the_source_that_gave_it_is_asked_first() {
    let it = Restarts::kept();
    // Equal but for the time, which mirrors do not always keep.
    let second = Mirror::start(it.content.clone());
    second.set(|state| state.modified = LATER.to_owned());
    let setup = crate::support::Daemon::on(&it.cache).source(second.server.url());
    let daemon = setup.source(it.mirror.server.url()).start();
    it.assert_comes_whole(&daemon);
    assert_eq!((second.look().requests.len(), it.ranges().len()), (0, 1));
}

#[test]
fn another_source_goes_on_with_the_same_proof() {
    let it = Restarts::kept();
    let second = Mirror::start(it.content.clone());
    it.mirror
        .set(|state| state.status = Some("503 Gone to lunch"));
    let daemon = it.setup().source(second.server.url()).start();
    it.assert_comes_whole(&daemon);
    let asked = second.look().requests;
    assert_eq!(asked[0].field("range"), Some(&*format!("bytes={AGAIN}-")));
    // If one has another file that comes first, although another source would have the old one.
    let it = Restarts::kept();
    let second = Mirror::start(it.content.clone());
    it.mirror.set(|state| state.modified = LATER.to_owned());
    let daemon = it.setup().source(second.server.url()).start();
    it.assert_comes_whole(&daemon);
    assert_eq!(it.cache.modified("d/a.tar"), 1_445_412_480 + 86_400);
}

#[test]
fn a_break_within_the_proof_is_no_other_file() {
    // Another source proves itself, or the same one at the second try.
    let it = Restarts::kept();
    it.mirror.set(|state| state.breaks = 1);
    let second = Mirror::start(it.content.clone());
    it.assert_comes_whole(&it.setup().source(second.server.url()).start());
    assert_eq!((it.ranges().len(), second.look().requests.len()), (1, 1));
    assert!(second.look().sent < it.content.len() / 2 + 65_536);
    let again = format!("bytes={AGAIN}-");
    for (breaks, ranges) in [(1, vec![&*again; 2]), (2, vec![&*again, &*again, "-"])] {
        let it = Restarts::kept();
        it.mirror.set(|state| state.breaks = breaks);
        it.assert_comes_whole(&it.setup().start());
        assert_eq!(it.ranges(), ranges);
    }
}

#[test]
fn a_source_that_sends_all_of_it_too_slowly_is_asked_for_the_rest_once() {
    let slow = |state: &mut State| (state.ranges, state.hold) = (false, 10_000);
    let again = format!("bytes={AGAIN}-");
    // What was kept is of use with another source.
    let it = Restarts::kept();
    it.mirror.set(slow);
    let second = Mirror::start(it.content.clone());
    let setup = it.limited(",patience_ms=300,proof_ms=300");
    it.assert_comes_whole(&setup.source(second.server.url()).start());
    assert_eq!(it.ranges(), [&*again]);
    assert!(second.look().sent < it.content.len() / 2 + 65_536);
    // Without one it is not worth another wait.
    let it = Restarts::kept();
    it.mirror.set(slow);
    let daemon = it.limited(",patience_ms=300,proof_ms=300").start();
    let mut client = daemon.begin(FILE);
    client.assert_begins(&it.content[..10_000]);
    assert_eq!(it.ranges(), [&*again, "-"]);
}

#[test]
fn a_client_that_wants_it_confirmed_has_the_source_asked_so() {
    let it = Restarts::kept();
    let daemon = it.setup().start();
    let answer = daemon.ask("GET", FILE, &["Cache-Control: no-cache"]);
    answer.assert_whole(&it.content);
    let requests = it.mirror.look().requests;
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].field("cache-control"), Some("no-cache"));
    assert!(requests[0].range().is_some());
}

#[test]
fn a_head_leaves_it_alone_and_a_range_begins_it() {
    let it = Restarts::kept();
    let kept = it.partials();
    let daemon = it.setup().start();
    assert_eq!(daemon.ask("HEAD", FILE, &[]).status, 200);
    assert_eq!((it.ranges(), it.partials()), (vec!["-".to_owned()], kept));
    let answer = daemon.ask("GET", FILE, &["Range: bytes=299990-"]);
    assert_eq!((answer.status, answer.end), (206, End::Complete));
    assert!(answer.body == it.content[299_990..]);
    it.cache.assert_stored("d/a.tar", &it.content);
    assert_eq!(it.ranges()[1..], [format!("bytes={AGAIN}-")]);
}

/// A newer version was on its way in place of a stored one.
#[test]
fn a_file_that_changes_is_asked_about_and_gone_on_with_in_one_question() {
    for (now, whole) in [(LATER, true), (EARLIER, false)] {
        let it = Restarts::new();
        it.cache.put("d/a.tar", b"old", 1_445_412_480 - 86_400);
        it.mirror
            .set(|state| (state.hold, state.modified) = (AT, LATER.to_owned()));
        let setup = || it.setup().arg("--revalidate=*.tar");
        let mut daemon = setup().start();
        let mut client = daemon.begin(FILE);
        client.assert_begins(&it.content[..AT]);
        stop(&mut daemon);
        drop(client);
        assert_eq!(it.partials().len(), 1);
        it.mirror.set(|state| {
            (state.hold, state.modified) = (usize::MAX, now.to_owned());
            state.requests.clear();
        });
        let daemon = setup().start();
        let answer = daemon.get(FILE);
        match whole {
            true => {
                answer.assert_whole(&it.content);
                it.cache.wait_replaced("d/a.tar", &it.content);
            }
            // The source has gone back to the one that is stored.
            false => drop(answer.assert_whole(b"old")),
        }
        assert_eq!(it.ranges(), [format!("bytes={AGAIN}-")]);
        daemon.wait_idle();
        assert_eq!(it.cache.walk(), ["d", "d/a.tar"]);
    }
}

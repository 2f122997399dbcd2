//! Age: at the source, with us, of a validation, of a response that others get already.

use super::chunked;
use crate::support::{Gate, MODIFIED, MODIFIED_UNIX, Response, Rig, head, reply};

/// The Age of a response, in seconds.
fn age(answer: &Response) -> Option<u64> {
    answer.field("age").map(|age| age.parse().unwrap())
}

#[test]
fn the_age_at_the_source_counts() {
    let rig = Rig::start();
    for (target, given, expected) in [
        ("/day.tar", &["Age: 86400"][..], 86_400_u64),
        ("/list.tar", &["Age: 7, 99"], 7),
        ("/huge.tar", &["Age: 99999999999999999999999"], 1 << 31),
        ("/word.tar", &["Age: old"], 0),
        ("/none.tar", &[], 0),
    ] {
        let dated = format!("Last-Modified: {MODIFIED}");
        let fields = [given, &[dated.as_str()]].concat();
        rig.origin
            .script(target, reply("200 OK", &fields, b"content"));
        let heard = age(&rig.daemon.ask("HEAD", target, &[]));
        let missed = age(rig.daemon.get(target).assert_whole(b"content"));
        rig.cache.wait_stored(&target[1..]);
        let hit = age(rig.daemon.get(target).assert_whole(b"content")).unwrap();
        assert!(
            (expected.saturating_sub(1)..expected + 60).contains(&hit),
            "{target}: {hit}"
        );
        // A response of the source's own has none.
        let told = expected > 0;
        for found in [heard, missed] {
            assert_eq!(found.is_some(), told, "{target}: {found:?}");
            assert!(
                found.is_none_or(|age| age >= expected),
                "{target}: {found:?}"
            );
        }
    }
}

#[test]
fn the_age_of_a_validation_counts() {
    let rig = Rig::with(|setup| setup.arg("--revalidate").arg("*/layout.conf"));
    rig.cache.put("d/layout.conf", b"content", MODIFIED_UNIX);
    let confirmed = vec![head(
        "304 Not Modified",
        &["Age: 3600", "Connection: close"],
    )];
    rig.origin.script("/d/layout.conf", confirmed);
    let answer = rig.daemon.get("/d/layout.conf");
    let age = age(answer.assert_whole(b"content")).unwrap();
    assert!((3600..3660).contains(&age), "{age}");
}

#[test]
fn a_response_that_others_get_already_has_an_age() {
    let (rig, gate) = (Rig::start(), Gate::new());
    rig.origin.script("/a.tar", chunked(&["Age: 100"], &gate));
    rig.origin.script("/b.tar", chunked(&[], &gate));
    for (target, least) in [("/a.tar", 100), ("/b.tar", 0)] {
        let mut first = rig.daemon.begin(target);
        assert_eq!(age(&first.head()).is_some(), least > 0, "{target}");
        let mut joined = rig.daemon.begin(target);
        let answer = joined.head();
        assert!(answer.cache_status("collapsed"), "{answer:?}");
        assert!(age(&answer).is_some_and(|age| age >= least), "{answer:?}");
    }
    gate.open();
}

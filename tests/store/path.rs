//! From path to file name to upstream target: escapes, spaces, long names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::{End, Origin, Rig, ok};

/// Asks for each target on a rig of its own kind and checks the name stored and the target asked.
#[track_caller]
fn assert_stored_as(rig: &Rig, target: &str, name: &[u8], upstream: &str) {
    rig.origin.file(upstream, b"content");
    let answer = rig.daemon.get(target);
    assert_eq!(
        (answer.status, answer.end),
        (200, End::Complete),
        "{target}: {}",
        answer.text()
    );
    assert_eq!(
        rig.cache.wait_stored(OsStr::from_bytes(name)),
        b"content",
        "{target}"
    );
    assert_eq!(
        rig.origin.requests().last().map(|r| r.target.clone()),
        Some(upstream.to_owned())
    );
    let before = rig.origin.requests().len();
    assert!(
        rig.daemon
            .get(target)
            .assert_whole(b"content")
            .cache_status("hit"),
        "{target}"
    );
    assert_eq!(rig.origin.requests().len(), before, "{target}");
}

#[test]
fn names_are_stored_decoded_and_asked_for_encoded() {
    let rig = Rig::start();
    let table: [(&str, &[u8], &str); 15] = [
        (
            "/d/gtk%2B-2.0.tar.gz",
            b"d/gtk+-2.0.tar.gz",
            "/d/gtk%2B-2.0.tar.gz",
        ),
        ("/d/g%2b%2b.tar", b"d/g++.tar", "/d/g%2B%2B.tar"),
        ("/d/raw+plus.tar", b"d/raw+plus.tar", "/d/raw%2Bplus.tar"),
        ("/d/a~1.tar", b"d/a~1.tar", "/d/a~1.tar"),
        ("/d/b%7e1.tar", b"d/b~1.tar", "/d/b~1.tar"),
        ("/d/epoch:1.0.tar", b"d/epoch:1.0.tar", "/d/epoch%3A1.0.tar"),
        ("/d/crate%40v1.tar", b"d/crate@v1.tar", "/d/crate%40v1.tar"),
        (
            "/d/with%20space.tar",
            b"d/with space.tar",
            "/d/with%20space.tar",
        ),
        (
            "/d/caf%C3%A9.tar",
            "d/caf\u{e9}.tar".as_bytes(),
            "/d/caf%C3%A9.tar",
        ),
        (
            "/d/na\u{ef}ve.tar",
            "d/na\u{ef}ve.tar".as_bytes(),
            "/d/na%C3%AFve.tar",
        ),
        ("/d/latin%E9.tar", b"d/latin\xe9.tar", "/d/latin%E9.tar"),
        ("/d/percent%25.tar", b"d/percent%.tar", "/d/percent%25.tar"),
        ("/d/%252e.tar", b"d/%2e.tar", "/d/%252e.tar"),
        (
            "//d///twice//slashed.tar",
            b"d/twice/slashed.tar",
            "/d/twice/slashed.tar",
        ),
        ("/d/layout.conf", b"d/layout.conf", "/d/layout.conf"),
    ];
    for (target, name, upstream) in table {
        assert_stored_as(&rig, target, name, upstream);
    }
}

#[test]
fn differently_written_targets_of_one_name_are_one_file() {
    let rig = Rig::start();
    assert_stored_as(&rig, "/d/a%2Bb.tar", b"d/a+b.tar", "/d/a%2Bb.tar");
    for target in ["/d/a+b.tar", "/d/a%2bb.tar", "//d//a+b.tar", "/%64/a+b.tar"] {
        assert!(
            rig.daemon
                .get(target)
                .assert_whole(b"content")
                .cache_status("hit"),
            "{target}"
        );
    }
    assert_eq!(rig.origin.requests().len(), 1);
}

/// In http-tests/cache-tests: query-args-same, and the contrary of query-args-different.
#[test]
fn the_query_is_neither_forwarded_nor_part_of_the_name() {
    let rig = Rig::start();
    assert_stored_as(
        &rig,
        "/d/foo.tar?mirror=1&x=%zz",
        b"d/foo.tar",
        "/d/foo.tar",
    );
    for target in [
        "/d/foo.tar?other",
        "/d/foo.tar?mirror=2&x=%zz",
        "/d/foo.tar?",
    ] {
        let answer = rig.daemon.get(target);
        assert!(
            answer.assert_whole(b"content").cache_status("hit"),
            "{target}"
        );
    }
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn a_name_of_255_bytes_is_stored_and_a_longer_one_relayed() {
    let rig = Rig::start();
    let name = format!("{}.tar", "n".repeat(251));
    assert_stored_as(
        &rig,
        &format!("/d/{name}"),
        format!("d/{name}").as_bytes(),
        &format!("/d/{name}"),
    );
    let before = rig.cache.walk();
    let target = format!("/d/x{name}");
    rig.origin.file(&target, b"content");
    for _ in 0..2 {
        let answer = rig.daemon.get(&target);
        assert!(
            !answer.assert_whole(b"content").cache_status("stored"),
            "{:?}",
            answer.fields
        );
    }
    assert_eq!(rig.origin.count(&target), 2);
    assert_eq!(rig.cache.walk(), before);
}

/// The targets that the origin was asked for.
fn asked(origin: &Origin) -> Vec<String> {
    let requests = origin.requests().into_iter();
    requests.map(|request| request.target).collect()
}

#[test]
fn dot_segments_are_dropped() {
    let rig = Rig::start();
    rig.origin.file("/flat/InRelease", b"flat");
    let authority = rig.daemon.address();
    // The first is what apt asks of a flat repository.
    for target in [
        "/flat/./InRelease",
        "/flat/InRelease",
        "/./flat/%2e/InRelease",
        "/flat/%2E//././InRelease",
        &format!("http://{authority}/flat/./InRelease"),
        "http://mirror.example/./flat/InRelease",
    ] {
        rig.daemon.get(target).assert_whole(b"flat");
        assert_eq!(rig.cache.wait_stored("flat/InRelease"), b"flat", "{target}");
    }
    assert_eq!(asked(&rig.origin), ["/flat/InRelease"]);
    // At the end of a path one names the directory.
    rig.origin.file("/flat/", b"listing");
    rig.daemon.get("/flat/.").assert_whole(b"listing");
    rig.daemon.get("/flat/%2e").assert_whole(b"listing");
    for target in ["/flat/..", "/flat/./../x", "http://x/flat/%2e%2e/x"] {
        rig.daemon.get(target).assert_error(400);
    }
    assert_eq!(asked(&rig.origin)[1..], ["/flat/", "/flat/"]);
    assert_eq!(rig.cache.walk(), ["flat", "flat/InRelease"]);
}

#[test]
fn a_segment_with_an_encoded_slash_is_relayed_as_it_came() {
    let rig = Rig::start();
    for target in ["/@scope%2fname", "/npm/@scope%2Fname", "/p/a%2fb-1.0.tgz"] {
        rig.origin.script(target, ok(b"by npm"));
        for _ in 0..2 {
            let answer = rig.daemon.get(target);
            assert!(answer.assert_whole(b"by npm").cache_status("fwd=bypass"));
        }
        assert_eq!(rig.origin.count(target), 2, "{target}");
        let answer = rig.daemon.ask("HEAD", target, &[]);
        assert_eq!(answer.status, 200, "{target}");
    }
    // Dots and empty segments around it go all the same.
    rig.daemon
        .get("/./npm//@scope%2Fname?x")
        .assert_whole(b"by npm");
    for target in ["/a%2f..%2fb", "/a%2f%2e%2e", "/a%2f%0ab", "/a%2f%zz"] {
        rig.daemon.get(target).assert_error(400);
    }
    rig.daemon.get("/a%2f.package-cache-x").assert_error(404);
    let other = |target: &String| target.contains("a%2f.");
    assert!(!asked(&rig.origin).iter().any(other));
    assert!(rig.cache.walk().is_empty(), "{:?}", rig.cache.walk());
}

//! Miss then hit, HEAD, a cache that was there before.

use std::os::unix::fs::symlink;

use crate::support::{
    CacheDir, Daemon, MODIFIED, MODIFIED_UNIX, REFUSED, Rig, noise, ok, reply, wait_until,
};

/// In http-tests/cache-tests: other-age-gen.
#[test]
fn a_miss_is_fetched_once_and_the_hit_is_the_same() {
    let rig = Rig::start();
    let body = noise(300_000);
    rig.origin.file("/distfiles/ab/foo-1.0.tar.gz", &body);

    let miss = rig.daemon.get("/distfiles/ab/foo-1.0.tar.gz");
    miss.assert_whole(&body);
    assert!(
        miss.cache_status("fwd=uri-miss") && miss.cache_status("stored"),
        "{miss:?}"
    );
    assert!(miss.cache_status("fwd-status=200"), "{:?}", miss.fields);

    rig.cache
        .assert_stored("distfiles/ab/foo-1.0.tar.gz", &body);
    assert_eq!(
        rig.cache.modified("distfiles/ab/foo-1.0.tar.gz"),
        MODIFIED_UNIX
    );
    assert_eq!(
        rig.cache.walk(),
        ["distfiles", "distfiles/ab", "distfiles/ab/foo-1.0.tar.gz"]
    );

    let hit = rig.daemon.get("/distfiles/ab/foo-1.0.tar.gz");
    hit.assert_whole(&body);
    assert!(hit.cache_status("hit"), "{:?}", hit.fields);
    assert_eq!(rig.origin.requests().len(), 1);

    for answer in [&miss, &hit] {
        assert_eq!(answer.field("content-length"), Some("300000"));
        assert_eq!(answer.field("content-type"), Some("application/gzip"));
        assert_eq!(answer.field("content-encoding"), None);
        assert_eq!(answer.field("last-modified"), Some(MODIFIED));
        assert_eq!(answer.field("accept-ranges"), Some("bytes"));
        assert!(
            answer
                .field("date")
                .is_some_and(|date| date.ends_with(" GMT"))
        );
        assert!(
            answer
                .field("server")
                .is_some_and(|name| name.contains("package-cache"))
        );
        assert!(
            answer
                .field("via")
                .is_some_and(|via| via.contains("package-cache"))
        );
    }
    let etag = hit.field("etag").unwrap();
    assert!(
        etag.starts_with('"') && etag.ends_with('"'),
        "{etag} is not a strong entity tag"
    );
    // The tag of the miss is that of the hits, or none.
    assert!(
        miss.field("etag").is_none_or(|early| early == etag),
        "{:?}",
        miss.field("etag")
    );
    let age = hit.field("age").map(str::parse::<u64>);
    assert!(
        age.is_some_and(|age| age.is_ok_and(|age| age < 60)),
        "{hit:?}"
    );
}

#[test]
fn an_empty_file_is_a_file() {
    let rig = Rig::start();
    rig.origin.file("/distfiles/empty.txt", b"");
    rig.daemon.get("/distfiles/empty.txt").assert_whole(b"");
    assert_eq!(rig.cache.wait_stored("distfiles/empty.txt"), b"");
    assert!(
        rig.daemon
            .get("/distfiles/empty.txt")
            .assert_whole(b"")
            .cache_status("hit")
    );
    assert_eq!(rig.origin.requests().len(), 1);
}

#[test]
fn large_files_of_odd_sizes_arrive_whole() {
    let rig = Rig::start();
    let body = noise((5 << 20) + 13);
    for length in [1, 16_383, 65_536, 65_537, body.len()] {
        let (content, target) = (&body[..length], format!("/large/{length}.tar"));
        rig.origin.file(&target, content);
        rig.daemon.get(&target).assert_whole(content);
        assert!(rig.cache.wait_stored(format!("large/{length}.tar")) == content);
        rig.daemon.get(&target).assert_whole(content);
    }
    assert_eq!(rig.origin.requests().len(), 5);
}

#[test]
fn head_of_a_miss_is_asked_upstream_and_stores_nothing() {
    let rig = Rig::start();
    rig.origin.file("/distfiles/foo.tar.xz", b"0123456789");
    let mut client = rig.daemon.client();
    let head = client.ask("HEAD", "/distfiles/foo.tar.xz", &[]).answer();
    assert_eq!(
        (head.status, head.field("content-length")),
        (200, Some("10"))
    );
    assert_eq!(head.field("last-modified"), Some(MODIFIED));
    assert!(
        !head.cache_status("stored") && !head.cache_status("hit"),
        "{:?}",
        head.fields
    );
    assert_eq!(rig.origin.requests()[0].method, "HEAD");
    assert!(rig.cache.walk().is_empty(), "{:?}", rig.cache.walk());
    assert_eq!(
        client
            .ask("HEAD", "/distfiles/none.tar", &[])
            .answer()
            .status,
        404
    );
    // The connection is still in step.
    client
        .get("/distfiles/foo.tar.xz")
        .assert_whole(b"0123456789");
}

#[test]
fn a_cache_filled_by_others_serves_as_it_is() {
    let cache = CacheDir::new();
    let body = noise(50_000);
    cache.put("distfiles/old-1.tar.bz2", &body, MODIFIED_UNIX);
    std::fs::write(cache.outside().join("elsewhere"), &body).unwrap();
    symlink(
        cache.outside().join("elsewhere"),
        cache.file("distfiles/linked.tar.bz2"),
    )
    .unwrap();
    symlink("distfiles", cache.file("also")).unwrap();
    let before = cache.walk();

    let daemon = Daemon::on(&cache).source(REFUSED).start();
    for target in [
        "/distfiles/old-1.tar.bz2",
        "/distfiles/linked.tar.bz2",
        "/also/old-1.tar.bz2",
    ] {
        let answer = daemon.get(target);
        assert!(
            answer.assert_whole(&body).cache_status("hit"),
            "{target}: {:?}",
            answer.fields
        );
        // This process neither stored nor validated it.
        assert_eq!(answer.field("age"), None, "{target}");
    }
    let answer = daemon.get("/distfiles/old-1.tar.bz2");
    assert_eq!(answer.field("last-modified"), Some(MODIFIED));
    assert_eq!(cache.walk(), before);
}

#[test]
fn the_cache_outlives_the_daemon() {
    let Rig {
        daemon,
        origin,
        cache,
    } = Rig::start();
    origin.file("/distfiles/foo.tar", b"content");
    let etag = daemon
        .get("/distfiles/foo.tar")
        .field("etag")
        .map(str::to_owned);
    cache.wait_stored("distfiles/foo.tar");
    drop((daemon, origin));
    let daemon = Daemon::on(&cache).source(REFUSED).start();
    let hit = daemon.get("/distfiles/foo.tar");
    hit.assert_whole(b"content");
    assert_eq!(hit.field("last-modified"), Some(MODIFIED));
    assert!(
        etag.is_none_or(|etag| hit.field("etag") == Some(&etag)),
        "{:?}",
        hit.fields
    );
}

#[test]
fn a_deleted_file_is_fetched_anew() {
    let rig = Rig::start();
    rig.origin.script("/a.tar", ok(b"bad"));
    rig.origin.script("/a.tar", ok(b"good"));
    rig.daemon.get("/a.tar").assert_whole(b"bad");
    rig.cache.wait_stored("a.tar");
    rig.daemon.get("/a.tar").assert_whole(b"bad");
    std::fs::remove_file(rig.cache.file("a.tar")).unwrap();
    // Not before the transfer that stored it has ended.
    wait_until("it is fetched anew", || {
        rig.daemon.get("/a.tar").body == b"good"
    });
    assert_eq!(rig.origin.count("/a.tar"), 2);
}

/// In http-tests/cache-tests: other-set-cookie, other-fresh-content-disposition-attachment,
/// other-heuristic-content-disposition-attachment, and other-cookie: stored whatever the source says of it and
/// whoever asks, and nothing of that told to anyone.
#[test]
fn a_file_is_stored_whatever_its_source_says() {
    let personal = [
        "User-Agent: another",
        "Cookie: a=b",
        "Authorization: Basic dTpw",
        "Proxy-Authorization: Basic dTpw",
        "Referer: http://intranet.example/",
        "X-Forwarded-For: 10.0.0.1",
    ];
    for field in [
        "Set-Cookie: a=b",
        "Content-Disposition: attachment; filename=example.txt",
        "Cache-Control: no-store, private, max-age=0",
        "Cache-Control: must-revalidate, s-maxage=0",
        "Expires: Thu, 01 Jan 1970 00:00:00 GMT",
        "Pragma: no-cache",
        "Vary: *",
        "Vary: Accept-Encoding, User-Agent",
        "Warning: 110 - \"Response is Stale\"",
    ] {
        let rig = Rig::start();
        rig.origin
            .script("/d/a.tar", reply("200 OK", &[field], b"content"));
        rig.daemon.get("/d/a.tar").assert_whole(b"content");
        rig.cache.assert_stored("d/a.tar", b"content");
        let answer = rig.daemon.ask("GET", "/d/a.tar", &personal);
        assert!(
            answer.assert_whole(b"content").cache_status("hit"),
            "{field}"
        );
        let (name, value) = field.split_once(": ").unwrap();
        assert_ne!(answer.field(&name.to_lowercase()), Some(value));
        assert_eq!(rig.origin.requests().len(), 1);
    }
}

//! Miss then hit, Last-Modified kept, HEAD, types, a cache that was there before.

use std::os::unix::fs::symlink;

use crate::support::{
    CacheDir, Daemon, End, MODIFIED, MODIFIED_UNIX, REFUSED, Rig, close_delimited, noise, ok,
    reply, until,
};

#[test]
fn a_miss_is_fetched_once_and_the_hit_is_the_same() {
    let rig = Rig::start();
    let body = noise(300_000);
    rig.origin.file("/distfiles/ab/foo-1.0.tar.gz", &body);

    let miss = rig.daemon.get("/distfiles/ab/foo-1.0.tar.gz");
    miss.is_whole(&body);
    assert!(
        miss.cache_status("fwd=uri-miss") && miss.cache_status("stored"),
        "{miss:?}"
    );
    assert!(miss.cache_status("fwd-status=200"), "{:?}", miss.fields);

    assert_eq!(rig.cache.stored("distfiles/ab/foo-1.0.tar.gz"), body);
    assert_eq!(
        rig.cache.modified("distfiles/ab/foo-1.0.tar.gz"),
        MODIFIED_UNIX
    );
    assert_eq!(
        rig.cache.walk(),
        ["distfiles", "distfiles/ab", "distfiles/ab/foo-1.0.tar.gz"]
    );

    let hit = rig.daemon.get("/distfiles/ab/foo-1.0.tar.gz");
    hit.is_whole(&body);
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
    assert!(
        hit.field("age")
            .is_some_and(|age| age.parse::<u64>().is_ok()),
        "{:?}",
        hit.fields
    );
}

#[test]
fn an_empty_file_is_a_file() {
    let rig = Rig::start();
    rig.origin.file("/distfiles/empty.patch", b"");
    rig.daemon.get("/distfiles/empty.patch").is_whole(b"");
    assert_eq!(rig.cache.stored("distfiles/empty.patch"), b"");
    assert!(
        rig.daemon
            .get("/distfiles/empty.patch")
            .is_whole(b"")
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
        rig.daemon.get(&target).is_whole(content);
        assert!(rig.cache.stored(format!("large/{length}.tar")) == content);
        rig.daemon.get(&target).is_whole(content);
    }
    assert_eq!(rig.origin.requests().len(), 5);
}

#[test]
fn head_of_a_hit_is_its_get_without_content() {
    let rig = Rig::start();
    rig.cache
        .put("distfiles/foo.tar.xz", b"0123456789", MODIFIED_UNIX);
    let (get, head) = (
        rig.daemon.get("/distfiles/foo.tar.xz"),
        "/distfiles/foo.tar.xz",
    );
    let head = rig.daemon.ask("HEAD", head, &[]);
    assert_eq!(
        (head.status, head.end, head.body.len()),
        (200, End::Complete, 0)
    );
    for name in [
        "content-length",
        "content-type",
        "last-modified",
        "etag",
        "accept-ranges",
    ] {
        assert!(get.field(name).is_some(), "{name} is missing");
        assert_eq!(get.field(name), head.field(name), "{name}");
    }
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
    client.get("/distfiles/foo.tar.xz").is_whole(b"0123456789");
}

#[test]
fn types_follow_the_extension() {
    let rig = Rig::start();
    let types = [
        ("a.tar.gz", "application/gzip"),
        ("a.TGZ", "application/gzip"),
        ("a.tar.xz", "application/x-xz"),
        ("a.unheard-of", "application/octet-stream"),
        ("noextension", "application/octet-stream"),
        ("a.html", "text/html"),
        ("a.txt", "text/plain"),
    ];
    for (name, kind) in types {
        rig.cache.put(name, b"content", MODIFIED_UNIX);
        let answer = rig.daemon.get(&format!("/{name}"));
        let given = answer.field("content-type").unwrap_or_default();
        assert_eq!(given.split(';').next(), Some(kind), "{name}");
        assert_eq!(answer.field("content-encoding"), None, "{name}");
    }
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
            answer.is_whole(&body).cache_status("hit"),
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
    cache.stored("distfiles/foo.tar");
    drop((daemon, origin));
    let daemon = Daemon::on(&cache).source(REFUSED).start();
    let hit = daemon.get("/distfiles/foo.tar");
    hit.is_whole(b"content");
    assert_eq!(hit.field("last-modified"), Some(MODIFIED));
    assert!(
        etag.is_none_or(|etag| hit.field("etag") == Some(&etag)),
        "{:?}",
        hit.fields
    );
}

#[test]
fn a_file_without_last_modified_gets_the_time_of_storing() {
    let rig = Rig::start();
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap();
    let begun = now().as_secs();
    rig.origin
        .script("/undated.tar", close_delimited(b"content"));
    rig.daemon.get("/undated.tar").is_whole(b"content");
    rig.cache.stored("undated.tar");
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
    assert!(rig.daemon.get("/undated.tar").cache_status("hit"));
}

#[test]
fn the_time_of_last_use_is_kept_up() {
    let rig = Rig::start();
    rig.cache.put("used.tar", b"content", MODIFIED_UNIX);
    // Nothing is read for a HEAD: the file system itself has no reason to set it.
    assert_eq!(rig.daemon.ask("HEAD", "/used.tar", &[]).status, 200);
    let day = std::time::Duration::from_secs(86_400);
    until("atime is of today", || {
        let used = std::fs::metadata(rig.cache.file("used.tar"))
            .unwrap()
            .accessed()
            .unwrap();
        used.elapsed().is_ok_and(|age| age < day)
    });
    assert_eq!(rig.cache.modified("used.tar"), MODIFIED_UNIX);
}

#[test]
fn a_deleted_file_is_fetched_anew() {
    let rig = Rig::start();
    rig.origin.script("/a.tar", ok(b"bad"));
    rig.origin.script("/a.tar", ok(b"good"));
    rig.daemon.get("/a.tar").is_whole(b"bad");
    rig.cache.stored("a.tar");
    rig.daemon.get("/a.tar").is_whole(b"bad");
    std::fs::remove_file(rig.cache.file("a.tar")).unwrap();
    // Not before the transfer that stored it has ended.
    until("it is fetched anew", || {
        rig.daemon.get("/a.tar").body == b"good"
    });
    assert_eq!(rig.origin.count("/a.tar"), 2);
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
        rig.cache.stored(&target[1..]);
        assert_eq!(rig.cache.modified(&target[1..]), MODIFIED_UNIX, "{date}");
    }
    let future = "Fri, 01 Jan 2100 00:00:00 GMT";
    for (target, date) in [("/future.tar", future), ("/garbled.tar", "soon")] {
        let field = format!("Last-Modified: {date}");
        rig.origin
            .script(target, reply("200 OK", &[&field], b"content"));
        let answer = rig.daemon.get(target);
        assert_ne!(
            answer.is_whole(b"content").field("last-modified"),
            Some(date)
        );
        rig.cache.stored(&target[1..]);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(rig.cache.modified(&target[1..]) <= now, "{date}");
    }
}

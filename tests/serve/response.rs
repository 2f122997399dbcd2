//! The fields of an answer.

use crate::support::{End, MODIFIED_UNIX, Rig};

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

//! Sources with a name: which paths they serve, and what they are asked.

use crate::support::{
    CacheDir, Daemon, EARLIER, End, Gate, MODIFIED_UNIX, Origin, REFUSED, Setup, Step, at, held,
    missing, modified, noise, part, reply, unchanged,
};

/// A daemon with a source for `debian`, one for `arch` and one without a name, and its cache.
struct Names {
    daemon: Daemon,
    debian: Origin,
    arch: Origin,
    other: Origin,
    cache: CacheDir,
}

fn names(more: impl FnOnce(Setup) -> Setup) -> Names {
    let (debian, arch, other) = (Origin::start(), Origin::start(), Origin::start());
    let cache = CacheDir::new();
    let setup = Daemon::on(&cache)
        .source(format!("debian={}/mirror", debian.url()))
        .source(format!("arch={}", arch.url()))
        .source(other.url());
    Names {
        daemon: more(setup).start(),
        debian,
        arch,
        other,
        cache,
    }
}

#[test]
fn a_path_is_asked_of_the_sources_of_its_first_segment_without_that() {
    let names = names(|setup| setup);
    names.debian.file("/mirror/pool/a.tar", b"of debian");
    names.arch.file("/pool/a.tar", b"of arch");
    names.other.file("/pool/a.tar", b"of none");
    names.other.file("/mirror/arch/a.tar", b"deep");
    for (target, content) in [
        ("/debian/pool/a.tar", b"of debian" as &[u8]),
        ("/arch/pool/a.tar", b"of arch"),
        ("/pool/a.tar", b"of none"),
        ("/mirror/arch/a.tar", b"deep"),
        // The path decides, for clients with a proxy too, and decoded.
        ("http://arch/debian/pool/a.tar", b"of debian"),
        ("//./%64ebian/pool/a.tar?x=y", b"of debian"),
    ] {
        names.daemon.get(target).assert_whole(content);
    }
    // No file of one lies where one of another does.
    names.cache.assert_stored("debian/pool/a.tar", b"of debian");
    names.cache.assert_stored("arch/pool/a.tar", b"of arch");
    names.cache.assert_stored("pool/a.tar", b"of none");
    assert_eq!(names.debian.requests().len(), 1);
    assert_eq!(names.arch.requests().len(), 1);
}

#[test]
fn without_sources_of_that_name_it_is_404_and_nobody_is_asked() {
    let (debian, cache) = (Origin::start(), CacheDir::new());
    cache.put("arch/here.tar", b"stored", MODIFIED_UNIX);
    let daemon = Daemon::on(&cache)
        .source(format!("debian={}", debian.url()))
        .arg("--revalidate=*.tar")
        .start();
    for target in [
        "/a.tar",
        "/arch/a.tar",
        "/arch/",
        "/Debian/a.tar",
        "/debian-x/a.tar",
    ] {
        daemon.get(target).assert_error(404);
    }
    // Nobody could be asked whether it has changed.
    daemon.get("/arch/here.tar").assert_whole(b"stored");
    assert!(debian.requests().is_empty());
    // What a name's sources lack is not looked for elsewhere.
    daemon.get("/debian/a.tar").assert_error(404);
    assert_eq!(debian.count("/a.tar"), 1);
}

#[test]
fn the_name_itself_is_a_listing() {
    let names = names(|setup| setup);
    let listing = || reply("200 OK", &["Content-Type: text/html"], b"<a>pool/</a>");
    names.debian.script("/mirror/", listing());
    names.debian.script("/mirror/pool/", listing());
    for target in [
        "/debian/",
        "/debian",
        "/debian/.",
        "/%64ebian",
        "/debian/pool/",
    ] {
        let answer = names.daemon.get(target);
        answer.assert_whole(b"<a>pool/</a>");
    }
    let answer = names.daemon.ask("HEAD", "/debian", &[]);
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert!(names.cache.walk().is_empty());
    // Neither a directory nor a file of that name changes it.
    names.cache.put("arch", b"in the way", MODIFIED_UNIX);
    names.cache.put("debian/a.tar", b"stored", MODIFIED_UNIX);
    names.daemon.get("/debian").assert_whole(b"<a>pool/</a>");
    names.arch.script("/", listing());
    names.daemon.get("/arch").assert_whole(b"<a>pool/</a>");
}

#[test]
fn a_name_with_a_dead_source_costs_the_others_nothing() {
    let (cache, arch) = (CacheDir::new(), Origin::start());
    arch.file("/1.tar", b"the file");
    arch.file("/2.tar", b"the file");
    let (silent, second) = (Origin::start(), Origin::start());
    for target in ["/1.tar", "/2.tar"] {
        silent.script(target, vec![Step::Stall]);
        second.file(target, b"the second");
    }
    let daemon = Daemon::on(&cache)
        .source(format!("debian={}", silent.url()))
        .source(format!("arch={}", arch.url()))
        .source(format!("debian={}", second.url()))
        .source(format!("alpine={REFUSED}"))
        .limits("patience_ms=300")
        .start();
    daemon.get("/debian/1.tar").assert_whole(b"the second");
    daemon.get("/arch/1.tar").assert_whole(b"the file");
    daemon.get("/alpine/1.tar").assert_error(502);
    // It is known to be silent by now, and only to its own name.
    daemon.get("/debian/2.tar").assert_whole(b"the second");
    daemon.get("/arch/2.tar").assert_whole(b"the file");
    assert_eq!((silent.requests().len(), arch.requests().len()), (1, 2));
}

#[test]
fn one_host_may_have_several_names() {
    let (origin, cache) = (Origin::start(), CacheDir::new());
    origin.file("/debian/a.tar", b"of debian");
    origin.file("/security/a.tar", b"of security");
    let daemon = Daemon::on(&cache)
        .source(format!("debian={}/debian", origin.url()))
        .source(format!("debian-security={}/security/", origin.url()))
        .source(format!("c++={}/security", origin.url()))
        .start();
    daemon.get("/debian/a.tar").assert_whole(b"of debian");
    daemon
        .get("/debian-security/a.tar")
        .assert_whole(b"of security");
    daemon.get("/c%2b%2B/a.tar").assert_whole(b"of security");
    cache.assert_stored("c++/a.tar", b"of security");
}

#[test]
fn ranges_heads_redirects_and_changes_are_of_the_name_too() {
    let names = names(|setup| setup.arg("--revalidate=*.db"));
    let content = noise(100_000);
    names.debian.file("/mirror/a.tar", &content);
    let answer = names.daemon.ask("HEAD", "/debian/a.tar", &[]);
    assert_eq!(answer.field("content-length"), Some("100000"));
    let answer = names
        .daemon
        .ask("GET", "/debian/a.tar", &["Range: bytes=9-18"]);
    assert_eq!((answer.status, &answer.body[..]), (206, &content[9..=18]));
    // A redirect leads where it says; what comes is stored under the path that was asked for.
    let elsewhere = format!("Location: {}/pool/b.tar", names.arch.url());
    names
        .debian
        .script("/mirror/b.tar", reply("302 Found", &[&elsewhere], b""));
    names.arch.file("/pool/b.tar", b"over there");
    names
        .daemon
        .get("/debian/b.tar")
        .assert_whole(b"over there");
    names.cache.assert_stored("debian/b.tar", b"over there");
    names.debian.script(
        "/mirror/dir",
        reply("301 Moved", &["Location: /mirror/dir/"], b""),
    );
    names.debian.script(
        "/mirror/dir/",
        reply("200 OK", &["Content-Type: text/html"], b"list"),
    );
    names.daemon.get("/debian/dir").assert_whole(b"list");
    // The first source of the name may bring an older file, though it is not the first of all.
    names.cache.put("arch/core.db", b"old", MODIFIED_UNIX);
    names.arch.script("/core.db", at(EARLIER, b"older"));
    names.daemon.get("/arch/core.db").assert_whole(b"older");
    names.cache.put("debian/core.db", b"old", MODIFIED_UNIX);
    names.debian.script("/mirror/core.db", unchanged());
    names.daemon.get("/debian/core.db").assert_whole(b"old");
    assert!(names.other.requests().is_empty());
}

#[test]
fn what_breaks_off_goes_on_from_the_sources_of_its_name_alone() {
    let second = Origin::start();
    let names = names(|setup| {
        let setup = setup.source(format!("debian={}", second.url()));
        setup.limits("pause_ms=1")
    });
    let (content, at) = (noise(200_000), 100_000 - 65_536);
    let broken = || [&held(&content, 100_000, &Gate::new())[..2], &[Step::Reset]].concat();
    for target in ["/a.tar", "/b.tar"] {
        names.debian.script(&format!("/mirror{target}"), broken());
        names.debian.script(&format!("/mirror{target}"), missing());
        // They have it, but are not of that name.
        names.arch.file(target, &content);
        names.other.file(&format!("/debian{target}"), &content);
    }
    let rest = part(&content, at, content.len() - at, &modified());
    second.script("/a.tar", rest);
    names.daemon.get("/debian/a.tar").assert_whole(&content);
    assert_ne!(names.daemon.get("/debian/b.tar").end, End::Complete);
    assert!(names.arch.requests().is_empty() && names.other.requests().is_empty());
}

//! Sources that send us elsewhere.

use crate::support::{Origin, Rig, Script, assert_goes_on_after, noise, reply};

fn redirect(status: &str, to: &str) -> Script {
    reply(status, &[&format!("Location: {to}")], b"over there")
}

#[test]
fn redirects_are_followed() {
    let (rig, elsewhere, content) = (Rig::start(), Origin::start(), noise(10_000));
    // Relative, rooted, absolute; every redirecting status; a chain of five.
    rig.origin
        .script("/d/a.tar", redirect("301 Moved Permanently", "b.tar?v=1"));
    rig.origin
        .script("/d/b.tar?v=1", redirect("302 Found", "/e/c.tar"));
    rig.origin
        .script("/e/c.tar", redirect("303 See Other", "../f/d.tar"));
    let absolute = format!("{}/g/e.tar", elsewhere.url());
    rig.origin
        .script("/f/d.tar", redirect("307 Temporary Redirect", &absolute));
    elsewhere.script("/g/e.tar", redirect("308 Permanent Redirect", "/g/f.tar"));
    elsewhere.file("/g/f.tar", &content);
    rig.daemon.get("/d/a.tar").assert_whole(&content);
    // It is stored under the name that was asked for, and no hop is a warning.
    assert_eq!(rig.cache.wait_stored("d/a.tar"), content);
    assert_eq!(rig.cache.walk(), ["d", "d/a.tar"]);
    assert!(rig.daemon.logged("warning: ").is_empty());
    // The last hop was asked as itself.
    let host = elsewhere.url().replace("http://", "");
    assert!(
        elsewhere
            .requests()
            .iter()
            .all(|request| request.field("host") == Some(&host))
    );
}

#[test]
fn too_long_a_chain_of_redirects_is_a_failed_source() {
    let (rig, second) = Rig::pair(&["/d/0.tar"], |setup| setup);
    for hop in 0..6 {
        let to = format!("/d/{}.tar", hop + 1);
        rig.origin
            .script(&format!("/d/{hop}.tar"), redirect("302 Found", &to));
    }
    rig.origin.file("/d/6.tar", b"too far");
    rig.daemon.get("/d/0.tar").assert_whole(b"the file");
    assert_eq!(
        (rig.origin.count("/d/6.tar"), second.count("/d/0.tar")),
        (0, 1)
    );
    rig.daemon.wait_for_log("warning: ");
    assert_eq!(
        rig.daemon.logged("warning: ").len(),
        1,
        "{:?}",
        rig.daemon.logged("")
    );
}

#[test]
fn a_redirect_that_cannot_be_followed_is_a_failed_source() {
    assert_goes_on_after("loop", "/d/a.tar", redirect("302 Found", "/d/a.tar"));
    assert_goes_on_after("no location", "/d/a.tar", reply("302 Found", &[], b""));
    assert_goes_on_after(
        "scheme",
        "/d/a.tar",
        redirect("302 Found", "ftp://mirror.example/a.tar"),
    );
    assert_goes_on_after(
        "user info",
        "/d/a.tar",
        redirect("302 Found", "http://u:p@127.0.0.1/a.tar"),
    );
}

/// A 301 to there.
fn moved(to: &str) -> Script {
    redirect("301 Moved Permanently", to)
}

#[test]
fn a_redirect_to_the_same_directory_is_a_listing_however_it_is_spelt() {
    let (rig, elsewhere) = (Rig::start(), Origin::start());
    let origin = &rig.origin;
    let html = reply("200 OK", &["Content-Type: text/html"], b"<ul>");
    origin.script("/p/gtk%2B3.0", moved("/p/gtk+3.0/?C=N"));
    origin.script("/p/gtk+3.0/?C=N", html.clone());
    // Apache writes escapes in lower case.
    origin.script("/p/b%5B3.0", moved("/p/b%5b3.0/"));
    origin.script("/p/b%5b3.0/", html.clone());
    // A redirector to a mirror, which adds the slash, and a mirror that sends on to another one.
    let there = |path: &str| moved(&format!("{}{path}", elsewhere.url()));
    origin.script("/p/c%2B3.0", there("/p/c%2B3.0"));
    elsewhere.script("/p/c%2B3.0", moved("/p/c+3.0/"));
    elsewhere.script("/p/c+3.0/", html.clone());
    origin.script("/p/d-3.0", moved("/p/d-3.0/"));
    origin.script("/p/d-3.0/", there("/pub/d-3.0/"));
    elsewhere.script("/pub/d-3.0/", html);
    for target in ["/p/gtk+3.0", "/p/b[3.0", "/p/c+3.0", "/p/d-3.0"] {
        rig.daemon.get(target).assert_whole(b"<ul>");
    }
    // What begins as a directory and ends as a file is one.
    origin.script("/p/e.tar", moved("/p/e.tar/"));
    origin.script("/p/e.tar/", moved("/files/e.tar"));
    origin.file("/files/e.tar", b"the file");
    rig.daemon.get("/p/e.tar").assert_whole(b"the file");
    assert_eq!(rig.cache.wait_stored("p/e.tar"), b"the file");
    assert_eq!(rig.cache.walk(), ["p", "p/e.tar"]);
}

#[test]
fn no_password_of_a_redirect_is_logged() {
    let rig = Rig::start();
    rig.origin
        .script("/d/a.tar", moved("http://user:secret@host/d/a.tar"));
    rig.daemon.get("/d/a.tar").assert_error(502);
    rig.daemon.wait_for_log("@host/d/a.tar");
    assert!(rig.daemon.logged("secret").is_empty());
}

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
    let (rig, _second) = Rig::pair(&["/d/a.tar"], |setup| setup);
    rig.origin.script(
        "/d/a.tar",
        redirect("302 Found", "https://mirror.example/d/a.tar"),
    );
    rig.daemon.get("/d/a.tar").assert_whole(b"the file");
    assert!(
        rig.daemon.wait_for_log("warning: ").contains("https"),
        "{:?}",
        rig.daemon.logged("")
    );
}

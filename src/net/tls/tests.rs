//! What stands in the arguments of a helper, and that places are given back.

use std::sync::Barrier;

use super::*;

fn target(host: &str) -> Target<'_> {
    Target {
        host,
        port: 443,
        address: "192.0.2.1:443".parse().unwrap(),
        by_proxy: false,
        user: None,
    }
}

fn arguments(target: &Target<'_>) -> String {
    let command = command("openssl".into(), target);
    let words = command.get_args().map(|word| word.to_str().unwrap());
    words.collect::<Vec<_>>().join(" ")
}

const ALWAYS: &str = "s_client -quiet -no_ign_eof -nocommands -verify 100 -verify_return_error";

#[test]
fn certificate_and_name_are_always_checked() {
    for (host, checks) in [
        (
            "a.example",
            "-servername a.example -verify_hostname a.example",
        ),
        (
            "a.example.",
            "-servername a.example -verify_hostname a.example",
        ),
        ("192.0.2.1", "-noservername -verify_ip 192.0.2.1"),
        ("2001:db8::1", "-noservername -verify_ip 2001:db8::1"),
    ] {
        let expected = format!("{ALWAYS} {checks} -connect 192.0.2.1:443");
        assert_eq!(arguments(&target(host)), expected);
    }
    let v6 = Target {
        address: "[2001:db8::1]:4433".parse().unwrap(),
        ..target("a.example")
    };
    assert!(arguments(&v6).ends_with("-connect [2001:db8::1]:4433"));
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_and_its_password_is_no_argument() {
    let user = (OsStr::new("me"), OsStr::new("secret"));
    let target = Target {
        port: 4433,
        by_proxy: true,
        user: Some(user),
        ..target("a.example")
    };
    let end = "-connect a.example:4433 -proxy 192.0.2.1:443 -proxy_user me -proxy_pass stdin";
    assert!(arguments(&target).ends_with(end));
    let v6 = Target {
        host: "2001:db8::1",
        user: None,
        ..target
    };
    let end = "-connect [2001:db8::1]:4433 -proxy 192.0.2.1:443";
    assert!(arguments(&v6).ends_with(end));
}

#[test]
fn only_a_host_can_be_an_argument() {
    for host in [
        "a.example",
        "a_b-c.example",
        "192.0.2.1",
        "2001:db8::1",
        "a.",
    ] {
        assert!(is_host(host), "{host}");
    }
    for host in [
        "",
        ".",
        ".example",
        "-a.example",
        "a b",
        "a/b",
        "a\n",
        "a;b",
        "a=b",
        "@f",
        "\u{e9}",
    ] {
        assert!(!is_host(host), "{host}");
    }
}

/// Where nobody listens.
fn nobody() -> Target<'static> {
    Target {
        address: "127.0.0.1:1".parse().unwrap(),
        ..target("127.0.0.1")
    }
}

#[test]
fn the_stop_leaves_no_process_that_another_thread_is_ending() {
    for _ in 0..20 {
        let helpers = Arc::<Helpers>::default();
        let place = helpers.reserve().unwrap();
        let (_stream, helper) = Helper::start(place, &nobody()).unwrap();
        let process = PathBuf::from(format!("/proc/{}", helper.id.unwrap()));
        let begun = Arc::new(Barrier::new(2));
        let ending = Arc::clone(&begun);
        let ending = thread::spawn(move || {
            ending.wait();
            drop(helper);
        });
        begun.wait();
        // Nobody knows who is first; here it is mostly the other one.
        thread::yield_now();
        helpers.stop();
        assert!(!process.exists(), "it is reaped");
        ending.join().unwrap();
    }
}

#[test]
fn a_helper_that_was_reaped_names_no_process_any_more() {
    let helpers = Arc::<Helpers>::default();
    let place = helpers.reserve().unwrap();
    let (_stream, mut helper) = Helper::start(place, &nobody()).unwrap();
    helper.end();
    // Its number may be that of another helper by now, which must live on when this one is dropped.
    assert!(helper.id.is_none());
    assert!(lock(&helpers.state).running.is_empty());
    drop(helper);
    assert_eq!(lock(&helpers.state).taken, 0);
}

#[test]
fn places_are_given_back() {
    let helpers = Arc::<Helpers>::default();
    let mut places: Vec<_> = std::iter::from_fn(|| helpers.reserve()).collect();
    assert_eq!(places.len() as u64, limits().helpers);
    let seen = helpers.changes();
    places.pop();
    // A change that has been before the wait is not missed.
    helpers.wait(seen, Duration::from_secs(600));
    assert!(helpers.reserve().is_some());
}

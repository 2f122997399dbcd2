//! The order of sources, by name and health.

use super::*;
use crate::http::Method;
use crate::store::Place;

fn upstream(sources: &[&str]) -> Upstream {
    let sources = sources.iter().map(|text| Source::parse(text).unwrap());
    let timeout = Duration::from_secs(30);
    let (proxy, stats) = (Proxy::default(), Stats::new([]));
    Upstream::new(sources.collect(), proxy, timeout, stats, Arc::default())
}

fn path(encoded: &str) -> CachePath {
    match CachePath::place(encoded.as_bytes()).unwrap() {
        Place::File(path) | Place::Listing(path) | Place::Opaque(path) => path,
        Place::Root => panic!("{encoded}"),
    }
}

fn order(upstream: &Upstream, encoded: &str) -> Vec<usize> {
    let request = Request::new(Method::Get, Kind::File, &path(encoded), String::new());
    upstream.order(&request)
}

#[test]
fn sources_that_failed_are_asked_last_in_the_order_given() {
    let upstream = upstream(&["http://a.example", "http://b.example", "http://c.example"]);
    assert_eq!(order(&upstream, "/d/a"), [0, 1, 2]);
    upstream.demote(0, Duration::ZERO);
    assert_eq!(order(&upstream, "/d/a"), [1, 2, 0]);
    upstream.demote(1, Duration::ZERO);
    assert_eq!(order(&upstream, "/d/a"), [2, 0, 1]);
    for number in 0..3 {
        upstream.demote(number, Duration::ZERO);
    }
    assert_eq!(order(&upstream, "/d/a"), [0, 1, 2]);
}

#[test]
fn a_name_has_sources_and_an_order_of_its_own() {
    let upstream = upstream(&[
        "http://a.example",
        "debian=http://b.example",
        "c++=http://c.example",
        "debian=http://d.example",
        "http://e.example",
    ]);
    for (encoded, numbers) in [
        ("/a.tar", vec![0, 4]),
        ("/debian/a.deb", vec![1, 3]),
        ("/debian/", vec![1, 3]),
        ("//./%64ebian//a.deb", vec![1, 3]),
        ("/debian", vec![1, 3]),
        ("/Debian/a.deb", vec![0, 4]),
        ("/debian-security/a.deb", vec![0, 4]),
        ("/x/debian/a.deb", vec![0, 4]),
        ("/debian%2fa.deb", vec![0, 4]),
        ("/debian/@a%2fb", vec![1, 3]),
        ("/c++/a", vec![2]),
        ("/c%2B%2b/a", vec![2]),
    ] {
        assert_eq!(order(&upstream, encoded), numbers, "{encoded}");
    }
    upstream.demote(1, Duration::ZERO);
    assert_eq!(order(&upstream, "/debian/a.deb"), [3, 1]);
    assert_eq!(order(&upstream, "/a.tar"), [0, 4]);
}

#[test]
fn without_sources_for_a_path_there_is_nobody_to_ask() {
    let upstream = upstream(&["debian=http://a.example"]);
    assert_eq!(order(&upstream, "/a/debian"), []);
    for (encoded, served, is_name) in [
        ("/debian/a", true, false),
        ("/debian", true, true),
        ("/debian/", true, true),
        ("/arch/a", false, false),
        ("/arch", false, false),
    ] {
        let path = path(encoded);
        let said = (upstream.has_sources(&path), upstream.is_name(&path));
        assert_eq!(said, (served, is_name), "{encoded}");
    }
}

//! What keeps the program from starting, and `--check`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use crate::support::{CacheDir, Daemon, Fake, LIMIT, program};

use super::{assert_fails, run};

#[test]
fn a_port_in_use_is_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let cache = CacheDir::new();
    let path = cache.path();
    let cache = path.to_str().unwrap();
    for check in [&[][..], &["--check"]] {
        let args = ["--host", "127.0.0.1", "--port", &port, "--cache", cache];
        assert_fails(&[&args, check].concat(), 1, &[&port]);
    }
}

#[test]
fn a_host_that_is_not_ours_is_1() {
    let cache = CacheDir::new();
    let path = cache.path();
    assert_fails(
        &[
            "--host",
            "192.0.2.1",
            "--port",
            "0",
            "--cache",
            path.to_str().unwrap(),
        ],
        1,
        &["192.0.2.1"],
    );
}

#[test]
fn an_unusable_cache_is_1() {
    let cache = CacheDir::new();
    cache.put("plain", b"a file", 1);
    symlink("nowhere/at/all", cache.file("dangling")).unwrap();
    for name in ["plain", "plain/below", "dangling"] {
        let path = cache.file(name);
        let path = path.to_str().unwrap();
        for check in [&[][..], &["--check"]] {
            let args = ["--host", "127.0.0.1", "--port", "0", "--cache", path];
            assert_fails(&[&args, check].concat(), 1, &[path]);
        }
    }
}

#[test]
fn check_says_yes_and_creates_nothing() {
    let cache = CacheDir::new();
    let missing = cache.file("not/yet/there");
    for path in [&cache.path(), &missing] {
        let (code, stdout, stderr) = run(&[
            "--check",
            "--host=127.0.0.1",
            "--port=0",
            "--source=http://127.0.0.1:1/",
            "--cache",
            path.to_str().unwrap(),
        ]);
        assert_eq!(code, 0, "{stdout}{stderr}");
    }
    assert!(cache.walk().is_empty(), "{:?}", cache.walk());
}

#[test]
fn an_https_source_needs_openssl() {
    let (cache, nowhere) = (CacheDir::new(), Fake::new(""));
    let there = Fake::new("exit 1");
    let path = cache.path();
    let cache = path.to_str().unwrap();
    for source in [
        "https://mirror.example/pub",
        "debian=https://mirror.example/pub",
    ] {
        let listen = ["--host=127.0.0.1", "--port=0", "--cache", cache];
        let args = [&listen[..], &["--source", source]].concat();
        for check in [&[][..], &["--check"]] {
            let args = [&args, check].concat();
            let mut command = program::program(&args);
            let (code, _, told) = program::run(command.env("PATH", nowhere.path(true)), LIMIT);
            assert_eq!((code, told.lines().count()), (1, 1), "{told}");
            for word in [
                "https://mirror.example/pub",
                "openssl",
                "install it",
                "http://",
            ] {
                assert!(told.contains(word), "{told}");
            }
        }
        let mut command = program::program(&[&args, &["--check"][..]].concat());
        let (code, _, told) = program::run(command.env("PATH", there.path(true)), LIMIT);
        assert_eq!((code, told.as_str()), (0, ""));
    }
}

#[test]
fn a_missing_cache_directory_is_created() {
    let cache = CacheDir::new();
    fs::remove_dir(cache.path()).unwrap();
    let _daemon = Daemon::on(&cache).start();
    assert!(cache.path().is_dir());
}

//! The command line: help, usage errors, start-up failures, `--check`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use crate::support::{CacheDir, Client, Daemon, LIMIT, program};

/// Runs the program to its end: exit status, standard output, standard error.
#[track_caller]
fn run(args: &[&str]) -> (i32, String, String) {
    program::run(&mut program::program(args), LIMIT)
}

/// The program must refuse in one line that says all of `words`.
#[track_caller]
fn assert_fails(args: &[&str], code: i32, words: &[&str]) {
    let (status, stdout, stderr) = run(args);
    assert_eq!(status, code, "{args:?}: {stderr}");
    assert_eq!(stdout, "", "{args:?}");
    assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: no {word:?} in {stderr}");
    }
}

const OPTIONS: [&str; 12] = [
    "--source",
    "--cache",
    "--host",
    "--port",
    "--verbose",
    "--syslog",
    "--timeout",
    "--min-free",
    "--max-connections",
    "--check",
    "--version",
    "--help",
];

#[test]
fn help_names_every_option_and_default() {
    let (code, help, stderr) = run(&["--help"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for word in OPTIONS
        .iter()
        .chain(&["/tmp/package-cache", "localhost", "4000", "30", "1024"])
    {
        assert!(help.contains(word), "no {word} in the help");
    }
    assert!(
        help.lines().all(|line| line.chars().count() <= 80),
        "wider than 80 columns"
    );
    assert!(help.contains("-v") && help.contains("256M"));
    assert!(help.contains("package-cache cull --help"));
    let (code, help, stderr) = run(&["cull", "--help"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(help.contains("--unused-for AGE"), "{help}");
}

#[test]
fn version_is_that_of_the_package() {
    let expected = format!("package-cache {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]), (0, expected, String::new()));
}

#[test]
fn help_and_version_win_over_what_follows() {
    assert_eq!(run(&["--help", "--no-such"]).0, 0);
    assert_eq!(run(&["--port", "0", "--version", "surplus"]).0, 0);
}

#[test]
fn usage_errors_are_one_line_and_2() {
    for (args, words) in [
        (&["--no-such"][..], &["--no-such"][..]),
        (&["-x"], &["-x"]),
        (&["surplus"], &["surplus"]),
        (&["cull"], &["--unused-for", "--max-size", "--min-free"]),
        (&["cull", "--unused-for=6m"], &["--unused-for=6m"]),
        (&["cull", "--max-size=1", "surplus"], &["surplus"]),
        (&["--", "--port"], &["--port"]),
        (&["--port"], &["--port"]),
        (&["--port", "many"], &["--port", "many"]),
        (&["--port=65536"], &["65536"]),
        (&["--port=-1"], &["-1"]),
        (&["--timeout=0"], &["--timeout"]),
        (&["--timeout=soon"], &["soon"]),
        (&["--max-connections=0"], &["--max-connections"]),
        (&["--max-connections=10001"], &["10001"]),
        (&["--min-free=much"], &["much"]),
        (&["--min-free=99999999999T"], &["99999999999T"]),
        (&["--cache="], &["--cache"]),
        (&["--host="], &["--host"]),
        (&["--verbose=2"], &["--verbose"]),
        (
            &["--source=ftp://mirror.example/"],
            &["ftp://mirror.example/"],
        ),
        (&["--source=mirror.example"], &["mirror.example"]),
        (&["--source=http://"], &["http://"]),
        (
            &["--source=http://u:p@mirror.example/"],
            &["mirror.example"],
        ),
        (&["--source=http://mirror.example/?a=b"], &["?a=b"]),
        (&["--source=http://mirror.example/#part"], &["#part"]),
        (&["--source=http://mirror.example:0/"], &[":0"]),
        (&["--source=http://mirror.example:65536/"], &["65536"]),
    ] {
        assert_fails(args, 2, words);
    }
}

#[test]
fn an_https_source_is_told_what_to_do() {
    assert_fails(
        &["--source", "https://mirror.example/"],
        2,
        &["https://mirror.example/", "TLS", "http://"],
    );
}

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
    assert_fails(
        &["--check", "--source=https://mirror.example/"],
        2,
        &["TLS"],
    );
}

#[test]
fn a_missing_cache_directory_is_created() {
    let cache = CacheDir::new();
    fs::remove_dir(cache.path()).unwrap();
    let _daemon = Daemon::on(&cache).start();
    assert!(cache.path().is_dir());
}

#[test]
fn every_address_of_a_name_is_listened_on() {
    let cache = CacheDir::new();
    let daemon = Daemon::on(&cache).arg("--host=localhost").start();
    assert_ne!(daemon.address().port(), 0);
    daemon.get("/none.tar").assert_error(404);
    let port = format!(":{}/", daemon.address().port());
    // One line an address, one port for all; a family that the host lacks is a warning.
    let lines = daemon.logged("listening on ");
    assert!(lines.iter().all(|line| line.ends_with(&port)), "{lines:?}");
}

#[test]
fn ipv6_works_where_the_host_has_it() {
    let cache = CacheDir::new();
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let daemon = Daemon::on(&cache).arg("--host").arg("::1").start();
    assert!(daemon.address().is_ipv6());
    daemon.get("/none.tar").assert_error(404);
}

#[test]
fn the_unspecified_address_of_ipv6_is_dual_stack() {
    let cache = CacheDir::new();
    if TcpListener::bind("[::]:0").is_err() {
        return;
    }
    let daemon = Daemon::on(&cache).arg("--host=::").start();
    let address = ([127, 0, 0, 1], daemon.address().port()).into();
    Client::connect(address).get("/none.tar").assert_error(404);
}

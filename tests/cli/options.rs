//! Help, version and usage errors.

use std::fs::File;
use std::process::Command;

use super::{assert_fails, run};
use crate::support::PROGRAM;

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
    assert!(help.contains("package-cache verify --help"));
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
        (&["verify"], &["--manifests", "/var/db/repos/gentoo"]),
        (&["verify", "--manifests=r", "surplus"], &["surplus"]),
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
fn no_password_is_ever_printed() {
    let told = |args: &[&str], proxy: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(args).env("http_proxy", proxy);
        command.env_remove("https_proxy");
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{args:?}");
        assert!(!text.contains("secret"), "{args:?} {proxy}: {text}");
        text
    };
    for url in [
        "http://user:secret@host/",
        "http://user:se/secret@host/",
        "https://user:secret@host",
        "user:secret@host",
    ] {
        let text = told(&["--check", &format!("--source={url}")], "");
        assert!(text.contains("@host"), "{text}");
        told(&["--check", "--source", url], "");
    }
    let url = "http://user:secret@host/";
    for args in [
        [url].as_slice(),
        &["--host", url],
        &["-x", url],
        &["--sauce", url],
        &["--port", url],
    ] {
        told(args, "");
    }
    for proxy in [
        "https://user:secret@proxy:3128",
        "http://user:secret@proxy:no",
        "user:secret@",
        "socks5://user:se@secret@proxy",
    ] {
        let text = told(&["--check"], proxy);
        assert!(text.contains("http_proxy=") && text.contains("@"), "{text}");
        let mut command = Command::new(PROGRAM);
        let command = command.arg("--check").env("http_proxy", "");
        let output = command.env("https_proxy", proxy).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            text.contains("https_proxy=") && !text.contains("secret"),
            "{text}"
        );
    }
}

#[test]
fn a_help_that_cannot_be_written_is_a_failure() {
    for args in [&["--help"][..], &["--version"], &["cull", "--help"]] {
        let help = Command::new(PROGRAM)
            .args(args)
            .stdout(File::create("/dev/full").unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8(help.stderr).unwrap();
        assert_eq!(help.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("cannot print: No space left"), "{said}");
    }
}

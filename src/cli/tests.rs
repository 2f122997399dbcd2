use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::*;
use crate::cache::Glob;
use crate::serve::Options;
use crate::store;
use crate::upstream::Source;

/// What usage errors say.
mod messages;

fn parsed(args: &[&str]) -> Result<Command, UsageError> {
    parse(args.iter().map(OsString::from))
}

fn served(args: &[&str]) -> Options {
    match parsed(args) {
        Ok(Command::Serve(options)) => options,
        other => panic!("{args:?}: {other:?}"),
    }
}

/// The message of a usage error, which must be one line, lower case, without a full stop.
fn refused(args: &[&str]) -> String {
    let message = parsed(args).expect_err(&args.join(" ")).to_string();
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(
        !message.ends_with('.') && message.contains(": "),
        "{message}"
    );
    message
}

#[test]
fn defaults() {
    let options = served(&[]);
    assert_eq!(options, Options::default());
    assert_eq!(options.sources, []);
    assert_eq!(options.cache, Path::new("/tmp/package-cache"));
    assert_eq!((options.host.as_str(), options.port), ("localhost", 4000));
    assert_eq!((options.level, options.sink), (Level::Notice, Sink::Stderr));
    assert_eq!(options.timeout, Duration::from_secs(30));
    assert_eq!(
        (options.min_free, options.max_connections),
        (MinFree::Default, 1024)
    );
    assert!(store::is_default_root(&options.cache));
    assert_eq!(served(&["--"]), options);
}

#[test]
fn every_option_in_both_forms() {
    let apart = [
        "--source",
        "http://a.example/x",
        "--source",
        "debian=http://b.example",
        "--cache",
        "/srv/c",
        "--host",
        "::1",
        "--port",
        "0",
        "--verbose",
        "--syslog",
        "--revalidate",
        "*/layout.conf",
        "--manifests",
        "/r/gentoo",
        "--timeout",
        "86400",
        "--min-free",
        "2G",
        "--max-connections",
        "10000",
        "--allow",
        "2001:db8::/32",
        "--no-status",
    ];
    let joined = [
        "--source=http://a.example/x",
        "--source=debian=http://b.example",
        "--cache=/srv/c",
        "--host=::1",
        "--port=0",
        "-v",
        "--syslog",
        "--revalidate=*/layout.conf",
        "--manifests=/r/gentoo",
        "--timeout=86400",
        "--min-free=2G",
        "--max-connections=10000",
        "--allow=2001:db8::/32",
        "--no-status",
        "--",
    ];
    let expected = Options {
        sources: vec![
            Source::parse("http://a.example/x").unwrap(),
            Source::parse("debian=http://b.example").unwrap(),
        ],
        cache: PathBuf::from("/srv/c"),
        host: String::from("::1"),
        port: 0,
        level: Level::Info,
        sink: Sink::Syslog,
        revalidate: vec![Glob::parse("*/layout.conf").unwrap()],
        manifests: vec![PathBuf::from("/r/gentoo")],
        timeout: Duration::from_secs(86_400),
        min_free: MinFree::Bytes(2 << 30),
        max_connections: 10_000,
        allow: vec![value::parse_network("2001:db8::/32").unwrap()],
        status: false,
    };
    assert_eq!(served(&apart), expected);
    assert_eq!(served(&joined), expected);
    let checked = parsed(&[apart.as_slice(), &["--check"]].concat());
    assert_eq!(checked, Ok(Command::Check(expected)));
}

#[test]
fn options_repeat() {
    let options = served(&[
        "--port=1",
        "--source=http://a.example",
        "--port=2",
        "--source",
        "http://b.example",
        "--cache=/a",
        "--cache=/b",
        "-vv",
        "--verbose",
        "-v",
    ]);
    let sources = options.sources.iter();
    let sources: Vec<_> = sources.map(|source| source.url.to_string()).collect();
    assert_eq!(sources.len(), 2);
    assert!(sources[0].contains("a.example") && sources[1].contains("b.example"));
    assert_eq!((options.port, options.level), (2, Level::Debug));
    assert_eq!(options.cache, Path::new("/b"));
    assert_eq!(
        served(&[format!("-{}", "v".repeat(999)).as_str()]).level,
        Level::Debug
    );
}

#[test]
fn help_and_version_win_over_what_follows() {
    let help = || Ok(Command::Print(help::SERVE.text()));
    let version = || Ok(Command::Print(help::version()));
    assert_eq!(parsed(&["--help"]), help());
    assert_eq!(parsed(&["-h"]), help());
    assert_eq!(parsed(&["-vh"]), help());
    assert_eq!(parsed(&["--version"]), version());
    assert_eq!(parsed(&["--port=1", "--help", "--bogus"]), help());
    assert_eq!(parsed(&["--version", "--help", "cull"]), version());
    refused(&["--bogus", "--help"]);
    refused(&["--port", "--help"]);
    refused(&["--", "--help"]);
}

#[test]
fn hosts() {
    for (given, host) in [
        ("localhost", "localhost"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("cache.example.", "cache.example."),
    ] {
        assert_eq!(served(&["--host", given]).host, host);
    }
    for given in [
        "http://localhost/",
        "localhost:80",
        "1.2.3.4:80",
        "[::1]:80",
        "[a]",
        "a b",
        "[",
        "fe80::1%eth0]:80",
        "fe80::1%eth0/",
        "fe80::1%eth 0",
    ] {
        assert!(refused(&["--host", given]).contains(given));
    }
}

#[test]
fn numbers() {
    for (option, good, bad) in [
        (
            "--port",
            ["0", "4000", "65535"],
            ["65536", "-1", "+1", "1.5"],
        ),
        (
            "--timeout",
            ["1", "30", "86400"],
            ["0", "86401", "30s", "0x1e"],
        ),
        (
            "--max-connections",
            ["1", "0100", "10000"],
            ["0", "10001", "1k", "99999999999999999999"],
        ),
    ] {
        for value in good {
            served(&[option, value]);
        }
        for value in bad {
            let message = refused(&[format!("{option}={value}").as_str()]);
            assert!(
                message.starts_with(&format!("{option}={value}: give a")),
                "{message}"
            );
        }
    }
}

#[test]
fn a_size() {
    assert!(refused(&["--min-free=1.5G"]).contains("--min-free=1.5G: "));
    assert_eq!(served(&["--min-free", "0"]).min_free, MinFree::Bytes(0));
}

#[test]
fn bytes_that_are_not_utf8() {
    let with = |prefix: &str| OsString::from_vec([prefix.as_bytes(), b"\xff\xfe"].concat());
    let Ok(Command::Serve(options)) = parse([with("--cache=/srv/")]) else {
        panic!()
    };
    assert_eq!(options.cache.as_os_str().as_bytes(), b"/srv/\xff\xfe");
    for prefix in [
        "--host=",
        "--source=http://a/",
        "--port=",
        "--min-free=",
        "--",
        "-",
        "",
    ] {
        let message = parse([with(prefix)]).unwrap_err().to_string();
        assert!(message.contains('\u{fffd}'), "{message}");
    }
}

#[test]
fn usage_names_every_option_and_fits() {
    let usage = help::SERVE.text();
    assert!(usage.lines().all(|line| line.len() <= 80));
    assert!(usage.ends_with('\n') && usage.is_ascii());
    let mut named: Vec<_> = usage
        .split(|c: char| !c.is_ascii_alphabetic() && c != '-')
        .filter_map(|word| word.strip_prefix("--").filter(|name| !name.is_empty()))
        .collect();
    named.sort_unstable();
    named.dedup();
    let known = [
        "allow",
        "cache",
        "check",
        "help",
        "host",
        "manifests",
        "max-connections",
        "min-free",
        "no-status",
        "port",
        "revalidate",
        "source",
        "syslog",
        "timeout",
        "verbose",
        "version",
    ];
    assert_eq!(named, known);
    for name in known {
        let value = match name {
            "source" => "http://a.example",
            "allow" => "::1",
            _ => "1",
        };
        let plain = parsed(&[&format!("--{name}")]).is_ok();
        let valued = parsed(&[&format!("--{name}={value}")]).is_ok();
        assert!(plain != valued, "{name}");
    }
    let defaults = served(&[]);
    for default in [
        format!("(default: {})", store::DEFAULT_ROOT),
        format!("(default: {})", defaults.host),
        format!("(default: {})", defaults.port),
        format!("(default: {})", defaults.timeout.as_secs()),
        format!("(default: {})", defaults.max_connections),
    ] {
        assert!(usage.contains(&default), "{default}");
    }
    assert!(help::version().starts_with("package-cache 1."));
}

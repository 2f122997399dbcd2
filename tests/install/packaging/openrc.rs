//! The OpenRC service and the cron snippet, sourced among stubs of OpenRC's commands and su.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{commented, project, run};

/// Sources the init script after `settings`, then runs `rest`; commands of OpenRC and su are echoed.
fn service(settings: &str, rest: &str) -> String {
    // Files that a pattern would become, if the shell expanded it.
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("distfiles")).unwrap();
    for name in ["distfiles/layout.conf", "a.db", "*.files"] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    let stubs = "eerror() { echo \"eerror: $*\"; }; id() { echo portage; }
        su() { printf 'su:'; printf ' <%s>' \"$@\"; echo; }
        checkpath() { echo \"checkpath: $*\"; }
        mkdir() { :; }
        words() { for word; do printf '<%s>\\n' \"$word\"; done; }
        RC_SVCNAME=package-cache";
    let script = format!("{stubs}\n{settings}\n. \"$1\"\n{rest}");
    let init = project("contrib/openrc/init.d/package-cache.in");
    run("sh", directory.path(), &script, &[init.to_str().unwrap()]).unwrap()
}

/// The arguments that the supervisor would hand over, as OpenRC evaluates them.
fn arguments(settings: &str) -> Vec<String> {
    let said = service(settings, "eval \"words ${command_args}\"");
    said.lines()
        .map(|line| line.trim_matches(['<', '>']).to_owned())
        .collect()
}

/// The values that follow an option.
fn values<'a>(arguments: &'a [String], option: &str) -> Vec<&'a str> {
    let pairs = arguments.windows(2);
    pairs
        .filter(|pair| pair[0] == option)
        .map(|pair| pair[1].as_str())
        .collect()
}

#[test]
fn the_service_without_settings() {
    let given = arguments("");
    assert_eq!(given[0], "--syslog");
    assert_eq!(values(&given, "--cache"), ["/var/cache/package-cache"]);
    assert_eq!(values(&given, "--host"), ["0.0.0.0"]);
    assert_eq!(values(&given, "--port"), ["4000"]);
    assert_eq!(values(&given, "--source"), ["http://distfiles.gentoo.org"]);
    assert!(values(&given, "--revalidate").contains(&"@gentoo"));
    assert!(values(&given, "--allow").is_empty());
}

#[test]
fn the_settings_reach_the_program_as_they_are() {
    let given = arguments(
        "CACHE_DIR=\"/srv/the user's cache\" HOST=:: PORT=80 PC_OPTS='-v --min-free \"1 G\"'
        SOURCES='http://a.example  b=http://b.example/x?' REVALIDATE='*.db *.files' ALLOW='10.0.0.0/8  2001:db8::/32'
        MANIFESTS='/var/db/repos/gentoo  /srv/overlay'",
    );
    let expected = [
        "--syslog",
        "--cache",
        "/srv/the user's cache",
        "--host",
        "::",
        "--port",
        "80",
        "--source",
        "http://a.example",
        "--source",
        "b=http://b.example/x?",
        "--revalidate",
        "*.db",
        "--revalidate",
        "*.files",
        "--manifests",
        "/var/db/repos/gentoo",
        "--manifests",
        "/srv/overlay",
        "--allow",
        "10.0.0.0/8",
        "--allow",
        "2001:db8::/32",
        "-v",
        "--min-free",
        "1 G",
    ];
    assert_eq!(given, expected);
    assert!(values(&arguments("REVALIDATE="), "--revalidate").is_empty());
    assert!(values(&arguments("MANIFESTS="), "--manifests").is_empty());
}

#[test]
fn the_commented_settings_are_the_defaults() {
    let script = fs::read_to_string(project("contrib/openrc/init.d/package-cache.in")).unwrap();
    for name in [
        "PC_USER",
        "PC_GROUP",
        "CACHE_DIR",
        "HOST",
        "PORT",
        "SOURCES",
        "REVALIDATE",
    ] {
        let commented = commented();
        let (_, shown) = commented.iter().find(|(shown, _)| shown == name).unwrap();
        let assigned = [":=", "="].map(|assign| format!("\"${{{name}{assign}{shown}}}\""));
        assert!(
            assigned.iter().any(|text| script.contains(text)),
            "{name}={shown}"
        );
    }
    // The unit cannot read conf.d, which is shell.
    let unit = fs::read_to_string(project("contrib/systemd/package-cache.service.in")).unwrap();
    let given: Vec<_> = unit
        .lines()
        .find(|line| line.starts_with("Environment=\"PC_OPTS="))
        .unwrap()
        .trim_end_matches('"')
        .split(' ')
        .map(str::to_owned)
        .collect();
    let commented = commented();
    let (_, patterns) = commented
        .iter()
        .find(|(name, _)| name == "REVALIDATE")
        .unwrap();
    assert_eq!(values(&given, "--revalidate").join(" "), *patterns);
}

#[test]
fn the_settings_are_checked_before_a_start_and_an_old_cache_keeps_its_owner() {
    let started = service("CACHE_DIR=/nonexistent/cache", "start_pre");
    let mut lines = started.lines();
    assert_eq!(
        lines.next(),
        Some("checkpath: -d -m 0755 -o package-cache:portage /nonexistent/cache")
    );
    let check = lines.next().unwrap();
    assert!(
        check.starts_with("su: <-s> </bin/sh> <-c> <exec @BINDIR@/package-cache --check --syslog "),
        "{check}"
    );
    assert!(check.ends_with(" <package-cache>"), "{check}");
    let started = service("CACHE_DIR=/", "start_pre");
    assert!(!started.contains("checkpath"), "{started}");
    // Only where PC_GROUP is not the user's own must su be told.
    let started = service("CACHE_DIR=/ PC_GROUP=www", "start_pre");
    assert!(started.starts_with("su: <-g> <www> "), "{started}");
    let started = service(
        "CACHE_DIR=/",
        "id() { return 1; }; start_pre || echo refused",
    );
    assert!(
        started.contains("useradd -r -g portage") && started.ends_with("refused\n"),
        "{started}"
    );
}

#[test]
fn the_directories_above_a_new_cache_are_made_and_are_roots() {
    let made = service(
        "CACHE_DIR=\"$PWD/var/a b/cache/\"",
        "unset -f mkdir; command mkdir -m 0700 var; umask 077
        make_cache && stat -c '%a %n' var 'var/a b'; umask
        [ -e 'var/a b/cache' ] || echo the last one is made by checkpath",
    );
    let lines: Vec<_> = made.lines().collect();
    assert!(
        lines[0].starts_with("checkpath: -d -m 0755 -o package-cache:portage /")
            && lines[0].ends_with("/var/a b/cache/"),
        "{made}"
    );
    // What was there stays as it was.
    let expected = [
        "700 var",
        "755 var/a b",
        "0077",
        "the last one is made by checkpath",
    ];
    assert_eq!(lines[1..], expected);
    let failed = "mkdir() { return 1; }; make_cache || echo refused";
    assert_eq!(service("CACHE_DIR=/nonexistent/a/b", failed), "refused\n");
}

#[test]
fn a_restart_checks_the_settings_before_it_stops_what_runs() {
    assert_eq!(service("RC_CMD=stop", "stop_pre"), "");
    let checked = service("RC_CMD=restart PC_OPTS=-v", "stop_pre");
    assert!(
        checked.contains("--check --syslog ") && checked.contains(" -v --port 0> "),
        "{checked}"
    );
    // A new cache directory is made first, as at the start.
    assert!(checked.starts_with("checkpath: -d "), "{checked}");
    for fails in ["su", "checkpath", "id"] {
        let refused = service(
            "RC_CMD=restart",
            &format!("{fails}() {{ return 2; }}; stop_pre || echo refused"),
        );
        assert!(refused.ends_with("refused\n"), "{fails}: {refused}");
    }
}

#[test]
fn cull_takes_its_bounds_from_the_settings() {
    let culled = service("CACHE_DIR='/a b' PC_CULL='--unused-for 180d'", "cull");
    assert_eq!(
        culled,
        "su: <-s> </bin/sh> <-c> <exec @BINDIR@/package-cache cull --cache '/a b' \
         --unused-for 180d> <package-cache>\n"
    );
    let refused = service("", "cull || echo refused");
    assert!(
        refused.contains("PC_CULL is empty: say in /etc/conf.d/package-cache")
            && refused.ends_with("refused\n"),
        "{refused}"
    );
}

#[test]
fn only_silence_to_three_questions_is_ill_health() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    let ask = |settings: &str, answer: &str| {
        fs::write(
            &program,
            format!("#!/bin/sh\necho \"$@\" >>\"$0.log\"\n{answer}\n"),
        )
        .unwrap();
        fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let log = directory.path().join("program.log");
        fs::write(&log, "").unwrap();
        let run = format!(
            "sleep() {{ :; }}; command={}; healthcheck || echo ill",
            program.display()
        );
        (service(settings, &run), fs::read_to_string(log).unwrap())
    };
    let question = "status --host 0.0.0.0 --port 4000\n";
    let silent = "echo 'no package-cache answers at x:1: timed out; see --host' >&2; exit 1";
    assert_eq!(ask("", "echo well"), (String::new(), question.to_owned()));
    assert_eq!(ask("", silent), ("ill\n".to_owned(), question.repeat(3)));
    // It answers, though not that: --no-status, --allow.
    let refusal = "echo 'it shows no status: it is old, or has --no-status' >&2; exit 1";
    assert_eq!(ask("", refusal), (String::new(), question.to_owned()));
    let elsewhere = ask("PC_OPTS='-v --port 80'", silent);
    assert_eq!(elsewhere, (String::new(), String::new()));
    let asked = ask("HOST=:: PORT=81", "exit 0").1;
    assert_eq!(asked, "status --host :: --port 81\n");
}

#[test]
fn cron_culls_every_instance_that_says_what_may_go() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("package-cache", "PORT=4000\n"),
        ("package-cache.debian", "PC_CULL='--max-size 1G'\n"),
        ("package-cache.off", "PC_CULL=\n"),
        ("package-cache.gone", "PC_CULL='--max-size 1G'\n"),
    ] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let script = "PACKAGE_CACHE_CONF=$PWD
        rc-service() { case $* in *--exists*gone) return 1 ;; *--exists*) ;; *) echo \"$@\" ;; esac; }
        . \"$1\"";
    let cron = project("contrib/cron/package-cache");
    // Not every sh lets a function be named like that.
    let bash = |script: &str| run("bash", directory.path(), script, &[cron.to_str().unwrap()]);
    let Some(said) = bash(script) else { return };
    assert_eq!(said, "package-cache.debian cull\n");
    // What the common file says holds for all.
    fs::write(
        directory.path().join("package-cache"),
        "PC_CULL='--unused-for 1d'\n",
    )
    .unwrap();
    let expected = "package-cache cull\npackage-cache.debian cull\n";
    assert_eq!(bash(script).unwrap(), expected);
}

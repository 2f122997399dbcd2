//! What runs the program: the OpenRC service and its settings, cron, the units, the ebuilds, the
//! completion. Each is sourced by a shell in which everything around it is a stub.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What `script` prints, run in `directory` with `args`; none where the shell is missing.
fn run(shell: &str, directory: &Path, script: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(shell);
    command.args(["-c", script, shell]).args(args);
    // Only the script says what is set.
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    let output = match command.current_dir(directory).stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => panic!("{shell}: {error}"),
    };
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success() && err.is_empty(),
        "{script}\n{out}\n{err}"
    );
    Some(out.into_owned())
}

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

/// The commented assignments of conf.d: name and value, in their order.
fn commented() -> Vec<(String, String)> {
    let shipped = fs::read_to_string(project("contrib/openrc/conf.d/package-cache")).unwrap();
    let assignment = |line: &str| {
        let (name, value) = line.strip_prefix('#')?.split_once("=\"")?;
        let value = value.strip_suffix('"')?;
        (!name.contains(' ')).then(|| (name.to_owned(), value.to_owned()))
    };
    shipped.lines().filter_map(assignment).collect()
}

/// The commented values of REVALIDATE: Portage, rebuilt packages, apt, pacman.
fn patterns() -> [Vec<String>; 4] {
    let all = commented().into_iter();
    let lists: Vec<_> = all
        .filter(|(name, _)| name == "REVALIDATE")
        .map(|(_, value)| value.split(' ').map(str::to_owned).collect())
        .collect();
    lists.try_into().unwrap()
}

#[test]
fn the_service_without_settings() {
    let given = arguments("");
    assert_eq!(given[0], "--syslog");
    assert_eq!(values(&given, "--cache"), ["/var/cache/package-cache"]);
    assert_eq!(values(&given, "--host"), ["0.0.0.0"]);
    assert_eq!(values(&given, "--port"), ["4000"]);
    assert_eq!(values(&given, "--source"), ["http://distfiles.gentoo.org"]);
    assert!(values(&given, "--revalidate").contains(&"*/layout.conf"));
}

#[test]
fn the_settings_reach_the_program_as_they_are() {
    let given = arguments(
        "CACHE_DIR=\"/srv/the user's cache\" HOST=:: PORT=80 PC_OPTS='-v --min-free \"1 G\"'
        SOURCES='http://a.example  http://b.example/x?' REVALIDATE='*.db *.files'",
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
        "http://b.example/x?",
        "--revalidate",
        "*.db",
        "--revalidate",
        "*.files",
        "-v",
        "--min-free",
        "1 G",
    ];
    assert_eq!(given, expected);
    assert!(values(&arguments("REVALIDATE="), "--revalidate").is_empty());
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
    assert_eq!(values(&given, "--revalidate"), patterns()[0]);
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
fn a_restart_checks_the_settings_before_it_stops_what_runs() {
    assert_eq!(service("RC_CMD=stop", "stop_pre"), "");
    let checked = service("RC_CMD=restart PC_OPTS=-v", "stop_pre");
    assert!(
        checked.contains("--check --syslog ") && checked.contains(" -v --port 0> "),
        "{checked}"
    );
    let refused = service(
        "RC_CMD=restart",
        "su() { return 2; }; stop_pre || echo refused",
    );
    assert_eq!(refused, "refused\n");
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

/// The first of `patterns` that matches; bash's `*` crosses slashes too.
fn matching(patterns: &[String], path: &str) -> Option<String> {
    let script = "path=$1; shift
        for pattern; do if [[ $path == $pattern ]]; then echo \"$pattern\"; exit; fi; done";
    let mut args = vec![path];
    args.extend(patterns.iter().map(String::as_str));
    run("bash", Path::new("/"), script, &args).filter(|said| !said.is_empty())
}

#[test]
fn the_patterns_match_what_changes_and_nothing_else() {
    if run("bash", Path::new("/"), "true", &[]).is_none() {
        return;
    }
    let [portage, rebuilt, apt, pacman] = patterns();
    let table: [(&[String], &[&str], &[&str]); 4] = [
        (
            &portage,
            &[
                "/distfiles/layout.conf",
                "/layout.conf",
                "/Packages",
                "/binpackages/23.0/x86-64/Packages.gz",
                "/distfiles/timestamp.mirmon",
                "/releases/amd64/autobuilds/latest-stage3-amd64-openrc.txt",
                "/snapshots/gentoo-latest.tar.xz",
                "/snapshots/gentoo-latest.tar.xz.gpgsig",
            ],
            &[
                "/distfiles/6f/small-1.0.tar.gz",
                "/distfiles/ab/mylayout.conf",
                "/snapshots/gentoo-20261121.tar.xz",
                "/binpackages/23.0/x86-64/app-misc/a/a-1-1.gpkg.tar",
                "/releases/amd64/autobuilds/20261115T164555Z/stage3-amd64-openrc-20261115T164555Z.tar.xz",
            ],
        ),
        (
            &rebuilt,
            &["/x/Packages", "/x/a/b-1.tbz2", "/x/a/b-1.gpkg.tar"],
            &["/x/a/b-1.tar.xz"],
        ),
        (
            &apt,
            &[
                "/debian/dists/sid/InRelease",
                "/debian/dists/sid/Release.gpg",
                "/debian/dists/sid/main/binary-amd64/Packages.xz",
                "/flat/Packages",
                "/flat/./Sources.gz",
                "/debian/dists/sid/main/source/Sources.gz",
                "/debian/dists/sid/main/binary-amd64/Packages.diff/Index",
                "/debian/dists/sid/main/Contents-amd64.gz",
                "/debian/dists/sid/main/i18n/Translation-en.bz2",
                "/ubuntu/dists/noble/main/cnf/Commands-amd64.xz",
                "/debian/dists/sid/main/dep11/icons-64x64.tar.gz",
            ],
            &[
                "/debian/pool/main/a/apt/apt_2.6.1_amd64.deb",
                "/debian/dists/sid/main/binary-amd64/by-hash/SHA256/0f3a",
                "/debian/dists/sid/main/binary-amd64/Packages.diff/by-hash/SHA256/0f3a",
                "/debian/dists/sid/main/Contents-amd64.diff/by-hash/SHA256/0f3a",
                "/debian/dists/sid/main/i18n/by-hash/SHA256/0f3a",
            ],
        ),
        (
            &pacman,
            &[
                "/core/os/x86_64/core.db",
                "/core/os/x86_64/core.db.sig",
                "/core/os/x86_64/core.files",
                "/core/os/x86_64/core.files.sig",
            ],
            &[
                "/core/os/x86_64/linux-6.1-1-x86_64.pkg.tar.zst",
                "/core/os/x86_64/linux-6.1-1-x86_64.pkg.tar.zst.sig",
            ],
        ),
    ];
    for (patterns, changing, fixed) in table {
        for path in changing {
            assert!(matching(patterns, path).is_some(), "{path}: {patterns:?}");
        }
        for path in fixed {
            assert_eq!(matching(patterns, path), None, "{path}");
        }
    }
}

#[test]
fn the_ebuilds_install_what_is_there() {
    // Each file that a helper installs is printed; variables and eclasses are as Portage has them.
    let stubs = r#"set -eu -o pipefail
        die() { echo "died: $*"; exit 1; }; inherit() { :; }; default() { :; }; einfo() { :; }
        cargo_target_dir() { echo target/release; }; cargo_src_unpack() { :; }; docinto() { :; }
        acct-user_add_deps() { echo "group ${ACCT_USER_GROUPS[*]}"; }
        dobin() { echo "program $*"; }
        for one in doman dodoc dobashcomp systemd_dounit; do
            eval "$one() { for file; do echo \"file \$file\"; done; }"
        done
        for one in newinitd newconfd systemd_newunit; do
            eval "$one() { [[ \$# -eq 2 ]] || die $one; echo \"file \$1\"; }"
        done
        P=package-cache-$2 PV=$2 PN=package-cache EPREFIX= S=$3 WORKDIR=$3/work
        PACKAGE_CACHE_SOURCE=$4
        source "$1"
        if [[ $(type -t src_install) == function ]]; then
            [[ $PV == 9999 ]] || cp -R "$4"/{Cargo.toml,Cargo.lock,src,tests,contrib,README.md} "$S"
            src_unpack; cd "$S"; src_prepare; src_install; pkg_nofetch
            if grep -rqF @BINDIR@ contrib/openrc contrib/systemd/*.in; then die @BINDIR@; fi
            if grep -q dev-dependencies Cargo.toml; then die dev-dependencies; fi
            grep -q '^\[lints.rust\]' Cargo.toml
        fi
        [[ $EAPI == 8 && -n $DESCRIPTION ]]"#;
    let root = project("");
    let version = env!("CARGO_PKG_VERSION");
    let overlay = "contrib/gentoo/net-proxy/package-cache/package-cache";
    for (ebuild, version) in [
        (format!("{overlay}-9999.ebuild"), "9999"),
        (format!("{overlay}-{version}.ebuild"), version),
        (
            "contrib/gentoo/acct-user/package-cache/package-cache-0.ebuild".to_owned(),
            "0",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (path, source) = (project(&ebuild), directory.path().join("source"));
        fs::create_dir(&source).unwrap();
        let args = [&path, &source, &root].map(|path| path.to_str().unwrap());
        let args = [args[0], version, args[1], args[2]];
        let Some(said) = run("bash", directory.path(), stubs, &args) else {
            return;
        };
        let installed: Vec<_> = said
            .lines()
            .filter_map(|line| line.strip_prefix("file "))
            .collect();
        for file in &installed {
            assert!(project(file).is_file(), "{ebuild} installs {file}");
        }
        match version {
            "0" => assert!(said.starts_with("group portage\n"), "{said}"),
            _ => assert_eq!(installed.len(), 9, "{ebuild}: {said}"),
        }
    }
    let text = |version: &str| fs::read_to_string(project(&format!("{overlay}-{version}.ebuild")));
    assert_eq!(text(version).unwrap(), text("9999").unwrap());
}

/// What the completion offers for a command line whose last word is being typed.
fn completed(words: &[&str]) -> Option<Vec<String>> {
    let script = "source \"$1\"; shift
        COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1))
        _package_cache 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("cache dir")).unwrap();
    fs::write(directory.path().join("cache file"), "").unwrap();
    let file = project("contrib/completion/package-cache");
    let args = [&[file.to_str().unwrap(), "package-cache"], words].concat();
    let said = run("bash", directory.path(), script, &args)?;
    Some(
        said.lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

#[test]
fn the_completion_knows_options_values_and_the_subcommand() {
    let table: [(&[&str], &[&str]); 13] = [
        (&["--so"], &["--source"]),
        (&["--ver"], &["--verbose", "--version"]),
        (&["--rev"], &["--revalidate"]),
        (&["cu"], &["cull"]),
        (&["cull", "--dr"], &["--dry-run"]),
        (&["cull", "--so"], &[]),
        (&["--cache", "ca"], &["cache dir"]),
        // Readline splits at the equals sign.
        (&["--cache", "=", "ca"], &["cache dir"]),
        (&["--port", "="], &["4000"]),
        (
            &["cull", "--unused-for", "30"],
            &["30h", "30d", "30w", "30y"],
        ),
        (&["--min-free", "1"], &["1K", "1M", "1G", "1T"]),
        (&["-v", "cu"], &[]),
        (&["--", "--so"], &[]),
    ];
    for (words, expected) in table {
        let Some(offered) = completed(words) else {
            return;
        };
        assert_eq!(offered, expected, "{words:?}");
    }
}

/// The long options that the program's help begins a line with.
fn options(args: &[&str]) -> Vec<String> {
    let help = Command::new(crate::support::PROGRAM).args(args).output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let lines = help
        .lines()
        .filter(|line| line.trim_start().starts_with('-'));
    let long = |line: &str| {
        let mut words = line.split_whitespace().take(2);
        words.find(|word| word.starts_with("--")).map(str::to_owned)
    };
    lines.filter_map(long).collect()
}

#[test]
fn the_completion_the_manual_and_the_readme_know_every_option() {
    let read = |path: &str| fs::read_to_string(project(path)).unwrap();
    let (manual, readme) = (read("contrib/man/package-cache.8"), read("README.md"));
    for command in [&[] as &[&str]] {
        let mut known = options(&[command, &["--help"]].concat());
        assert!(known.len() > 5, "{known:?}");
        let Some(mut offered) = completed(&[command, &["--"]].concat()) else {
            return;
        };
        for option in &known {
            let entry = |before: &str| format!("{before}{}", &option[1..]);
            let entries = [entry("\n.It Fl "), entry(" , ")];
            assert!(
                entries.iter().any(|entry| manual.contains(entry)),
                "{option} in the manual"
            );
            assert!(readme.contains(option), "{option} in the README");
        }
        // An example may begin with an option too.
        known.sort();
        known.dedup();
        offered.sort();
        assert_eq!(offered, known, "{command:?}");
    }
}

//! What comes with the program: services, settings, cron, ebuilds, completion, documents. The shell
//! parts are sourced by a shell in which everything around them is a stub.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The README, the guides, the list of changes.
mod documents;
/// The OpenRC service, its settings, cron.
mod openrc;

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
            _ => assert_eq!(
                installed.len(),
                13 + documents::changes_and_guides().len(),
                "{ebuild}: {said}"
            ),
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
    let table: [(&[&str], &[&str]); 16] = [
        (&["--so"], &["--source"]),
        (&["--ver"], &["--verbose", "--version"]),
        (&["--rev"], &["--revalidate"]),
        (&["cu"], &["cull"]),
        (
            &["--revalidate", ""],
            &[
                "@gentoo", "@apt", "@pacman", "@rpm", "@alpine", "@freebsd", "@void",
            ],
        ),
        (&["cull", "--dr"], &["--dry-run"]),
        (&["cull", "--so"], &[]),
        (&["stat"], &["status"]),
        (&["status", "--po"], &["--port"]),
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
        let word = words.find(|word| word.starts_with("--"))?;
        // A value that may be left out stands in brackets.
        word.split('[').next().map(str::to_owned)
    };
    lines.filter_map(long).collect()
}

#[test]
fn the_completion_the_manual_and_the_tables_know_every_option() {
    let read = |path: &str| fs::read_to_string(project(path)).unwrap();
    let manual = read("contrib/man/package-cache.8");
    for (command, table) in [
        (&[] as &[&str], Some("README.md")),
        (&["cull"], Some("contrib/guides/cull.md")),
        (&["status"], None),
    ] {
        let mut known = options(&[command, &["--help"]].concat());
        assert!(known.len() > 4, "{known:?}");
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
            let Some(table) = table else {
                continue;
            };
            let text = read(table);
            let mut rows = text.lines().filter(|line| line.starts_with("| `-"));
            let named = |row: &str| row.contains(&format!("`{option}"));
            assert!(rows.any(named), "{option} in the table of {table}");
        }
        // An example may begin with an option too.
        known.sort();
        known.dedup();
        offered.sort();
        assert_eq!(offered, known, "{command:?}");
    }
}

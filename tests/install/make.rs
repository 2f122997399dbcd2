//! `make install` into a directory of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::PROGRAM;

/// Runs make in the project without a compiler; what it printed, or none where make is missing.
fn make(destination: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("make");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args);
    command
        .arg(format!("DESTDIR={}", destination.display()))
        .arg(format!("BINARY={PROGRAM}"));
    // Installing builds nothing when the program is there.
    command.arg("CARGO=false");
    for name in [
        "MAKEFLAGS",
        "MAKELEVEL",
        "PREFIX",
        "BINDIR",
        "MANDIR",
        "SYSCONFDIR",
    ] {
        command.env_remove(name);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("make: {error}"),
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "make {args:?}: {said}");
    Some(said)
}

/// The files below a directory with their modes.
fn files(root: &Path) -> Vec<(String, u32)> {
    let (mut found, mut left) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let data = fs::symlink_metadata(&path).unwrap();
            if data.is_dir() {
                left.push(path);
            } else {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.push((name, data.permissions().mode() & 0o7777));
            }
        }
    }
    found.sort();
    found
}

/// What `make install` lays out, sorted.
const LAYOUT: [(&str, u32); 5] = [
    ("etc/conf.d/package-cache", 0o644),
    ("etc/init.d/package-cache", 0o755),
    ("usr/bin/package-cache", 0o755),
    ("usr/share/bash-completion/completions/package-cache", 0o644),
    ("usr/share/man/man8/package-cache.8", 0o644),
];

/// What `make install-systemd` lays out in place of the OpenRC service.
const UNITS: [(&str, u32); 4] = [
    ("usr/lib/systemd/system/package-cache-cull.service", 0o644),
    ("usr/lib/systemd/system/package-cache-cull.timer", 0o644),
    ("usr/lib/systemd/system/package-cache.service", 0o644),
    ("usr/lib/sysusers.d/package-cache.conf", 0o644),
];

fn owned(layout: &[(&str, u32)]) -> Vec<(String, u32)> {
    let mut owned: Vec<_> = layout
        .iter()
        .map(|&(name, mode)| (name.to_owned(), mode))
        .collect();
    owned.sort();
    owned
}

#[test]
fn install_lays_out_the_files_and_uninstall_takes_them_away() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    if make(root, &["install"]).is_none() {
        return;
    }
    assert_eq!(files(root), owned(&LAYOUT));
    assert_eq!(
        fs::read(root.join("usr/bin/package-cache")).unwrap(),
        fs::read(PROGRAM).unwrap()
    );

    let script = fs::read_to_string(root.join("etc/init.d/package-cache")).unwrap();
    assert!(script.starts_with("#!/sbin/openrc-run\n"), "{script}");
    assert!(
        script.contains("/usr/bin/package-cache") && !script.contains("@BINDIR@"),
        "{script}"
    );

    make(root, &["uninstall"]);
    assert_eq!(files(root), []);
}

#[test]
fn a_host_with_systemd_gets_units_in_place_of_the_openrc_service() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    if make(root, &["install-systemd"]).is_none() {
        return;
    }
    assert_eq!(files(root), owned(&[&UNITS[..], &LAYOUT[2..]].concat()));
    for (name, _) in UNITS {
        let unit = fs::read_to_string(root.join(name)).unwrap();
        assert!(!unit.contains("@BINDIR@"), "{name}: {unit}");
    }
    let unit = fs::read_to_string(root.join(UNITS[2].0)).unwrap();
    assert!(
        unit.contains("\nExecStart=/usr/bin/package-cache "),
        "{unit}"
    );

    make(root, &["uninstall"]);
    assert_eq!(files(root), []);
}

#[test]
fn an_edited_configuration_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (root, conf) = (directory.path(), directory.path().join(LAYOUT[0].0));
    if make(root, &["install"]).is_none() {
        return;
    }
    fs::write(&conf, "PORT=4001\n").unwrap();
    make(root, &["install"]);
    assert_eq!(fs::read_to_string(&conf).unwrap(), "PORT=4001\n");
    make(root, &["uninstall"]);
    assert_eq!(fs::read_to_string(&conf).unwrap(), "PORT=4001\n");
    assert_eq!(files(root).len(), 1);
}

#[test]
fn the_prefix_reaches_files_and_script() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    if make(
        root,
        &["install", "PREFIX=/opt/pc", "SYSCONFDIR=/opt/pc/etc"],
    )
    .is_none()
    {
        return;
    }
    assert!(
        files(root)
            .iter()
            .all(|(name, _)| name.starts_with("opt/pc/")),
        "{:?}",
        files(root)
    );
    let script = fs::read_to_string(root.join("opt/pc/etc/init.d/package-cache")).unwrap();
    assert!(script.contains("/opt/pc/bin/package-cache"), "{script}");
}

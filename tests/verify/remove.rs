//! What `--remove` takes, and where it is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command as Process, Stdio};

use crate::support::verify::{Repository, dist, verify};
use crate::support::{CacheDir, PROGRAM, Rig, wait_until};

#[test]
fn exactly_the_bad_ones_go() {
    let cache = CacheDir::new();
    let repository = Repository::new(&cache, "gentoo");
    let contents: Vec<_> = (0..20).map(|i| format!("content {i}")).collect();
    let lines = (0..20).map(|i| dist(&format!("{i}.tar"), contents[i].as_bytes()));
    repository.write("app-misc/a", &lines.collect::<String>());
    let name = |i: usize| format!("distfiles/{:02x}/{i}.tar", i * 37 % 256);
    let bad = [3, 8, 19];
    for (i, content) in contents.iter().enumerate() {
        let content = if bad.contains(&i) { "wrong" } else { content };
        cache.put(name(i), content.as_bytes(), 1);
        cache.put(format!("distfiles/unknown-{i}.tar"), b"x", 1);
    }
    fs::hard_link(cache.file(name(3)), cache.file("distfiles/other-name.tar")).unwrap();
    let mut left = cache.walk();
    left.retain(|path| bad.iter().all(|&i| *path != name(i)));

    let (code, stdout, stderr) = verify(&cache.path(), &[&repository.0], &["--remove"]);
    assert_eq!((code, stderr.as_str()), (1, ""), "{stdout}");
    assert_eq!(cache.walk(), left);
    let lines: Vec<_> = stdout.lines().collect();
    let should = |i: usize| format!("{}: 5 bytes, should be {}", name(i), contents[i].len());
    for i in bad {
        let named = |line: &&&str| line.starts_with("removed ") && line.ends_with(&should(i));
        assert_eq!(lines.iter().filter(named).count(), 1, "{stdout}");
    }
    let summary = "good 17 files, 162; bad 3, 3 of them removed; unknown 21";
    assert_eq!((lines.len(), lines[3]), (4, summary));
    // A second run finds nothing.
    let (code, stdout, _) = verify(&cache.path(), &[&repository.0], &["--remove"]);
    assert_eq!((code, stdout.lines().count()), (0, 1), "{stdout}");
}

/// Reading a large file takes long enough to see it open, and to put another in its place.
#[test]
fn a_file_that_is_replaced_while_it_is_read_stays() {
    let cache = CacheDir::new();
    let repository = Repository::new(&cache, "gentoo");
    repository.write(
        "app-misc/a",
        &dist("a.tar", b"the right one").replace(" 13 ", " 33554432 "),
    );
    cache.put("distfiles/a.tar", b"", 1);
    let path = cache.file("distfiles/a.tar").canonicalize().unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(33_554_432).unwrap();
    let new = cache.outside().join("new");
    fs::write(&new, b"the right one").unwrap();
    let mut command = Process::new(PROGRAM);
    command.args(["verify", "--remove", "--cache"]);
    command
        .arg(cache.path())
        .arg("--manifests")
        .arg(&repository.0);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let descriptors = format!("/proc/{}/fd", child.id());
    wait_until("the file is being read", || {
        let open = fs::read_dir(&descriptors).into_iter().flatten().flatten();
        open.into_iter()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == path))
    });
    fs::rename(new, &path).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        said,
        "good 0 files, 0; bad 0; unknown 0; replaced meanwhile 1\n"
    );
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(cache.wait_stored("distfiles/a.tar"), b"the right one");
}

#[test]
fn what_is_no_cache_is_refused_behind_a_link_too() {
    let cache = CacheDir::new();
    let repository = Repository::new(&cache, "gentoo");
    repository.write("app-misc/a", &dist("a.tar", b"abc"));
    for place in [
        "system/etc/x",
        "system/distfiles/a.tar",
        "tree/profiles/repo_name",
        "tree/distfiles/a.tar",
    ] {
        cache.put(format!("../{place}"), b"abx", 1);
    }
    for path in ["/", "/etc", "/usr/lib"] {
        let (code, stdout, stderr) = verify(path.as_ref(), &[&repository.0], &["--remove"]);
        assert_eq!((code, stdout.as_str()), (1, ""));
        assert!(
            stderr.contains("--cache") && stderr.lines().count() == 1,
            "{stderr}"
        );
    }
    for (to, why) in [("system", "holds etc"), ("tree", "ebuild repository")] {
        let link = cache.file("link");
        symlink(cache.outside().join(to), &link).unwrap();
        let (code, stdout, stderr) = verify(&cache.path(), &[&repository.0], &["--remove"]);
        fs::remove_file(&link).unwrap();
        assert_eq!(code, 1);
        assert_eq!(stdout, "good 0 files, 0; bad 0; unknown 0\n");
        assert!(
            stderr.contains(why) && stderr.lines().count() == 1,
            "{stderr}"
        );
        assert!(cache.outside().join(to).join("distfiles/a.tar").exists());
    }
}

#[test]
fn a_file_that_cannot_be_removed_or_read_is_said_and_1() {
    let cache = CacheDir::new();
    let repository = Repository::new(&cache, "gentoo");
    repository.write(
        "app-misc/a",
        &[dist("a.tar", b"abc"), dist("b.tar", b"abc")].concat(),
    );
    cache.put("distfiles/a.tar", b"abx", 1);
    cache.put("distfiles/b.tar", b"abc", 1);
    let open = |path: &str, mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(cache.file(path), permissions).unwrap();
    };
    fs::set_permissions(cache.outside(), fs::Permissions::from_mode(0o755)).unwrap();
    open("distfiles/b.tar", 0o000);
    open("distfiles", 0o555);
    // Root may do all of it, so that another must try.
    let mut command = Process::new(PROGRAM);
    if chown(cache.file("distfiles"), Some(65_534), None).is_ok() {
        command.uid(65_534).gid(65_534);
    }
    let command = command.args(["verify", "--remove", "--cache"]);
    let command = command
        .arg(cache.path())
        .arg("--manifests")
        .arg(&repository.0);
    let output = command.output().unwrap();
    open("distfiles", 0o755);
    let [stdout, stderr] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stdout.starts_with("bad ") && stdout.ends_with("bad 1; unknown 0\n"),
        "{stdout}"
    );
    for said in ["cannot remove ", "cannot verify "] {
        assert_eq!(stderr.matches(said).count(), 1, "{stderr}");
    }
}

#[test]
fn hits_are_served_while_a_verification_runs_and_bad_files_are_fetched_anew() {
    let rig = Rig::start();
    let repository = Repository::new(&rig.cache, "gentoo");
    let names: Vec<_> = (0..100).map(|i| format!("/distfiles/{i}.tar")).collect();
    let lines = names.iter().map(|name| dist(&name[11..], name.as_bytes()));
    repository.write("app-misc/a", &lines.collect::<String>());
    for (i, name) in names.iter().enumerate() {
        rig.origin.file(name, name.as_bytes());
        if i % 10 == 0 {
            rig.cache.put(&name[1..], b"bad", 1);
        } else {
            rig.daemon.get(name).assert_whole(name.as_bytes());
        }
    }
    let mut command = Process::new(PROGRAM);
    command.args(["verify", "--remove", "--cache"]);
    command
        .arg(rig.cache.path())
        .arg("--manifests")
        .arg(&repository.0);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = piped.spawn().unwrap();
    let mut ended = false;
    wait_until("the verification has ended", || {
        for (i, name) in names.iter().enumerate() {
            if i % 10 > 0 {
                rig.daemon.get(name).assert_whole(name.as_bytes());
            }
        }
        ended = ended || running.try_wait().unwrap().is_some();
        ended
    });
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let summary = "bad 10, 10 of them removed; unknown 0\n";
    assert!(
        said.ends_with(summary) && output.stderr.is_empty(),
        "{said}"
    );
    for name in &names {
        rig.daemon.get(name).assert_whole(name.as_bytes());
        rig.cache.assert_stored(&name[1..], name.as_bytes());
    }
    let (code, said, _) = verify(&rig.cache.path(), &[&repository.0], &[]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_closed_stdout_changes_nothing() {
    let cache = CacheDir::new();
    let repository = Repository::new(&cache, "gentoo");
    repository.write("app-misc/a", &dist("a.tar", b"abc"));
    for i in 0..16 {
        cache.put(format!("distfiles/0{i:x}/a.tar"), b"abx", 1);
    }
    let mut child = Process::new(PROGRAM)
        .args(["verify", "--remove", "--cache"])
        .arg(cache.path())
        .arg("--manifests")
        .arg(&repository.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.is_empty(), "{output:?}");
    assert!(cache.walk().iter().all(|path| !path.ends_with(".tar")));
}

//! What is good, bad and unknown, and what is said of it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::support::verify::{Repository, dist, sum, verify};
use crate::support::{CacheDir, KEPT, LEFTOVER, noise};

/// A cache, and a repository in which `files` are listed.
fn listing(files: &[(&str, &[u8])]) -> (CacheDir, Repository) {
    let cache = CacheDir::new();
    let repository = Repository::new(&cache, "gentoo");
    let lines = files.iter().map(|(name, content)| dist(name, content));
    repository.write("app-misc/a", &lines.collect::<String>());
    (cache, repository)
}

/// What a verification without complaint says, in sorted lines without the cache's path, the summary last.
#[track_caller]
fn said(cache: &CacheDir, manifests: &[&Repository], args: &[&str], code: i32) -> Vec<String> {
    let manifests: Vec<_> = manifests.iter().map(|it| it.0.as_path()).collect();
    let (status, stdout, stderr) = verify(&cache.path(), &manifests, args);
    assert_eq!((status, stderr.as_str()), (code, ""), "{stdout}");
    let root = format!("{}/", cache.path().canonicalize().unwrap().display());
    let mut lines: Vec<_> = stdout.lines().map(|line| line.replace(&root, "")).collect();
    let last = lines.len() - 1;
    lines[..last].sort();
    lines
}

#[test]
fn every_kind_of_wrong_file_is_named_with_what_it_should_be() {
    let content = noise(100_000);
    let (cache, repository) = listing(&[
        ("good-1.tar", &content),
        ("flipped-1.tar", &content),
        ("cut-1.tar", &content),
        ("padded-1.tar", &content),
        ("old-1.tar", b"the new one"),
        ("empty-1.tar", b"x"),
        ("missing-1.tar", b"x"),
    ]);
    let mut flipped = content.clone();
    flipped[99_999] ^= 1;
    cache.put("distfiles/good-1.tar", &content, 1);
    cache.put("distfiles/flipped-1.tar", &flipped, 1);
    cache.put("distfiles/cut-1.tar", &content[..99_999], 1);
    cache.put("distfiles/padded-1.tar", &[&content[..], b"\n"].concat(), 1);
    cache.put("distfiles/old-1.tar", b"the old one", 1);
    cache.put("distfiles/empty-1.tar", b"", 1);
    cache.put("distfiles/unknown-1.tar", b"what is this", 1);
    cache.put("debian/pool/good-1.tar", b"of another kind", 1);

    let is = |content: &[u8]| format!("BLAKE2B {}", sum("b2sum", content));
    let lines = [
        String::from("bad distfiles/cut-1.tar: 99999 bytes, should be 100000"),
        String::from("bad distfiles/empty-1.tar: 0 bytes, should be 1"),
        format!(
            "bad distfiles/flipped-1.tar: {}, should be {}",
            is(&flipped),
            is(&content)
        ),
        format!(
            "bad distfiles/old-1.tar: {}, should be {}",
            is(b"the old one"),
            is(b"the new one")
        ),
        String::from("bad distfiles/padded-1.tar: 100001 bytes, should be 100000"),
        String::from("good 1 file, 97.7K; bad 5; unknown 2"),
    ];
    let before = cache.walk();
    assert_eq!(said(&cache, &[&repository], &[], 1), lines);
    // The others are named too.
    let verbose = said(&cache, &[&repository], &["-v"], 1);
    assert_eq!(verbose[..5], lines[..5]);
    let others = [
        "good distfiles/good-1.tar",
        "unknown debian/pool/good-1.tar",
        "unknown distfiles/unknown-1.tar",
    ];
    assert_eq!(verbose[5..8], others);
    assert_eq!(cache.walk(), before);
}

#[test]
fn nothing_wrong_is_0_and_one_line() {
    let (cache, repository) = listing(&[("a-1.tar", b"abc")]);
    let none = ["good 0 files, 0; bad 0; unknown 0"];
    assert_eq!(said(&cache, &[&repository], &[], 0), none);
    cache.put("distfiles/a-1.tar", b"abc", 1);
    cache.put("distfiles/b-1.tar", b"unknown", 1);
    // Half a file is none yet.
    cache.put(format!("distfiles/{LEFTOVER}"), b"half", 1);
    cache.put(format!("distfiles/{KEPT}"), b"half", 1);
    let one = ["good 1 file, 3; bad 0; unknown 1"];
    assert_eq!(said(&cache, &[&repository], &["--remove"], 0), one);
    assert_eq!(cache.walk().len(), 5);
}

#[test]
fn distfiles_are_proved_wherever_and_in_either_layout() {
    let (cache, repository) = listing(&[("a-1.tar", b"abc")]);
    for dir in [
        "distfiles",
        "distfiles/0f",
        "gentoo/distfiles",
        "x/y/distfiles/A0",
    ] {
        cache.put(format!("{dir}/a-1.tar"), b"xyz", 1);
    }
    for dir in [
        "distfiles/0ff",
        "distfiles/zz",
        "distfiles/0f/0f",
        "gentoo",
        "olddistfiles",
    ] {
        cache.put(format!("{dir}/a-1.tar"), b"xyz", 1);
    }
    let lines = said(&cache, &[&repository], &[], 1);
    assert_eq!(lines.last().unwrap(), "good 0 files, 0; bad 4; unknown 5");
    // A cache that is itself the directory of the distfiles.
    let below = cache.file("distfiles");
    let (code, stdout, _) = verify(&below, &[&repository.0], &[]);
    assert_eq!(code, 1);
    assert!(stdout.ends_with("; bad 2; unknown 3\n"), "{stdout}");
}

#[test]
fn names_that_are_digests_prove_themselves() {
    let (cache, repository) = listing(&[("a-1.tar", b"abc")]);
    let [blake2b, sha512, sha256] =
        ["b2sum", "sha512sum", "sha256sum"].map(|tool| sum(tool, b"content"));
    let names = [
        format!("distfiles/{blake2b}"),
        format!("distfiles/{}/{sha512}", &sha512[..2]),
        format!("debian/dists/sid/main/by-hash/SHA256/{sha256}"),
        format!("by-hash/SHA512/{sha512}"),
    ];
    for name in &names {
        cache.put(name, b"content", 1);
    }
    cache.put("by-hash/SHA256/Packages.xz", b"content", 1);
    cache.put(format!("pool/{sha512}"), b"content", 1);
    let good = ["good 4 files, 28; bad 0; unknown 2"];
    assert_eq!(said(&cache, &[&repository], &[], 0), good);
    for name in &names {
        cache.put(name, b"cantent", 1);
    }
    let lines = said(&cache, &[&repository], &[], 1);
    assert_eq!(lines.len(), 5);
    let [blake2b_is, sha256_is] = ["b2sum", "sha256sum"].map(|tool| sum(tool, b"cantent"));
    for (name, should) in [
        (&names[0], format!("{blake2b} or SHA512 {blake2b}")),
        (&names[2], sha256.clone()),
    ] {
        let line = lines
            .iter()
            .find(|line| line.contains(name.as_str()))
            .unwrap();
        assert!(line.ends_with(&should), "{line}");
        assert!(
            line.contains(&blake2b_is) || line.contains(&sha256_is),
            "{line}"
        );
    }
}

#[test]
fn several_repositories_and_several_contents_of_one_name() {
    let (cache, gentoo) = listing(&[("a-1.tar", b"abc"), ("b-1.tar", b"b")]);
    let guru = Repository::new(&cache, "guru");
    guru.write("app-misc/a", &dist("a-1.tar", b"longer"));
    guru.write(
        "app-misc/c",
        &[dist("a-1.tar", b"abd"), dist("c-1.tar", b"c")].concat(),
    );
    for (place, content) in [
        ("0a", "abc"),
        ("0b", "abd"),
        ("0c", "longer"),
        ("0d", "abx"),
        ("0e", "ab"),
    ] {
        cache.put(format!("distfiles/{place}/a-1.tar"), content.as_bytes(), 1);
    }
    cache.put("distfiles/b-1.tar", b"b", 1);
    cache.put("distfiles/c-1.tar", b"c", 1);
    let lines = said(&cache, &[&gentoo, &guru], &[], 1);
    assert_eq!(lines.len(), 3);
    let should =
        ["abc", "abd"].map(|content| format!("BLAKE2B {}", sum("b2sum", content.as_bytes())));
    assert!(lines[0].contains("0d/a-1.tar: ") && should.iter().all(|it| lines[0].contains(it)));
    assert_eq!(
        lines[1],
        "bad distfiles/0e/a-1.tar: 2 bytes, should be 3 or 6"
    );
    assert_eq!(lines[2], "good 5 files, 14; bad 2; unknown 0");
    let lines = said(&cache, &[&gentoo], &[], 1);
    assert_eq!(lines.last().unwrap(), "good 2 files, 4; bad 4; unknown 1");
}

#[test]
fn odd_names_and_odd_lines() {
    let cache = CacheDir::new();
    let repository = Repository::new(&cache, "gentoo");
    let lines = [
        String::from("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"),
        dist("a\\x20b\\u20ac\\U0001f600.tar", b"abc"),
        String::from(
            "\0\u{ff}garbage\nDIST\nDIST c.tar -1 BLAKE2B 00\nDIST ../c.tar 3 SHA512 00\n",
        ),
        dist("d.tar", b"abc").replace("BLAKE2B", "SKEIN"),
        String::from("AUX a.patch 1 SHA512 00\n"),
        dist("e.tar", b"abc").trim_end().to_owned(),
    ];
    repository.write("app-misc/a", &lines.concat());
    for name in ["a b€😀.tar", "c.tar", "d.tar", "e.tar"] {
        cache.put(format!("distfiles/{name}"), b"abx", 1);
    }
    let lines = said(&cache, &[&repository], &[], 1);
    assert!(
        lines[0].starts_with("bad distfiles/a b€😀.tar: BLAKE2B "),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].starts_with("bad distfiles/d.tar: SHA512 "),
        "{}",
        lines[1]
    );
    assert_eq!(lines[3], "good 0 files, 0; bad 3; unknown 1");
}

#[test]
fn a_name_that_is_not_utf_8_is_printed_as_it_is() {
    let (cache, repository) = listing(&[("a-1.tar", b"abc")]);
    let name = std::ffi::OsStr::from_bytes(b"distfiles/\xff.tar");
    cache.put(name, b"abc", 1);
    let output = std::process::Command::new(crate::support::PROGRAM)
        .args(["verify", "-v", "--cache"])
        .arg(cache.path())
        .arg("--manifests")
        .arg(&repository.0)
        .output()
        .unwrap();
    let line = output.stdout.split(|&byte| byte == b'\n').next().unwrap();
    assert!(line.ends_with(b"distfiles/\xff.tar"));
}

#[test]
fn a_linked_directory_is_proved_and_a_linked_file_is_not() {
    let (cache, repository) = listing(&[("a-1.tar", b"abc"), ("b-1.tar", b"abc")]);
    let distdir = cache.outside().join("var-distfiles");
    fs::create_dir(&distdir).unwrap();
    fs::write(distdir.join("a-1.tar"), b"abx").unwrap();
    symlink(&distdir, cache.file("distfiles")).unwrap();
    symlink(distdir.join("a-1.tar"), distdir.join("b-1.tar")).unwrap();
    symlink("nowhere", distdir.join("c-1.tar")).unwrap();
    let lines = said(&cache, &[&repository], &[], 1);
    assert!(lines[0].starts_with("bad distfiles/a-1.tar: BLAKE2B "));
    assert_eq!(lines[1..], ["good 0 files, 0; bad 1; unknown 0"]);
}

#[test]
fn a_link_does_not_hide_the_directory_whose_name_tells_what_its_files_are() {
    let (cache, repository) = listing(&[("a-1.tar", b"abc")]);
    cache.put("distfiles/a-1.tar", b"abx", 1);
    // Whichever of them a directory lists first or last.
    for number in 0..16 {
        symlink("distfiles", cache.file(format!("link-{number}"))).unwrap();
    }
    let lines = said(&cache, &[&repository], &[], 1);
    assert!(lines[0].starts_with("bad distfiles/a-1.tar: BLAKE2B "));
    assert_eq!(lines[1..], ["good 0 files, 0; bad 1; unknown 0"]);
}

#[test]
fn a_repository_behind_a_link_is_the_one_to_which_it_leads_now() {
    let (cache, old) = listing(&[("a-1.tar", b"old")]);
    let new = Repository::new(&cache, "new");
    new.write("app-misc/a", &dist("a-1.tar", b"new"));
    cache.put("distfiles/a-1.tar", b"new", 1);
    let link = Repository(cache.outside().join("link"));
    symlink(&old.0, &link.0).unwrap();
    said(&cache, &[&link], &[], 1);
    fs::remove_file(&link.0).unwrap();
    symlink(&new.0, &link.0).unwrap();
    said(&cache, &[&link], &[], 0);
}

#[test]
fn without_manifests_nothing_is_proved() {
    let (cache, repository) = listing(&[("a-1.tar", b"abc")]);
    let empty = Repository::new(&cache, "empty");
    cache.put("distfiles/a-1.tar", b"abx", 1);
    let missing = cache.outside().join("missing");
    for (dir, words) in [
        (&missing, ["No such file", "ebuild repository"]),
        (&empty.0, ["Manifest", "ebuild repository"]),
    ] {
        let (code, stdout, stderr) = verify(&cache.path(), &[&repository.0, dir], &["--remove"]);
        assert_eq!((code, stdout.as_str()), (1, ""));
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        for word in words.iter().chain(&["--manifests", dir.to_str().unwrap()]) {
            assert!(stderr.contains(word), "no {word} in {stderr}");
        }
    }
    let (code, _, stderr) = verify(&cache.path(), &[], &[]);
    assert_eq!((code, stderr.lines().count()), (2, 1), "{stderr}");
    let (code, _, stderr) = verify(&cache.file("missing"), &[&repository.0], &[]);
    assert_eq!((code, stderr.lines().count()), (1, 1), "{stderr}");
    assert!(stderr.contains("--cache"), "{stderr}");
}

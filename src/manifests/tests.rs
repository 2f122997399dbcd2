use std::os::unix::fs::symlink;

use super::*;

/// A line for `name` of `size` bytes, with a digest of `byte` alone.
fn dist(name: &str, size: u64, byte: u8) -> String {
    let value = format!("{byte:02x}").repeat(64);
    format!("DIST {name} {size} BLAKE2B {value}\n")
}

fn write(root: &Path, package: &str, text: &str) {
    let dir = root.join(package);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("Manifest"), text).unwrap();
}

/// The sizes that `name` may have.
fn sizes(index: &Index, name: &str) -> Vec<u64> {
    let entries = index.find(name.as_bytes());
    entries.iter().map(|entry| entry.size).collect()
}

#[test]
fn a_name_may_be_what_any_manifest_of_any_repository_says() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    write(
        &one,
        "app-misc/a",
        &[dist("a", 1, 1), dist("b", 2, 2)].concat(),
    );
    write(
        &one,
        "app-misc/b",
        &[dist("b", 2, 2), dist("b", 3, 2), dist("b", 2, 3)].concat(),
    );
    write(
        &two,
        "app-misc/a",
        &[dist("a", 1, 1), "AUX x\n".into(), dist("a", 7, 1)].concat(),
    );
    // Neither what a sync has not checked yet, nor what is at another depth.
    write(&one, ".tmp-unverified/a", &dist("hidden", 1, 1));
    write(&one, "app-misc/.tmp", &dist("hidden", 1, 1));
    write(&one, "app-misc", &dist("shallow", 1, 1));
    write(&one, "app-misc/a/files", &dist("deep", 1, 1));
    fs::create_dir_all(one.join("metadata/glsa/Manifest")).unwrap();

    let index = Index::build(&[one.clone(), two]).unwrap();
    assert_eq!(sizes(&index, "a"), [1, 7]);
    assert_eq!(sizes(&index, "b"), [2, 2, 3]);
    for name in ["hidden", "shallow", "deep", "c", ""] {
        assert_eq!(index.find(name.as_bytes()), [], "{name}");
    }
    assert_eq!(index.entries.len(), 5);
    let index = Index::build(&[one]).unwrap();
    assert_eq!(sizes(&index, "a"), [1]);
}

#[test]
fn many_names_in_many_versions() {
    let dir = tempfile::tempdir().unwrap();
    for package in 0..60 {
        let lines = (0..300).map(|name| dist(&format!("f{}", name + package * 100), 9, 1));
        write(
            dir.path(),
            &format!("c/{package}"),
            &lines.collect::<String>(),
        );
    }
    let index = Index::build(&[dir.path().to_path_buf()]).unwrap();
    assert_eq!(index.entries.len(), 6_200);
    assert!((0..6_200).all(|name| sizes(&index, &format!("f{name}")) == [9]));
}

#[test]
fn a_link_to_a_repository_is_followed_anew_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("gentoo");
    for (at, name) in ["old", "new"].iter().enumerate() {
        let repository = dir.path().join(name);
        write(&repository, "c/p", &dist("a", at as u64, 1));
        let _ = fs::remove_file(&link);
        symlink(&repository, &link).unwrap();
        let index = Index::build(std::slice::from_ref(&link)).unwrap();
        assert_eq!(sizes(&index, "a"), [at as u64]);
    }
}

#[test]
fn a_directory_without_manifests_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write(&at("good"), "c/p", "");
    fs::create_dir_all(at("empty/c/p")).unwrap();
    fs::write(at("file"), "").unwrap();
    assert_eq!(Index::build(&[at("good")]).unwrap().entries.len(), 0);
    for name in ["missing", "empty", "file", "good/c"] {
        let why = Index::build(&[at("good"), at(name)]).unwrap_err();
        let path = format!("--manifests={}: ", at(name).display());
        assert!(
            why.starts_with(&path) && why.contains("/var/db/repos"),
            "{why}"
        );
        assert!(!why.contains('\n'));
    }
}

#[test]
fn an_entry_is_as_small_as_the_head_says() {
    assert_eq!(size_of::<Entry>(), 96);
}

#[test]
fn a_live_index_is_there_once_it_was_built_and_finds_what_has_changed() {
    use std::time::Duration;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "c/p", &dist("a", 1, 1));
    let live = Live::new(vec![dir.path().to_path_buf()]);
    assert!(!live.look_again(Duration::from_millis(1)) && live.index().is_none());
    live.follow();
    let look_again = || assert!(live.look_again(Duration::from_secs(10)));
    look_again();
    let index = live.index().unwrap();
    assert_eq!(sizes(&index, "a"), [1]);
    // Nobody has looked for a while.
    live.forget_look();
    write(dir.path(), "c/p", &dist("a", 2, 1));
    write(dir.path(), "c/q", &dist("b", 3, 1));
    look_again();
    let index = live.index().unwrap();
    assert_eq!(
        sizes(&index, "a"),
        [1, 2],
        "what no longer holds goes with the next build"
    );
    assert_eq!(sizes(&index, "b"), [3]);
    write(dir.path(), "c/r", &dist("c", 4, 1));
    look_again();
    assert_eq!(
        sizes(&live.index().unwrap(), "c"),
        [],
        "it was looked at a moment ago"
    );
}

#[test]
fn only_what_a_manifest_lists_may_have_it_looked_at_again() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "c/p", &dist("a", 1, 1));
    let live = Live::new(vec![dir.path().to_path_buf()]);
    live.follow();
    assert!(live.look_again(std::time::Duration::from_secs(10)));
    let named = format!("by-hash/SHA256/{}", "1".repeat(64));
    for (path, expects, long) in [
        ("distfiles/a", true, true),
        ("distfiles/b", false, false),
        ("other/a", false, false),
        (&named, true, false),
    ] {
        let expected = Expectation::of(Path::new(path), &live);
        assert_eq!(expected.may_take_long(), long, "{path}");
        assert_eq!(!expected.all.is_empty(), expects, "{path}");
    }
}

#[test]
fn without_repositories_nobody_waits() {
    let live = Live::new(Vec::new());
    assert!(!live.has_repositories());
    assert!(live.look_again(std::time::Duration::ZERO) && live.index().is_some());
}

#[test]
fn the_first_manifest_shows_that_it_is_a_repository() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write(&at("good"), "c/p", "");
    fs::create_dir_all(at("empty/c/p")).unwrap();
    assert_eq!(check(&[]), Ok(()));
    assert_eq!(check(&[at("good")]), Ok(()));
    for name in ["missing", "empty"] {
        let why = check(&[at("good"), at(name)]).unwrap_err();
        let named = format!("--manifests={}: ", at(name).display());
        assert!(why.starts_with(&named), "{why}");
    }
}

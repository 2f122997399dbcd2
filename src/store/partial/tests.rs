use std::os::unix::fs::symlink;

use super::*;
use crate::http::HttpDate;
use crate::stats::Stats;
use crate::store::{Lookup, MinFree, Place};

/// A cache directory with a directory `d`.
fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    let store = Store::open(dir.path(), false, MinFree::Bytes(0), Stats::new([])).unwrap();
    (dir, store)
}

fn path(text: &str) -> CachePath {
    match CachePath::place(text.as_bytes()).unwrap() {
        Place::File(path) => path,
        place => panic!("{place:?}"),
    }
}

/// Begins to store content that is all there.
fn write(store: &Store, name: &str, content: &[u8]) -> Partial {
    let modified = Some(HttpDate::from_unix(1_445_412_480));
    let date = Some(HttpDate::from_unix(1_760_000_000));
    store
        .write(&path(name), content, false, modified, date)
        .unwrap()
}

/// Seals and publishes it; the file must be there then, with the announced time, and nothing else in its directory.
#[track_caller]
fn assert_published(store: &Store, partial: Partial, name: &str, content: &[u8]) {
    let mut partial = partial;
    let announced = partial.modified();
    assert_eq!(partial.seal().ok(), announced);
    partial.publish(store, &path(name)).unwrap();
    let Lookup::Hit(mut stored) = store.find(&path(name)) else {
        panic!("not stored");
    };
    assert_eq!(Some(stored.modified), announced);
    let mut got = Vec::new();
    stored.file.read_to_end(&mut got).unwrap();
    assert_eq!(got, content);
    let dir = store.place(&path(name));
    let dir = dir.parent().unwrap().read_dir().unwrap();
    let others =
        dir.filter(|entry| !name.ends_with(entry.as_ref().unwrap().file_name().to_str().unwrap()));
    assert_eq!(others.count(), 0);
}

#[test]
fn what_is_all_there_has_no_name_until_its_own() {
    let (dir, store) = store();
    for (at, content) in [&b""[..], b"content"].into_iter().enumerate() {
        let name = format!("d/{at}");
        let partial = write(&store, &name, content);
        assert_eq!(dir.path().join("d").read_dir().unwrap().count(), 0);
        assert_published(&store, partial, &name, content);
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    // Dropped, it leaves nothing.
    drop(write(&store, "d/x", b"content"));
    assert_eq!(dir.path().join("d").read_dir().unwrap().count(), 0);
}

#[test]
fn a_directory_that_is_missing_is_made_and_removed_if_that_was_for_nothing() {
    let (dir, store) = store();
    let partial = write(&store, "e/f/new", b"content");
    assert_eq!(dir.path().join("e/f").read_dir().unwrap().count(), 0);
    assert_published(&store, partial, "e/f/new", b"content");
    drop(write(&store, "g/h/new", b"content"));
    assert!(!dir.path().join("g").exists());
    // Another one that fails may remove it.
    let partial = write(&store, "i/new", b"content");
    fs::remove_dir(dir.path().join("i")).unwrap();
    assert_published(&store, partial, "i/new", b"content");
}

#[test]
fn a_name_that_was_taken_meanwhile_is_replaced() {
    let (dir, store) = store();
    let partial = write(&store, "d/a", b"content");
    fs::write(dir.path().join("d/a"), b"of another process").unwrap();
    assert_published(&store, partial, "d/a", b"content");
    assert!(lock(&store.partials.live).is_empty());
    // Also by a link, which stays.
    let partial = write(&store, "d/b", b"content");
    fs::remove_file(dir.path().join("d/a")).unwrap();
    symlink("../target", dir.path().join("d/b")).unwrap();
    assert_published(&store, partial, "d/b", b"content");
    assert!(dir.path().join("d/b").is_symlink());
    assert_eq!(fs::read(dir.path().join("target")).unwrap(), b"content");
}

#[test]
fn a_link_leads_to_where_the_file_lies() {
    let (dir, store) = store();
    fs::create_dir(dir.path().join("e")).unwrap();
    symlink("../e/target", dir.path().join("d/linked")).unwrap();
    let partial = write(&store, "d/linked", b"content");
    assert_published(&store, partial, "d/linked", b"content");
    assert_eq!(fs::read(dir.path().join("e/target")).unwrap(), b"content");
}

#[test]
fn what_replaces_a_file_goes_the_usual_way() {
    let (dir, store) = store();
    fs::write(dir.path().join("d/a"), b"old").unwrap();
    let partial = store.write(&path("d/a"), b"new", true, None, None).unwrap();
    assert_eq!(fs::read(dir.path().join("d/a")).unwrap(), b"old");
    assert_eq!(dir.path().join("d").read_dir().unwrap().count(), 2);
    assert_published(&store, partial, "d/a", b"new");
}

#[test]
fn a_partial_is_ours_unless_a_sweeper_was_faster() {
    let error = |code| Err(TryLockError::Error(io::Error::from_raw_os_error(code)));
    // ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL: there are no locks, so nobody else has it.
    for code in [37, 38, 95, 22] {
        assert!(is_ours(&error(code), 1) && !is_ours(&error(code), 0));
    }
    assert!(is_ours(&Ok(()), 1) && !is_ours(&Ok(()), 0));
    assert!(!is_ours(&Err(TryLockError::WouldBlock), 1));
}

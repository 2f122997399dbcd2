use std::fs::FileTimes;
use std::time::Duration;

use super::*;
use crate::stats::Stats;
use crate::store::{MinFree, Place};

fn path(text: &str) -> CachePath {
    match CachePath::place(text.as_bytes()).unwrap() {
        Place::File(path) => path,
        place => panic!("{place:?}"),
    }
}

fn whole(length: u64, server: &str, etag: Option<&[u8]>) -> Whole {
    Whole {
        length,
        last_modified: HttpDate::from_unix(1_445_412_480),
        given: Given {
            server: server.to_owned(),
            etag: etag.map(<[u8]>::to_vec),
        },
    }
}

#[test]
fn a_trailer_says_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kept");
    for whole in [
        whole(7, "mirror.example", None),
        whole(u64::MAX, "[::1]:8080", Some(b"\"56273e80-1000\"")),
        whole(7, "mirror.example", Some(b"W/\"with a space \xff\n\"")),
        Whole {
            last_modified: HttpDate::from_unix(-1),
            ..whole(7, "a", None)
        },
    ] {
        let content = [b"content", &trailer(&whole)[..]].concat();
        let read = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            read_trailer(&File::open(&file).unwrap(), bytes.len() as u64).ok()
        };
        assert_eq!(read(&content), Some((7, whole.clone())));
        // Nothing cut is taken for whole, wherever it was cut.
        for end in 0..content.len() {
            assert_eq!(read(&content[..end]), None, "{end}");
        }
        // There must be content, and no more than the whole has.
        assert_eq!(read(&content[7..]), None);
        let more = [b"1", &content[..]].concat();
        assert_eq!(read(&more).is_some(), whole.length > 7);
    }
}

#[test]
fn the_name_follows_from_the_path() {
    assert_eq!(
        name(&path("d/a.tar")),
        ".package-cache-f386e7be2603f856d06a0246e61dc580.kept"
    );
    let long = format!("d/{}", "n".repeat(255));
    assert_eq!(name(&path(&long)).len(), 52);
    assert_ne!(name(&path("d/a")), name(&path("d/b")));
}

#[test]
fn what_is_kept_is_taken_once_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let stats = Stats::new([]);
    let store = Store::open(dir.path(), false, MinFree::Bytes(0), stats).unwrap();
    let (path, date) = (path("d/a.tar"), HttpDate::from_unix(1_445_412_480));
    let begin = || store.begin(&path, Some(9), Some(date), None).unwrap();
    let partial = begin();
    partial.file().write_all_at(b"content", 0).unwrap();
    let announced = partial.modified();
    let whole = whole(9, "mirror.example", Some(b"\"one\""));
    partial.keep(&path, 7, &whole).unwrap();
    assert!(!store.has_partials());

    let kept = store.take_kept(&path).unwrap();
    assert!(store.take_kept(&path).is_none() && store.has_partials());
    assert_eq!((kept.received, &kept.whole), (7, &whole));
    assert_eq!(kept.tail(2).unwrap(), b"ntent");
    kept.put_back(&path);
    assert!(!store.has_partials());

    let mut partial = store.take_kept(&path).unwrap().go_on().unwrap();
    assert_eq!(
        (partial.modified(), partial.file().metadata().unwrap().len()),
        (announced, 7)
    );
    partial.file().write_all_at(b"12", 7).unwrap();
    partial.seal().unwrap();
    partial.publish(&store, &path).unwrap();
    assert_eq!(fs::read(dir.path().join("d/a.tar")).unwrap(), b"content12");
    assert_eq!(fs::read_dir(dir.path().join("d")).unwrap().count(), 1);

    // Another process has it locked.
    let partial = begin();
    partial.file().write_all_at(b"content", 0).unwrap();
    partial.keep(&path, 7, &whole).unwrap();
    let theirs = File::open(dir.path().join("d").join(name(&path))).unwrap();
    theirs.lock().unwrap();
    assert!(store.take_kept(&path).is_none());
    drop(theirs);
    // Its time of modification says nothing of when it was kept.
    let kept = store.take_kept(&path).unwrap();
    let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    kept.partial.file.set_times(times).unwrap();
    kept.put_back(&path);
    assert_eq!(crate::store::walk::sweep(dir.path()).count, 0);
    assert!(store.take_kept(&path).is_some());
}

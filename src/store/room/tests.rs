use super::*;

/// Two thirds of what is free in a directory, so that there is room for one and not for two.
fn much(dir: &Path) -> u64 {
    calls::space(dir).unwrap().0 / 3 * 2
}

#[test]
fn what_transfers_are_still_to_write_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, rooms) = (dir.path(), Rooms::new(MinFree::Bytes(0)));
    let much = much(dir);
    let mut first = Room::reserve(&rooms, dir, 1, Some(much)).unwrap();
    let refused = Room::reserve(&rooms, dir, 1, Some(much)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    // A refusal reserves nothing, and another device is another matter.
    Room::reserve(&rooms, dir, 1, Some(much / 16)).unwrap();
    drop(Room::reserve(&rooms, dir, 2, Some(much)).unwrap());
    // Nor does a length that no file system has.
    for _ in 0..3 {
        Room::reserve(&rooms, dir, 1, Some(u64::MAX)).unwrap_err();
    }
    Room::reserve(&rooms, dir, 1, Some(much)).unwrap_err();
    // What is written is no longer to be written; here it went nowhere.
    first.wrote(much).unwrap();
    let second = Room::reserve(&rooms, dir, 1, Some(much)).unwrap();
    drop(second);
    Room::reserve(&rooms, dir, 1, Some(much)).unwrap();
    drop(first);
    assert!(lock(&rooms.reserved).bytes.is_empty());
}

#[test]
fn an_unknown_length_reserves_as_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, rooms) = (dir.path(), Rooms::new(MinFree::Bytes(0)));
    let mut growing = Room::reserve(&rooms, dir, 1, None).unwrap();
    for _ in 0..100 {
        growing.wrote(LOOK / 4).unwrap();
        assert!(*lock(&rooms.reserved).left((1, 0)).unwrap() >= LOOK);
    }
    let others = Room::reserve(&rooms, dir, 1, Some(much(dir))).unwrap();
    growing.wrote(LOOK).unwrap();
    // Somebody else takes what was free: it is the others' then.
    *lock(&rooms.reserved).left(others.key).unwrap() = u64::MAX;
    let cause = growing.wrote(LOOK).unwrap_err();
    assert_eq!(cause.kind(), ErrorKind::StorageFull);
}

#[test]
fn where_room_gets_lost_the_youngest_go() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, rooms) = (dir.path(), Rooms::new(MinFree::Bytes(0)));
    let some = calls::space(dir).unwrap().0 / 4;
    let mut all = [some; 3].map(|some| Room::reserve(&rooms, dir, 1, Some(some)).unwrap());
    assert!(all.iter_mut().all(|room| room.wrote(LOOK).is_ok()));
    // Half of it goes to another program, which here is the same as to one before them.
    *lock(&rooms.reserved).left(all[0].key).unwrap() = some / 2 * 7;
    let stay = all.each_mut().map(|room| room.wrote(LOOK).is_ok());
    assert_eq!(stay, [true, false, false]);
}

#[test]
fn small_files_share_a_reservation_that_others_see() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, rooms) = (dir.path(), Rooms::new(MinFree::Bytes(0)));
    let left = || {
        lock(&rooms.reserved)
            .bytes
            .iter()
            .map(|one| one.1)
            .sum::<u64>()
    };
    rooms.admit(dir, 1, 4096).unwrap();
    assert_eq!(left(), LOOK);
    for files in 1..=(LOOK / on_disk(4096)) {
        rooms.admit(dir, 1, 4096).unwrap();
        assert_eq!(left(), LOOK - files * on_disk(4096));
    }
    // It is used up, then over, then of another device.
    rooms.admit(dir, 1, 4096).unwrap();
    assert_eq!(left(), LOOK);
    rooms.admit(dir, 1, 4096).unwrap();
    lock(&rooms.reserved).shared.as_mut().unwrap().1 = Instant::now();
    rooms.admit(dir, 1, 4096).unwrap();
    assert_eq!(left(), LOOK);
    rooms.admit(dir, 1, 4096).unwrap();
    rooms.admit(dir, 2, 4096).unwrap();
    assert_eq!(left(), LOOK);
    // What others need less than that for is not kept from them.
    let much = much(dir);
    let other = Room::reserve(&rooms, dir, 2, Some(much)).unwrap();
    *lock(&rooms.reserved).left(other.key).unwrap() = u64::MAX;
    rooms.admit(dir, 2, LOOK).unwrap_err();
    assert!(lock(&rooms.reserved).shared.is_none());
    drop(other);
    assert_eq!(left(), 0);
}

#[test]
fn a_file_system_that_does_not_say_how_large_it_is_has_room() {
    let error = |code| Err(io::Error::from_raw_os_error(code));
    for (said, expected) in [
        (Ok((0, 0)), None),
        (Ok((5, 9)), Some((5, 9))),
        (Ok((0, 9)), Some((0, 9))),
        (error(38), None),
        (error(95), None),
        (error(1), None),
    ] {
        assert_eq!(known(said).unwrap(), expected);
    }
    assert!(known(error(2)).is_err());
}

#[test]
fn what_is_left_by_default() {
    for (min_free, total, least) in [
        (MinFree::Default, 1000, 10),
        (MinFree::Default, u64::MAX, 256 << 20),
        (MinFree::Bytes(7), 1000, 7),
    ] {
        assert_eq!(min_free.of(total), least);
    }
}

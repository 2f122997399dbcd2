//! Bounds: which files go until the bounds hold. Nothing here touches a file.
//!
//! Rules: dead partials always go. What was seen and removed decides, and the free space is not measured again:
//! a file system may show freed space much later, and no further files must go for that. If all files together
//! could not make the free space that is asked for, none goes for it. A file with several names counts once,
//! and frees its space only when all of its names are in the cache.

use std::time::SystemTime;

use super::file::File;

/// The bounds, and what is still to be removed for them.
#[derive(Debug)]
pub struct Bounds {
    /// Files last used before this time go.
    before: Option<SystemTime>,
    /// The bytes that all files may take.
    max_size: Option<u64>,
    /// The bytes that they take now.
    pub size: u64,
    /// The bytes that are still to be freed.
    pub shortage: u64,
    /// The device on which they are to be freed.
    device: u64,
}

impl Bounds {
    /// The bounds for `files`, in which the names of one file are side by side.
    pub fn new(files: &[File], before: Option<SystemTime>, max_size: Option<u64>) -> Self {
        Self {
            before,
            max_size,
            size: sum(files, &|_| true),
            shortage: 0,
            device: 0,
        }
    }

    /// Asks for `bytes` more free bytes on `device`.
    ///
    /// # Errors
    /// The bytes that all `files` would free, if these are fewer; then nothing is asked for.
    pub fn ask(&mut self, bytes: u64, device: u64, files: &[File]) -> Result<(), u64> {
        let most = sum(files, &|names| frees(names, device));
        if bytes > most {
            return Err(most);
        }
        (self.shortage, self.device) = (bytes, device);
        Ok(())
    }

    /// Whether the file with these names goes, now that those used before it have been dealt with.
    pub fn want(&self, names: &[File]) -> bool {
        let expired = |used| self.before.is_some_and(|before| used < before);
        let is_old = |file: &File| file.used.is_none_or(expired);
        names.first().is_some_and(is_old)
            || self.is_too_large()
            || self.shortage > 0 && frees(names, self.device)
    }

    /// Counts the file with these names as gone; the bytes that this frees.
    pub fn gone(&mut self, names: &[File]) -> u64 {
        let bytes = sum(names, &|_| true);
        self.size = self.size.saturating_sub(bytes);
        if frees(names, self.device) {
            self.shortage = self.shortage.saturating_sub(bytes);
        }
        bytes
    }

    /// Whether all files take more than they may.
    pub fn is_too_large(&self) -> bool {
        self.max_size.is_some_and(|most| self.size > most)
    }
}

/// Whether the removal of these names, all that a file has in the cache, makes room on `device`.
fn frees(names: &[File], device: u64) -> bool {
    let all = |file: &File| file.identity.0 == device && file.links <= names.len() as u64;
    names.first().is_some_and(all)
}

/// The bytes of those files whose names `which` selects.
fn sum(files: &[File], which: &dyn Fn(&[File]) -> bool) -> u64 {
    let several = files.chunk_by(File::is_same).filter(|names| which(names));
    let sizes = several.filter_map(|names| names.first().map(|file| file.size));
    sizes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Files, oldest first, of the cache on device 1: hour of last use, size, device, inode, links.
    const FILES: [(u64, u64, u64, u64, u64); 8] = [
        (1, 10, 1, 1, 1),
        (2, 10, 2, 1, 1),
        // A file with two names in the cache.
        (3, 10, 1, 2, 2),
        (3, 10, 1, 2, 2),
        // One that has its second name elsewhere.
        (4, 10, 1, 3, 2),
        (5, 10, 1, 4, 1),
        (5, 10, 1, 5, 1),
        (6, 0, 1, 6, 1),
    ];

    fn time(hour: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(hour * 3_600)
    }

    fn files() -> Vec<File> {
        FILES
            .map(|(hour, size, device, inode, links)| File {
                used: Some(time(hour)),
                size,
                identity: (device, inode),
                links,
                ..File::default()
            })
            .to_vec()
    }

    /// The files that go, counted from 0, when those of `spared` do not although they should.
    fn goes(bounds: &mut Bounds, files: &[File], spared: &[usize]) -> Vec<usize> {
        let mut gone = Vec::new();
        for (at, names) in files.chunk_by(File::is_same).enumerate() {
            if bounds.want(names) && !spared.contains(&at) {
                bounds.gone(names);
                gone.push(at);
            }
        }
        gone
    }

    #[test]
    fn the_least_recently_used_go_until_every_bound_holds() {
        let files = files();
        let all: &[usize] = &[0, 1, 2, 3, 4, 5, 6];
        // Hour, most bytes, bytes to be freed, files spared; what goes.
        for (hour, max_size, ask, spared, expected) in [
            (None, None, 0, &[][..], &[][..]),
            (Some(1), None, 0, &[], &[]),
            (Some(3), None, 0, &[], &[0, 1]),
            (Some(3), None, 0, &[0], &[1]),
            (Some(9), None, 0, &[], all),
            (None, Some(60), 0, &[], &[]),
            (None, Some(59), 0, &[], &[0]),
            (None, Some(50), 0, &[], &[0]),
            (None, Some(30), 0, &[], &[0, 1, 2]),
            // A later one takes the place of one that was used meanwhile.
            (None, Some(30), 0, &[1], &[0, 2, 3]),
            (None, Some(0), 0, &[], &all[..6]),
            (None, Some(0), 0, &[2], &[0, 1, 3, 4, 5, 6]),
            // Neither another device nor a file with a name elsewhere makes room.
            (None, None, 1, &[], &[0]),
            (None, None, 11, &[], &[0, 2]),
            (None, None, 21, &[], &[0, 2, 4]),
            (None, None, 40, &[], &[0, 2, 4, 5]),
            (None, None, 40, &[0], &[2, 4, 5, 6]),
            // The strictest bound counts, and what goes for one counts for all.
            (Some(2), Some(50), 10, &[], &[0]),
            (Some(3), Some(50), 10, &[], &[0, 1]),
            (Some(2), Some(30), 10, &[], &[0, 1, 2]),
            (Some(2), Some(50), 30, &[], &[0, 2, 4]),
        ] {
            let mut bounds = Bounds::new(&files, hour.map(time), max_size);
            bounds.ask(ask, 1, &files).unwrap();
            let gone = goes(&mut bounds, &files, spared);
            assert_eq!(gone, expected, "{hour:?} {max_size:?} {ask} {spared:?}");
        }
    }

    #[test]
    fn room_that_all_files_cannot_make_costs_none() {
        let files = files();
        for (device, most) in [(1, 40), (2, 10), (3, 0)] {
            let mut bounds = Bounds::new(&files, None, None);
            assert_eq!(bounds.ask(most + 1, device, &files), Err(most));
            assert_eq!((bounds.shortage, bounds.size), (0, 60));
            assert!(goes(&mut bounds, &files, &[]).is_empty());
            assert_eq!(bounds.ask(most, device, &files), Ok(()));
            goes(&mut bounds, &files, &[]);
            assert_eq!(bounds.shortage, 0);
        }
    }

    #[test]
    fn dead_partials_go_and_what_they_took_counts_once() {
        let partial = |device, links| File {
            size: 10,
            identity: (device, 9),
            links,
            ..File::default()
        };
        // Device and names of the partial, most bytes, bytes to be freed; what goes.
        for (device, links, max_size, ask, expected) in [
            (1, 1, None, 0, &[0][..]),
            (1, 1, Some(60), 0, &[0]),
            (1, 1, Some(59), 0, &[0, 1]),
            (1, 1, None, 10, &[0]),
            (1, 1, None, 11, &[0, 1]),
            (1, 1, None, 50, &[0, 1, 3, 5, 6]),
            // There it makes no room.
            (2, 1, None, 10, &[0, 1]),
            (1, 2, None, 10, &[0, 1]),
        ] {
            let files = [vec![partial(device, links)], files()].concat();
            let mut bounds = Bounds::new(&files, None, max_size);
            bounds.ask(ask, 1, &files).unwrap();
            let gone = goes(&mut bounds, &files, &[]);
            assert_eq!(gone, expected, "{device} {links} {max_size:?} {ask}");
        }
    }
}

//! Ages: when this process stored or validated files, for the Age field (RFC 9111 §5.1).
//!
//! A fixed table of hashes, so that memory does not grow with the number of files and a hit takes no
//! lock. A newer file may push an older one out: then its Age is unknown, which is said by omission.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::cache_path::CachePath;

const ENTRIES: usize = 4096;

/// The table.
#[derive(Debug)]
pub struct Ages {
    random: RandomState,
    start: Instant,
    /// The upper half of an entry is a hash, the lower the second of this process's life, from 1.
    entries: Box<[AtomicU64]>,
}

impl Default for Ages {
    fn default() -> Self {
        Self {
            random: RandomState::new(),
            start: Instant::now(),
            entries: (0..ENTRIES).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Ages {
    /// Notes that the file at `path` with this entity tag is fresh from its source.
    pub fn note(&self, path: &CachePath, etag: &str) {
        let hash = self.random.hash_one((path, etag));
        if let Some(entry) = self.entry(hash) {
            let second =
                (self.start.elapsed().as_secs().saturating_add(1)).min(u64::from(u32::MAX));
            entry.store(hash & !u64::from(u32::MAX) | second, Ordering::Relaxed);
        }
    }

    /// Seconds since the file was noted, if it is still known.
    pub fn age(&self, path: &CachePath, etag: &str) -> Option<u64> {
        let hash = self.random.hash_one((path, etag));
        let entry = self.entry(hash)?.load(Ordering::Relaxed);
        let low = u64::from(u32::MAX);
        let known = entry & low != 0 && entry & !low == hash & !low;
        let now = self.start.elapsed().as_secs().saturating_add(1);
        known.then(|| now.saturating_sub(entry & low))
    }

    fn entry(&self, hash: u64) -> Option<&AtomicU64> {
        usize::try_from(hash)
            .ok()
            .and_then(|hash| self.entries.get(hash % ENTRIES))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::cache_path::Place;

    #[test]
    fn a_noted_file_has_an_age_and_others_have_none() {
        let Place::File(path) = CachePath::place(b"/distfiles/a.tar.gz").unwrap() else {
            panic!()
        };
        let ages = Ages::default();
        assert_eq!(ages.age(&path, "\"1-2\""), None);
        ages.note(&path, "\"1-2\"");
        assert_eq!(ages.age(&path, "\"1-2\""), Some(0));
        assert_eq!(ages.age(&path, "\"1-3\""), None);
    }
}

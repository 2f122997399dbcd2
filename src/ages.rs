//! Ages: when this process stored or validated files, for the Age field (RFC 9111 §5.1).
//!
//! A fixed table of hashes, so that memory does not grow with the number of files and a hit takes no
//! lock. A newer file may push an older one out: then its Age is unknown, which is said by omission.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const ENTRIES: usize = 4096;

/// The bits of an entry that tell when it was noted; 0: never.
const SECONDS: u64 = 0xffff_ffff;

/// The table.
#[derive(Debug)]
pub struct Ages {
    random: RandomState,
    start: Instant,
    /// The upper half of an entry is a hash, the lower a second.
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
    /// Notes that something has just been so; the seconds since it was noted before, if that is still known.
    pub fn note(&self, what: &impl Hash) -> Option<u64> {
        let hash = self.random.hash_one(what);
        let entry = hash & !SECONDS | self.now().min(SECONDS);
        let before = self.entry(hash)?.swap(entry, Ordering::Relaxed);
        self.since(before, hash)
    }

    /// Seconds since it was noted, if it is still known.
    pub fn age(&self, what: &impl Hash) -> Option<u64> {
        let hash = self.random.hash_one(what);
        self.since(self.entry(hash)?.load(Ordering::Relaxed), hash)
    }

    fn since(&self, entry: u64, hash: u64) -> Option<u64> {
        let known = entry & SECONDS != 0 && entry & !SECONDS == hash & !SECONDS;
        known.then(|| self.now().saturating_sub(entry & SECONDS))
    }

    /// The second of this process's life, from 1.
    fn now(&self) -> u64 {
        self.start.elapsed().as_secs().saturating_add(1)
    }

    fn entry(&self, hash: u64) -> Option<&AtomicU64> {
        usize::try_from(hash)
            .ok()
            .and_then(|hash| self.entries.get(hash % ENTRIES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_has_an_age_and_other_things_have_none() {
        let ages = Ages::default();
        assert_eq!(ages.age(&("a.tar.gz", "\"1-2\"")), None);
        assert_eq!(ages.note(&("a.tar.gz", "\"1-2\"")), None);
        assert_eq!(ages.age(&("a.tar.gz", "\"1-2\"")), Some(0));
        assert_eq!(ages.note(&("a.tar.gz", "\"1-2\"")), Some(0));
        assert_eq!(ages.age(&("a.tar.gz", "\"1-3\"")), None);
    }
}

//! Wrong: which sources gave wrong content lately, and for which path: there they are asked last for `wrong_ms`.
//!
//! Rules: the table has a fixed size; of many the latest are known.

use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::time::Instant;

use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;

/// How many are known at once.
const MOST: usize = 1024;

/// The table, oldest first: the hash of a source and a path, and when it was.
#[derive(Debug, Default)]
pub struct Wrong {
    hasher: RandomState,
    entries: Mutex<Vec<(u64, Instant)>>,
}

impl Wrong {
    /// Notes that the source of this number gave wrong content for `path` at `now`.
    pub fn note(&self, number: usize, path: &str, now: Instant) {
        let hash = self.hasher.hash_one((number, path));
        let mut entries = lock(&self.entries);
        entries.retain(|(known, at)| *known != hash && is_recent(*at, now));
        if entries.len() >= MOST {
            entries.remove(0);
        }
        entries.push((hash, now));
    }

    /// When it last did so, if that was lately.
    pub fn last(&self, number: usize, path: &str, now: Instant) -> Option<Instant> {
        let entries = lock(&self.entries);
        if entries.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one((number, path));
        let found = entries.iter().find(|(known, _)| *known == hash);
        found.map(|(_, at)| *at).filter(|at| is_recent(*at, now))
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < ms(limits().wrong_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_content_is_remembered_for_its_source_and_path_for_a_while() {
        let wrong = Wrong::default();
        let now = Instant::now();
        let knows = |number, path, now| wrong.last(number, path, now).is_some();
        assert!(!knows(0, "a", now));
        wrong.note(0, "a", now);
        assert!(knows(0, "a", now));
        assert!(!knows(1, "a", now) && !knows(0, "b", now));
        let later = now + ms(limits().wrong_ms);
        assert!(!knows(0, "a", later));
        for other in 0..MOST - 1 {
            wrong.note(1, &format!("{other}"), now);
        }
        assert!(knows(0, "a", now));
        wrong.note(1, "one more", now);
        assert!(!knows(0, "a", now), "the oldest is forgotten");
        assert!(knows(1, "0", now) && knows(1, "one more", now));
    }
}

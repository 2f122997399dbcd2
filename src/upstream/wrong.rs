//! Wrong: which sources were at fault with a path lately: there they are asked last, for `wrong_ms` if the content was wrong
//! or broke off again and again, for `demote_ms` after one break.
//!
//! Rules: the table has a fixed size; of many the latest are known.

use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;

/// How many are known at once.
const MOST: usize = 1024;

/// What was wrong with a source's content, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It broke off, and nobody could go on with it. That may happen to every source: others may have an older file.
    Broke,
    /// It did so twice within `wrong_ms`.
    BrokeAgain,
    /// It was not the file.
    Wrong,
}

impl Fault {
    /// For how long the source is asked last.
    fn lasts(self) -> Duration {
        ms(match self {
            Self::Broke => limits().demote_ms,
            Self::BrokeAgain | Self::Wrong => limits().wrong_ms,
        })
    }
}

/// The table, oldest first: the hash of a source and a path, what was wrong, and when.
#[derive(Debug, Default)]
pub struct Wrong {
    hasher: RandomState,
    entries: Mutex<Vec<(u64, Fault, Instant)>>,
}

impl Wrong {
    /// Notes that the source of this number had this fault with `path` at `now`.
    pub fn note(&self, number: usize, path: &str, mut fault: Fault, now: Instant) {
        let hash = self.hasher.hash_one((number, path));
        let mut entries = lock(&self.entries);
        entries.retain(|(known, before, at)| {
            let recent = is_within(*at, now, ms(limits().wrong_ms));
            if *known == hash && recent {
                fault = fault.max(Fault::BrokeAgain).max(*before);
            }
            *known != hash && recent
        });
        if entries.len() >= MOST {
            entries.remove(0);
        }
        entries.push((hash, fault, now));
    }

    /// The fault for which it is asked last now, and when that was.
    pub fn last(&self, number: usize, path: &str, now: Instant) -> Option<(Fault, Instant)> {
        let entries = lock(&self.entries);
        if entries.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one((number, path));
        let found = entries.iter().find(|(known, ..)| *known == hash);
        found
            .map(|(_, fault, at)| (*fault, *at))
            .filter(|(fault, at)| is_within(*at, now, fault.lasts()))
    }
}

fn is_within(at: Instant, now: Instant, time: Duration) -> bool {
    now.saturating_duration_since(at) < time
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
        wrong.note(0, "a", Fault::Wrong, now);
        assert!(knows(0, "a", now));
        assert!(!knows(1, "a", now) && !knows(0, "b", now));
        let later = now + ms(limits().wrong_ms);
        assert!(!knows(0, "a", later));
        for other in 0..MOST - 1 {
            wrong.note(1, &format!("{other}"), Fault::Wrong, now);
        }
        assert!(knows(0, "a", now));
        wrong.note(1, "one more", Fault::Wrong, now);
        assert!(!knows(0, "a", now), "the oldest is forgotten");
        assert!(knows(1, "0", now) && knows(1, "one more", now));
    }

    #[test]
    fn one_break_counts_for_a_short_while_and_a_second_one_for_long() {
        let wrong = Wrong::default();
        let begun = Instant::now();
        let last = |now| wrong.last(0, "a", now).map(|(fault, _)| fault);
        wrong.note(0, "a", Fault::Broke, begun);
        assert_eq!(last(begun), Some(Fault::Broke));
        let later = begun + ms(limits().demote_ms);
        assert_eq!(last(later), None);
        wrong.note(0, "a", Fault::Broke, later);
        let much_later = later + ms(limits().wrong_ms) - Duration::from_millis(1);
        assert_eq!(last(much_later), Some(Fault::BrokeAgain));
        wrong.note(0, "a", Fault::Wrong, later);
        wrong.note(0, "a", Fault::Broke, later);
        assert_eq!(
            last(later),
            Some(Fault::Wrong),
            "a break makes nothing right"
        );
        let forgotten = later + ms(limits().wrong_ms);
        wrong.note(0, "a", Fault::Broke, forgotten);
        assert_eq!(last(forgotten), Some(Fault::Broke));
    }
}

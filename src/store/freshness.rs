//! Freshness: what this process knows of its files beside what the file system keeps.
//!
//! Rules: three tables. When a file was stored or validated, less the age that it had then at its source, for
//! the Age field (RFC 9111 §4.2.3); what the sources lately said of a stored file that may have changed, which
//! holds for everybody for `share_ms`, so that a burst asks once; and which server gave it, for the next question.
//! All hold for one file, by its path and entity tag, not for another that has
//! taken its name. They are fixed tables of hashes: memory does not grow with the number of files, and a
//! hit takes no lock. A newer entry may push an older one out: then an Age is omitted, a question is asked
//! once more, or without the entity tag.
//!
//! Not here: asking (`transfer::fetch`), and which files are asked about (`cache::revalidate`).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::CachePath;
use crate::log;
use crate::sys::limits::limits;
use crate::sys::lock::lock;

/// Entries of one table.
const ENTRIES: usize = 4096;

/// The bits of an entry that tell when it was noted; 0: never.
const SECONDS: u64 = 0xffff_ffff;

/// The second in which this process began, so that there are some before it: what was noted may have been old.
const BEGIN: u64 = 1 << 31;

/// What the sources said of a stored file that may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Validation {
    /// What is stored is what the source has.
    Unchanged,
    /// Every source says that there is no such file.
    Gone,
    /// No source said anything of use in time.
    Unanswered,
}

impl Validation {
    /// All, those that outrank others of the same second first.
    const ALL: [Self; 3] = [Self::Unchanged, Self::Gone, Self::Unanswered];
}

/// The server that gave a stored file, and what it calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The authority that answered, after redirects.
    pub server: String,
    /// The entity tag that the file has there (RFC 9110 §8.8.3), if it has one.
    pub etag: Option<Vec<u8>>,
}

/// All tables.
#[derive(Debug, Default)]
pub struct Freshness {
    fresh: Times,
    validated: Times,
    given: Givers,
}

impl Freshness {
    /// Notes that the file at `path` with this entity tag was just stored or validated, by a response whose age
    /// is now so many seconds. One over 68 years (2^31 seconds) counts as that.
    pub fn note_fresh(&self, path: &CachePath, etag: &str, age: u64) {
        self.fresh.note(&(path, etag), age);
    }

    /// Its age in seconds since then, if that is still known.
    pub fn age(&self, path: &CachePath, etag: &str) -> Option<u64> {
        self.fresh.age(&(path, etag))
    }

    /// Notes by which server the file at `path` with this entity tag of ours was given.
    pub fn note_given(&self, path: &CachePath, etag: &str, given: Given) {
        self.given.note(&(path, etag), given);
    }

    /// By which server it was given, if that is still known.
    pub fn given(&self, path: &CachePath, etag: &str) -> Option<Given> {
        self.given.get(&(path, etag))
    }

    /// Notes what the sources said of the file at `path` with this entity tag. What an administrator should
    /// know is a warning, one for all who wait.
    pub fn note_validation(&self, path: &CachePath, etag: &str, said: Validation) {
        let before = self.validated.note(&(path, etag, said), 0);
        if before.is_some_and(is_recent) {
            return;
        }
        match said {
            Validation::Unchanged => {}
            Validation::Gone => {
                log::warning!("no source has {path} any more: the stored file is kept");
            }
            Validation::Unanswered => log::warning!(
                "no source could be asked about {path}: the stored file is served as it is"
            ),
        }
    }

    /// What the sources said of this file, if that still holds.
    pub fn validation(&self, path: &CachePath, etag: &str) -> Option<Validation> {
        let known = Validation::ALL.into_iter().filter_map(|said| {
            let seconds = self.validated.age(&(path, etag, said))?;
            is_recent(seconds).then_some((seconds, said))
        });
        known
            .min_by_key(|(seconds, _)| *seconds)
            .map(|(_, said)| said)
    }
}

/// Whether what was said so many seconds ago still holds.
fn is_recent(seconds: u64) -> bool {
    seconds.saturating_mul(1000) < limits().share_ms
}

/// Who gave things, by the hash of each; a newer one may push an older one out.
#[derive(Debug, Default)]
struct Givers {
    random: RandomState,
    /// By a part of the hash.
    entries: Mutex<HashMap<u64, (u64, Given)>>,
}

impl Givers {
    /// Servers and tags are remembered up to so many bytes together.
    const LONGEST: usize = 400;
    const COUNT: u64 = 1024;

    fn note(&self, what: &impl Hash, given: Given) {
        let length = given.server.len() + given.etag.as_ref().map_or(0, Vec::len);
        if length > Self::LONGEST {
            return;
        }
        let hash = self.random.hash_one(what);
        lock(&self.entries).insert(hash % Self::COUNT, (hash, given));
    }

    fn get(&self, what: &impl Hash) -> Option<Given> {
        let hash = self.random.hash_one(what);
        let entries = lock(&self.entries);
        let (noted, given) = entries.get(&(hash % Self::COUNT))?;
        (*noted == hash).then(|| given.clone())
    }
}

/// When things were noted.
#[derive(Debug)]
struct Times {
    random: RandomState,
    start: Instant,
    /// The upper half of an entry is a hash, the lower a second.
    entries: Box<[AtomicU64]>,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            random: RandomState::new(),
            start: Instant::now(),
            entries: (0..ENTRIES).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Times {
    /// Notes that something was so `age` seconds ago; the seconds since the time noted before, if that is still
    /// known.
    fn note(&self, what: &impl Hash, age: u64) -> Option<u64> {
        let hash = self.random.hash_one(what);
        let then = self.now().saturating_sub(age.min(BEGIN - 1));
        let entry = hash & !SECONDS | then.min(SECONDS);
        let before = self.entry(hash)?.swap(entry, Ordering::Relaxed);
        self.since(before, hash)
    }

    /// Seconds since it was noted, if it is still known.
    fn age(&self, what: &impl Hash) -> Option<u64> {
        let hash = self.random.hash_one(what);
        self.since(self.entry(hash)?.load(Ordering::Relaxed), hash)
    }

    fn since(&self, entry: u64, hash: u64) -> Option<u64> {
        let known = entry & SECONDS != 0 && entry & !SECONDS == hash & !SECONDS;
        known.then(|| self.now().saturating_sub(entry & SECONDS))
    }

    /// The second of this process's life, from `BEGIN` on.
    fn now(&self) -> u64 {
        self.start.elapsed().as_secs() + BEGIN
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
        let times = Times::default();
        assert_eq!(times.age(&("a.tar.gz", "\"1-2\"")), None);
        assert_eq!(times.note(&("a.tar.gz", "\"1-2\""), 0), None);
        assert_eq!(times.age(&("a.tar.gz", "\"1-2\"")), Some(0));
        assert_eq!(times.note(&("a.tar.gz", "\"1-2\""), 0), Some(0));
        assert_eq!(times.age(&("a.tar.gz", "\"1-3\"")), None);
    }

    #[test]
    fn what_was_old_when_it_was_noted_stays_so_much_older() {
        let times = Times::default();
        for (age, expected) in [
            (0, 0),
            (1, 1),
            (86_400, 86_400),
            (BEGIN - 1, BEGIN - 1),
            (u64::MAX, BEGIN - 1),
        ] {
            times.note(&"a.tar.gz", age);
            let now = times.age(&"a.tar.gz").unwrap();
            assert!(now.abs_diff(expected) <= 1, "{age}: {now}");
        }
    }

    #[test]
    fn who_gave_a_file_is_known_of_that_file_alone_and_bounded() {
        let givers = Givers::default();
        let given = |tag: usize| Given {
            server: "mirror.example".to_owned(),
            etag: Some(vec![b'x'; tag]),
        };
        assert_eq!(givers.get(&"a"), None);
        givers.note(&"a", given(3));
        assert_eq!(givers.get(&"a"), Some(given(3)));
        assert_eq!(givers.get(&"b"), None);
        givers.note(&"b", given(1_000));
        assert_eq!(givers.get(&"b"), None);
        for number in 0..10_000 {
            givers.note(&number, given(1));
        }
        assert_eq!(lock(&givers.entries).len() as u64, Givers::COUNT);
    }
}

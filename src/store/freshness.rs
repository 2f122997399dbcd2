//! Freshness: what this process knows of stored files beside what the file system keeps.
//!
//! There are three tables:
//!
//! * when a file was stored or validated, less the age that it had then, for the Age field (RFC 9111 §4.2.3);
//! * what the sources lately said of a stored file that may have changed. It holds for all requests for
//!   `share_ms`, so that a burst of them asks once;
//! * which server gave a file, and its entity tag there, for the next validation.
//!
//! Rules: each entry is for one file, by its path and entity tag, not for another one that has taken its name.
//! The tables have a fixed size, so that memory does not grow with the number of files. A hit takes no lock. A
//! newer entry may push out an older one: then an Age is left out, sources are asked once more, or without the
//! entity tag.
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

/// How many entries a table of times has.
const ENTRIES: usize = 4096;

/// The bits of an entry that hold the second in which it was noted; 0: it is empty.
const SECONDS: u64 = 0xffff_ffff;

/// The second at which this process begins to count. It is large, since what was noted may have been old
/// already.
const BEGIN: u64 = 1 << 31;

/// What the sources said when a stored file was validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Validation {
    /// The stored file is the one that the source has.
    Unchanged,
    /// Every source says that there is no such file.
    Gone,
    /// No source said anything of use in time.
    Unanswered,
}

impl Validation {
    /// All of them. Of two in the same second the first one here counts.
    const ALL: [Self; 3] = [Self::Unchanged, Self::Gone, Self::Unanswered];
}

/// The server that gave a stored file, and the file's entity tag there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its authority (host and port), after redirects.
    pub server: String,
    /// The entity tag (RFC 9110 §8.8.3), with quotes, if it sent one.
    pub etag: Option<Vec<u8>>,
}

/// The three tables.
#[derive(Debug, Default)]
pub struct Freshness {
    fresh: Times,
    validated: Times,
    given: Givers,
}

impl Freshness {
    /// Notes that the file with this entity tag was just stored or validated by a response of this `age` in
    /// seconds; more than 68 years (2^31 s) count as 68 years.
    pub fn note_fresh(&self, path: &CachePath, etag: &str, age: u64) {
        self.fresh.note(&(path, etag), age);
    }

    /// The age of the file in seconds, if it is still known.
    pub fn age(&self, path: &CachePath, etag: &str) -> Option<u64> {
        self.fresh.age(&(path, etag))
    }

    /// Notes which server gave the file with this entity tag of ours.
    pub fn note_given(&self, path: &CachePath, etag: &str, given: Given) {
        self.given.note(&(path, etag), given);
    }

    /// Which server gave the file, if that is still known.
    pub fn given(&self, path: &CachePath, etag: &str) -> Option<Given> {
        self.given.get(&(path, etag))
    }

    /// Notes what the sources said of the file with this entity tag. What an administrator should know is a
    /// warning, once for all requests that share it.
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

    /// What the sources said of the file, if that still holds.
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

/// Whether what was said this many seconds ago still holds (`share_ms`).
fn is_recent(seconds: u64) -> bool {
    seconds.saturating_mul(1000) < limits().share_ms
}

/// Which server gave what, by the hash of the latter; a newer entry may push out an older one.
#[derive(Debug, Default)]
struct Givers {
    random: RandomState,
    /// By the hash modulo `COUNT`, with the whole hash.
    entries: Mutex<HashMap<u64, (u64, Given)>>,
}

impl Givers {
    /// The most bytes of server and entity tag together; longer ones are not remembered.
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

/// When something was noted, by its hash.
#[derive(Debug)]
struct Times {
    random: RandomState,
    start: Instant,
    /// The upper 32 bits of an entry are those of a hash, the lower ones a second.
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
    /// Notes `what` as of `age` seconds ago. Returns the seconds since it was noted before, if that is still
    /// known.
    fn note(&self, what: &impl Hash, age: u64) -> Option<u64> {
        let hash = self.random.hash_one(what);
        let then = self.now().saturating_sub(age.min(BEGIN - 1));
        let entry = hash & !SECONDS | then.min(SECONDS);
        let before = self.entry(hash)?.swap(entry, Ordering::Relaxed);
        self.since(before, hash)
    }

    /// Seconds since `what` was noted, if it is still known.
    fn age(&self, what: &impl Hash) -> Option<u64> {
        let hash = self.random.hash_one(what);
        self.since(self.entry(hash)?.load(Ordering::Relaxed), hash)
    }

    fn since(&self, entry: u64, hash: u64) -> Option<u64> {
        let known = entry & SECONDS != 0 && entry & !SECONDS == hash & !SECONDS;
        known.then(|| self.now().saturating_sub(entry & SECONDS))
    }

    /// The seconds since this process began, counted from `BEGIN` on.
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
        // A second may pass on a busy machine.
        let just_now = |age: Option<u64>| age.is_some_and(|age| age <= 1);
        assert!(just_now(times.age(&("a.tar.gz", "\"1-2\""))));
        assert!(just_now(times.note(&("a.tar.gz", "\"1-2\""), 0)));
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
        assert!(lock(&givers.entries).len() as u64 <= Givers::COUNT);
    }
}

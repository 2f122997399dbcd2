//! Checks: what the sources lately said of stored files that may have changed.
//!
//! Rules: what one check found holds for everybody for `share_ms`, so that a burst asks once; it holds for
//! the file that was asked about, not for another that has taken its name. A fixed table as in `ages`: an entry
//! pushed out costs one more question.
//!
//! Not here: asking (`fetch`), and which files are asked about (`cache`).

use crate::ages::Ages;
use crate::cache_path::CachePath;
use crate::limits::limits;
use crate::log;

/// What a check of a stored file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// What is stored is what the source has.
    Confirmed,
    /// Every source says that there is no such file.
    Gone,
    /// No source said anything of use in time.
    Unconfirmed,
}

impl Verdict {
    /// All, those that outrank others of the same second first.
    const ALL: [Self; 3] = [Self::Confirmed, Self::Gone, Self::Unconfirmed];
}

/// The table.
#[derive(Debug, Default)]
pub struct Checks {
    ages: Ages,
}

impl Checks {
    /// Notes what a check found of the file at `path` with this entity tag. What an administrator should
    /// know is a warning, one for all who wait.
    pub fn note(&self, path: &CachePath, etag: &str, verdict: Verdict) {
        let before = self.ages.note(&(path, etag, verdict));
        if before.is_some_and(is_recent) {
            return;
        }
        match verdict {
            Verdict::Confirmed => {}
            Verdict::Gone => {
                log::warning!("no source has {path} any more: the stored file is kept")
            }
            Verdict::Unconfirmed => log::warning!(
                "no source could be asked about {path}: the stored file is served as it is"
            ),
        }
    }

    /// What a check of this file found, if that is still to be relied on.
    pub fn recent(&self, path: &CachePath, etag: &str) -> Option<Verdict> {
        let known = Verdict::ALL.into_iter().filter_map(|verdict| {
            let seconds = self.ages.age(&(path, etag, verdict))?;
            is_recent(seconds).then_some((seconds, verdict))
        });
        known
            .min_by_key(|(seconds, _)| *seconds)
            .map(|(_, verdict)| verdict)
    }
}

/// Whether what was found so many seconds ago still holds.
fn is_recent(seconds: u64) -> bool {
    seconds.saturating_mul(1000) < limits().share_ms
}

//! Checks: what the sources lately said of stored files that may have changed.
//!
//! Rules: what one check found holds for everybody for `share_ms`, so that a burst asks once. A fixed
//! table as in `ages`: an entry pushed out costs one more question.
//!
//! Not here: asking (`fetch`), and which files are asked about (`cache`).

use crate::ages::Ages;
use crate::cache_path::CachePath;
use crate::limits::limits;
use crate::log;

/// What a check of a stored file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    fn tag(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Gone => "gone",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// The table.
#[derive(Debug, Default)]
pub struct Checks {
    ages: Ages,
}

impl Checks {
    /// Notes what a check found, and warns when that is nothing.
    pub fn note(&self, path: &CachePath, verdict: Verdict) {
        if verdict == Verdict::Unconfirmed && self.recent(path) != Some(verdict) {
            log::warning!(
                "no source could be asked about {path}: the stored file is served as it is"
            );
        }
        self.ages.note(path, verdict.tag());
    }

    /// What a check of this file found, if that is still to be relied on.
    pub fn recent(&self, path: &CachePath) -> Option<Verdict> {
        let known = Verdict::ALL.into_iter().filter_map(|verdict| {
            let seconds = self.ages.age(path, verdict.tag())?;
            (seconds.saturating_mul(1000) < limits().share_ms).then_some((seconds, verdict))
        });
        known
            .min_by_key(|(seconds, _)| *seconds)
            .map(|(_, verdict)| verdict)
    }
}

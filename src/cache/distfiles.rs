//! Distfiles: what a cache knows of them beside their names: what the Manifests list, and that each has two names.
//!
//! Rules: a stored distfile whose length no Manifest lists is no hit: it is fetched anew, and served as it is, with a
//! warning, only if no source has the right one. What is not stored under one of its two names is looked for under the
//! other before any source is asked; a flat name that every source lacks is asked for in the hashed layout, never the
//! reverse.
//!
//! Not here: proving content (`transfer::prove`), following the Manifests (`manifests::live`).

use std::time::Instant;

use super::{Cache, Found};
use crate::http::CacheStatus;
use crate::http::cache_control::Confirm;
use crate::log;
use crate::manifests::{Expectation, expected, is_distfile};
use crate::net::clients::{Client, Look};
use crate::store::{CachePath, Lookup, Stored, layout};
use crate::sys::limits::{limits, ms};

impl Cache {
    /// What is expected of the file at `path`. A distfile waits for the index of the Manifests, for `index_ms` at most, or
    /// until its client has left or was evicted.
    pub(super) fn expectation(&self, path: &CachePath, client: &Client) -> Expectation {
        if self.manifests.has_repositories() && is_distfile(path.as_path()) {
            let deadline = Instant::now() + ms(limits().index_ms);
            let look = ms(limits().look_ms);
            while self.manifests.await_index(look).is_none()
                && Instant::now() < deadline
                && client.look() == Look::There
            {}
        }
        Expectation::of(path.as_path(), &self.manifests)
    }

    /// Whether a stored distfile has a length that no Manifest lists. A hit waits for no index.
    pub(super) fn has_wrong_length(&self, path: &CachePath, stored: &Stored) -> bool {
        if !self.manifests.has_repositories() || !is_distfile(path.as_path()) {
            return false;
        }
        let index = self.manifests.index().unwrap_or_default();
        let all = expected(path.as_path(), &index);
        let differs = |size: Option<u64>| size.is_some_and(|size| size != stored.length);
        !all.is_empty() && all.iter().all(|it| differs(it.size))
    }

    /// The same after another look at the Manifests, which may wait for the disk.
    pub(super) fn still_has_wrong_length(&self, path: &CachePath, stored: &Stored) -> bool {
        self.manifests.look_again();
        self.has_wrong_length(path, stored)
    }

    /// The file under the other name of a distfile, if it is stored there and served without a question.
    pub(super) fn of_twin(&self, path: &CachePath, confirm: Confirm) -> Option<Found> {
        let twin = layout::twin(path).filter(|_| confirm == Confirm::No && !self.changes(path))?;
        match self.store.find(&twin) {
            Lookup::Hit(stored) if !self.has_wrong_length(&twin, &stored) => Some(Found::Stored {
                stored,
                status: CacheStatus::Hit,
            }),
            _ => None,
        }
    }
}

/// Says that a file is served although its length is wrong.
pub(super) fn warn_of_wrong_length(path: &CachePath, stored: &Stored) {
    log::warning!(
        "{path}: {} bytes are stored, which no Manifest lists, and no source gives another: served as it is",
        stored.length
    );
}

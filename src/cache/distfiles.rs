//! Distfiles: what a cache knows of them beside their names: what the Manifests list, and that each has two names.
//!
//! Rules: a stored distfile whose length no Manifest lists is no hit: it is fetched anew, and served as it is, with a
//! warning, only if no source has the right one. What is not stored under one of its two names is looked for under the
//! other before any source is asked; a flat name that every source lacks is asked for in the hashed layout, never the
//! reverse.
//!
//! Not here: proving content (`transfer::prove`), following the Manifests (`manifests::live`).

use std::sync::Arc;
use std::time::Instant;

use super::{Cache, Found, Query};
use crate::http::CacheStatus;
use crate::http::cache_control::Confirm;
use crate::log;
use crate::manifests::{Expectation, expected, is_distfile};
use crate::net::clients::{Client, Look};
use crate::store::{CachePath, Lookup, Place, Stored, Validation, layout};
use crate::sys::limits::{limits, ms};

impl Cache {
    /// What is expected of the file at `path`. Before a distfile counts as unlisted the Manifests are looked at again.
    pub(super) fn expectation(&self, path: &CachePath, client: &Client) -> Expectation {
        let path = path.as_path();
        let expectation = Expectation::of(path, &self.manifests);
        match expectation.is_unlisted() {
            true => {
                self.look_again(client);
                Expectation::of(path, &self.manifests)
            }
            false => expectation,
        }
    }

    /// Has the Manifests looked at again. That lasts for `index_ms` at most, or until the client has left or was evicted.
    fn look_again(&self, client: &Client) {
        let deadline = Instant::now() + ms(limits().index_ms);
        while !self.manifests.look_again(ms(limits().look_ms))
            && Instant::now() < deadline
            && client.look() == Look::There
        {}
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

    /// The same after another look at the Manifests.
    pub(super) fn still_has_wrong_length(
        &self,
        path: &CachePath,
        stored: &Stored,
        client: &Client,
    ) -> bool {
        self.look_again(client);
        self.has_wrong_length(path, stored)
    }

    /// The content of `path` for a query for its other name: what is stored or comes, as if it had been asked for itself.
    pub(super) fn fetch_as(
        self: &Arc<Self>,
        path: CachePath,
        query: Query<'_>,
        client: &Client,
    ) -> Found {
        let place = Place::File(path);
        let query = Query {
            place: &place,
            ..query
        };
        self.fetch(query, self.stored(query), client)
    }

    /// What there is in place of a stored distfile of a wrong length that no source replaces, by what they have said: if they
    /// all lack its flat name, the file under its hashed name; else the stored one as it is, with a warning.
    pub(super) fn instead(
        self: &Arc<Self>,
        path: &CachePath,
        stored: Stored,
        said: Validation,
        query: Query<'_>,
        client: &Client,
    ) -> Found {
        if said == Validation::Gone
            && let Some(hashed) = layout::hashed(path)
        {
            match self.fetch_as(hashed, query, client) {
                Found::Failed(_) => {}
                found => return found,
            }
        }
        log::warning!(
            "{path}: {} bytes are stored, which no Manifest lists, and no source gives another: served as it is",
            stored.length
        );
        self.serve_as(path, stored, said, CacheStatus::Stale)
    }

    /// The file under the other name of a distfile, if it is stored there and served without a question.
    pub(super) fn of_twin(&self, path: &CachePath, confirm: Confirm) -> Option<Found> {
        let unasked = |twin: &CachePath| !self.changes(path) && !self.changes(twin);
        let twin = layout::twin(path).filter(|twin| confirm == Confirm::No && unasked(twin))?;
        match self.store.find(&twin) {
            Lookup::Hit(stored) if !self.has_wrong_length(&twin, &stored) => Some(Found::Stored {
                stored,
                status: CacheStatus::Hit,
            }),
            _ => None,
        }
    }
}

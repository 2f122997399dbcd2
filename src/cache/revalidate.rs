//! Revalidate: stored files that may have changed at their source.
//!
//! Rules: a file that matches `--revalidate`, or whose client says `no-cache` or `max-age=0`, is served only
//! after a source was asked. One validation serves everybody for `share_ms`. A source that has nothing newer
//! sends no content. When no source says anything of use within `stale_ms`, the stored file is served stale. It
//! is never removed.
//!
//! Not here: what a source's response means (`transfer`), what was said lately (`store::freshness`).

use std::sync::Arc;
use std::time::Instant;

use super::in_flight::Joined;
use super::{Cache, Found, Query, Sought, is_of_another};
use crate::http::cache_control::Confirm;
use crate::http::{CacheStatus, Fields, Forward, StatusCode};
use crate::net::clients::Client;
use crate::store::{CachePath, Stored, Validation};
use crate::sys::limits::{limits, ms};
use crate::transfer::{Held, Request};
use crate::upstream::Failure;

impl Cache {
    /// Why a source is asked before a stored file is served; none if it is served as it is. Without sources
    /// none can be asked.
    pub(super) fn why_ask(&self, path: &CachePath, fields: &Fields) -> Option<Forward> {
        let why = match self.changes(path) {
            true => Forward::Stale,
            false if Confirm::of(fields) > Confirm::No => Forward::Request,
            false => return None,
        };
        self.upstream.has_sources(path).then_some(why)
    }

    /// Whether the file changes at the sources, as the administrator says with `--revalidate`.
    pub(super) fn changes(&self, path: &CachePath) -> bool {
        let mut globs = self.revalidate.iter();
        globs.any(|glob| glob.matches(path.as_bytes()))
    }

    /// The stored file, if what the sources said of it lately still holds; else that they must be asked.
    pub(super) fn lately_validated(
        &self,
        path: &CachePath,
        stored: Stored,
        why: Forward,
    ) -> Sought {
        match self.store.freshness().validation(path, &stored.etag()) {
            // Its other name may be asked for.
            Some(Validation::Gone) if why == Forward::Miss => {
                Sought::MayHaveChanged(path.clone(), stored, why)
            }
            Some(said) => {
                let status = match said {
                    Validation::Unanswered => CacheStatus::Stale,
                    _ => CacheStatus::Hit,
                };
                Sought::Found(self.serve_as(path, stored, said, status))
            }
            None => Sought::MayHaveChanged(path.clone(), stored, why),
        }
    }

    /// Asks the sources whether `stored` has changed. None when another request's transfer has ended meanwhile:
    /// look again.
    pub(super) fn validate(
        self: &Arc<Self>,
        path: CachePath,
        stored: Stored,
        why: Forward,
        query: Query<'_>,
        joins_foreign: &mut bool,
        client: &Client,
    ) -> Option<Found> {
        let wrong_length = why == Forward::Miss;
        if wrong_length && !self.still_has_wrong_length(&path, &stored, client) {
            let status = CacheStatus::Hit;
            return Some(Found::Stored { stored, status });
        }
        let etag = stored.etag();
        let freshness = self.store.freshness();
        let lately = freshness.validation(&path, &etag);
        if let Some(said) = lately.filter(|_| wrong_length) {
            return Some(self.instead(&path, stored, said, query, client));
        }
        // What is known to be wrong is worth no less of a wait than what is not here.
        let patience = ms(match wrong_length {
            true => limits().turn_ms,
            false => limits().stale_ms,
        });
        let deadline = Instant::now() + patience;
        let mut held = Held {
            etag: etag.clone(),
            date: None,
            given: None,
            why,
        };
        // Of another file it means nothing that it has not changed.
        if !wrong_length {
            let date = stored.modified.source_date();
            held.date = date.filter(|date| !date.is_unset());
            held.given = freshness.given(&path, &etag);
        }
        let confirm = Confirm::of(&query.request.fields);
        let request = Request::revalidate(path.clone(), held, self.via_for(query), confirm);
        let mut request = request.expecting(self.expectation(&path, client));
        request.joins_foreign = *joins_foreign;
        let foreign = request.foreign;
        let joined = self.join_or_start(request, query.ended, client, deadline);
        let (reader, collapsed, ending) = match joined {
            Joined::Reading(reader, collapsed, ending) => (reader, collapsed, ending),
            Joined::Ended => return None,
            Joined::Failed(_) => {
                let said = Validation::Unanswered;
                if deadline <= Instant::now() {
                    freshness.note_validation(&path, &etag, said);
                }
                if wrong_length {
                    return Some(self.instead(&path, stored, said, query, client));
                }
                return Some(self.serve_as(&path, stored, said, CacheStatus::Stale));
            }
        };
        // Neither the wait for a turn nor another client's validation makes this one wait for more than
        // `stale_ms`. For a file in place of a wrong one it waits until the sources are done with, as for one that is missing.
        let until = (!wrong_length).then(|| deadline.min(reader.begun() + patience));
        let said = match reader.await_head(client, until) {
            Ok(Some(representation)) => {
                return Some(Found::InTransfer {
                    reader,
                    representation,
                    collapsed,
                    ending,
                });
            }
            Ok(None) => {
                freshness.note_validation(&path, &etag, Validation::Unanswered);
                Validation::Unanswered
            }
            Err(Failure::NotModified) => Validation::Unchanged,
            Err(_) if !foreign && is_of_another(&reader, collapsed, client) => {
                *joins_foreign = false;
                return None;
            }
            Err(Failure::NotFound) => Validation::Gone,
            Err(Failure::Busy) if client.is_evicted() => {
                return Some(Found::Failed(Failure::Busy));
            }
            Err(_) => Validation::Unanswered,
        };
        if wrong_length {
            return Some(self.instead(&path, stored, said, query, client));
        }
        let status = match said {
            Validation::Unanswered => CacheStatus::Stale,
            _ => CacheStatus::Forwarded {
                why,
                status: Some(StatusCode::NOT_MODIFIED),
                stored: false,
                collapsed,
            },
        };
        Some(self.serve_as(&path, stored, said, status))
    }

    /// What the client gets. A file that is gone at every source is 404 where the administrator says that it
    /// changes; elsewhere the stored file is what the cache is for.
    pub(super) fn serve_as(
        &self,
        path: &CachePath,
        stored: Stored,
        said: Validation,
        status: CacheStatus,
    ) -> Found {
        match said {
            Validation::Gone if self.changes(path) => Found::Failed(Failure::NotFound),
            Validation::Gone => Found::Stored {
                stored,
                status: CacheStatus::Stale,
            },
            Validation::Unchanged | Validation::Unanswered => Found::Stored { stored, status },
        }
    }
}

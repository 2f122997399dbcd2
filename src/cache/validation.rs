//! Stored files that may have changed at their source.
//!
//! Rules: a file that matches `--revalidate`, or that a client wants confirmed, is served only after a source was asked; one
//! check serves everyone for a while; a source that has nothing newer costs no content; when no source says
//! anything of use in time, the stored file is served as it is. It is never removed.
//!
//! Not here: what a source's answer means (`job`, `fetch`), what was found lately (`checks`).

use std::sync::Arc;
use std::time::Instant;

use super::transfers::Joined;
use super::{Cache, Found};
use crate::cache_path::CachePath;
use crate::checks::Verdict;
use crate::http::cache_control;
use crate::http::{CacheStatus, Fields, Forward, Method, StatusCode};
use crate::job::{Held, Job};
use crate::limits::{limits, ms};
use crate::origin::Ask;
use crate::slots::Slot;
use crate::store::Stored;
use crate::upstream::FetchError;

impl Cache {
    /// Why a stored file is not served unasked, if so. Without sources there is nobody to ask.
    pub(super) fn why_ask(&self, path: &CachePath, fields: &Fields) -> Option<Forward> {
        if !self.upstream.has_sources() {
            None
        } else if self.changes(path) {
            Some(Forward::Stale)
        } else {
            cache_control::asks_for_validation(fields).then_some(Forward::Request)
        }
    }

    /// Whether the administrator said that such files change.
    fn changes(&self, path: &CachePath) -> bool {
        let mut globs = self.revalidate.iter();
        globs.any(|glob| glob.matches(path.as_bytes()))
    }

    /// Asks the sources whether `stored` has changed, or takes a recent check's word for it. None when a
    /// check has ended in between: look again.
    pub(super) fn validate(
        self: &Arc<Self>,
        path: &CachePath,
        stored: Stored,
        why: Forward,
        via: &[String],
        client: &Slot,
    ) -> Option<Found> {
        let etag = stored.etag();
        if let Some(verdict) = self.store.checks().recent(path, &etag) {
            let status = match verdict {
                Verdict::Unconfirmed => CacheStatus::Stale,
                _ => CacheStatus::Hit,
            };
            return Some(self.judge(path, stored, verdict, status));
        }
        if client.stand_aside().is_err() {
            return Some(Found::Failed(FetchError::Busy));
        }
        let patience = ms(limits().stale_ms);
        let deadline = Instant::now() + patience;
        let held = Held {
            etag: etag.clone(),
            date: stored.modified.source_date(),
            why,
        };
        let ask = Ask::new(Method::Get, via, &self.pseudonym);
        let job = Job::check(path.clone(), ask, held);
        let (follower, collapsed) = match self.join_or_start(job, client, deadline) {
            Joined::Following(follower, collapsed) => (follower, collapsed),
            Joined::Ended => return None,
            Joined::Failed(_) => {
                if deadline <= Instant::now() {
                    self.store.checks().note(path, &etag, Verdict::Unconfirmed);
                }
                return Some(self.judge(path, stored, Verdict::Unconfirmed, CacheStatus::Stale));
            }
        };
        // Neither a turn nor another client's check makes anyone wait longer.
        let until = deadline.min(follower.begun() + patience);
        let verdict = match follower.await_head(client, Some(until)) {
            Ok(Some(_)) => {
                return Some(Found::Following {
                    follower,
                    collapsed,
                });
            }
            Ok(None) => {
                self.store.checks().note(path, &etag, Verdict::Unconfirmed);
                Verdict::Unconfirmed
            }
            Err(FetchError::NotModified) => Verdict::Confirmed,
            Err(FetchError::NotFound) => Verdict::Gone,
            Err(FetchError::Busy) if client.is_evicted() => {
                return Some(Found::Failed(FetchError::Busy));
            }
            Err(_) => Verdict::Unconfirmed,
        };
        let status = match verdict {
            Verdict::Unconfirmed => CacheStatus::Stale,
            _ => CacheStatus::Forwarded {
                why,
                status: Some(StatusCode::NOT_MODIFIED),
                stored: false,
                collapsed,
            },
        };
        Some(self.judge(path, stored, verdict, status))
    }

    /// What the client gets. A file that is gone at every source stays gone where the administrator said that it
    /// changes; elsewhere it is what the cache is for.
    fn judge(
        &self,
        path: &CachePath,
        stored: Stored,
        verdict: Verdict,
        status: CacheStatus,
    ) -> Found {
        match verdict {
            Verdict::Gone if self.changes(path) => Found::Failed(FetchError::NotFound),
            Verdict::Gone => Found::Stored {
                stored,
                status: CacheStatus::Stale,
            },
            Verdict::Confirmed | Verdict::Unconfirmed => Found::Stored { stored, status },
        }
    }
}

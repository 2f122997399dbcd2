//! The transfers that run, and whose turn is next.
//!
//! Rules: requests for one missing file share one transfer, which outlives them; so many run at a time, a further
//! one waits its turn, and one that nobody reads gives way to it. The table's lock is never held over network I/O.
//!
//! Not here: what a transfer does (`fetch`).

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::Cache;
use crate::cache_path::CachePath;
use crate::download::{Download, Follower, Writer};
use crate::fetch;
use crate::job::{Job, Purpose};
use crate::limits::{limits, ms};
use crate::lock::lock;
use crate::log;
use crate::slots::Slot;
use crate::store::Lookup;
use crate::upstream::FetchError;

#[derive(Debug, Default)]
pub(super) struct Transfers {
    /// Those that may be joined.
    shared: HashMap<CachePath, Arc<Download>>,
    /// All that run, relays included.
    running: Vec<Arc<Download>>,
}

impl Transfers {
    /// A reader of the transfer that fetches the same for all, if there is one. A mere check says nothing to
    /// whoever holds another file than was asked about, or none.
    pub(super) fn join(&self, job: &Job) -> Option<Follower> {
        let shared = self.shared.get(&job.path)?;
        let fits = shared.serves_all() || job.held_etag() == shared.job().held_etag();
        if fits && job.purpose == Purpose::Store {
            shared.follow()
        } else {
            None
        }
    }
}

/// What became of a wish to follow a transfer.
pub(super) enum Joined {
    /// A reader, and whether another request began the transfer.
    Following(Follower, bool),
    /// It has ended just now: look again.
    Ended,
    /// There is none.
    Failed(FetchError),
}

impl Cache {
    /// Joins the transfer of what `job` wants, or starts one when its turn comes before `deadline`.
    pub(super) fn join_or_start(
        self: &Arc<Self>,
        job: Job,
        client: &Slot,
        deadline: Instant,
    ) -> Joined {
        let mut look = Instant::now() + ms(limits().look_ms);
        let mut transfers = lock(&self.transfers);
        loop {
            if let Some(follower) = transfers.join(&job) {
                return Joined::Following(follower, true);
            }
            if self.has_ended(&job) {
                return Joined::Ended;
            }
            if transfers.running.len() as u64 >= limits().transfers {
                let Some(again) = self.wait_turn(transfers, deadline) else {
                    return Joined::Failed(FetchError::Busy);
                };
                transfers = again;
                if look <= Instant::now() {
                    if client.is_evicted() || client.client_closed() {
                        return Joined::Failed(FetchError::Busy);
                    }
                    look = Instant::now() + ms(limits().look_ms);
                }
                continue;
            }
            return self.start(job, transfers);
        }
    }

    /// Whether a transfer of it has ended since the cache was looked at.
    fn has_ended(&self, job: &Job) -> bool {
        match (job.purpose, &job.held) {
            (Purpose::Store, Some(held)) => {
                self.store.checks().recent(&job.path, &held.etag).is_some()
                    || match self.store.find(&job.path) {
                        Lookup::Hit(stored) => stored.etag() != held.etag,
                        Lookup::Miss => true,
                        _ => false,
                    }
            }
            (Purpose::Store, None) => matches!(self.store.find(&job.path), Lookup::Hit(_)),
            _ => false,
        }
    }

    /// Waits until a transfer has ended; one that nobody reads is ended for it.
    fn wait_turn<'a>(
        &'a self,
        transfers: MutexGuard<'a, Transfers>,
        deadline: Instant,
    ) -> Option<MutexGuard<'a, Transfers>> {
        let left = deadline.checked_duration_since(Instant::now())?;
        let _ = transfers
            .running
            .iter()
            .find(|download| download.give_way());
        // A reader that leaves does not tell: look again soon.
        let patience = left.min(ms(limits().turn_look_ms));
        Some(self.ended.wait(transfers, patience))
    }

    /// Waits until what has been received is published, but not longer than `grace`.
    pub fn settle(&self, grace: Duration) {
        let deadline = Instant::now() + grace;
        let mut transfers = lock(&self.transfers);
        while transfers
            .running
            .iter()
            .any(|running| running.is_received())
        {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            transfers = self.ended.wait(transfers, left);
        }
    }

    fn start(self: &Arc<Self>, job: Job, mut transfers: MutexGuard<'_, Transfers>) -> Joined {
        let path = job.path.clone();
        let shared = job.purpose == Purpose::Store;
        let (download, writer) = Download::new(job);
        let Some(follower) = download.follow() else {
            return Joined::Failed(FetchError::Broken);
        };
        let turn = Turn {
            cache: Arc::clone(self),
            download: Arc::clone(&download),
        };
        if shared {
            transfers.shared.insert(path.clone(), Arc::clone(&download));
        }
        transfers.running.push(download);
        drop(transfers);
        match self.workers.run(Box::new(move || turn.run(writer))) {
            Ok(()) => Joined::Following(follower, false),
            Err(_) => Joined::Failed(FetchError::Busy),
        }
    }

    /// Takes a transfer out of the table, so that nobody joins it.
    fn unshare(&self, path: &CachePath, download: &Arc<Download>) {
        let mut transfers = lock(&self.transfers);
        if transfers
            .shared
            .get(path)
            .is_some_and(|shared| Arc::ptr_eq(shared, download))
        {
            transfers.shared.remove(path);
        }
    }
}

/// A transfer's place among those that run; dropped, it makes room.
struct Turn {
    cache: Arc<Cache>,
    download: Arc<Download>,
}

impl Turn {
    fn run(&self, writer: Writer) {
        let cache = &*self.cache;
        let job = self.download.job();
        let unshare = || cache.unshare(&job.path, &self.download);
        let run = || fetch::run(&cache.store, &cache.upstream, job, writer, &unshare);
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(()) => {}
            Err(_) => log::error!(
                "the transfer of {} panicked; its clients were cut off",
                job.path
            ),
        }
        unshare();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut transfers = lock(&self.cache.transfers);
        transfers
            .running
            .retain(|running| !Arc::ptr_eq(running, &self.download));
        transfers
            .shared
            .retain(|_, shared| !Arc::ptr_eq(shared, &self.download));
        drop(transfers);
        self.cache.ended.ring();
    }
}

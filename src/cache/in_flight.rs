//! In flight: the transfers that run, and whose turn is next (collapsed forwarding, as in RFC 9211 §2.6).
//!
//! Rules: requests for one missing file share one transfer, which outlives them. `transfers` run at a time; a
//! further one waits for its turn, and a transfer that nobody reads gives way to it. The table's lock is never
//! held while a source is spoken to.
//!
//! Not here: what a transfer does (`transfer`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::Cache;
use crate::log;
use crate::net::clients::{Client, Look};
use crate::stats::{self, Outcome};
use crate::store::{CachePath, Lookup};
use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;
use crate::transfer::{self, Left, Purpose, Reader, Received, Request, Transfer, Unnamed, Writer};
use crate::upstream::Failure;

/// The table of transfers.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// All transfers that run, relays included, in the order of their begin; so few that looking through them costs
    /// no more than a map by path.
    running: Vec<Arc<Transfer>>,
}

impl InFlight {
    /// A reader of the transfer that fetches the same, if there is one. A transfer that only validates a stored
    /// file has nothing for a request that holds another file or none.
    pub(super) fn join(&self, request: &Request) -> Option<Reader> {
        let is_same = |theirs: &Request| theirs.is_shared() && theirs.path == request.path;
        let mut latest = self.running.iter().rev();
        // A later one was begun because an earlier one cannot be joined any more.
        let shared = latest.find(|transfer| is_same(transfer.request()))?;
        let theirs = shared.request();
        let fits = shared.serves_all() || request.held_etag() == theirs.held_etag();
        let trusted = request.joins_foreign || !theirs.foreign;
        match request.purpose {
            Purpose::Store if fits && trusted => shared.join(),
            _ => None,
        }
    }
}

/// The result of joining or starting a transfer.
pub(super) enum Joined {
    /// A reader, and whether another request began the transfer (then this one is collapsed); if not, what may be left
    /// of it for this thread.
    Reading(Reader, bool, Ending),
    /// The transfer has ended just now: look into the store again.
    Ended,
    /// There is no transfer, and why.
    Failed(Failure),
}

impl Cache {
    /// Joins the transfer of what `request` is for, or starts one if its turn comes before `deadline`. The store was
    /// looked at when so many transfers had `ended`.
    pub(super) fn join_or_start(
        self: &Arc<Self>,
        request: Request,
        ended: u64,
        client: &Client,
        deadline: Instant,
    ) -> Joined {
        let mut in_flight = lock(&self.in_flight);
        loop {
            if let Some(reader) = in_flight.join(&request) {
                return Joined::Reading(reader, true, Ending::default());
            }
            // If none has ended since, the store has nothing new. One that validates is of no use to others already when
            // the source has answered, which is before it ends.
            let may_be_new = request.held.is_some() || self.ended() != ended;
            if may_be_new && self.has_ended(&request) {
                return Joined::Ended;
            }
            if in_flight.running.len() as u64 >= limits().transfers {
                let Some(again) = self.wait_turn(in_flight, deadline) else {
                    return Joined::Failed(Failure::Busy);
                };
                in_flight = again;
                if client.look() != Look::There {
                    return Joined::Failed(Failure::Busy);
                }
                continue;
            }
            return self.start(request, in_flight);
        }
    }

    /// Whether a transfer of it has ended since the store was looked at: then the file is there, or was
    /// validated.
    fn has_ended(&self, request: &Request) -> bool {
        let path = &request.path;
        match (&request.purpose, &request.held) {
            (Purpose::Store, None) => matches!(self.store.find(path), Lookup::Hit(_)),
            (Purpose::Store, Some(held)) => {
                let said = self.store.freshness().validation(path, &held.etag);
                said.is_some() || self.is_replaced(path, &held.etag)
            }
            _ => false,
        }
    }

    /// Whether the file with this entity tag is no longer the one that is stored at `path`.
    fn is_replaced(&self, path: &CachePath, etag: &str) -> bool {
        match self.store.find(path) {
            Lookup::Hit(stored) => stored.etag() != etag,
            Lookup::Miss => true,
            _ => false,
        }
    }

    /// Waits until a transfer has ended. One that nobody reads is ended for that. None when `deadline` is over.
    fn wait_turn<'a>(
        &'a self,
        in_flight: MutexGuard<'a, InFlight>,
        deadline: Instant,
    ) -> Option<MutexGuard<'a, InFlight>> {
        let left = deadline.checked_duration_since(Instant::now())?;
        let mut running = in_flight.running.iter();
        if !running.any(|transfer| transfer.give_way()) {
            for transfer in &in_flight.running {
                transfer.leave_crawler_behind();
                // Where one source alone serves the path, no other could go on.
                if self.upstream.serving(&transfer.request().upstream).len() > 1 {
                    transfer.leave_dripping_source();
                }
            }
        }
        // A reader that leaves rings no bell here, so look again soon.
        let patience = left.min(ms(limits().turn_look_ms));
        Some(self.ended.wait(in_flight, patience))
    }

    /// What there is to see of the transfers that run.
    pub fn transfers(&self) -> Vec<stats::Transfer> {
        // Cloned first: a path may be long, and who starts a transfer waits for the table.
        let running = lock(&self.in_flight).running.clone();
        running.iter().map(|transfer| transfer.view()).collect()
    }

    /// The process stops: what is received for nobody ends at once, and is kept.
    pub fn begin_stop(&self) {
        self.store.begin_stop();
        for running in &lock(&self.in_flight).running {
            running.stop_unread();
        }
    }

    /// Ends all transfers. Waits until those that have been received in full have their names and the others are kept,
    /// for `grace` at most.
    pub fn settle(&self, grace: Duration) {
        let deadline = Instant::now() + grace;
        let mut in_flight = lock(&self.in_flight);
        loop {
            in_flight.running.iter().for_each(|running| running.stop());
            let mut running = in_flight.running.iter();
            if !running.any(|running| running.is_received()) && !self.store.has_partials() {
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            in_flight = self.ended.wait(in_flight, left);
        }
    }

    fn start(
        self: &Arc<Self>,
        request: Request,
        mut in_flight: MutexGuard<'_, InFlight>,
    ) -> Joined {
        let (transfer, writer) = Transfer::new(request);
        let Some(reader) = transfer.join() else {
            return Joined::Failed(Failure::Broken);
        };
        let turn = Turn {
            cache: Arc::clone(self),
            transfer: Arc::clone(&transfer),
        };
        in_flight.running.push(transfer);
        drop(in_flight);
        match turn.run_at_once(writer) {
            Ok(ending) => Joined::Reading(reader, false, ending),
            Err(Busy) => Joined::Failed(Failure::Busy),
        }
    }
}

/// No thread can be had.
struct Busy;

/// A transfer's place among those that run. When it is dropped, the transfer leaves the table and the next one
/// has its turn.
#[derive(Debug)]
struct Turn {
    cache: Arc<Cache>,
    transfer: Arc<Transfer>,
}

impl Turn {
    /// Runs the transfer on this thread as long as that takes no wait, then on a thread of its own. What is quick is left
    /// for when the client has its response.
    fn run_at_once(self, writer: Writer) -> Result<Ending, Busy> {
        let (cache, request) = (&self.cache, self.transfer.request());
        match transfer::fetch_at_once(&cache.store, &cache.upstream, request, writer) {
            Ok(Ok(file)) => {
                let quick = file.is_quick();
                let ending = Ending(Some(Box::new((self, file))));
                match quick {
                    true => return Ok(ending),
                    false => ending.hand_over(),
                }
            }
            Ok(received) => self.end(received),
            Err(left) => {
                let cache = Arc::clone(cache);
                let run = Box::new(move || self.run(left));
                if cache.threads.run(run).is_err() {
                    cache.stats().transferred(Outcome::Failed);
                    return Err(Busy);
                }
            }
        }
        Ok(Ending::default())
    }

    fn run(&self, left: Left) {
        let (cache, request) = (&*self.cache, self.transfer.request());
        self.guard(|| {
            let received = transfer::fetch(&cache.store, &cache.upstream, request, left);
            self.end(received);
        });
    }

    /// What follows when no reader waits for the transfer any more.
    fn end(&self, received: Received) {
        let (cache, request) = (&*self.cache, self.transfer.request());
        let outcome = match received {
            Ok(file) => file.publish(&cache.store, request),
            Err(outcome) => outcome,
        };
        cache.stats().transferred(outcome);
    }

    /// Runs a part of the transfer; a panic in it ends the transfer alone.
    fn guard(&self, part: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(part)).is_err() {
            let path = &self.transfer.request().path;
            log::error!("the transfer of {path} panicked; its clients were cut off");
            self.cache.stats().transferred(Outcome::Failed);
        }
    }
}

/// The end of a transfer whose content a client's thread has received, or nothing: the file gets its name when this is
/// dropped, which is to be after the response was sent, and on another thread if that has to wait for the client.
#[derive(Debug, Default)]
pub struct Ending(Option<Box<(Turn, Unnamed)>>);

impl Ending {
    /// Leaves it to another thread; if none can be had, it is done on this one.
    pub fn hand_over(self) {
        if let Some(threads) = self.0.as_ref().map(|it| Arc::clone(&it.0.cache.threads)) {
            let _ = threads.run(Box::new(move || drop(self)));
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some((turn, file)) = self.0.take().map(|it| *it) {
            turn.guard(|| turn.end(Ok(file)));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut in_flight = lock(&self.cache.in_flight);
        let others = |other: &Arc<Transfer>| !Arc::ptr_eq(other, &self.transfer);
        in_flight.running.retain(others);
        self.cache.endings.fetch_add(1, Ordering::Release);
        drop(in_flight);
        self.cache.ended.ring();
    }
}

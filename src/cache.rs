//! Cache: where the content for a request is.
//!
//! Rules: a hit takes no lock; any number of requests for one missing file share one transfer, which
//! outlives them; so many transfers run at a time, a further miss waits its turn, and one that nobody
//! reads gives way to it. The table's lock is never held over network I/O.
//!
//! Not here: the answer made of it (`answer`).

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::cache_path::{CachePath, Place};
use crate::download::{Download, Follower, Writer};
use crate::fetch;
use crate::http::range::ContentRange;
use crate::http::{Method, ResponseHead, StatusCode};
use crate::job::{Job, Purpose};
use crate::limits::{limits, ms};
use crate::lock::lock;
use crate::log;
use crate::origin::{Ask, OriginError, Response};
use crate::proof;
use crate::slots::Slot;
use crate::store::{Lookup, Store, Stored};
use crate::upstream::{FetchError, Upstream, Wanted};

/// Where the content for a request is.
#[derive(Debug)]
pub enum Found {
    /// In the cache.
    Stored(Stored),
    /// It is on its way; `collapsed`: on behalf of an earlier request.
    Following {
        /// Reads it.
        follower: Follower,
        /// Whether another request began the transfer.
        collapsed: bool,
    },
    /// A source's answer to HEAD.
    Head {
        /// Its head.
        head: Box<ResponseHead>,
        /// Whether it turned out to be a directory.
        directory: bool,
    },
    /// Nowhere.
    Failed(FetchError),
}

/// The store, the sources and the transfers between them.
#[derive(Debug)]
pub struct Cache {
    store: Arc<Store>,
    upstream: Upstream,
    pseudonym: String,
    transfers: Mutex<Transfers>,
    /// Told when a transfer ends.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Transfers {
    /// Those that may be joined.
    shared: HashMap<CachePath, Arc<Download>>,
    /// All that run, relays included.
    running: Vec<Arc<Download>>,
}

impl Cache {
    /// A cache over a directory and its sources; `pseudonym` names us in Via.
    pub fn new(store: Arc<Store>, upstream: Upstream, pseudonym: String) -> Arc<Self> {
        Arc::new(Self {
            store,
            upstream,
            pseudonym,
            transfers: Mutex::default(),
            ended: Condvar::new(),
        })
    }

    /// Our name in Via.
    pub fn pseudonym(&self) -> &str {
        &self.pseudonym
    }

    /// Seconds since this process stored the file, if it still knows.
    pub fn age(&self, path: &CachePath, etag: &str) -> Option<u64> {
        self.store.age(path, etag)
    }

    /// Finds the content for a GET or HEAD of `place`, asking the sources for what is not here; nothing is
    /// begun for a `client` that has gone or lost its place.
    pub fn lookup(
        self: &Arc<Self>,
        method: Method,
        place: &Place,
        via: &[String],
        client: &Slot,
    ) -> Found {
        let (path, purpose) = match place {
            Place::Root => return Found::Failed(FetchError::NotFound),
            Place::Listing(path) => (path, Purpose::RelayListing),
            Place::File(path) => match self.store.find(path) {
                Lookup::Hit(stored) => return Found::Stored(stored),
                Lookup::Miss => (path, Purpose::Store),
                Lookup::Directory => (path, Purpose::RelayFile),
                Lookup::Busy(cause) => {
                    log::info!("cannot open {path}: {cause}; the client is asked to come again");
                    return Found::Failed(FetchError::Busy);
                }
                Lookup::Unusable(cause) => {
                    let root = self.store.root().display();
                    log::warning!("cannot read {root}/{path}: {cause}; relayed from the sources");
                    (path, Purpose::RelayFile)
                }
            },
        };
        let ask = Ask::new(method, via, &self.pseudonym);
        let job = Job {
            path: path.clone(),
            ask,
            purpose,
        };
        match method {
            Method::Head => self.head(&job),
            _ => self.join_or_start(job, client),
        }
    }

    /// HEAD is answered by a running transfer, else by a source; it stores nothing.
    fn head(&self, job: &Job) -> Found {
        let shared = |job: &Job| {
            lock(&self.transfers)
                .shared
                .get(&job.path)
                .and_then(Download::follow)
        };
        if job.purpose == Purpose::Store
            && let Some(follower) = shared(job)
        {
            return Found::Following {
                follower,
                collapsed: true,
            };
        }
        let encoded = job.encoded();
        match self.upstream.fetch(job.wanted(&encoded), &job.ask) {
            Ok(response) => {
                let (head, directory) = (Box::new(response.head.clone()), response.directory);
                self.upstream.finish(response);
                Found::Head { head, directory }
            }
            Err(error) => Found::Failed(error),
        }
    }

    /// A part of a transfer's content for one reader alone, from the first source that shows to have
    /// the same file: same length, same Last-Modified, and once more the bytes of `overlap`, which the reader
    /// got just before. Without those there is no proof. Each `attempt` begins with another source.
    pub fn part(
        &self,
        follower: &Follower,
        part: Range<u64>,
        overlap: &[u8],
        attempt: u64,
    ) -> Option<Response> {
        let same = follower.representation(Duration::ZERO).ok().flatten()?;
        same.source_date?;
        let Job { path, ask, .. } = follower.job();
        let first = part.start.checked_sub(overlap.len() as u64)?;
        let last = part.end.checked_sub(1)?;
        let ask = ask.part(first, Some(last));
        let expected = ContentRange {
            first,
            last,
            complete: same.length,
        };
        let encoded = path.encoded();
        let wanted = Wanted::File {
            encoded: &encoded,
            name: path.name(),
        };
        let mut order = self.upstream.order();
        let turn = usize::try_from(attempt)
            .unwrap_or(0)
            .checked_rem(order.len());
        order.rotate_left(turn.unwrap_or(0));
        let answer = self.upstream.first(&order, wanted, &ask, &mut |response| {
            let range = response
                .head
                .fields
                .get("Content-Range")
                .and_then(ContentRange::parse);
            if response.head.status != StatusCode::PARTIAL_CONTENT {
                Err(OriginError::Status(response.head.status))
            } else if range == Some(expected) && response.last_modified() == same.source_date {
                proof::compare(response, 0, overlap)
            } else {
                Err(OriginError::NotTheFile("a part of another one".to_owned()))
            }
        });
        answer.ok()
    }

    fn join_or_start(self: &Arc<Self>, job: Job, client: &Slot) -> Found {
        let deadline = Instant::now() + ms(limits().turn_ms);
        let mut look = Instant::now() + ms(limits().look_ms);
        let mut transfers = lock(&self.transfers);
        loop {
            if job.purpose == Purpose::Store {
                if let Some(follower) = transfers.shared.get(&job.path).and_then(Download::follow) {
                    return Found::Following {
                        follower,
                        collapsed: true,
                    };
                }
                // The transfer may have ended between our look and the lock.
                if let Lookup::Hit(stored) = self.store.find(&job.path) {
                    return Found::Stored(stored);
                }
            }
            if transfers.running.len() as u64 >= limits().transfers {
                let Some(again) = self.wait_turn(transfers, deadline) else {
                    return Found::Failed(FetchError::Busy);
                };
                transfers = again;
                if look <= Instant::now() {
                    if client.is_evicted() || client.client_closed() {
                        return Found::Failed(FetchError::Busy);
                    }
                    look = Instant::now() + ms(limits().look_ms);
                }
                continue;
            }
            return self.start(job, transfers);
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
        let waited = self
            .ended
            .wait_timeout(transfers, left.min(ms(limits().turn_look_ms)));
        Some(waited.unwrap_or_else(PoisonError::into_inner).0)
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
            let waited = self.ended.wait_timeout(transfers, left);
            transfers = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn start(self: &Arc<Self>, job: Job, mut transfers: MutexGuard<'_, Transfers>) -> Found {
        let path = job.path.clone();
        let shared = job.purpose == Purpose::Store;
        let (download, writer) = Download::new(job);
        let Some(follower) = download.follow() else {
            return Found::Failed(FetchError::Broken);
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
        let thread = thread::Builder::new()
            .name("transfer".into())
            .stack_size(256 * 1024);
        match thread.spawn(move || turn.run(writer)) {
            Ok(_) => Found::Following {
                follower,
                collapsed: false,
            },
            Err(cause) => {
                log::error!(
                    "cannot start a thread for {path}: {cause}; raise the limit on processes"
                );
                Found::Failed(FetchError::Busy)
            }
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
        self.cache.ended.notify_all();
    }
}

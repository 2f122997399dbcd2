//! Cache: where the content for a request is.
//!
//! Rules: `stored` never waits and takes no lock that is held for long, so that a thread that serves many
//! connections may call it. `fetch` may wait for a turn or for a transfer. Only transfers speak to sources, and
//! they are asked only for what is not stored or may have changed.
//!
//! Not here: which requests share a transfer (`in_flight`), files that may have changed at their source
//! (`revalidate`), the response (`serve::response`).

mod distfiles;
mod in_flight;
mod patterns;
mod revalidate;
mod sets;

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::cache_control::{self, Confirm};
use crate::http::{CacheStatus, Forward, RequestHead, via};
use crate::log;
use crate::manifests::Live;
use crate::net::Threads;
use crate::net::clients::Client;
use crate::stats::{Space, Stats};
use crate::store::{CachePath, Lookup, Place, Store, Stored, layout};
use crate::sys::limits::{limits, ms};
use crate::sys::lock::Bell;
use crate::transfer::{Part, Purpose, Reader, Representation, Request, Via};
use crate::upstream::{Failure, Upstream};
use in_flight::{InFlight, Joined};

pub use in_flight::Ending;
pub use patterns::Glob;

/// What a client asks for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The whole head.
    pub request: &'a RequestHead,
    /// What its path names in the cache.
    pub place: &'a Place,
    /// The Via entries to pass on.
    pub via: &'a [String],
    /// How many transfers had ended before the store was looked at.
    pub ended: u64,
}

/// What the cache can say of a query without waiting.
#[derive(Debug)]
pub enum Sought {
    /// What to serve.
    Found(Found),
    /// A stored file that is served only after a source was asked, and why.
    MayHaveChanged(CachePath, Stored, Forward),
    /// It is not stored: the sources are asked, for this purpose.
    NotHere(CachePath, Purpose),
    /// No descriptor is left to open the file.
    Busy(CachePath, io::Error),
}

/// Where the content for a query is.
#[derive(Debug)]
pub enum Found {
    /// It is stored.
    Stored {
        /// The open file.
        stored: Stored,
        /// What `Cache-Status` says of it.
        status: CacheStatus,
    },
    /// It is being received.
    InTransfer {
        /// This request's reader of the transfer.
        reader: Reader,
        /// What the source's head says that it is.
        representation: Arc<Representation>,
        /// Whether another request began the transfer.
        collapsed: bool,
        /// What may be left of the transfer for when the response was sent.
        ending: Ending,
    },
    /// There is none.
    Failed(Failure),
}

/// The store, the sources, and the transfers from one to the other.
#[derive(Debug)]
pub struct Cache {
    store: Arc<Store>,
    upstream: Upstream,
    /// Patterns of paths that change at the sources (`--revalidate`).
    revalidate: Vec<Glob>,
    /// What distfiles must be (`--manifests`).
    manifests: Arc<Live>,
    /// Our name in Via.
    pseudonym: String,
    /// Our entry in Via.
    via: String,
    in_flight: Mutex<InFlight>,
    threads: Arc<Threads>,
    /// Rung when a transfer ends.
    ended: Bell,
    /// How many have ended; changed while `in_flight` is locked.
    endings: AtomicU64,
}

impl Cache {
    /// A cache over a directory and its sources. Paths that match one of `revalidate` change at the sources,
    /// `manifests` say what distfiles must be, `pseudonym` is our name in Via.
    pub fn new(
        store: Arc<Store>,
        upstream: Upstream,
        revalidate: Vec<Glob>,
        manifests: Arc<Live>,
        pseudonym: String,
    ) -> Arc<Self> {
        let threads = Threads::new("transfer");
        threads.stand_by();
        Arc::new(Self {
            store,
            upstream,
            revalidate,
            manifests,
            via: via::with_own(&[], &pseudonym),
            pseudonym,
            in_flight: Mutex::default(),
            threads,
            ended: Bell::default(),
            endings: AtomicU64::new(0),
        })
    }

    /// Our name in Via.
    pub fn pseudonym(&self) -> &str {
        &self.pseudonym
    }

    /// Where it is counted what happens.
    pub fn stats(&self) -> &Arc<Stats> {
        self.upstream.stats()
    }

    /// What there is to see of the cache directory; this may wait for its file system.
    pub fn space(&self) -> Space {
        self.store.space()
    }

    /// Our entry in Via.
    pub fn via(&self) -> &str {
        &self.via
    }

    /// The age in seconds of a stored file (RFC 9111 §4.2.3), if this process stored or validated it and still
    /// knows.
    pub fn age(&self, path: &CachePath, etag: &str) -> Option<u64> {
        self.store.freshness().age(path, etag)
    }

    /// How many transfers have ended.
    pub fn ended(&self) -> u64 {
        self.endings.load(Ordering::Acquire)
    }

    /// What is stored for a query. It waits for nothing but the disk.
    pub fn stored(&self, query: Query<'_>) -> Sought {
        let path = match query.place {
            Place::Root => return Sought::Found(Found::Failed(Failure::NotFound)),
            Place::Listing(path) => return Sought::NotHere(path.clone(), Purpose::RelayListing),
            Place::Opaque(path) => return Sought::NotHere(path.clone(), Purpose::RelayFile),
            // Like every directory; a stored file of that name would block all below it.
            Place::File(path) if self.upstream.is_name(path) => {
                return Sought::NotHere(path.clone(), Purpose::RelayListing);
            }
            Place::File(path) => path,
        };
        let fields = &query.request.fields;
        match self.store.find(path) {
            Lookup::Hit(stored) if self.has_wrong_length(path, &stored) => {
                match self.of_twin(path, Confirm::of(fields)) {
                    Some(found) => Sought::Found(found),
                    None => self.lately_validated(path, stored, Forward::Miss),
                }
            }
            Lookup::Hit(stored) => match self.why_ask(path, fields) {
                None => Sought::Found(Found::Stored {
                    stored,
                    status: CacheStatus::Hit,
                }),
                Some(why) => self.lately_validated(path, stored, why),
            },
            Lookup::Miss => match self.of_twin(path, Confirm::of(fields)) {
                Some(found) => Sought::Found(found),
                None => Sought::NotHere(path.clone(), Purpose::Store),
            },
            Lookup::Directory => Sought::NotHere(path.clone(), Purpose::RelayFile),
            Lookup::Busy(cause) => Sought::Busy(path.clone(), cause),
            Lookup::Unusable(cause) => {
                let root = self.store.root().display();
                log::warning!("cannot read {root}/{path}: {cause}; relayed from the sources");
                Sought::NotHere(path.clone(), Purpose::RelayFile)
            }
        }
    }

    /// Finds the content for a query of which `stored` said `sought`, asking the sources where necessary.
    /// Nothing is begun for a client that has gone or was evicted.
    pub fn fetch(
        self: &Arc<Self>,
        mut query: Query<'_>,
        mut sought: Sought,
        client: &Client,
    ) -> Found {
        let mut looks = 0;
        let mut joins_foreign = true;
        loop {
            if cache_control::only_if_cached(&query.request.fields) {
                sought = unasked(sought);
            }
            let found = match sought {
                Sought::Found(found) => Some(found),
                Sought::MayHaveChanged(path, stored, why) => {
                    self.validate(path, stored, why, query, &mut joins_foreign, client)
                }
                Sought::NotHere(path, purpose) => {
                    self.ask_sources(query, path, purpose, &mut joins_foreign, client)
                }
                Sought::Busy(..) if client.is_evicted() => Some(Found::Failed(Failure::Busy)),
                Sought::Busy(path, cause) => await_descriptor(&path, &cause, client, &mut looks),
            };
            if let Some(found) = found {
                return found;
            }
            query.ended = self.ended();
            sought = self.stored(query);
        }
    }

    /// Joins or starts the transfer of what is not stored, and waits for its head. None when a transfer has
    /// ended just now: look again.
    fn ask_sources(
        self: &Arc<Self>,
        query: Query<'_>,
        path: CachePath,
        purpose: Purpose,
        joins_foreign: &mut bool,
        client: &Client,
    ) -> Option<Found> {
        let (method, via) = (query.request.method, self.via_for(query));
        // Nothing stored is to be validated, but a cache between us and the source may have something.
        let confirm = Confirm::of(&query.request.fields);
        let expected = self.expectation(&path, client);
        let hashed = layout::hashed(&path).filter(|_| matches!(purpose, Purpose::Store));
        let request = Request::new(method, path, purpose, via).expecting(expected);
        let mut request = request.confirmed(confirm);
        request.joins_foreign = *joins_foreign;
        let foreign = request.foreign;
        let deadline = Instant::now() + ms(limits().turn_ms);
        let joined = self.join_or_start(request, query.ended, client, deadline);
        let (reader, collapsed, ending) = match joined {
            Joined::Reading(reader, collapsed, ending) => (reader, collapsed, ending),
            Joined::Ended => return None,
            Joined::Failed(failure) => return Some(Found::Failed(failure)),
        };
        match reader.await_head(client, None) {
            Ok(Some(representation)) => Some(Found::InTransfer {
                reader,
                representation,
                collapsed,
                ending,
            }),
            Ok(None) => Some(Found::Failed(Failure::Timeout)),
            Err(_) if !foreign && is_of_another(&reader, collapsed, client) => {
                *joins_foreign = false;
                None
            }
            Err(failure) => match hashed.filter(|_| failure == Failure::NotFound) {
                // Today's mirrors have it in the hashed layout alone.
                Some(path) => Some(self.fetch_as(path, query, client)),
                None => Some(Found::Failed(failure)),
            },
        }
    }

    /// The value of Via to send for a query.
    fn via_for(&self, query: Query<'_>) -> Via {
        let foreign = !query.via.is_empty();
        let value = match foreign {
            true => via::with_own(query.via, &self.pseudonym),
            false => self.via.clone(),
        };
        Via { value, foreign }
    }

    /// Starts the transfer of a part of another transfer's content, for one reader of that. `overlap` are the
    /// bytes that the reader got just before, as proof; each `attempt` begins with another source. None if
    /// nothing could prove it, or no turn comes before `deadline`.
    pub fn part(
        self: &Arc<Self>,
        reader: &Reader,
        range: Range<u64>,
        overlap: Vec<u8>,
        attempt: u64,
        deadline: Instant,
        client: &Client,
    ) -> Option<Reader> {
        let same = reader.representation(Duration::ZERO).ok().flatten()?;
        let part = Part::new(same, range, overlap, attempt)?;
        let request = Request::part(reader.request(), part);
        match self.join_or_start(request, 0, client, deadline) {
            Joined::Reading(reader, ..) => Some(reader),
            Joined::Ended | Joined::Failed(_) => None,
        }
    }
}

/// Whether a failure is that of another client's request: the source may have refused that one's Via, which says
/// nothing of a request without one.
fn is_of_another(reader: &Reader, collapsed: bool, client: &Client) -> bool {
    collapsed && reader.request().foreign && !client.is_evicted()
}

/// What there is for a client that wants no source asked (RFC 9111 §5.2.1.7).
fn unasked(sought: Sought) -> Sought {
    match sought {
        Sought::NotHere(..) | Sought::MayHaveChanged(_, _, Forward::Request | Forward::Miss) => {
            Sought::Found(Found::Failed(Failure::NotStored))
        }
        Sought::MayHaveChanged(_, stored, _) => Sought::Found(Found::Stored {
            stored,
            status: CacheStatus::Hit,
        }),
        sought => sought,
    }
}

/// Evicts a connection and waits a moment for its descriptor. After `busy_ms` in all the client gets 503: to relay the file
/// takes a descriptor too.
fn await_descriptor(
    path: &CachePath,
    cause: &io::Error,
    client: &Client,
    looks: &mut u32,
) -> Option<Found> {
    const LOOKS: u32 = 50;
    *looks += 1;
    if *looks < LOOKS {
        client.make_room();
        thread::sleep(ms(limits().busy_ms) / LOOKS);
        return None;
    }
    log::warning!("cannot open {path}: {cause}; the client is asked to come again");
    Some(Found::Failed(Failure::Busy))
}

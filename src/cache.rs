//! Cache: where the content for a request is.
//!
//! Rules: a hit takes no lock; only what is not stored, or may have changed, is asked for.
//!
//! Not here: which requests share a transfer (`transfers`), files that may have changed at their source
//! (`validation`), the answer (`answer`).

mod transfers;
mod validation;

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::cache_path::{CachePath, Place};
use crate::download::Follower;
use crate::glob::Glob;
use crate::http::range::ContentRange;
use crate::http::{CacheStatus, Method, RequestHead, ResponseHead, StatusCode};
use crate::job::{Job, Purpose};
use crate::limits::{limits, ms};
use crate::lock::{Bell, lock};
use crate::log;
use crate::origin::{Ask, OriginError, Response};
use crate::proof;
use crate::slots::Slot;
use crate::store::{Lookup, Store, Stored};
use crate::upstream::{FetchError, Upstream, Wanted};
use crate::workers::Workers;
use transfers::{Joined, Transfers};

/// Where the content for a request is.
#[derive(Debug)]
pub enum Found {
    /// In the cache.
    Stored {
        /// The file.
        stored: Stored,
        /// Whether a source had to be asked about it.
        status: CacheStatus,
    },
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
    /// Stored files that are served only when a source confirms them.
    revalidate: Vec<Glob>,
    pseudonym: String,
    /// Our entry in Via.
    via: String,
    transfers: Mutex<Transfers>,
    workers: Arc<Workers>,
    /// Told when a transfer ends.
    ended: Bell,
}

impl Cache {
    /// A cache over a directory and its sources; paths that match one of `revalidate` change at the
    /// sources, and `pseudonym` names us in Via.
    pub fn new(
        store: Arc<Store>,
        upstream: Upstream,
        revalidate: Vec<Glob>,
        pseudonym: String,
    ) -> Arc<Self> {
        let workers = Workers::new("transfer");
        workers.stand_by();
        Arc::new(Self {
            store,
            upstream,
            revalidate,
            via: format!("1.1 {pseudonym}"),
            pseudonym,
            transfers: Mutex::default(),
            workers,
            ended: Bell::default(),
        })
    }

    /// Our entry in Via.
    pub fn via(&self) -> &str {
        &self.via
    }

    /// Our name in it.
    pub fn pseudonym(&self) -> &str {
        &self.pseudonym
    }

    /// Seconds since this process stored the file, if it still knows.
    pub fn age(&self, path: &CachePath, etag: &str) -> Option<u64> {
        self.store.age(path, etag)
    }

    /// Finds the content for a GET or HEAD of `place`, asking the sources for what is not here or may have changed;
    /// nothing is begun for a `client` that has gone or lost its place.
    pub fn lookup(
        self: &Arc<Self>,
        request: &RequestHead,
        place: &Place,
        via: &[String],
        client: &Slot,
    ) -> Found {
        loop {
            let (path, purpose) = match place {
                Place::Root => return Found::Failed(FetchError::NotFound),
                Place::Listing(path) => (path, Purpose::RelayListing),
                Place::File(path) => match self.find(path, client) {
                    Lookup::Hit(stored) => match self.why_ask(path, &request.fields) {
                        None => {
                            let status = CacheStatus::Hit;
                            return Found::Stored { stored, status };
                        }
                        Some(why) => match self.validate(path, stored, why, via, client) {
                            Some(found) => return found,
                            None => continue,
                        },
                    },
                    Lookup::Miss => (path, Purpose::Store),
                    Lookup::Directory => (path, Purpose::RelayFile),
                    Lookup::Busy(cause) => {
                        log::info!(
                            "cannot open {path}: {cause}; the client is asked to come again"
                        );
                        return Found::Failed(FetchError::Busy);
                    }
                    Lookup::Unusable(cause) => {
                        let root = self.store.root().display();
                        log::warning!(
                            "cannot read {root}/{path}: {cause}; relayed from the sources"
                        );
                        (path, Purpose::RelayFile)
                    }
                },
            };
            let ask = Ask::new(request.method, via, &self.pseudonym);
            let job = Job::fetch(path.clone(), ask, purpose);
            if client.stand_aside().is_err() {
                return Found::Failed(FetchError::Busy);
            }
            if request.method == Method::Head {
                return self.head(&job);
            }
            let deadline = Instant::now() + ms(limits().turn_ms);
            match self.join_or_start(job, client, deadline) {
                Joined::Following(follower, collapsed) => {
                    return Found::Following {
                        follower,
                        collapsed,
                    };
                }
                Joined::Ended => {}
                Joined::Failed(error) => return Found::Failed(error),
            }
        }
    }

    /// What the store has. While no descriptor is left, it looks again for a moment: connections that were
    /// told to go give theirs back soon.
    fn find(&self, path: &CachePath, client: &Slot) -> Lookup {
        const LOOKS: u32 = 50;
        for _ in 1..LOOKS {
            match self.store.find(path) {
                Lookup::Busy(_) if client.stand_aside().is_ok() => {
                    thread::sleep(ms(limits().busy_ms) / LOOKS)
                }
                found => return found,
            }
        }
        self.store.find(path)
    }

    /// HEAD is answered by a running transfer, else by a source; it stores nothing.
    fn head(&self, job: &Job) -> Found {
        let joined = lock(&self.transfers).join(job);
        if let Some(follower) = joined {
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
    /// the same file: same length, same Last-Modified (from the transfer's own source also the same strong
    /// entity tag), and once more the bytes of `overlap`, which the reader got just before. Without a
    /// Last-Modified there is no proof. Each `attempt` begins with another source.
    pub fn part(
        &self,
        follower: &Follower,
        part: Range<u64>,
        overlap: &[u8],
        attempt: u64,
    ) -> Option<Response> {
        let same = follower.representation(Duration::ZERO).ok().flatten()?;
        same.validators.last_modified?;
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
            stored: false,
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
                return Err(OriginError::Status(response.head.status));
            }
            if range != Some(expected) {
                return Err(OriginError::NotTheFile("a part of another one".to_owned()));
            }
            same.validators.check(&response)?;
            proof::compare(response, 0, overlap)
        });
        answer.ok()
    }
}

//! Transfer: one file on its way from a source to any number of clients, and into the cache.
//!
//! # Theory
//!
//! One thread at a time fetches the file and has the [`Writer`]. Each client has a [`Reader`], which takes what has come
//! so far at its own pace. They share one [`Transfer`]: a phase, how many bytes can be read, and a cursor for
//! each reader.
//!
//! | phase | what there is | it ends |
//! |---|---|---|
//! | asking | nothing; readers wait for the head | when a source gave a usable head, or none did |
//! | receiving | the bytes up to `stored` in the file, then those in the ring | when the framing is satisfied, or the body breaks for good |
//! | received | everything; at most the name is missing | with the transfer |
//! | failed | nothing more, and never an end of content | with the transfer |
//!
//! * **Only the [`Writer`] changes the phase and what can be read.** A writer that is dropped unfinished fails
//!   the transfer, so that no reader waits for ever after a panic.
//! * **Bytes first, then the count.** A block is written to the file before `stored` grows; otherwise a reader
//!   could read what is not written yet. Readers read the file without a lock.
//! * **The ring takes over for good** when the file cannot be written. Then the writer waits for the slowest
//!   reader, and a reader that takes nothing for `ring_ms` loses its cursor. A reader without a cursor goes on
//!   by a request of its own (`serve::relay`). No reader joins any more, since the beginning is gone.
//! * **A transfer that nobody reads gives way** to one that waits for its turn, in every phase: its exchange
//!   with the source is given up, and the writer finds it abandoned. Once received it does not give way, since
//!   only the sync and the name are left. When others wait for a turn, a reader that crawls behind a full ring
//!   loses its cursor, and a source that drips is left for another one.
//! * **What must be proved is shown to its end only once it is.** Where Manifests or the name say what the
//!   content must be, the writer computes its digest along. Until that is right no reader sees the last
//!   `unproved_bytes`: [`State::shown`] says how far each of them may read, from the file and from the ring. If it
//!   is wrong, the transfer fails, and every client's response is cut, also that of a reader that has lost its cursor or
//!   goes around the transfer: what it would get is the same.
//! * **A client's thread begins**, since most small files come at once on a kept connection, and a thread of its own
//!   would cost as much as all the rest. It waits for the source for `look_ms`, like every client that waits, and
//!   goes on only as far as the answer is there, so that it waits for nothing else (`upstream::fetch`): with most to the
//!   end, with a long one to the head and the first content, which its client then has without another thread. A thread
//!   of its own takes the rest over, or all where nothing came or a wrong answer would have the Manifests read again.
//! * **The order at the end**: received, the connection given back, sync, rename, out of the table. A request
//!   that comes before the last step joins a transfer that has everything; one that comes after it finds the
//!   file.
//!
//! Locks: `state` is never held during I/O. It may be taken while the table of transfers is locked
//! (`cache::in_flight`), never the other way round.
//!
//! Not here: which requests share a transfer (`cache`), sending to a client (`serve::relay`).

mod fetch;
mod kept;
mod pace;
mod prove;
mod publish;
mod reader;
mod receive;
mod representation;
mod request;
mod resume;
mod ring;
mod writer;

use std::fs::File;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use crate::stats;
use crate::sys::limits::{limits, ms};
use crate::sys::lock::{Bell, lock};
use crate::upstream::{Exchange, Failure};
use pace::Pace;
use ring::Ring;

pub use fetch::{Left, fetch, fetch_at_once};
pub use publish::{Received, Unnamed};
pub use reader::{Reader, Ready};
pub use representation::Representation;
pub use request::{Held, Purpose, Request, Via};
pub use resume::Part;
pub use writer::Writer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No head yet.
    Asking,
    /// Content arrives.
    Receiving,
    /// The framing is satisfied: everything can be read.
    Received,
    /// There will be no more.
    Failed(Failure),
}

/// How much of what has come readers may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// All of it.
    All,
    /// What is before this offset. The rest must be proved first.
    Before(u64),
    /// All but the last `unproved_bytes`: nobody knows where the content ends.
    AllButLast,
    /// Nothing more: it is wrong.
    Nothing,
}

/// How far one reader is.
#[derive(Debug)]
struct Cursor {
    id: u64,
    /// The offset of the next byte that it reads.
    at: u64,
    /// When it last moved, or its client took something.
    since: Instant,
    /// Whether its client has closed its side.
    forsaken: bool,
    /// Whether it gets its bytes around the transfer for now, and takes none from it.
    around: bool,
    /// For `leave_crawler_behind`: the last look, and where the cursor was then.
    seen: Option<(Instant, u64)>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// How fast it comes.
    pace: Pace,
    /// How many bytes can be read from the file.
    stored: u64,
    /// The last bytes received, from where the file could not be written any more.
    ring: Option<Ring>,
    shown: Shown,
    cursors: Vec<Cursor>,
    next_id: u64,
    /// What had been received when somebody last looked how fast that goes, and when that was.
    seen: Option<(Instant, u64)>,
    /// Whether it gave way to another transfer.
    abandoned: bool,
}

impl State {
    fn received(&self) -> u64 {
        self.ring.as_ref().map_or(self.stored, Ring::end)
    }

    /// The offset up to which readers may read.
    fn shown(&self) -> u64 {
        let received = self.received();
        match self.shown {
            Shown::All => received,
            Shown::Before(end) => received.min(end),
            Shown::Nothing => 0,
            Shown::AllButLast => received.saturating_sub(limits().unproved_bytes),
        }
    }

    /// Whether the reader with this id has lost its cursor.
    fn is_left_behind(&self, id: u64) -> bool {
        !self.cursors.iter().any(|cursor| cursor.id == id)
    }

    /// The cursor of the reader with this id; none if it was left behind.
    fn cursor(&mut self, id: u64) -> Option<&mut Cursor> {
        self.cursors.iter_mut().find(|cursor| cursor.id == id)
    }
}

/// One transfer.
#[derive(Debug)]
pub struct Transfer {
    request: Request,
    begun: Instant,
    /// The connection on which the writer speaks to a source, so that it can be given up.
    exchange: Exchange,
    state: Mutex<State>,
    /// Rung after every change of `state`.
    changed: Bell,
    representation: OnceLock<Arc<Representation>>,
    file: OnceLock<Arc<File>>,
}

impl Transfer {
    /// A transfer that has not asked yet, and its writer.
    pub fn new(request: Request) -> (Arc<Self>, Writer) {
        let state = State {
            phase: Phase::Asking,
            pace: Pace::begin(0),
            stored: 0,
            ring: None,
            shown: Shown::All,
            cursors: Vec::new(),
            next_id: 0,
            seen: None,
            abandoned: false,
        };
        let transfer = Arc::new(Self {
            request,
            begun: Instant::now(),
            exchange: Exchange::default(),
            state: Mutex::new(state),
            changed: Bell::default(),
            representation: OnceLock::new(),
            file: OnceLock::new(),
        });
        let writer = Writer::new(Arc::clone(&transfer));
        (transfer, writer)
    }

    /// What it fetches.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// What there is to see of it.
    pub fn view(&self) -> stats::Transfer {
        let representation = self.representation.get();
        let source = self.exchange.source();
        let mut state = lock(&self.state);
        let received = state.received();
        stats::Transfer {
            path: stats::shown_path(self.request.upstream.path()),
            received,
            length: representation.and_then(|representation| representation.length),
            readers: state.cursors.len(),
            bytes_per_second: state.pace.look(Instant::now(), received),
            source,
            stored: self.file.get().is_some() && state.ring.is_none(),
        }
    }

    /// The age of the content in seconds (RFC 9111 §4.2.3): what its source said, and the time since the
    /// request was sent.
    fn age(&self) -> u64 {
        let representation = self.representation.get();
        let given = representation.and_then(|representation| representation.age);
        let since = self.begun.elapsed().as_secs();
        given.unwrap_or(0).saturating_add(since)
    }

    /// Whether it has something for a reader without a stored file: content, or a failure. A transfer that
    /// validates may end without either.
    pub fn serves_all(&self) -> bool {
        self.request.held.is_none() || self.representation.get().is_some()
    }

    /// A new reader; none if the transfer has failed, gives way, or has lost its beginning.
    pub fn join(self: &Arc<Self>) -> Option<Reader> {
        let mut state = lock(&self.state);
        if state.abandoned || state.ring.is_some() || matches!(state.phase, Phase::Failed(_)) {
            return None;
        }
        let id = state.next_id;
        state.next_id += 1;
        state.cursors.push(Cursor {
            id,
            at: 0,
            since: Instant::now(),
            forsaken: false,
            around: false,
            seen: None,
        });
        Some(Reader::new(Arc::clone(self), id))
    }

    /// Whether all of the content was received, and at most its name is missing.
    pub fn is_received(&self) -> bool {
        self.has_all(&lock(&self.state))
    }

    /// A reader may have the last byte, and leave, before the writer has said that it was the last one.
    fn has_all(&self, state: &State) -> bool {
        let length = || self.representation.get().and_then(|it| it.length);
        match state.phase {
            Phase::Received => true,
            Phase::Receiving => length() == Some(state.received()),
            _ => false,
        }
    }

    /// Gives the transfer up if nobody reads it; whether it did.
    pub fn give_way(&self) -> bool {
        self.give_up(|cursor| !cursor.forsaken)
    }

    /// Gives the transfer up if it has no reader at all, since the process stops. A client that has closed its side may
    /// still read, and nobody waits for its turn.
    pub fn stop_unread(&self) {
        self.give_up(|_| true);
    }

    /// Gives the transfer up, since the process stops.
    pub fn stop(&self) {
        self.give_up(|_| false);
    }

    /// Gives the transfer up unless all of it was received, or it has a reader that counts; whether it did.
    fn give_up(&self, counts: fn(&Cursor) -> bool) -> bool {
        let mut state = lock(&self.state);
        if state.cursors.iter().any(counts) || state.abandoned || self.has_all(&state) {
            return false;
        }
        state.abandoned = true;
        drop(state);
        self.exchange.give_up();
        self.changed.ring();
        true
    }

    /// Takes the cursors of readers that crawl while the ring is full, so that the transfer can go on and end;
    /// whether there were any. A reader crawls if it took less than `crawl_bytes` a second between two looks
    /// that are `crawl_ms` apart.
    pub fn leave_crawler_behind(&self) -> bool {
        let mut state = lock(&self.state);
        let full = state.ring.as_ref().map_or(0, Ring::len) as u64 >= limits().ring_bytes / 2;
        let (received, now) = (state.received(), Instant::now());
        let crawls = |cursor: &mut Cursor| {
            let behind = received.saturating_sub(cursor.at) >= limits().ring_bytes / 2;
            match cursor.seen {
                Some((then, at))
                    if now.saturating_duration_since(then) >= ms(limits().crawl_ms) =>
                {
                    cursor.seen = Some((now, cursor.at));
                    let least = limits().crawl_bytes * limits().crawl_ms / 1_000;
                    behind && cursor.at.saturating_sub(at) < least
                }
                Some(_) => false,
                None => {
                    cursor.seen = Some((now, cursor.at));
                    false
                }
            }
        };
        let before = state.cursors.len();
        if full {
            state.cursors.retain_mut(|cursor| !crawls(cursor));
        }
        let left = state.cursors.len() < before;
        drop(state);
        if left {
            self.changed.ring();
        }
        left
    }

    /// Breaks off what a source drips, so that another one goes on with it. Two looks that are `crawl_ms` apart tell
    /// how fast it is; while the ring is full nothing is read, and nobody knows.
    pub fn leave_dripping_source(&self) {
        let mut state = lock(&self.state);
        let full = state.ring.as_ref().map_or(0, Ring::len) as u64 >= limits().ring_bytes / 2;
        if full || state.phase != Phase::Receiving {
            state.seen = None;
            return;
        }
        let (received, now, window) = (state.received(), Instant::now(), ms(limits().crawl_ms));
        let (then, before) = *state.seen.get_or_insert((now, received));
        let elapsed = now.saturating_duration_since(then);
        if elapsed < window {
            return;
        }
        state.seen = None;
        let least = limits().drip_bytes.saturating_mul(limits().crawl_ms) / 1_000;
        // After a look long ago it may just have begun to drip, or have ceased to.
        if elapsed < window.saturating_mul(2) && received.saturating_sub(before) < least {
            drop(state);
            self.exchange.break_off();
        }
    }
}

//! Clients: the connections that are served at once, and which of them makes room for a new one.
//!
//! # Theory
//!
//! Each connection has an entry in one table. Its state is one atomic word: what it does and since when.
//!
//! | state | since | who sets it |
//! |---|---|---|
//! | idle: it waits for another request | the end of the last answer | its own thread |
//! | head: a request head arrives, or the first one is awaited | its first byte | its own thread |
//! | response: one is made and sent | the last progress | its own thread |
//! | evicted: it makes room | the eviction | whoever needs room |
//!
//! At the limit a new connection evicts another one: the longest idle first, then the longest at its
//! head, then the response without progress for longest, if that is over `stuck_ms`.
//!
//! * **Idle and busy change hands by one compare-exchange.** A thread that takes up a request and one that
//!   evicts both start from the state they saw; one of them fails. Without it a connection could be closed
//!   after its request was taken up, and the client could not know whether to ask again.
//! * **An evicted connection is shut down by whoever evicts it**, unless it is being answered: there the
//!   shutdown could look like the end of the content, so its thread sees the state and resets.
//! * **The table's lock guards the entries, never a state**, and is held for no system call but a shutdown.
//! * An evicted connection no longer counts as open, though its thread may need a moment to go.
//!
//! Not here: accepting (`serve::poller`), what a connection does (`serve::connection`).

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::wire::{Pending, pending};
use crate::sys::limits::{limits, ms};
use crate::sys::lock::{Bell, lock};

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It waits for another request.
    Idle = 0,
    /// A request head arrives, or the first one is awaited.
    Head = 1,
    /// A response is made and sent.
    Response = 2,
}

/// A connection that makes room, beside the activities above.
const EVICTED: u64 = 3;

/// One connection. Its state is the microseconds from the start to the last change, then two bits.
#[derive(Debug)]
struct Entry {
    stream: Arc<TcpStream>,
    state: AtomicU64,
    start: Instant,
}

impl Entry {
    /// Notes what the connection does from `now` on; false if it was evicted.
    fn turn_to(&self, activity: Activity, now: Instant) -> bool {
        let next = self.micros(now) << 2 | activity as u64;
        let current = self.state.load(Ordering::Relaxed);
        // Only an eviction changes the state from outside.
        current & 3 != EVICTED
            && self
                .state
                .compare_exchange(current, next, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    fn micros(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX >> 2)
    }

    fn now(&self) -> u64 {
        self.micros(Instant::now())
    }

    /// Evicts the connection if its state is still `seen`.
    fn evict(&self, seen: u64) -> bool {
        let evicted = self.now() << 2 | EVICTED;
        let ours = self
            .state
            .compare_exchange(seen, evicted, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        // The thread of a response sees it soon and resets: a shutdown could look like the end of the content.
        if ours && seen & 3 != Activity::Response as u64 {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
        ours
    }
}

#[derive(Debug, Default)]
struct Table {
    entries: Vec<Option<Arc<Entry>>>,
    free: Vec<usize>,
}

/// All connections.
#[derive(Debug)]
pub struct Clients {
    most: usize,
    start: Instant,
    table: Mutex<Table>,
    /// Connections, evicted ones not counted; changed under the lock.
    open: AtomicUsize,
    /// Told when a connection has ended.
    freed: Bell,
    stopping: AtomicBool,
}

impl Clients {
    /// None yet; `most` at a time.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            start: Instant::now(),
            table: Mutex::default(),
            open: AtomicUsize::new(0),
            freed: Bell::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Whether a connection that comes now can be admitted: there is room, or one can be evicted. Never once
    /// the program stops.
    pub fn may_admit(&self) -> bool {
        let full = || self.open() >= self.most;
        !self.stopping() && (!full() || candidate(&lock(&self.table), Activity::Idle).is_some())
    }

    /// Admits `stream`; at the limit another connection is evicted. Connections that are accepted at the very
    /// same time may be a few beyond the limit.
    pub fn admit(self: &Arc<Self>, stream: Arc<TcpStream>) -> Client {
        let entry = Arc::new(Entry {
            stream,
            state: AtomicU64::new(0),
            start: self.start,
        });
        // Its first request is on its way: it goes after those that have waited longer for theirs.
        let state = entry.now() << 2 | Activity::Head as u64;
        entry.state.store(state, Ordering::Relaxed);
        let mut table = lock(&self.table);
        if self.open() >= self.most {
            self.evict_one(&table, Activity::Idle);
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        let at = table.free.pop().unwrap_or(table.entries.len());
        match table.entries.get_mut(at) {
            Some(free) => *free = Some(Arc::clone(&entry)),
            None => table.entries.push(Some(Arc::clone(&entry))),
        }
        drop(table);
        Client {
            clients: Arc::clone(self),
            entry,
            at,
        }
    }

    /// Connections, evicted ones not counted.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn forget_one(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Evicts one connection, if one can go.
    pub fn make_room(&self) -> bool {
        self.evict_one(&lock(&self.table), Activity::Idle)
    }

    /// Evicts one connection that has a thread, if one can go: whoever is idle has none, or not for long.
    pub fn free_thread(&self) -> bool {
        self.evict_one(&lock(&self.table), Activity::Head)
    }

    /// Whether the program stops.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// From here on nobody is admitted and no connection goes on to another request.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Closes what is idle and waits until the rest has finished; false if `grace` was not enough.
    pub fn drain(&self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        let mut table = lock(&self.table);
        loop {
            // A connection may have become idle since the last look.
            let idle: Vec<Arc<Entry>> = table.entries.iter().flatten().cloned().collect();
            for entry in idle {
                let seen = entry.state.load(Ordering::Relaxed);
                if seen & 3 != EVICTED && seen & 3 != Activity::Response as u64 && entry.evict(seen)
                {
                    self.forget_one();
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.open() == 0 || left.is_zero() {
                return self.open() == 0;
            }
            table = self.freed.wait(table, left.min(Duration::from_millis(100)));
        }
    }

    /// Evicts the connection that can best go of those that do `least` or more; false if none can.
    fn evict_one(&self, table: &Table, least: Activity) -> bool {
        // A connection may change its state as we look; then the next look finds it elsewhere.
        for _ in 0..8 {
            let Some((state, entry)) = candidate(table, least) else {
                return false;
            };
            if entry.evict(state) {
                self.forget_one();
                return true;
            }
        }
        false
    }
}

/// The connection that can best go of those that do `least` or more, and the state in which it can.
fn candidate(table: &Table, least: Activity) -> Option<(u64, &Arc<Entry>)> {
    let entries = table.entries.iter().flatten();
    entries
        .map(|entry| (entry.state.load(Ordering::Relaxed), entry))
        .filter(|(state, entry)| state & 3 >= least as u64 && may_go(*state, entry.now()))
        .min_by_key(|(state, _)| (state & 3, state >> 2))
}

/// Whether a connection in this state may be evicted: a response only when it has stood still.
fn may_go(state: u64, now: u64) -> bool {
    let since = state >> 2;
    match state & 3 {
        EVICTED => false,
        response if response == Activity::Response as u64 => {
            Duration::from_micros(now.saturating_sub(since)) > ms(limits().stuck_ms)
        }
        _ => true,
    }
}

/// One connection among those that are served; dropped, it makes room.
#[derive(Debug)]
pub struct Client {
    clients: Arc<Clients>,
    entry: Arc<Entry>,
    /// Where its entry stands in the table.
    at: usize,
}

impl Client {
    /// The connection itself.
    pub fn stream(&self) -> &Arc<TcpStream> {
        &self.entry.stream
    }

    /// Notes what the connection does from `now` on; false if it was evicted.
    pub fn turn_to(&self, activity: Activity, now: Instant) -> bool {
        self.entry.turn_to(activity, now)
    }

    /// Whether it makes room for another connection.
    pub fn is_evicted(&self) -> bool {
        self.entry.state.load(Ordering::Relaxed) & 3 == EVICTED
    }

    /// Whether the peer has closed its side; it may still read.
    pub fn has_closed(&self) -> bool {
        pending(&self.entry.stream) == Pending::End
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.clients.open()
    }

    /// Whether the program stops.
    pub fn stopping(&self) -> bool {
        self.clients.stopping()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut table = lock(&self.clients.table);
        if let Some(entry) = table.entries.get_mut(self.at) {
            *entry = None;
        }
        table.free.push(self.at);
        if self.entry.state.load(Ordering::Relaxed) & 3 != EVICTED {
            self.clients.forget_one();
        }
        drop(table);
        self.clients.freed.ring();
    }
}

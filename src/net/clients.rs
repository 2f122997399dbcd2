//! Clients: the connections that are served at once, and which of them makes room for a new one.
//!
//! # Theory
//!
//! Each connection has an entry in one table. Its state is one atomic word: what it does and since when.
//!
//! | state | since | who sets it |
//! |---|---|---|
//! | idle: it waits for another request | the end of the last response | its own thread |
//! | head: a request head arrives, or the first one is awaited | its first byte | its own thread |
//! | left: a response is awaited whose client has closed its side | a look that found it so | its own thread |
//! | response: one is made and sent | the last progress | its own thread |
//! | unframed: a response whose end only the close tells | the last progress | its own thread |
//! | evicted: it makes room | the eviction | whoever needs room |
//!
//! At the limit a new connection has another one evicted: the longest idle first, then the longest at its head,
//! then one whose client has closed its side, then the response without progress for longest, if that is over `stuck_ms`; if all move, the slowest response
//! of the address that has most connections, if that is under `crawl_bytes` a second over `crawl_ms`.
//!
//! * **A place is given back when the connection, its thread and its descriptors are gone.** One that was evicted
//!   still counts: meanwhile the new one waits, unserved, and nobody else is evicted for it.
//! * **Idle and busy change hands by one compare-exchange.** A thread that takes up a request and one that
//!   evicts both start from the state they saw; one of them fails. Without it a connection could be closed
//!   after its request was taken up, and the client could not know whether to ask again.
//! * **An evicted connection is shut down by whoever evicts it**, which ends every read and write of its thread at
//!   once. Not so an unframed response: the shutdown would look like the end of the content. Its thread looks at
//!   the state at least every `send_look_ms`, and resets. All waits for transfers and turns look every `look_ms`.
//! * **Clients that have closed their side make room early**, when an eighth of the places is left: nobody is likely
//!   to miss them, and a new connection need not wait until one of their threads has gone.
//! * **The table's lock guards the entries, never a state**, and is held for no system call but a shutdown.
//!
//! Not here: accepting (`serve::poller`), what a connection does (`serve::connection`).

use std::net::{IpAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::entry::{ACTIVITY, Activity, EVICTED, Entry, activity_of};
use super::table::{Row, Table, group};
use super::wire::{Pending, pending};
use crate::sys::limits::limits;
use crate::sys::lock::{Bell, lock};

/// How soon to ask again for a place: when one is being given back, when nobody can be evicted, when the program
/// stops.
const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(5);
const NEVER: Duration = Duration::from_secs(1);

/// All connections.
#[derive(Debug)]
pub struct Clients {
    most: usize,
    start: Instant,
    table: Mutex<Table>,
    /// Places taken: connections, evicted ones included.
    open: AtomicUsize,
    /// Told when a connection has gone.
    freed: Bell,
    stopping: AtomicBool,
}

/// A place for one connection; dropped, it is another's.
#[derive(Debug)]
pub struct Place {
    clients: Arc<Clients>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clients.open.fetch_sub(1, Ordering::Relaxed);
        self.clients.freed.ring();
    }
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

    /// A place for a new connection.
    ///
    /// # Errors
    /// How soon to ask again, at once if that is zero: at the limit another connection is evicted, if one can be.
    /// Nobody is admitted once the program stops.
    pub fn reserve(self: &Arc<Self>) -> Result<Place, Duration> {
        if self.stopping() {
            return Err(NEVER);
        }
        let taken = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < self.most).then_some(open.saturating_add(1))
            });
        match taken {
            Ok(open) => {
                if open >= self.most.saturating_sub(self.most / 8) {
                    lock(&self.table).evict_left();
                }
                Ok(Place {
                    clients: Arc::clone(self),
                })
            }
            Err(_) => {
                let mut table = lock(&self.table);
                match table.evict_one(Activity::Idle) {
                    true if table.evicted.is_some_and(|at| at.elapsed() < SOON) => {
                        Err(Duration::ZERO)
                    }
                    true => Err(SOON),
                    false => Err(LATER),
                }
            }
        }
    }

    /// Admits `stream`, which comes from `address`, to its place.
    pub fn admit(place: Place, stream: Arc<TcpStream>, address: IpAddr) -> Client {
        let entry = Arc::new(Entry {
            stream,
            address: group(address),
            state: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            looked: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            start: place.clients.start,
        });
        // Its first request is on its way: it goes after those that have waited longer for theirs.
        let state = entry.now() << ACTIVITY | Activity::Head as u64;
        entry.state.store(state, Ordering::Relaxed);
        let row = Row {
            entry: Arc::clone(&entry),
            seen: None,
        };
        let mut table = lock(&place.clients.table);
        let at = table.free.pop().unwrap_or(table.rows.len());
        match table.rows.get_mut(at) {
            Some(free) => *free = Some(row),
            None => table.rows.push(Some(row)),
        }
        drop(table);
        Client { place, entry, at }
    }

    /// Places taken.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Places in all.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Sees to it that a connection goes; false if none can.
    pub fn make_room(&self) -> bool {
        lock(&self.table).evict_one(Activity::Idle)
    }

    /// Sees to it that a connection goes that has a thread; false if none can. An idle one has none, or not for
    /// long.
    pub fn free_thread(&self) -> bool {
        lock(&self.table).evict_one(Activity::Head)
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
            table.evict_idle();
            let left = deadline.saturating_duration_since(Instant::now());
            if self.open() == 0 || left.is_zero() {
                return self.open() == 0;
            }
            table = self.freed.wait(table, left.min(Duration::from_millis(100)));
        }
    }
}

/// What a look at a client finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It waits.
    There,
    /// It has closed its side.
    Closed,
    /// It makes room for another one.
    Evicted,
}

/// One connection among those that are served; dropped, it makes room.
#[derive(Debug)]
pub struct Client {
    place: Place,
    entry: Arc<Entry>,
    /// Where its row stands in the table.
    at: usize,
}

impl Client {
    /// The connection itself.
    pub fn stream(&self) -> &Arc<TcpStream> {
        &self.entry.stream
    }

    /// Notes what the connection does from `now` on; false if it was evicted.
    pub fn turn_to(&self, activity: Activity, now: Instant) -> bool {
        if activity == Activity::Response {
            let begun = self.entry.micros(now);
            self.entry.begun.store(begun, Ordering::Relaxed);
        }
        self.entry.turn_to(activity, now)
    }

    /// Notes so many bytes sent in a response of this kind; false if it was evicted.
    pub fn sent(&self, count: usize, activity: Activity, now: Instant) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.entry.sent.fetch_add(count, Ordering::Relaxed);
        self.entry.turn_to(activity, now)
    }

    /// Whether it makes room for another connection.
    pub fn is_evicted(&self) -> bool {
        activity_of(self.entry.state.load(Ordering::Relaxed)) == EVICTED
    }

    /// Looks whether the client is still there, while it waits for a response; the kernel is asked every
    /// `peek_ms`. One that has closed its side may be evicted from here on: it may still read, or be gone.
    pub fn look(&self) -> Look {
        let (entry, now) = (&self.entry, Instant::now());
        let state = entry.state.load(Ordering::Relaxed);
        match activity_of(state) {
            EVICTED => return Look::Evicted,
            left if left == Activity::Left as u64 => return Look::Closed,
            _ => {}
        }
        let (looked, micros) = (entry.looked.load(Ordering::Relaxed), entry.micros(now));
        if micros.saturating_sub(looked) < limits().peek_ms.saturating_mul(1_000) {
            return Look::There;
        }
        entry.looked.store(micros, Ordering::Relaxed);
        match pending(&entry.stream) {
            Pending::End => {
                entry.turn_to(Activity::Left, now);
                Look::Closed
            }
            _ => Look::There,
        }
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.place.clients.open()
    }

    /// How many there can be at once.
    pub fn most(&self) -> usize {
        self.place.clients.most()
    }

    /// Whether the program stops.
    pub fn stopping(&self) -> bool {
        self.place.clients.stopping()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let clients = &self.place.clients;
        let mut table = lock(&clients.table);
        if let Some(row) = table.rows.get_mut(self.at) {
            *row = None;
        }
        table.free.push(self.at);
        table.leaving -= usize::from(self.is_evicted());
    }
}

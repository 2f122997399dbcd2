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
//! | unframed: a response whose end only the close tells; also once its client has closed its side | the last progress | its own thread |
//! | evicted: it makes room | the eviction | whoever needs room |
//!
//! When all places are taken, a new connection has another one evicted, the first that there is of: the longest
//! idle; the one that has waited longest for its request head; one whose client has closed its side; the
//! response without progress for longest, if that is over `stuck_ms`; and, if all responses move, the slowest
//! of the address that has most connections, if over `crawl_ms` it sent less than `crawl_bytes` a second.
//!
//! * **A place is free again when the connection, its thread and its descriptors are gone.** An evicted
//!   connection still counts until then. Meanwhile the new one waits unserved, and no other is evicted for it.
//!   In a rush, when the table fills again as soon as there is a place, up to some dozens leave at a time: a thread
//!   that has to look first needs up to `send_look_ms`.
//! * **Idle and busy change by one compare-exchange.** A thread that takes up a request and a thread that
//!   evicts both start from the state that they saw, and one of them fails. Otherwise a connection could be
//!   closed after its request was taken up, and the client could not know whether it is safe to send it again.
//! * **The thread that evicts shuts the connection down**, which ends every read and write of the connection's
//!   own thread at once. It does not shut down an unframed response, since that would look like the end of the
//!   content: the thread that sends it looks at the state every `send_look_ms` and resets the connection. Waits
//!   for transfers and turns look every `look_ms`.
//! * **Clients that have closed their side make room early**, from the last eighth of the places on: they are
//!   the least likely to miss their response, and a new connection then need not wait for one of their threads
//!   to end.
//! * **The table's lock guards the rows; states are atomic.** It is held for no system call but shutdown(2).
//!
//! Not here: accepting (`serve::poller`), what a connection does (`serve::connection`).

use std::net::{IpAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::entry::{ACTIVITY, Activity, EVICTED, Entry, activity_of, rank};
use super::table::{Row, Table, group};
use super::wire::{Pending, pending};
use crate::sys::limits::limits;
use crate::sys::lock::{Bell, lock};

/// How soon to try again for a place: while an evicted connection ends, while none can be evicted, while the
/// program stops.
const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(5);
const NEVER: Duration = Duration::from_secs(1);

/// All client connections.
#[derive(Debug)]
pub struct Clients {
    most: usize,
    start: Instant,
    table: Mutex<Table>,
    /// Places that are taken, those of evicted connections included.
    open: AtomicUsize,
    /// Rung when a place is free again.
    freed: Bell,
    stopping: AtomicBool,
}

/// A place for one connection; when it is dropped it is free for another one.
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
    /// No connections yet, and places for `most`.
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
    /// How soon to try again; zero: at once. At the limit another connection is evicted, if one can be. Once
    /// the program stops no connection is admitted.
    pub fn reserve(self: &Arc<Self>) -> Result<Place, Duration> {
        if self.stopping() {
            return Err(NEVER);
        }
        let taken = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < self.most).then_some(open + 1)
            });
        match taken {
            Ok(open) => {
                if open >= self.most.saturating_sub(self.most / 8) {
                    let mut table = lock(&self.table);
                    table.evict_left();
                    if open.saturating_add(1) >= self.most {
                        table.has_filled();
                    }
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

    /// Enters the connection `stream` from `address` into the table, in its `place`.
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
        // Its first request is on its way, so it counts as waiting for a head and not as idle.
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

    /// How many places are taken.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Places in all.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Evicts a connection, so that a descriptor becomes free; false if none can be evicted.
    pub fn make_room(&self) -> bool {
        lock(&self.table).evict_one(Activity::Idle)
    }

    /// Evicts a connection that has a thread, so that this one becomes free; false if none can be evicted. An
    /// idle connection has no thread, or not for long.
    pub fn free_thread(&self) -> bool {
        lock(&self.table).evict_one(Activity::Head)
    }

    /// Whether the program stops.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// From here on no connection is admitted and none goes on to another request.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Closes idle connections and waits until the others have ended; false if they have not after `grace`.
    pub fn drain(&self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        let mut table = lock(&self.table);
        loop {
            // Connections become idle one by one as their responses end.
            table.evict_idle();
            let left = deadline.saturating_duration_since(Instant::now());
            if self.open() == 0 || left.is_zero() {
                return self.open() == 0;
            }
            table = self.freed.wait(table, left.min(Duration::from_millis(100)));
        }
    }
}

/// What a look at a client's side of the connection finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The client has not closed its side.
    There,
    /// The client has closed its side. It may still read.
    Closed,
    /// The connection was evicted.
    Evicted,
}

/// One connection in the table. When it is dropped, its row and its place are free.
#[derive(Debug)]
pub struct Client {
    /// Declared first, so that it is free before the client sees the close and may come again.
    place: Place,
    entry: Arc<Entry>,
    /// The index of its row in the table.
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

    /// Notes that `count` more bytes of a response of this kind were sent; false if the connection was evicted.
    pub fn sent(&self, count: usize, activity: Activity, now: Instant) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.entry.sent.fetch_add(count, Ordering::Relaxed);
        self.entry.turn_to(activity, now)
    }

    /// Whether it was evicted.
    pub fn is_evicted(&self) -> bool {
        activity_of(self.entry.state.load(Ordering::Relaxed)) == EVICTED
    }

    /// Looks whether the client has closed its side while it waits for a response. The kernel is asked every
    /// `peek_ms`. From then on the connection may be evicted, since the client may be gone.
    pub fn look(&self) -> Look {
        let (entry, now) = (&self.entry, Instant::now());
        let state = entry.state.load(Ordering::Relaxed);
        match activity_of(state) {
            EVICTED => return Look::Evicted,
            _ if rank(state) == Activity::Left as u64 => return Look::Closed,
            _ => {}
        }
        let (looked, micros) = (entry.looked.load(Ordering::Relaxed), entry.micros(now));
        if micros.saturating_sub(looked) < limits().peek_ms.saturating_mul(1_000) {
            return Look::There;
        }
        entry.looked.store(micros, Ordering::Relaxed);
        match pending(&entry.stream) {
            Pending::End => {
                entry.leave(state, now);
                Look::Closed
            }
            _ => Look::There,
        }
    }

    /// How many connections there are in all, this one included.
    pub fn connections(&self) -> usize {
        self.place.clients.open()
    }

    /// How many there can be at once.
    pub fn most(&self) -> usize {
        self.place.clients.most()
    }

    /// Evicts another connection, so that a descriptor becomes free.
    pub fn make_room(&self) {
        self.place.clients.make_room();
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

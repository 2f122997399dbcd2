//! Slots: the client connections that are served at once, and which of them makes room.
//!
//! Rules: at the limit a new connection makes room: the longest idle goes first, then the longest at
//! its head, then the answer without progress for longest; idle and busy change hands by one
//! compare-exchange, so that an evicted connection never had a request that was taken up.
//!
//! Not here: accepting (`poller`), what a connection does (`connection`).

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::lead;
use crate::limits::{limits, ms};
use crate::lock::{Bell, lock};
use crate::wire::{Pending, pending};

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It waits for another request.
    Idle = 0,
    /// A request head arrives, or the first one is awaited.
    Head = 1,
    /// An answer is made and sent.
    Answer = 2,
}

/// A connection that was told to go.
const EVICTED: u64 = 3;

/// One connection's place. Its state is the microseconds from the start to the last change, then two bits.
#[derive(Debug)]
pub struct Slot {
    stream: Arc<TcpStream>,
    state: AtomicU64,
    start: Instant,
}

impl Slot {
    /// Notes what the connection does from `now` on; false if it was evicted.
    pub fn turn_to(&self, doing: Doing, now: Instant) -> bool {
        let next = self.micros(now) << 2 | doing as u64;
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

    /// Takes the place away if its state is still `seen`.
    fn evict(&self, seen: u64) -> bool {
        let evicted = self.now() << 2 | EVICTED;
        let ours = self
            .state
            .compare_exchange(seen, evicted, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        // An answer's thread sees it soon and closes: a shutdown could look like the answer's end.
        if ours && seen & 3 != Doing::Answer as u64 {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
        ours
    }

    /// Whether the place was taken away.
    pub fn is_evicted(&self) -> bool {
        self.state.load(Ordering::Relaxed) & 3 == EVICTED
    }

    /// Before any wait on the client's behalf: see [`lead::stand_aside`].
    ///
    /// # Errors
    /// When no thread can be had that would serve the others meanwhile.
    pub fn stand_aside(&self) -> io::Result<()> {
        lead::stand_aside(&self.stream)
    }

    /// Whether the client has closed its side; it may still read.
    pub fn client_closed(&self) -> bool {
        pending(&self.stream) == Pending::End
    }
}

#[derive(Debug, Default)]
struct Table {
    slots: Vec<Option<Arc<Slot>>>,
    free: Vec<usize>,
}

/// All places.
#[derive(Debug)]
pub struct Slots {
    most: usize,
    start: Instant,
    table: Mutex<Table>,
    /// Places taken, those told to go not counted; changed under the lock.
    taken: AtomicUsize,
    /// Told when a place is given back.
    freed: Bell,
    stopping: AtomicBool,
}

impl Slots {
    /// So many places.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            start: Instant::now(),
            table: Mutex::default(),
            taken: AtomicUsize::new(0),
            freed: Bell::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Whether a connection that comes now may have a place: there is one, or somebody can go. Never once the
    /// program stops.
    pub fn may_admit(&self) -> bool {
        let full = || self.taken() >= self.most;
        !self.stopping() && (!full() || candidate(&lock(&self.table), Doing::Idle).is_some())
    }

    /// Gives `stream` a place; at the limit another connection goes. Those that are accepted at the very same time may
    /// be a few beyond it.
    pub fn admit(self: &Arc<Self>, stream: Arc<TcpStream>) -> Seat {
        let slot = Arc::new(Slot {
            stream,
            state: AtomicU64::new(0),
            start: self.start,
        });
        // Its first request is on its way: it goes after those that have waited longer for theirs.
        let state = slot.now() << 2 | Doing::Head as u64;
        slot.state.store(state, Ordering::Relaxed);
        let mut table = lock(&self.table);
        if self.taken() >= self.most {
            self.evict_one(&table, Doing::Idle);
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        let at = table.free.pop().unwrap_or(table.slots.len());
        match table.slots.get_mut(at) {
            Some(place) => *place = Some(Arc::clone(&slot)),
            None => table.slots.push(Some(Arc::clone(&slot))),
        }
        drop(table);
        Seat {
            slots: Arc::clone(self),
            slot,
            at,
        }
    }

    /// Places taken, those of connections told to go not counted.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn untake(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }

    /// Evicts one connection, if one can go.
    pub fn make_room(&self) -> bool {
        self.evict_one(&lock(&self.table), Doing::Idle)
    }

    /// Evicts one connection that has a thread, if one can go: whoever is idle has none, or not for long.
    pub fn free_thread(&self) -> bool {
        self.evict_one(&lock(&self.table), Doing::Head)
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
            let idle: Vec<Arc<Slot>> = table.slots.iter().flatten().cloned().collect();
            for slot in idle {
                let seen = slot.state.load(Ordering::Relaxed);
                if seen & 3 != EVICTED && seen & 3 != Doing::Answer as u64 && slot.evict(seen) {
                    self.untake();
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.taken() == 0 || left.is_zero() {
                return self.taken() == 0;
            }
            table = self.freed.wait(table, left.min(Duration::from_millis(100)));
        }
    }

    /// Evicts the connection that can best go of those that do `least` or more; false if none can.
    fn evict_one(&self, table: &Table, least: Doing) -> bool {
        // A connection may change its state as we look; then the next look finds it elsewhere.
        for _ in 0..8 {
            let Some((state, slot)) = candidate(table, least) else {
                return false;
            };
            if slot.evict(state) {
                self.untake();
                return true;
            }
        }
        false
    }
}

/// The connection that can best go of those that do `least` or more, and the state in which it can.
fn candidate(table: &Table, least: Doing) -> Option<(u64, &Arc<Slot>)> {
    let slots = table.slots.iter().flatten();
    slots
        .map(|slot| (slot.state.load(Ordering::Relaxed), slot))
        .filter(|(state, slot)| state & 3 >= least as u64 && may_go(*state, slot.now()))
        .min_by_key(|(state, _)| (state & 3, state >> 2))
}

/// Whether a connection in this state may be evicted: an answer only when it has stood still.
fn may_go(state: u64, now: u64) -> bool {
    let since = state >> 2;
    match state & 3 {
        EVICTED => false,
        answer if answer == Doing::Answer as u64 => {
            Duration::from_micros(now.saturating_sub(since)) > ms(limits().stuck_ms)
        }
        _ => true,
    }
}

/// A place taken; dropped, it is given back.
#[derive(Debug)]
pub struct Seat {
    slots: Arc<Slots>,
    slot: Arc<Slot>,
    at: usize,
}

impl Seat {
    /// The connection that has it.
    pub fn stream(&self) -> &Arc<TcpStream> {
        &self.slot.stream
    }

    /// The place itself.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// How many connections have places.
    pub fn connections(&self) -> usize {
        self.slots.taken()
    }

    /// Whether the program stops.
    pub fn stopping(&self) -> bool {
        self.slots.stopping()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = lock(&self.slots.table);
        if let Some(place) = table.slots.get_mut(self.at) {
            *place = None;
        }
        table.free.push(self.at);
        if self.slot.state.load(Ordering::Relaxed) & 3 != EVICTED {
            self.slots.untake();
        }
        drop(table);
        self.slots.freed.ring();
    }
}

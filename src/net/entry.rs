//! Entry: one connection's state, changed by its own thread and by threads that need room (`clients` has the
//! theory).

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sys::limits::{limits, ms};

/// What a connection does, in the order in which connections are evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It waits for another request.
    Idle = 0,
    /// A request head arrives, or the first one is awaited.
    Head = 1,
    /// A response is made whose client has closed its side; the client may still read.
    Left = 2,
    /// A response is made and sent.
    Response = 3,
    /// A response is sent whose content ends with the connection (RFC 9112 §6.3).
    Unframed = 4,
    /// As `Left`, of such a response.
    LeftUnframed = 5,
}

/// The state of an evicted connection, beside the activities above.
pub const EVICTED: u64 = 6;

/// How many bits of a state hold the activity; the others hold microseconds since `start`.
pub const ACTIVITY: u32 = 3;

/// One connection.
#[derive(Debug)]
pub struct Entry {
    /// The connection itself.
    pub stream: Arc<TcpStream>,
    /// The address that it counts for (`table::group`).
    pub address: u64,
    /// Since when, in microseconds since `start`, shifted by `ACTIVITY`; and the activity.
    pub state: AtomicU64,
    /// When its present response began, in microseconds since `start`.
    pub begun: AtomicU64,
    /// When the kernel was last asked whether the client has closed its side, likewise.
    pub looked: AtomicU64,
    /// Bytes sent over the whole life of the connection.
    pub sent: AtomicU64,
    /// When the program began to serve; all times of entries count from here.
    pub start: Instant,
}

impl Entry {
    /// Notes what the connection does from `now` on; false if it was evicted.
    pub fn turn_to(&self, activity: Activity, now: Instant) -> bool {
        let next = self.micros(now) << ACTIVITY | activity as u64;
        let current = self.state.load(Ordering::Relaxed);
        // No other thread changes the state, except to evict.
        activity_of(current) != EVICTED
            && self
                .state
                .compare_exchange(current, next, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// A moment in microseconds since `start`.
    pub fn micros(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX >> ACTIVITY)
    }

    /// Notes that the client of the response in `state` has closed its side.
    pub fn leave(&self, state: u64, now: Instant) {
        let left = match is_framed(state) {
            true => Activity::Left,
            false => Activity::LeftUnframed,
        };
        self.turn_to(left, now);
    }

    /// The present in microseconds since `start`.
    pub fn now(&self) -> u64 {
        self.micros(Instant::now())
    }

    /// Evicts the connection if its state is still `seen`; whether it did.
    pub fn evict(&self, seen: u64) -> bool {
        let evicted = self.now() << ACTIVITY | EVICTED;
        let ours = self
            .state
            .compare_exchange(seen, evicted, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        if ours && is_framed(seen) {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
        ours
    }
}

/// The activity in a state.
pub fn activity_of(state: u64) -> u64 {
    state & ((1 << ACTIVITY) - 1)
}

/// Whether a shutdown in this state cannot look like the end of a response.
fn is_framed(state: u64) -> bool {
    let unframed = [Activity::Unframed, Activity::LeftUnframed];
    !unframed
        .map(|activity| activity as u64)
        .contains(&activity_of(state))
}

/// The order in which activities are evicted; both kinds of response rank alike.
pub fn rank(state: u64) -> u64 {
    match activity_of(state) {
        unframed if unframed == Activity::Unframed as u64 => Activity::Response as u64,
        unframed if unframed == Activity::LeftUnframed as u64 => Activity::Left as u64,
        activity => activity,
    }
}

/// Whether a connection in this state may be evicted at `now`: a response only after `stuck_ms` without
/// progress.
pub fn may_go(state: u64, now: u64) -> bool {
    let since = state >> ACTIVITY;
    match rank(state) {
        EVICTED => false,
        response if response == Activity::Response as u64 => {
            Duration::from_micros(now.saturating_sub(since)) > ms(limits().stuck_ms)
        }
        _ => true,
    }
}

//! Table: the entries of all connections, and the choice of the one to evict (`clients` has the theory).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::entry::{ACTIVITY, Activity, Entry, may_go, rank};
use crate::sys::limits::limits;

/// An entry, and how much its connection had sent at an earlier look.
#[derive(Debug)]
pub struct Row {
    /// The connection's entry.
    pub entry: Arc<Entry>,
    /// The last look at its speed.
    pub seen: Option<Seen>,
}

/// What a look at the speed of a connection found.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// When that was, in microseconds since the start.
    at: u64,
    /// The bytes sent until then.
    sent: u64,
    /// Bytes a second over the `crawl_ms` before; none without an earlier look.
    rate: Option<u64>,
}

impl Row {
    /// Bytes a second that its response has sent over the last `crawl_ms` that are known; none until two looks are
    /// that far apart. The value holds for as long again, so that many slow ones can be evicted in that time.
    fn rate(&mut self, now: u64) -> Option<u64> {
        let sent = self.entry.sent.load(Ordering::Relaxed);
        let begun = self.entry.begun.load(Ordering::Relaxed);
        let window = limits().crawl_ms.saturating_mul(1_000);
        let begins = Seen {
            at: now,
            sent,
            rate: None,
        };
        let seen = *self.seen.get_or_insert(begins);
        let elapsed = now.saturating_sub(seen.at);
        // Another response, or a look long ago, says nothing of now.
        if seen.at < begun || elapsed > window.saturating_mul(2) {
            self.seen = Some(begins);
            return None;
        }
        let bytes = sent.saturating_sub(seen.sent);
        if elapsed < window {
            let enough = limits().crawl_bytes.saturating_mul(limits().crawl_ms) / 1_000;
            return seen.rate.filter(|_| bytes < enough);
        }
        let rate = Some(bytes.saturating_mul(1_000_000) / elapsed.max(1));
        self.seen = Some(Seen { rate, ..begins });
        rate
    }
}

/// The most evicted connections that may be on their way out at once, in a rush.
const LEAVING: usize = 32;

/// A connection without a response ends within this time once it is evicted.
const MOMENT: Duration = Duration::from_millis(10);

/// In a rush all places are taken again within this time; an evicted connection needs less to end.
const RUSH: Duration = Duration::from_secs(1);

/// All connections.
#[derive(Debug, Default)]
pub struct Table {
    /// The rows, by the index that each connection keeps.
    pub rows: Vec<Option<Row>>,
    /// Indexes of empty rows.
    pub free: Vec<usize>,
    /// Evicted connections that have not ended yet.
    pub leaving: usize,
    /// When a connection without a response was last evicted; such a one ends within a moment.
    pub evicted: Option<Instant>,
    /// When a new connection last took the last place.
    filled: Option<Instant>,
    /// How many evicted connections may be on their way out at once.
    rush: usize,
}

impl Table {
    /// Notes that a new connection has taken the last place.
    pub fn has_filled(&mut self) {
        let now = Instant::now();
        let before = self.filled.replace(now);
        self.rush = match before.is_some_and(|before| now - before < RUSH) {
            true => self.rush.saturating_mul(2).min(LEAVING),
            false => 1,
        };
    }

    /// Evicts the connection that is first in the order of `clients`, of those whose activity is `least` or
    /// later. Nothing is done while an evicted one, in a rush some, have not ended yet. False if none can be evicted.
    pub fn evict_one(&mut self, least: Activity) -> bool {
        // A connection without a response ends within a moment: no second one is evicted meanwhile.
        let most = match self.evicted.is_some_and(|at| at.elapsed() < MOMENT) {
            true => 1,
            false => self.rush.max(1),
        };
        if self.leaving >= most {
            return true;
        }
        // The state of the candidate may have changed since it was chosen: then it stays, and another look
        // chooses again.
        for _ in 0..8 {
            match self.candidate(least).or_else(|| self.crawler()) {
                Some((state, at)) if self.evict(at, state) => return true,
                Some(_) => {}
                None => break,
            }
        }
        self.leaving > 0
    }

    fn evict(&mut self, at: usize, state: u64) -> bool {
        let row = self.rows.get(at).and_then(Option::as_ref);
        let evicted = row.is_some_and(|row| row.entry.evict(state));
        if evicted {
            self.leaving += 1;
            let waits = rank(state) < Activity::Left as u64;
            self.evicted = waits.then(Instant::now);
        }
        evicted
    }

    /// Evicts all connections that wait for a request.
    pub fn evict_idle(&mut self) {
        let idle = |state: &u64| rank(*state) < Activity::Left as u64;
        let found: Vec<_> = self.states().filter(|(state, _)| idle(state)).collect();
        for (state, at) in found {
            self.evict(at, state);
        }
    }

    /// Evicts all connections whose clients have closed their side.
    pub fn evict_left(&mut self) {
        let left = |state: &u64| rank(*state) == Activity::Left as u64;
        let found: Vec<_> = self.states().filter(|(state, _)| left(state)).collect();
        for (state, at) in found {
            self.evict(at, state);
        }
    }

    /// The states of all connections, with the indexes of their rows.
    fn states(&self) -> impl Iterator<Item = (u64, usize)> {
        let rows = self.rows.iter().enumerate();
        rows.filter_map(|(at, row)| {
            let row = row.as_ref()?;
            Some((row.entry.state.load(Ordering::Relaxed), at))
        })
    }

    /// The connection to evict, by activity and then by time, of those whose activity is `least` or later.
    fn candidate(&self, least: Activity) -> Option<(u64, usize)> {
        let now = self.rows.iter().flatten().next()?.entry.now();
        self.states()
            .filter(|(state, _)| rank(*state) >= least as u64 && may_go(*state, now))
            .min_by_key(|(state, _)| (rank(*state), state >> ACTIVITY))
    }

    /// The slowest response of the address that has most connections, if it crawls.
    fn crawler(&mut self) -> Option<(u64, usize)> {
        let mut connections: HashMap<u64, u64> = HashMap::new();
        for row in self.rows.iter().flatten() {
            *connections.entry(row.entry.address).or_default() += 1;
        }
        let mut crawlers = Vec::new();
        for (at, row) in self.rows.iter_mut().enumerate() {
            let Some(row) = row else { continue };
            let state = row.entry.state.load(Ordering::Relaxed);
            if rank(state) != Activity::Response as u64 {
                continue;
            }
            if let Some(rate) = row.rate(row.entry.now())
                && rate < limits().crawl_bytes
            {
                let of_address = connections.get(&row.entry.address).copied();
                crawlers.push((u64::MAX - of_address.unwrap_or(0), rate, state, at));
            }
        }
        let (_, _, state, at) = crawlers.into_iter().min()?;
        Some((state, at))
    }
}

/// The address that a connection counts for, as a number. In IPv6 it is the /64 network, since a host can use any
/// address in it; none of a host's looks like one in IPv4.
pub fn group(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(four) => u64::from(u32::from(four)),
        IpAddr::V6(six) => (u128::from(six) >> 64) as u64,
    }
}

//! Table: the entries of all connections, and the choice of the one to evict (`clients` has the theory).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::entry::{ACTIVITY, Activity, Entry, activity_of, may_go, rank};
use crate::sys::limits::limits;

/// An entry, and how much its connection had sent at an earlier look.
#[derive(Debug)]
pub struct Row {
    /// The connection's entry.
    pub entry: Arc<Entry>,
    /// When that look was, in microseconds since the start, and the bytes sent until then.
    pub seen: Option<(u64, u64)>,
}

impl Row {
    /// Bytes a second that its response has sent over the last `crawl_ms`; none until two looks are that far
    /// apart.
    fn rate(&mut self, now: u64) -> Option<u64> {
        let sent = self.entry.sent.load(Ordering::Relaxed);
        let begun = self.entry.begun.load(Ordering::Relaxed);
        let (then, before) = *self.seen.get_or_insert((now, sent));
        if then < begun {
            self.seen = Some((now, sent));
            return None;
        }
        let elapsed = now.saturating_sub(then);
        if elapsed < limits().crawl_ms.saturating_mul(1_000) {
            return None;
        }
        self.seen = Some((now, sent));
        let bytes = sent.saturating_sub(before);
        Some(bytes.saturating_mul(1_000_000) / elapsed.max(1))
    }
}

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
}

impl Table {
    /// Evicts the connection that is first in the order of `clients`, of those whose activity is `least` or
    /// later. Nothing is done while an evicted one has not ended yet. False if none can be evicted.
    pub fn evict_one(&mut self, least: Activity) -> bool {
        if self.leaving > 0 {
            return true;
        }
        // The state of the candidate may have changed since it was chosen: then it stays, and another look
        // chooses again.
        for _ in 0..8 {
            match self.candidate(least).or_else(|| self.crawler()) {
                Some((state, at)) if self.evict(at, state) => return true,
                Some(_) => {}
                None => return false,
            }
        }
        false
    }

    fn evict(&mut self, at: usize, state: u64) -> bool {
        let row = self.rows.get(at).and_then(Option::as_ref);
        let evicted = row.is_some_and(|row| row.entry.evict(state));
        if evicted {
            self.leaving += 1;
            let waits = activity_of(state) < Activity::Left as u64;
            self.evicted = waits.then(Instant::now);
        }
        evicted
    }

    /// Evicts all connections that wait for a request.
    pub fn evict_idle(&mut self) {
        let idle = |state: &u64| activity_of(*state) < Activity::Left as u64;
        let found: Vec<_> = self.states().filter(|(state, _)| idle(state)).collect();
        for (state, at) in found {
            self.evict(at, state);
        }
    }

    /// Evicts all connections whose clients have closed their side.
    pub fn evict_left(&mut self) {
        let left = |state: &u64| activity_of(*state) == Activity::Left as u64;
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
            .filter(|(state, _)| activity_of(*state) >= least as u64 && may_go(*state, now))
            .min_by_key(|(state, _)| (rank(*state), state >> ACTIVITY))
    }

    /// The slowest response of the address that has most connections, if it crawls.
    fn crawler(&mut self) -> Option<(u64, usize)> {
        let mut connections: HashMap<IpAddr, usize> = HashMap::new();
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
                crawlers.push((usize::MAX - of_address.unwrap_or(0), rate, state, at));
            }
        }
        let (_, _, state, at) = crawlers.into_iter().min()?;
        Some((state, at))
    }
}

/// The address that a connection counts for. In IPv6 it is the /64 network, since a host can use any address in
/// it.
pub fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four => four,
    }
}

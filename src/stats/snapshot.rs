//! Snapshot: what there is to see at one moment, in plain values.
//!
//! Not here: who knows the gauges (`serve::status`), how it looks.

use std::time::{Duration, SystemTime};

use super::counter::values;
use super::{Distribution, Failure, STATUSES, SourceView, Stats};
use crate::http::Word;

/// What there is to see at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When the program started.
    pub started: SystemTime,
    /// For how long it has run.
    pub uptime: Duration,
    /// Answers by cache status, those without one last.
    pub requests: [u64; STATUSES],
    /// Bytes of content sent by cache status, those without one last.
    pub sent: [u64; STATUSES],
    /// Answers by status code, of the codes that there were.
    pub responses: Vec<(usize, u64)>,
    /// From request to first byte, of hits and of misses.
    pub first_byte: [(Word, Distribution); 2],
    /// The clients' connections.
    pub connections: Connections,
    /// How many there were since the start.
    pub connected: u64,
    /// The sources, in the order in which they are asked.
    pub sources: Vec<SourceView>,
    /// The transfers that run.
    pub transfers: Vec<Transfer>,
    /// Those that have ended, by [`Outcome`](super::Outcome).
    pub transferred: [u64; 3],
    /// How often one went on after a break.
    pub resumed: u64,
    /// The last failures, the latest first.
    pub failures: Vec<Failure>,
    /// The cache directory.
    pub space: Space,
    /// Files that could not be stored.
    pub store_failures: u64,
    /// Files by what their Manifests said: good, bad, unknown.
    pub verified: [u64; 3],
    /// Messages by level, errors first.
    pub logged: [u64; 5],
}

/// The clients' connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Open now.
    pub open: usize,
    /// Open at once at most.
    pub limit: usize,
}

/// The cache directory's file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that are free, and that are left free; none if the file system does not say.
    pub free: Option<(u64, u64)>,
    /// Whether the last file that was to be stored could be.
    pub storing: bool,
}

/// A transfer that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Its path as [`shown_path`](super::shown_path) has it.
    pub path: String,
    /// Bytes of content that have come.
    pub received: u64,
    /// Bytes of content that it will have, if that is known.
    pub length: Option<u64>,
    /// Clients that read it.
    pub readers: usize,
    /// Since somebody looked last, a second ago or more; before that since its head came.
    pub bytes_per_second: u64,
    /// The number of the source that it was last asked of.
    pub source: Option<usize>,
    /// Whether it goes into the cache.
    pub stored: bool,
}

impl Snapshot {
    /// What `stats` has counted; the gauges are the caller's.
    pub fn of(stats: &Stats, connections: Connections, space: Space, logged: [u64; 5]) -> Self {
        let responses = values(&stats.responses).into_iter().enumerate();
        let responses = responses.map(|(at, count)| (at.saturating_add(100), count));
        Self {
            started: stats.started,
            uptime: stats.since.elapsed(),
            requests: values(&stats.requests),
            sent: values(&stats.sent),
            responses: responses.filter(|(_, count)| *count > 0).collect(),
            first_byte: [
                (Word::Hit, stats.hits.distribution()),
                (Word::Miss, stats.misses.distribution()),
            ],
            connections,
            connected: stats.connections.get(),
            sources: stats.sources.iter().map(|source| source.view()).collect(),
            transfers: Vec::new(),
            transferred: values(&stats.transfers),
            resumed: stats.resumed.get(),
            failures: stats.failures.latest(),
            space,
            store_failures: stats.store_failures.get(),
            verified: values(&stats.verified),
            logged,
        }
    }

    /// Bytes of content that sources have sent.
    pub fn received(&self) -> u64 {
        self.sources.iter().map(|source| source.received).sum()
    }

    /// The URL of the source that a transfer was last asked of.
    pub fn source(&self, transfer: &Transfer) -> Option<&str> {
        let source = self.sources.get(transfer.source?)?;
        Some(&source.url)
    }
}

/// The names of the cache statuses, in the order of the counters.
pub fn names() -> impl Iterator<Item = &'static str> {
    Word::ALL.into_iter().map(Word::name).chain(["none"])
}

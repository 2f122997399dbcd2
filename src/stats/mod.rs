//! Stats: every counter of the program in one place.
//!
//! Rules: each is counted where the thing happens, by the room that knows it; a count is one relaxed addition, so that
//! it costs nothing on a hit. Their number is fixed at the start: by the sources, never by what clients send.
//! [`Snapshot`] is what a status page shows, in plain values.
//!
//! Not here: how that looks (`serve::status`), who is connected (`net::clients`), which transfers run (`cache`),
//! what was logged (`log`).

mod counter;
mod failures;
mod histogram;
mod snapshot;
mod source;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::http::{StatusCode, Word};
use counter::Counter;
use failures::Failures;
use histogram::Histogram;

pub use failures::{Failure, shown_path};
pub use histogram::{BOUNDS, Distribution};
pub use snapshot::{Connections, Snapshot, Space, Transfer, names};
pub use source::{Reason, Source, SourceView};

/// The cache statuses that are counted: every [`Word`], and none at the end.
pub const STATUSES: usize = Word::ALL.len() + 1;

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its file is in the cache.
    Stored,
    /// What the sources gave or said was passed on: a listing, an answer to HEAD, that nothing has changed, that
    /// there is no such file, a file that could not be stored.
    Passed,
    /// The sources gave nothing of use, or nothing whole.
    Failed,
}

impl Outcome {
    /// All, in the order of their counters.
    pub const ALL: [Self; 3] = [Self::Stored, Self::Passed, Self::Failed];

    /// Its name as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Passed => "passed",
            Self::Failed => "failed",
        }
    }
}

/// What a proof of content found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is what it must be.
    Good,
    /// It is something else.
    Bad,
    /// It is a distfile that no Manifest lists.
    Unknown,
}

/// One answer to a client.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The cache's part in it; none if no file was looked up.
    pub word: Option<Word>,
    /// Its status.
    pub status: StatusCode,
    /// Bytes of content that the kernel took for the client, without head and chunk framing.
    pub sent: u64,
    /// From the whole request to the first byte of the answer; none if that was never sent.
    pub first_byte: Option<Duration>,
}

/// All counters.
#[derive(Debug)]
pub struct Stats {
    started: SystemTime,
    since: Instant,
    requests: [Counter; STATUSES],
    sent: [Counter; STATUSES],
    /// By status code from 100 on.
    responses: [Counter; 500],
    hits: Histogram,
    misses: Histogram,
    /// Connections that were admitted.
    pub connections: Counter,
    transfers: [Counter; 3],
    /// Transfers that went on after a break.
    pub resumed: Counter,
    /// Files that could not be stored.
    pub store_failures: Counter,
    /// By `Verdict`.
    verified: [Counter; 3],
    sources: Box<[Source]>,
    failures: Failures,
}

impl Stats {
    /// Nothing is counted yet; `sources` are the names, if they have any, and URLs of the sources in their order.
    pub fn new(sources: impl IntoIterator<Item = (Option<String>, String)>) -> Arc<Self> {
        Arc::new(Self {
            started: SystemTime::now(),
            since: Instant::now(),
            requests: Default::default(),
            sent: Default::default(),
            responses: [const { Counter::new() }; 500],
            hits: Histogram::default(),
            misses: Histogram::default(),
            connections: Counter::default(),
            transfers: Default::default(),
            resumed: Counter::default(),
            store_failures: Counter::default(),
            verified: Default::default(),
            sources: source::of(sources),
            failures: Failures::default(),
        })
    }

    /// Counts an answer that has ended, whole or cut.
    pub fn answered(&self, answer: &Answer) {
        let at = answer.word.map_or(STATUSES - 1, |word| word as usize);
        if let (Some(requests), Some(sent)) = (self.requests.get(at), self.sent.get(at)) {
            requests.add(1);
            if answer.sent > 0 {
                sent.add(answer.sent);
            }
        }
        let code = usize::from(answer.status.code());
        if let Some(responses) = self.responses.get(code.saturating_sub(100)) {
            responses.add(1);
        }
        match (answer.word, answer.first_byte) {
            (Some(Word::Hit), Some(took)) => self.hits.observe(took),
            (Some(Word::Miss), Some(took)) => self.misses.observe(took),
            _ => {}
        }
    }

    /// Counts a transfer that has ended.
    pub fn transferred(&self, outcome: Outcome) {
        let counters = self.transfers.iter().zip(Outcome::ALL);
        counters
            .filter(|(_, counted)| *counted == outcome)
            .for_each(|(counter, _)| counter.add(1));
    }

    /// Counts content that was proved, or could not be.
    pub fn verified(&self, verdict: Verdict) {
        if let Some(counter) = self.verified.get(verdict as usize) {
            counter.add(1);
        }
    }

    /// The source of that number.
    pub fn source(&self, number: usize) -> Option<&Source> {
        self.sources.get(number)
    }

    /// Counts a failure of a source, and remembers it as one that happened to the encoded `path`.
    pub fn source_failed(&self, number: usize, reason: Reason, path: &str, why: &str) {
        if let Some(source) = self.source(number) {
            source.failed(reason, why);
            self.failures
                .push(path, &format!("{}: {why}", source.url()));
        }
    }

    /// Remembers what went wrong with the encoded `path` beside a source.
    pub fn failed(&self, path: &str, why: &str) {
        self.failures.push(path, why);
    }
}

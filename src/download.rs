//! Download: one transfer and any number of readers.
//!
//! Rules: only its [`Writer`] changes what there is to read; readers go at their own pace, from the
//! growing file or, when that cannot be written, from a ring that the slowest of them holds back; a
//! writer that is dropped unfinished fails the transfer, so that a panic strands nobody; a failure is
//! never an end of content. `state` is never held over I/O, and may be taken under the table's lock,
//! never the other way round.
//!
//! Not here: where the bytes come from and whether they are published (`fetch`).

use std::fs::File;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::http::{Forward, HttpDate};
use crate::job::Job;
use crate::limits::{limits, ms};
use crate::lock::lock;
use crate::ring::Ring;
use crate::upstream::FetchError;

/// What a transfer's content is, known once the source's head is there.
#[derive(Debug)]
pub struct Representation {
    /// Its length in bytes, if the source said so.
    pub length: Option<u64>,
    /// Its time.
    pub last_modified: Option<HttpDate>,
    /// Its strong entity tag, the same as later from the file, or none.
    pub etag: Option<String>,
    /// Its Content-Type.
    pub media_type: Vec<u8>,
    /// Whether it goes into the cache.
    pub stored: bool,
    /// The source's Last-Modified, by which another source can show that it has the same file.
    pub source_date: Option<HttpDate>,
    /// Why it was fetched (RFC 9211 §2.2).
    pub forward: Forward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No head yet.
    Asking,
    /// Content arrives.
    Receiving,
    /// The framing is satisfied: everything can be read.
    Received,
    /// There will be no more.
    Failed(FetchError),
}

#[derive(Debug)]
struct Reader {
    id: u64,
    /// The next byte it wants.
    at: u64,
    /// When it last moved.
    since: Instant,
    /// Whether its client has closed its side.
    forsaken: bool,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// How many bytes can be read from the file.
    stored: u64,
    /// What came after the last byte that could be stored.
    ring: Option<Ring>,
    readers: Vec<Reader>,
    next_reader: u64,
    /// The source's connection, to end a transfer that gives way.
    source: Option<Arc<TcpStream>>,
    abandoned: bool,
}

impl State {
    fn received(&self) -> u64 {
        self.ring.as_ref().map_or(self.stored, Ring::end)
    }
}

/// One transfer.
#[derive(Debug)]
pub struct Download {
    job: Job,
    state: Mutex<State>,
    /// Told of every change of `state`.
    changed: Condvar,
    representation: OnceLock<Arc<Representation>>,
    file: OnceLock<Arc<File>>,
}

impl Download {
    /// A transfer that has not asked yet, and its writer.
    pub fn new(job: Job) -> (Arc<Self>, Writer) {
        let state = State {
            phase: Phase::Asking,
            stored: 0,
            ring: None,
            readers: Vec::new(),
            next_reader: 0,
            source: None,
            abandoned: false,
        };
        let download = Arc::new(Self {
            job,
            state: Mutex::new(state),
            changed: Condvar::new(),
            representation: OnceLock::new(),
            file: OnceLock::new(),
        });
        let writer = Writer {
            download: Arc::clone(&download),
        };
        (download, writer)
    }

    /// What it fetches.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Attaches a reader; none if the transfer has failed, gives way, or lost its beginning.
    pub fn follow(self: &Arc<Self>) -> Option<Follower> {
        let mut state = lock(&self.state);
        if state.abandoned || state.ring.is_some() || matches!(state.phase, Phase::Failed(_)) {
            return None;
        }
        let id = state.next_reader;
        state.next_reader = id.saturating_add(1);
        state.readers.push(Reader {
            id,
            at: 0,
            since: Instant::now(),
            forsaken: false,
        });
        Some(Follower {
            download: Arc::clone(self),
            id,
        })
    }

    /// Ends the transfer if nobody reads it; whether it ends.
    pub fn give_way(&self) -> bool {
        let mut state = lock(&self.state);
        let read = state.readers.iter().any(|reader| !reader.forsaken);
        if read || state.phase == Phase::Received {
            return false;
        }
        state.abandoned = true;
        if let Some(source) = &state.source {
            let _ = source.shutdown(Shutdown::Both);
        }
        true
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The transfer was given up because nobody reads it.
#[derive(Debug)]
pub struct Abandoned;

/// Why a block was not stored.
#[derive(Debug)]
pub enum WriteError {
    /// The cache cannot be written.
    Store(io::Error),
    /// Nobody reads.
    Abandoned,
}

/// The one that changes a transfer: the tee. Each block becomes visible to every reader at once.
#[derive(Debug)]
pub struct Writer {
    download: Arc<Download>,
}

impl Writer {
    /// The source has answered: what comes, and the file it goes to.
    pub fn announce(
        &self,
        representation: Representation,
        file: Option<Arc<File>>,
        source: Arc<TcpStream>,
    ) {
        let stored = file.is_some();
        if let Some(file) = file {
            let _ = self.download.file.set(file);
        }
        let _ = self.download.representation.set(Arc::new(representation));
        self.set_source(source);
        self.change(|state| {
            state.phase = Phase::Receiving;
            if !stored {
                state.ring = Some(Ring::new(0));
            }
        });
    }

    /// Adds a block, to the file or, since that failed, to the ring.
    ///
    /// # Errors
    /// When the file cannot be written: nothing was added, and [`Writer::stop_storing`] is next. Or when nobody reads.
    pub fn write(&self, block: &[u8]) -> Result<(), WriteError> {
        let state = lock(&self.download.state);
        if state.abandoned {
            return Err(WriteError::Abandoned);
        }
        let Some(file) = self.download.file.get().filter(|_| state.ring.is_none()) else {
            return self
                .relay(state, block)
                .map_err(|Abandoned| WriteError::Abandoned);
        };
        let at = state.stored;
        drop(state);
        file.write_all_at(block, at).map_err(WriteError::Store)?;
        self.change(|state| state.stored = at.saturating_add(block.len() as u64));
        Ok(())
    }

    /// From here on nothing is stored: readers get what comes through a ring.
    pub fn stop_storing(&self) {
        self.change(|state| state.ring = Some(Ring::new(state.stored)));
    }

    /// How many bytes came.
    pub fn received(&self) -> u64 {
        lock(&self.download.state).received()
    }

    /// Up to `most` of the last bytes that came; none if they cannot be read back.
    pub fn tail(&self, most: u64) -> Option<Vec<u8>> {
        let state = lock(&self.download.state);
        let (end, stored) = (state.received(), state.stored);
        let mut at = end.saturating_sub(most);
        let mut tail = Vec::new();
        if at < stored {
            tail.resize(usize::try_from(stored.saturating_sub(at)).ok()?, 0);
            self.download
                .file
                .get()?
                .read_exact_at(&mut tail, at)
                .ok()?;
            at = stored;
        }
        while at < end {
            let piece = state.ring.as_ref()?.read(at)?;
            at = at.saturating_add(piece.len() as u64);
            tail.extend_from_slice(&piece);
        }
        Some(tail)
    }

    /// The content goes on by another connection.
    pub fn set_source(&self, source: Arc<TcpStream>) {
        self.change(|state| {
            if state.abandoned {
                let _ = source.shutdown(Shutdown::Both);
            }
            state.source = Some(source);
        });
    }

    /// Whether the transfer was given up.
    pub fn is_abandoned(&self) -> bool {
        lock(&self.download.state).abandoned
    }

    /// Whether anybody reads.
    pub fn is_read(&self) -> bool {
        !lock(&self.download.state).readers.is_empty()
    }

    /// The framing is satisfied. Not so if the transfer was given up: its connection was closed by us.
    ///
    /// # Errors
    /// When it was given up.
    pub fn finish(&self) -> Result<(), Abandoned> {
        let mut abandoned = false;
        self.change(|state| {
            abandoned = state.abandoned;
            if !abandoned {
                state.phase = Phase::Received;
            }
        });
        if abandoned { Err(Abandoned) } else { Ok(()) }
    }

    /// There will be no more.
    pub fn fail(&self, error: FetchError) {
        self.change(|state| state.phase = Phase::Failed(error));
    }

    /// Adds a block to the ring, waiting for the slowest reader; one that takes nothing is left behind.
    fn relay(&self, mut state: MutexGuard<'_, State>, block: &[u8]) -> Result<(), Abandoned> {
        let most = usize::try_from(limits().ring_bytes).unwrap_or(usize::MAX);
        let mut left = block;
        while !left.is_empty() {
            if state.readers.is_empty() || state.abandoned {
                return Err(Abandoned);
            }
            let slowest = state.readers.iter().min_by_key(|reader| reader.at);
            let slowest = slowest.map(|reader| (reader.id, reader.at, reader.since));
            let Some(ring) = &mut state.ring else {
                return Err(Abandoned);
            };
            if let Some((_, at, _)) = slowest {
                ring.forget_before(at, limits().overlap_bytes);
            }
            let room = most.saturating_sub(ring.len()).min(left.len());
            let (now, later) = left.split_at_checked(room).unwrap_or((left, &[]));
            ring.push(now);
            left = later;
            self.download.changed.notify_all();
            let Some((id, _, since)) = slowest.filter(|_| !left.is_empty()) else {
                continue;
            };
            let patience = ms(limits().ring_ms).saturating_sub(since.elapsed());
            if patience.is_zero() {
                state.readers.retain(|reader| reader.id != id);
                continue;
            }
            let waited = self.download.changed.wait_timeout(state, patience);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.download.state));
        self.download.changed.notify_all();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.change(|state| {
            state.source = None;
            if matches!(state.phase, Phase::Asking | Phase::Receiving) {
                state.phase = Phase::Failed(FetchError::Broken);
            }
        });
    }
}

/// What a reader can take now.
#[derive(Debug)]
pub enum Ready {
    /// The file, up to this offset.
    File(u64),
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing yet; so much has been received.
    Later {
        /// In bytes from the beginning.
        received: u64,
    },
    /// Never: the reader was left behind.
    Gone,
    /// Nothing more: the content has ended.
    End,
}

impl Ready {
    /// How many bytes to send in one go from `at` on: progress is told to the transfer after each.
    pub fn count(&self, at: u64) -> u64 {
        const PIECE: u64 = 256 * 1024;
        match self {
            Self::File(to) => to.saturating_sub(at).min(PIECE),
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Later { .. } | Self::Gone | Self::End => 0,
        }
    }
}

/// One reader of a transfer.
#[derive(Debug)]
pub struct Follower {
    download: Arc<Download>,
    id: u64,
}

impl Follower {
    /// What the content is; waits for the source's head, which has its own limits.
    ///
    /// # Errors
    /// When there will be none.
    pub fn representation(&self) -> Result<Arc<Representation>, FetchError> {
        let mut state = lock(&self.download.state);
        loop {
            if let Some(representation) = self.download.representation.get() {
                return Ok(Arc::clone(representation));
            }
            if let Phase::Failed(error) = state.phase {
                return Err(error);
            }
            state = self.download.wait(state);
        }
    }

    /// What the transfer fetches.
    pub fn job(&self) -> &Job {
        &self.download.job
    }

    /// The file that grows, if the content is stored.
    pub fn file(&self) -> Option<&Arc<File>> {
        self.download.file.get()
    }

    /// What can be read from `at` on; waits for it, but not longer than `patience`.
    ///
    /// # Errors
    /// When the transfer broke off before `at`.
    pub fn ready(&self, at: u64, patience: Duration) -> Result<Ready, FetchError> {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.download.state);
        self.moved_to(&mut state, at);
        loop {
            if at < state.stored {
                return Ok(Ready::File(state.stored));
            }
            if let Some(ring) = &state.ring
                && at < ring.end()
            {
                return Ok(ring.read(at).map_or(Ready::Gone, Ready::Bytes));
            }
            match state.phase {
                Phase::Received => return Ok(Ready::End),
                Phase::Failed(error) => return Err(error),
                Phase::Asking | Phase::Receiving => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Ready::Later {
                    received: state.received(),
                });
            }
            let waited = self.download.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The client has closed its side: the transfer need not run for this reader alone.
    pub fn forsake(&self) {
        let mut state = lock(&self.download.state);
        if let Some(reader) = state.readers.iter_mut().find(|reader| reader.id == self.id) {
            reader.forsaken = true;
        }
    }

    fn moved_to(&self, state: &mut State, at: u64) {
        let relaying = state.ring.is_some();
        if let Some(reader) = state.readers.iter_mut().find(|reader| reader.id == self.id)
            && reader.at != at
        {
            reader.at = at;
            reader.since = Instant::now();
            if relaying {
                self.download.changed.notify_all();
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut state = lock(&self.download.state);
        state.readers.retain(|reader| reader.id != self.id);
        drop(state);
        self.download.changed.notify_all();
    }
}

//! Download: what the writer and the readers of one transfer share.
//!
//! Rules: only its [`Writer`] changes what there is to read; readers go at their own pace, from the
//! growing file or, when that cannot be written, from a ring that the slowest of them holds back; a
//! writer that is dropped unfinished fails the transfer, so that a panic strands nobody; a failure is
//! never an end of content. `state` is never held over I/O, and may be taken under the table's lock,
//! never the other way round.
//!
//! Not here: where the bytes come from and whether they are published (`fetch`).

mod follower;
mod writer;

use std::fs::File;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use crate::http::{Forward, HttpDate};
use crate::job::Job;
use crate::lock::{Bell, lock};
use crate::proof::Validators;
use crate::ring::Ring;
use crate::upstream::FetchError;

pub use follower::{Follower, Ready};
pub use writer::{Abandoned, WriteError, Writer};

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
    /// By which an answer can show that it is of the same file.
    pub validators: Validators,
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
    /// Whether it goes around the transfer for now, and takes nothing of it.
    around: bool,
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

    /// The content comes by this connection, unless nobody wants it any more.
    fn take_source(&mut self, source: Arc<TcpStream>) {
        if self.abandoned {
            let _ = source.shutdown(Shutdown::Both);
        }
        self.source = Some(source);
    }

    /// Whether the reader has not been left behind.
    fn is_read_by(&self, id: u64) -> bool {
        self.readers.iter().any(|reader| reader.id == id)
    }
}

/// One transfer.
#[derive(Debug)]
pub struct Download {
    job: Job,
    begun: Instant,
    state: Mutex<State>,
    /// Told of every change of `state`.
    changed: Bell,
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
            begun: Instant::now(),
            state: Mutex::new(state),
            changed: Bell::default(),
            representation: OnceLock::new(),
            file: OnceLock::new(),
        });
        let writer = Writer::new(Arc::clone(&download));
        (download, writer)
    }

    /// What it fetches.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Whether a reader that has no stored file gets content of it, or an error that is one for it too.
    pub fn serves_all(&self) -> bool {
        self.job.held.is_none() || self.representation.get().is_some()
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
            around: false,
        });
        Some(Follower::new(Arc::clone(self), id))
    }

    /// Whether all of the content is there, and at most its name is missing.
    pub fn is_received(&self) -> bool {
        lock(&self.state).phase == Phase::Received
    }

    /// Ends the transfer if nobody reads it; whether it ends for that.
    pub fn give_way(&self) -> bool {
        let mut state = lock(&self.state);
        let read = state.readers.iter().any(|reader| !reader.forsaken);
        if read || state.abandoned || state.phase == Phase::Received {
            return false;
        }
        state.abandoned = true;
        if let Some(source) = &state.source {
            let _ = source.shutdown(Shutdown::Both);
        }
        true
    }
}

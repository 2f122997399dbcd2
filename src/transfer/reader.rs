//! Reader: one client's access to a transfer.
//!
//! Rules: waits are cut into looks of `look_ms`, after which the caller sees whether its client has left or was
//! evicted.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ring::RING_PIECE;
use super::{Phase, Representation, Request, Shown, State, Transfer};
use crate::net::clients::{Client, Look};
use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;
use crate::upstream::Failure;

/// What a reader can read now.
#[derive(Debug)]
pub enum Ready {
    /// Bytes of the file, up to this offset.
    File(u64),
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing yet.
    Later {
        /// The offset behind the last byte received.
        received: u64,
    },
    /// Nothing ever again: the reader was left behind.
    Gone,
    /// Nothing more: the content has ended.
    End,
}

impl Ready {
    /// How many bytes to send from `at` on before the reader notes its progress: with a file 256 KiB at most.
    pub fn count(&self, at: u64) -> u64 {
        const FILE_PIECE: u64 = 256 * 1024;
        match self {
            Self::File(to) => to.saturating_sub(at).min(FILE_PIECE),
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Later { .. } | Self::Gone | Self::End => 0,
        }
    }
}

/// One reader of a transfer. Once it is dropped, the transfer does not wait for it.
#[derive(Debug)]
pub struct Reader {
    transfer: Arc<Transfer>,
    id: u64,
}

impl Reader {
    /// The reader of `transfer` whose cursor has this id.
    pub(super) fn new(transfer: Arc<Transfer>, id: u64) -> Self {
        Self { transfer, id }
    }

    /// The representation, once the source's head is there; waits for it for up to `patience`, and gives none
    /// after that.
    ///
    /// # Errors
    /// When there will be none.
    pub fn representation(
        &self,
        patience: Duration,
    ) -> Result<Option<Arc<Representation>>, Failure> {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.transfer.state);
        loop {
            if let Some(representation) = self.transfer.representation.get() {
                return Ok(Some(Arc::clone(representation)));
            }
            if let Phase::Failed(error) = state.phase {
                return Err(error);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            state = self.transfer.changed.wait(state, left);
        }
    }

    /// Waits for the source's head on behalf of `client`, but not beyond `until`, after which it gives none.
    /// The transfer does not keep its turn for a client that has closed its side.
    ///
    /// # Errors
    /// When there will be none, or the client was evicted.
    pub fn await_head(
        &self,
        client: &Client,
        until: Option<Instant>,
    ) -> Result<Option<Arc<Representation>>, Failure> {
        loop {
            let look = ms(limits().look_ms);
            let left = until.map_or(look, |until| {
                until.saturating_duration_since(Instant::now()).min(look)
            });
            if let Some(representation) = self.representation(left)? {
                return Ok(Some(representation));
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Ok(None);
            }
            match client.look() {
                Look::There => {}
                Look::Closed => self.forsake(),
                Look::Evicted => return Err(Failure::Busy),
            }
        }
    }

    /// When the transfer began.
    pub fn begun(&self) -> Instant {
        self.transfer.begun
    }

    /// The age of the content in seconds (RFC 9111 §4.2.3).
    pub fn age(&self) -> u64 {
        self.transfer.age()
    }

    /// What the transfer fetches.
    pub fn request(&self) -> &Request {
        &self.transfer.request
    }

    /// The file that the content is written to, if it is stored.
    pub fn file(&self) -> Option<&Arc<File>> {
        self.transfer.file.get()
    }

    /// What can be read from `at` on; waits for it for up to `patience`.
    ///
    /// # Errors
    /// When the transfer broke off before `at`.
    pub fn ready(&self, at: u64, patience: Duration) -> Result<Ready, Failure> {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.transfer.state);
        self.moved_to(&mut state, at);
        loop {
            let shown = state.shown();
            if at < state.stored.min(shown) {
                let all = state.stored.min(shown);
                return Ok(Ready::File(match &state.ring {
                    None => all,
                    // Sending lasts until a slow client has taken all of it, and the writer waits meanwhile: so
                    // not much at a time.
                    Some(_) => all.min(at.saturating_add(RING_PIECE as u64)),
                }));
            }
            if let Some(ring) = &state.ring
                && at < shown
            {
                return Ok(ring.read(at, shown).map_or(Ready::Gone, Ready::Bytes));
            }
            match state.phase {
                Phase::Received => return Ok(Ready::End),
                // It may have failed because this reader was left behind and no other was there.
                Phase::Failed(_)
                    if state.is_left_behind(self.id) && state.shown != Shown::Nothing =>
                {
                    return Ok(Ready::Gone);
                }
                Phase::Failed(error) => return Err(error),
                Phase::Asking | Phase::Receiving => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Ready::Later {
                    received: state.received(),
                });
            }
            state = self.transfer.changed.wait(state, left);
        }
    }

    /// Whether the content was found to be wrong.
    pub fn is_refuted(&self) -> bool {
        lock(&self.transfer.state).shown == Shown::Nothing
    }

    /// The client has closed its side: the transfer does not keep its turn for this reader.
    pub fn forsake(&self) {
        let mut state = lock(&self.transfer.state);
        if let Some(cursor) = state.cursor(self.id) {
            cursor.forsaken = true;
        }
    }

    /// The client took something at `moved`, if not all that it was sent: a slow client may take long to drain
    /// a large send buffer.
    pub fn took(&self, moved: Instant) {
        let mut state = lock(&self.transfer.state);
        if let Some(cursor) = state.cursor(self.id) {
            cursor.since = cursor.since.max(moved);
        }
    }

    /// Takes bytes around the transfer until the next `ready`. Meanwhile the writer does not wait for this
    /// reader, if there are others.
    pub fn go_around(&self) {
        let mut state = lock(&self.transfer.state);
        if let Some(cursor) = state.cursor(self.id) {
            cursor.around = true;
        }
        drop(state);
        self.transfer.changed.ring();
    }

    fn moved_to(&self, state: &mut State, at: u64) {
        let relaying = state.ring.is_some();
        if let Some(cursor) = state.cursor(self.id)
            && (cursor.at != at || cursor.around)
        {
            cursor.at = at;
            cursor.around = false;
            cursor.since = Instant::now();
            if relaying {
                self.transfer.changed.ring();
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = lock(&self.transfer.state);
        state.cursors.retain(|cursor| cursor.id != self.id);
        drop(state);
        self.transfer.changed.ring();
    }
}

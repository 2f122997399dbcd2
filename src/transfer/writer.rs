//! Writer: the one that changes a transfer.
//!
//! Rules: each block becomes visible to every reader at once; what cannot be written to the file goes through
//! the ring, at the pace of the slowest reader.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::ring::Ring;
use super::{Phase, Representation, State, Transfer};
use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;
use crate::upstream::{Exchange, Failure};

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

/// The tee of a transfer; there is one. Dropped unfinished, it fails the transfer.
#[derive(Debug)]
pub struct Writer {
    transfer: Arc<Transfer>,
}

impl Writer {
    /// The writer of a transfer; there is one.
    pub(super) fn new(transfer: Arc<Transfer>) -> Self {
        Self { transfer }
    }

    /// The source has answered: what comes, and the file it goes to. The readers are not told yet.
    pub fn announce(&self, representation: Representation, file: Option<Arc<File>>) {
        let stored = file.is_some();
        if let Some(file) = file {
            let _ = self.transfer.file.set(file);
        }
        let _ = self.transfer.representation.set(Arc::new(representation));
        let mut state = lock(&self.transfer.state);
        state.since = Instant::now();
        state.phase = Phase::Receiving;
        if !stored {
            state.ring = Some(Ring::new(0));
        }
    }

    /// Tells the readers that the head is there. The first block of content tells them as well: whoever has it
    /// already spares them the first wake-up.
    pub fn tell(&self) {
        self.transfer.changed.ring();
    }

    /// Adds a block, to the file or, since that failed, to the ring.
    ///
    /// # Errors
    /// When the file cannot be written: nothing was added, and [`Writer::stop_storing`] is next. Or when nobody reads.
    pub fn write(&self, block: &[u8]) -> Result<(), WriteError> {
        let state = lock(&self.transfer.state);
        if state.abandoned {
            return Err(WriteError::Abandoned);
        }
        let Some(file) = self.transfer.file.get().filter(|_| state.ring.is_none()) else {
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
        self.change(|state| {
            state.ring = Some(Ring::new(state.stored));
            // From now on it matters who takes something.
            for cursor in &mut state.cursors {
                cursor.since = Instant::now();
            }
        });
    }

    /// The age of what came, in seconds.
    pub fn age(&self) -> u64 {
        self.transfer.age()
    }

    /// How many bytes came.
    pub fn received(&self) -> u64 {
        lock(&self.transfer.state).received()
    }

    /// Up to `most` of the last bytes that came; none if they cannot be read back.
    pub fn tail(&self, most: u64) -> Option<Vec<u8>> {
        let state = lock(&self.transfer.state);
        let (end, stored) = (state.received(), state.stored);
        let mut at = end.saturating_sub(most);
        let mut tail = Vec::new();
        if at < stored {
            tail.resize(usize::try_from(stored.saturating_sub(at)).ok()?, 0);
            self.transfer
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

    /// What the transfer has going with a source; giving it up ends the transfer's wait in every phase.
    pub fn exchange(&self) -> &Exchange {
        &self.transfer.exchange
    }

    /// Waits for `time`, but no longer once the transfer gives way; whether it goes on.
    pub fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = lock(&self.transfer.state);
        while !state.abandoned {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.transfer.changed.wait(state, left);
        }
        false
    }

    /// Whether the transfer was given up.
    pub fn is_abandoned(&self) -> bool {
        lock(&self.transfer.state).abandoned
    }

    /// Whether anybody reads.
    pub fn is_read(&self) -> bool {
        !lock(&self.transfer.state).cursors.is_empty()
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
    pub fn fail(&self, error: Failure) {
        self.change(|state| state.phase = Phase::Failed(error));
    }

    /// Adds a block to the ring, waiting for the slowest reader; one that takes nothing is left behind.
    fn relay(&self, mut state: MutexGuard<'_, State>, block: &[u8]) -> Result<(), Abandoned> {
        let most = usize::try_from(limits().ring_bytes).unwrap_or(usize::MAX);
        // Before this the source was silent, and no reader is to blame for that.
        let begun = Instant::now();
        let mut left = block;
        while !left.is_empty() {
            if state.cursors.is_empty() || state.abandoned {
                return Err(Abandoned);
            }
            let cursors = state.cursors.iter();
            let slowest = cursors.min_by_key(|cursor| (cursor.around, cursor.at));
            let slowest = slowest.map(|cursor| (cursor.id, cursor.at, cursor.since));
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
            self.transfer.changed.ring();
            let Some((id, _, since)) = slowest.filter(|_| !left.is_empty()) else {
                continue;
            };
            let patience = ms(limits().ring_ms).saturating_sub(since.max(begun).elapsed());
            if patience.is_zero() {
                state.cursors.retain(|cursor| cursor.id != id);
                continue;
            }
            state = self.transfer.changed.wait(state, patience);
        }
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.transfer.state));
        self.transfer.changed.ring();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.change(|state| {
            if matches!(state.phase, Phase::Asking | Phase::Receiving) {
                state.phase = Phase::Failed(Failure::Broken);
            }
        });
    }
}

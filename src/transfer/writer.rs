//! Writer: the side of a transfer that changes it.
//!
//! Rules: each block becomes visible to all readers at once. What cannot be written to the file goes through
//! the ring, at the pace of the slowest reader.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::ring::Ring;
use super::{Phase, Representation, Shown, State, Transfer};
use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;
use crate::upstream::{Exchange, Failure};

/// The transfer was given up, since nobody reads it.
#[derive(Debug)]
pub struct Abandoned;

/// Why a block was not stored.
#[derive(Debug)]
pub enum WriteError {
    /// The cache cannot be written.
    Store(io::Error),
    /// The transfer was given up, since nobody reads it.
    Abandoned,
}

/// The one writer of a transfer: a tee into the file and to the readers. Dropped unfinished, it fails the
/// transfer.
#[derive(Debug)]
pub struct Writer {
    transfer: Arc<Transfer>,
}

impl Writer {
    /// The writer of a new transfer.
    pub(super) fn new(transfer: Arc<Transfer>) -> Self {
        Self { transfer }
    }

    /// The source's head is there: what comes, and the file for it. If it must be proved, readers see its end only
    /// once it has finished. The readers are not woken yet.
    pub fn announce(&self, representation: Arc<Representation>, file: Option<Arc<File>>) {
        let shown = match representation.length {
            _ if !representation.unproved => Shown::All,
            Some(length) => Shown::Before(length.saturating_sub(limits().unproved_bytes)),
            None => Shown::AllButLast,
        };
        let mut state = lock(&self.transfer.state);
        state.pace = Pace::begin(state.received());
        state.shown = shown;
        state.phase = Phase::Receiving;
        match file {
            Some(file) => drop(self.transfer.file.set(file)),
            None => state.ring = Some(Ring::new(0)),
        }
        // Under the lock: who sees what it is must see with it how much of it is shown.
        let _ = self.transfer.representation.set(representation);
    }

    /// Wakes the readers because the head is there. The first block of content wakes them as well: if it is
    /// there already, one wake-up is enough.
    pub fn tell(&self) {
        self.transfer.changed.ring();
    }

    /// The file that was announced has all of the content, which has this length.
    pub fn has(&self, length: u64) {
        self.change(|state| state.stored = length);
    }

    /// Adds a block to the file, or to the ring once storing has stopped.
    ///
    /// # Errors
    /// When the file cannot be written: nothing was added, and the caller stops storing. Or when the transfer
    /// was given up.
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
        self.change(|state| state.stored = at + block.len() as u64);
        Ok(())
    }

    /// From here on nothing is stored: readers get what comes from a ring.
    pub fn stop_storing(&self) {
        self.change(|state| {
            state.ring = Some(Ring::new(state.stored));
            // From now on the writer waits for readers, so the time of each begins now.
            for cursor in &mut state.cursors {
                cursor.since = Instant::now();
            }
        });
    }

    /// The age of the content in seconds (RFC 9111 §4.2.3).
    pub fn age(&self) -> u64 {
        self.transfer.age()
    }

    /// How many bytes have come.
    pub fn received(&self) -> u64 {
        lock(&self.transfer.state).received()
    }

    /// The last bytes that came, `most` at most; none if they cannot be read back.
    pub fn tail(&self, most: u64) -> Option<Vec<u8>> {
        let state = lock(&self.transfer.state);
        let (end, stored) = (state.received(), state.stored);
        let from = end.saturating_sub(most);
        let mut ringed = Vec::new();
        let mut at = from.max(stored);
        while at < end {
            let piece = state.ring.as_ref()?.read(at, end)?;
            at = at.saturating_add(piece.len() as u64);
            ringed.extend_from_slice(&piece);
        }
        drop(state);
        let mut tail = Vec::new();
        if from < stored {
            tail.resize(usize::try_from(stored.saturating_sub(from)).ok()?, 0);
            let file = self.transfer.file.get()?;
            file.read_exact_at(&mut tail, from).ok()?;
        }
        tail.extend_from_slice(&ringed);
        Some(tail)
    }

    /// The transfer's exchange with a source. Giving it up ends every wait of the writer for a source.
    pub fn exchange(&self) -> &Exchange {
        &self.transfer.exchange
    }

    /// Waits for `time`, or until the transfer is given up; whether it goes on.
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

    /// The framing is satisfied, and what must be proved is. If the transfer was given up that may be wrong: its connection was shut down
    /// by us, which can look like the end of the content.
    ///
    /// # Errors
    /// When the transfer was given up.
    pub fn finish(&self) -> Result<(), Abandoned> {
        let mut abandoned = false;
        self.change(|state| {
            abandoned = state.abandoned;
            if !abandoned {
                state.shown = Shown::All;
                state.phase = Phase::Received;
            }
        });
        if abandoned { Err(Abandoned) } else { Ok(()) }
    }

    /// Fails the transfer: no more content comes.
    pub fn fail(&self, error: Failure) {
        self.change(|state| state.phase = Phase::Failed(error));
    }

    /// Fails the transfer, since its content is wrong: readers see no more of it, and none goes on with it by itself.
    pub fn refute(&self) {
        self.change(|state| {
            state.shown = Shown::Nothing;
            state.phase = Phase::Failed(Failure::Broken);
        });
    }

    /// Adds a block to the ring, and waits for the slowest reader where it is full. A reader that takes nothing
    /// for `ring_ms` is left behind.
    fn relay(&self, mut state: MutexGuard<'_, State>, block: &[u8]) -> Result<(), Abandoned> {
        let most = usize::try_from(limits().ring_bytes).unwrap_or(usize::MAX);
        // Until now the source was silent, for which no reader is to blame.
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
        // Readers may outlive the writer for long; the connection must not.
        self.transfer.exchange.let_go();
        self.change(|state| {
            if matches!(state.phase, Phase::Asking | Phase::Receiving) {
                state.phase = Phase::Failed(Failure::Broken);
            }
        });
    }
}

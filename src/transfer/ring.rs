//! Ring: the last bytes of content that cannot be stored, by their offset.
//!
//! Rules: it has no bound of its own; the writer asks [`Ring::len`] before it pushes.

use std::collections::VecDeque;

/// How much a reader is given at a time, in bytes, once nothing more is stored. The reader notes its progress
/// after each piece: one that takes less than this within `ring_ms` counts as one that takes nothing.
pub const RING_PIECE: usize = 16 * 1024;

/// A window on the content.
#[derive(Debug)]
pub struct Ring {
    /// The offset of its first byte.
    start: u64,
    bytes: VecDeque<u8>,
}

impl Ring {
    /// An empty window at `start`.
    pub fn new(start: u64) -> Self {
        Self {
            start,
            bytes: VecDeque::new(),
        }
    }

    /// The offset behind its last byte.
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// How many bytes it holds.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Drops the bytes before `at`, but keeps the last `kept` bytes.
    pub fn forget_before(&mut self, at: u64, kept: u64) {
        let at = at.min(self.end().saturating_sub(kept));
        let count = usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let count = count.min(self.bytes.len());
        self.bytes.drain(..count);
        self.start += count as u64;
    }

    /// A copy of up to `RING_PIECE` bytes from `at` on, those before `end`; none if they were dropped already.
    pub fn read(&self, at: u64, end: u64) -> Option<Vec<u8>> {
        let skip = usize::try_from(at.checked_sub(self.start)?).ok()?;
        let most = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let count = self
            .bytes
            .len()
            .saturating_sub(skip)
            .min(most)
            .min(RING_PIECE);
        let mut copy = Vec::with_capacity(count);
        let (first, second) = self.bytes.as_slices();
        copy.extend_from_slice(
            first
                .get(skip..)
                .map(|rest| rest.get(..count).unwrap_or(rest))
                .unwrap_or_default(),
        );
        let skip = skip.saturating_sub(first.len());
        let left = count.saturating_sub(copy.len());
        copy.extend_from_slice(
            second
                .get(skip..)
                .map(|rest| rest.get(..left).unwrap_or(rest))
                .unwrap_or_default(),
        );
        Some(copy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_moves_on_and_what_is_gone_is_gone() {
        let mut ring = Ring::new(10);
        ring.push(b"abcdef");
        assert_eq!(ring.end(), 16);
        assert_eq!(ring.read(12, 99).as_deref(), Some(&b"cdef"[..]));
        assert_eq!(ring.read(16, 99).as_deref(), Some(&b""[..]));
        assert_eq!(ring.read(12, 14).as_deref(), Some(&b"cd"[..]));
        assert_eq!(ring.read(12, 11).as_deref(), Some(&b""[..]));
        ring.forget_before(13, 0);
        assert_eq!((ring.len(), ring.end()), (3, 16));
        assert_eq!(ring.read(12, 99), None);
        assert_eq!(ring.read(13, 99).as_deref(), Some(&b"def"[..]));
        ring.forget_before(99, 2);
        assert_eq!((ring.len(), ring.end()), (2, 16));
        ring.forget_before(99, 0);
        assert_eq!((ring.len(), ring.end()), (0, 16));
    }
}

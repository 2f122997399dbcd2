//! Block: the bytes that a hash takes in at once, collected from pieces of any length.

/// At most `N` bytes.
#[derive(Debug, Clone)]
pub struct Block<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Block<N> {
    /// An empty block.
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }

    /// Takes as many bytes as fit; the others.
    pub fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let (taken, rest) = bytes.split_at(bytes.len().min(room.len()));
        let (place, _) = room.split_at_mut(taken.len());
        place.copy_from_slice(taken);
        self.length += taken.len();
        rest
    }

    /// Fills the block with zeros.
    pub fn pad(&mut self) {
        let room = self.bytes.get_mut(self.length..);
        room.unwrap_or_default().fill(0);
        self.length = N;
    }

    /// Puts `end`, of at most `N` bytes, over the last bytes.
    pub fn end(&mut self, end: &[u8]) {
        for (to, from) in self.bytes.iter_mut().rev().zip(end.iter().rev()) {
            *to = *from;
        }
    }

    /// Empties the block.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// All its bytes; those beyond its length are left from before.
    pub fn bytes(&self) -> &[u8; N] {
        &self.bytes
    }

    /// How many bytes it holds.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many more fit.
    pub fn room(&self) -> usize {
        N - self.length
    }

    /// Whether no more fit.
    pub fn is_full(&self) -> bool {
        self.length == N
    }
}

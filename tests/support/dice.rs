//! Chance from a seed: the same seed gives the same storm, as far as threads let it.

/// A generator of numbers (splitmix64).
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice of their own for whatever these numbers name together.
    pub fn of(parts: &[u64]) -> Self {
        Self(parts.iter().fold(0, |state, part| mix(state ^ mix(*part))))
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit.max(1)
    }

    /// An index or count up to `most`.
    pub fn up_to(&mut self, most: usize) -> usize {
        self.below(most as u64 + 1) as usize
    }

    /// True so many times out of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// A number that looks like no neighbour's.
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

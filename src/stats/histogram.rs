//! Histogram: how long something took, in buckets.

use std::time::Duration;

use super::counter::{Counter, values};

/// The upper bounds of the buckets in seconds, as text and in microseconds; the last bucket has none.
pub const BOUNDS: [(&str, u64); 8] = [
    ("0.001", 1_000),
    ("0.005", 5_000),
    ("0.025", 25_000),
    ("0.1", 100_000),
    ("0.5", 500_000),
    ("1", 1_000_000),
    ("5", 5_000_000),
    ("30", 30_000_000),
];

/// Observations by bucket, each in one alone, and their sum.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    /// In microseconds.
    sum: Counter,
}

impl Histogram {
    /// Counts one observation.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.iter().position(|(_, bound)| micros <= *bound);
        if let Some(bucket) = self.buckets.get(at.unwrap_or(BOUNDS.len())) {
            bucket.add(1);
        }
        self.sum.add(micros);
    }

    /// What was observed until now.
    pub fn distribution(&self) -> Distribution {
        let mut count: u64 = 0;
        let buckets = values(&self.buckets).map(|bucket| {
            count = count.saturating_add(bucket);
            count
        });
        Distribution {
            buckets,
            micros: self.sum.get(),
        }
    }
}

/// What a histogram has observed.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Observations up to each of [`BOUNDS`]; the last number is that of all.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// How long all took together, in microseconds.
    pub micros: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_what_took_up_to_its_bound() {
        let histogram = Histogram::default();
        for micros in [0, 1_000, 1_001, 500_000, 30_000_000, 30_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let seen = histogram.distribution();
        assert_eq!(seen.buckets, [2, 3, 3, 3, 4, 4, 4, 5, 6]);
        assert_eq!(seen.micros, 60_502_002);
    }
}

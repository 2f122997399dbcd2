//! What a storm has done, in numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

/// Counts by what is counted, and the longest wait for a head.
#[derive(Default)]
pub struct Figures {
    counts: Mutex<BTreeMap<String, u64>>,
    longest: Mutex<Duration>,
}

impl Figures {
    /// Adds to a count.
    pub fn add(&self, what: &str, count: u64) {
        let mut counts = self.counts.lock().unwrap();
        *counts.entry(what.to_owned()).or_default() += count;
    }

    /// A client waited so long for a head.
    pub fn waited(&self, wait: Duration) {
        self.add("clients: requests", 1);
        let mut longest = self.longest.lock().unwrap();
        *longest = wait.max(*longest);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in self.counts.lock().unwrap().iter() {
            write!(f, "\n  {count:9} {what}")?;
        }
        let longest = self.longest.lock().unwrap();
        match longest.is_zero() {
            true => Ok(()),
            false => write!(f, "\n  the longest wait for a head: {longest:?}"),
        }
    }
}

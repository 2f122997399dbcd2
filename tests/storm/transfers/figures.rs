//! What a storm has done, in numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use super::fault::Fault;
use super::source::Request;

/// Counts by what is counted.
#[derive(Default)]
pub struct Figures(Mutex<BTreeMap<String, u64>>);

impl Figures {
    /// Adds to a count.
    pub fn add(&self, what: &str, count: u64) {
        *self.0.lock().unwrap().entry(what.to_owned()).or_default() += count;
    }

    /// A request at a source.
    pub fn asked(&self, request: &Request) {
        self.add(
            match request.range {
                _ if request.head => "source: HEAD",
                None => "source: whole files",
                Some((_, None)) => "source: rests",
                Some(_) => "source: parts for one client",
            },
            1,
        );
    }

    /// An answer that a source spoils.
    pub fn spoilt(&self, fault: Fault) {
        self.add("faults", 1);
        self.add(&format!("fault {fault:?}"), 1);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.lock().unwrap();
        let counts: Vec<_> = counts
            .iter()
            .map(|(what, count)| format!("{what} {count}"))
            .collect();
        f.write_str(&counts.join(", "))
    }
}

//! The last failures, for whoever looks after the fact.
//!
//! Rules: so many, and each so long at most, whatever clients ask for; what fails again and again is there once, so that
//! one file does not hide the others; what a source sent is written in ASCII, so that it can do nothing to a terminal.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::Mutex;
use std::time::SystemTime;

use crate::sys::lock::lock;

/// How many are remembered.
const MOST: usize = 20;

/// The longest path and the longest reason that are remembered, in bytes; of longer ones the beginning is.
const PATH_MOST: usize = 1024;
const WHY_MOST: usize = 512;

/// What went wrong with one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub time: SystemTime,
    /// With which path, percent-encoded, with its leading slash.
    pub path: String,
    /// Why, in ASCII.
    pub why: String,
}

/// The last failures, the oldest first.
#[derive(Debug, Default)]
pub struct Failures(Mutex<VecDeque<Failure>>);

impl Failures {
    /// Remembers one, and forgets the same one of before, or the oldest.
    pub fn push(&self, path: &str, why: &str) {
        let failure = Failure {
            time: SystemTime::now(),
            path: shown_path(path),
            why: plain(why),
        };
        let mut failures = lock(&self.0);
        failures.retain(|other| other.path != failure.path || other.why != failure.why);
        if failures.len() >= MOST {
            failures.pop_front();
        }
        failures.push_back(failure);
    }

    /// Those that are remembered, the latest first.
    pub fn latest(&self) -> Vec<Failure> {
        lock(&self.0).iter().rev().cloned().collect()
    }
}

/// An encoded path with its leading slash, of one that is very long the beginning.
pub fn shown_path(path: &str) -> String {
    short(format_args!("/{path}"), PATH_MOST)
}

/// A reason in ASCII, and not too long.
pub fn plain(why: &str) -> String {
    short(format_args!("{}", Plain(why)), WHY_MOST)
}

/// A text whose other characters than printable ASCII are written as escapes.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            ' '..='~' => f.write_char(character),
            _ => write!(f, "{}", character.escape_default()),
        })
    }
}

/// An ASCII text up to its first `most` bytes, and dots where more were.
fn short(text: fmt::Arguments<'_>, most: usize) -> String {
    let mut text = text.to_string();
    if text.len() > most {
        text.truncate(most);
        // Half an escape would be none.
        let whole = text.rfind('%').filter(|at| at.saturating_add(3) > most);
        text.truncate(whole.unwrap_or(most));
        text.push_str("...");
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_and_none_is_long() {
        let failures = Failures::default();
        for number in 0..30 {
            failures.push(&format!("d/{number}.tar"), "gone\u{202e}\x1b[2J");
        }
        let latest = failures.latest();
        assert_eq!(latest.len(), MOST);
        assert_eq!(latest[0].path, "/d/29.tar");
        assert_eq!(latest[MOST - 1].path, "/d/10.tar");
        assert_eq!(latest[0].why, "gone\\u{202e}\\u{1b}[2J");
        // The same once more is no other one.
        failures.push("d/20.tar", "gone\u{202e}\x1b[2J");
        let again = failures.latest();
        assert_eq!((again.len(), &*again[0].path), (MOST, "/d/20.tar"));
        assert_eq!(again[1].path, "/d/29.tar");
        assert_eq!(again[MOST - 1].path, "/d/10.tar");
        failures.push("d/20.tar", "still gone");
        assert_eq!(failures.latest()[1].path, "/d/20.tar");
        failures.push(&"%FF".repeat(8_000), &"\u{1f600}".repeat(8_000));
        let longest = &failures.latest()[0];
        assert!(longest.path.ends_with("%FF...") && longest.path.len() <= PATH_MOST + 3);
        assert!(longest.why.is_ascii() && longest.why.len() <= WHY_MOST + 3);
    }
}

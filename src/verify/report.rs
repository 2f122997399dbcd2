//! Report: what a run says, through the console: the wrong files and the summary.

use std::fmt::Write;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::log::{Bytes, Console, counted};

/// What came of a file.
#[derive(Debug)]
pub enum Finding {
    /// It is what it should be, and has so many bytes.
    Good(u64),
    /// Nothing says what it should be.
    Unknown,
    /// It is wrong, as the text says.
    Bad(String),
    /// It was wrong, as the text says, and is gone.
    Removed(String),
    /// It was wrong, but another is there now.
    Replaced,
}

/// The report of one run.
#[derive(Debug)]
pub struct Report {
    console: Console,
    /// Whether good and unknown files are named.
    verbose: bool,
    /// Bytes that were read.
    read: u64,
    good: usize,
    /// Bytes of the good ones.
    bytes: u64,
    unknown: usize,
    bad: usize,
    removed: usize,
    replaced: usize,
}

impl Report {
    /// For a run that names good and unknown files too if it is `verbose`.
    pub fn new(verbose: bool) -> Self {
        Self {
            console: Console::new(),
            verbose,
            read: 0,
            good: 0,
            bytes: 0,
            unknown: 0,
            bad: 0,
            removed: 0,
            replaced: 0,
        }
    }

    /// Counts what came of a file, and names it if it is to be named.
    pub fn found(&mut self, path: &Path, finding: &Finding) {
        let (word, why) = match finding {
            Finding::Good(bytes) => {
                self.good += 1;
                self.bytes = self.bytes.saturating_add(*bytes);
                ("good", None)
            }
            Finding::Unknown => {
                self.unknown += 1;
                ("unknown", None)
            }
            Finding::Bad(why) => {
                self.bad += 1;
                ("bad", Some(why))
            }
            Finding::Removed(why) => {
                self.bad += 1;
                self.removed += 1;
                ("removed", Some(why))
            }
            Finding::Replaced => {
                self.replaced += 1;
                return self.progress(0);
            }
        };
        if self.verbose || why.is_some() {
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            let rest = [path.as_os_str().as_bytes(), why.as_bytes()].concat();
            self.console.print(&format!("{word} "), &rest);
        }
        self.progress(0);
    }

    /// Shows progress, now that so many more bytes were read.
    pub fn progress(&mut self, read: usize) {
        self.read = self.read.saturating_add(read as u64);
        let files = self.good + self.unknown + self.bad + self.replaced;
        let (read, bad) = (Bytes(self.read), self.bad);
        let text = format_args!("verifying: {}, {read}, {bad} bad", counted(files));
        self.console.progress(text);
    }

    /// Complains that something could not be done with `path`.
    pub fn failed(&mut self, doing: &str, path: &Path, cause: &io::Error) {
        self.console.failed(doing, path, cause);
    }

    /// Prints the last line; whether no file was bad and nothing failed.
    pub fn summary(&mut self) -> bool {
        let fine = !self.console.complained() && self.bad == 0;
        let mut text = format!("good {}, {}", counted(self.good), Bytes(self.bytes));
        let _ = write!(text, "; bad {}", self.bad);
        if self.removed > 0 {
            let _ = write!(text, ", {} of them removed", self.removed);
        }
        let _ = write!(text, "; unknown {}", self.unknown);
        if self.replaced > 0 {
            let _ = write!(text, "; replaced meanwhile {}", self.replaced);
        }
        self.console.print(&text, b"");
        fine
    }
}

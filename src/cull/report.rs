//! Report: what a run says, through the console: the removed files and the summary.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::file::{File, Removal};
use crate::log::{Bytes, Console, counted};

/// What has been done.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Files removed.
    pub removed: usize,
    /// Bytes that they took on disk.
    pub bytes: u64,
    /// Dead partials removed.
    pub leftovers: usize,
    /// Files that another process removed.
    pub vanished: usize,
    /// Files used or replaced since they were seen.
    pub spared: usize,
}

/// The report of one run.
#[derive(Debug)]
pub struct Report {
    /// The word for a removal: `removed`, or what it would be.
    removed: &'static str,
    /// Whether each file is named.
    named: bool,
    /// Where it is said.
    pub console: Console,
    /// What has been done.
    pub tally: Tally,
}

impl Report {
    /// For a run that names each file if it is `verbose` or a dry run.
    pub fn new(dry_run: bool, verbose: bool) -> Self {
        Self {
            removed: if dry_run { "would remove" } else { "removed" },
            named: dry_run || verbose,
            console: Console::new(),
            tally: Tally::default(),
        }
    }

    /// Counts what became of a file; whether it is gone, whoever removed it.
    pub fn removal(&mut self, path: &Path, file: &File, removal: io::Result<Removal>) -> bool {
        match removal {
            Ok(Removal::Removed) => {
                match file.used {
                    Some(_) => self.tally.removed += 1,
                    None => self.tally.leftovers += 1,
                }
                self.name(path, file);
                let (doing, files) = (self.removed, self.tally.removed);
                self.console
                    .progress(format_args!("{doing}: {}", counted(files)));
                return true;
            }
            Ok(Removal::Vanished) => {
                self.tally.vanished += 1;
                return true;
            }
            Ok(Removal::Spared) => self.tally.spared += 1,
            Err(cause) => self.console.failed("remove", path, &cause),
        }
        false
    }

    /// Names a file that is gone, with its size and, but for partials, the time since its last use.
    fn name(&mut self, path: &Path, file: &File) {
        if !self.named {
            return;
        }
        let unused = |used| SystemTime::now().duration_since(used).unwrap_or_default();
        let why = file.used.map_or(String::from("left over"), |used| {
            format!("unused {}", age(unused(used)))
        });
        let head = format!("{} {:>6} {why:>12} ", self.removed, Bytes(file.size));
        self.console.print(&head, path.as_os_str().as_bytes());
    }

    /// Prints the last line: what was done to so many files, and that the rest takes `size` bytes.
    pub fn summary(&mut self, files: usize, size: u64) {
        let tally = self.tally;
        let (removed, bytes) = (tally.removed, Bytes(tally.bytes));
        let mut text = format!("{} {}, {bytes}", self.removed, counted(removed));
        let leftovers = match tally.leftovers {
            1 => "leftover of a killed transfer",
            _ => "leftovers of killed transfers",
        };
        for (count, what) in [
            (tally.leftovers, leftovers),
            (tally.vanished, "removed by another process"),
            (tally.spared, "spared, used meanwhile"),
        ] {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        let size = Bytes(size);
        let left = match files - removed - tally.leftovers - tally.vanished {
            0 => String::from("nothing is left"),
            1 => format!("1 file, {size}, is left"),
            more => format!("{more} files, {size}, are left"),
        };
        text.push_str(&format!("; {left}"));
        self.console.print(&text, b"");
    }
}

/// A time as text, in the largest unit that is not too coarse: `200d`, `30h`.
fn age(unused: Duration) -> String {
    match unused.as_secs() {
        seconds @ ..7_200 => format!("{}m", seconds / 60),
        seconds @ ..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_for_readers() {
        for (hours, text) in [
            (0, "0m"),
            (1, "60m"),
            (47, "47h"),
            (48, "2d"),
            (4_800, "200d"),
        ] {
            assert_eq!(age(Duration::from_secs(hours * 3_600)), text);
        }
    }
}

//! What a cull says: removed files and the summary, through the console.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::file::{File, Removal};
use crate::log::{Bytes, Console};

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

/// The voice of one run.
#[derive(Debug)]
pub struct Report {
    /// `removed`, or what that would be.
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

    /// Takes note of what became of a file; whether it is gone, whoever removed it.
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
                    .progress(format_args!("{doing}: {files} files"));
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
        let mut text = format!("{} {removed} files, {bytes}", self.removed);
        for (count, what) in [
            (tally.leftovers, "leftovers of killed transfers"),
            (tally.vanished, "removed by another process"),
            (tally.spared, "spared, used meanwhile"),
        ] {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        let (left, size) = (
            files - removed - tally.leftovers - tally.vanished,
            Bytes(size),
        );
        text.push_str(&format!("; {left} files, {size}, are left"));
        self.console.print(&text, b"");
    }
}

/// A time for a reader, in the largest unit that is not coarse: `200d`, `30h`.
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

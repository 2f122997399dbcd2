//! Report: what a run says. Removed files and the summary go to stdout, complaints and progress to stderr.
//!
//! Rules: a closed stdout or stderr changes nothing. After a number of complaints further ones are only
//! counted. Progress is shown on a terminal alone, from two seconds on, and is wiped off again.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::file::{File, Removal};

/// How many complaints are printed; further ones are counted.
const COMPLAINTS: u64 = 20;
/// Progress is shown after this time, and then each time it has passed again.
const PATIENCE: Duration = Duration::from_secs(2);
const REFRESH: Duration = Duration::from_millis(200);

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
    complaints: u64,
    /// When progress is shown next; none without a terminal.
    next: Option<Instant>,
    /// Whether a line of progress is on the terminal.
    shown: bool,
    /// What has been done.
    pub tally: Tally,
}

impl Report {
    /// For a run that names each file if it is `verbose` or a dry run.
    pub fn new(dry_run: bool, verbose: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            removed: if dry_run { "would remove" } else { "removed" },
            named: dry_run || verbose,
            complaints: 0,
            next: terminal.then(|| Instant::now() + PATIENCE),
            shown: false,
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
                self.progress(self.removed, self.tally.removed);
                return true;
            }
            Ok(Removal::Vanished) => {
                self.tally.vanished += 1;
                return true;
            }
            Ok(Removal::Spared) => self.tally.spared += 1,
            Err(cause) => self.failed("remove", path, &cause),
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
        // As it is on disk, for those who read this list with a program.
        let line = [head.as_bytes(), path.as_os_str().as_bytes(), b"\n"].concat();
        self.clear();
        let _ = io::stdout().write_all(&line);
        // Where files are named, that shows the progress.
        self.next = self.next.map(|_| Instant::now() + PATIENCE);
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
        self.clear();
        let _ = writeln!(io::stdout(), "{text}; {left}");
    }

    /// Complains that something could not be done with `path`.
    pub fn failed(&mut self, doing: &str, path: &Path, cause: &io::Error) {
        let path = path.display();
        self.complain(&format!("cannot {doing} {path}: {cause}"));
    }

    /// Says on stderr what went wrong.
    pub fn complain(&mut self, why: &str) {
        self.complaints += 1;
        if self.complaints <= COMPLAINTS {
            self.say(why);
        }
    }

    /// Says something on stderr.
    pub fn say(&mut self, text: &str) {
        self.clear();
        let _ = writeln!(io::stderr(), "package-cache: {text}");
    }

    /// Says how many complaints were left out; whether there was any complaint.
    pub fn complained(&mut self) -> bool {
        let more = self.complaints.saturating_sub(COMPLAINTS);
        if more > 0 {
            self.say(&format!("{more} more failed in the same way or another"));
        }
        self.complaints > 0
    }

    /// Shows progress, if it is time for that.
    pub fn progress(&mut self, doing: &str, files: usize) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now >= next) {
            self.next = Some(now + REFRESH);
            self.shown = true;
            let _ = write!(io::stderr(), "\r\x1b[K{doing}: {}", counted(files));
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// So many files, for a reader.
fn counted(files: usize) -> String {
    match files {
        1 => String::from("1 file"),
        more => format!("{more} files"),
    }
}

/// Bytes as text: `3.4G`.
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return f.pad(&self.0.to_string());
        }
        // In tenths of the unit, rounded.
        let tenths = |shift: u32| (u128::from(self.0) * 10 + (1 << (shift - 1))) >> shift;
        let units = [(10, "K"), (20, "M"), (30, "G"), (40, "T")];
        let fits = |(shift, _): &(u32, &str)| tenths(*shift) < 10_240;
        let (shift, unit) = units.into_iter().find(fits).unwrap_or((40, "T"));
        let tenths = tenths(shift);
        f.pad(&format!("{}.{}{unit}", tenths / 10, tenths % 10))
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
    fn sizes_and_ages_for_readers() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1536, "1.5K"),
            (1_048_575, "1.0M"),
            (50 << 30, "50.0G"),
            (u64::MAX, "16777216.0T"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        for (hours, text) in [
            (0, "0m"),
            (1, "60m"),
            (47, "47h"),
            (48, "2d"),
            (4_800, "200d"),
        ] {
            assert_eq!(age(Duration::from_secs(hours * 3_600)), text);
        }
        assert_eq!(format!("{:>6}|", Bytes(4096)), "  4.0K|");
    }
}

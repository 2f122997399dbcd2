//! Console: what a command that runs to its end says: its list and summary on stdout, complaints and progress on stderr.
//!
//! Rules: a closed stdout or stderr changes nothing; a list that stdout does not take is a complaint. After a number
//! of complaints further ones are only counted. Progress is shown on a terminal alone, from two seconds on, and is
//! wiped off again.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How many complaints are printed; further ones are counted.
const COMPLAINTS: u64 = 20;
/// Progress is shown after this time, and then each time it has passed again.
const PATIENCE: Duration = Duration::from_secs(2);
const REFRESH: Duration = Duration::from_millis(200);

/// What one run says.
#[derive(Debug)]
pub struct Console {
    complaints: u64,
    /// When progress is shown next; none without a terminal.
    next: Option<Instant>,
    /// Whether a line of progress is on the terminal.
    shown: bool,
}

impl Console {
    /// For a run that begins now.
    pub fn new() -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            complaints: 0,
            next: terminal.then(|| Instant::now() + PATIENCE),
            shown: false,
        }
    }

    /// Prints a line that begins with `head` and goes on with `rest` as it is, such as a path on disk: for those who read
    /// the list with a program.
    pub fn print(&mut self, head: &str, rest: &[u8]) {
        let line = [head.as_bytes(), rest, b"\n"].concat();
        self.clear();
        if let Err(cause) = write_out(&line) {
            self.complain(&format!("cannot print: {cause}"));
        }
        // Where files are named, that shows the progress.
        self.next = self.next.map(|_| Instant::now() + PATIENCE);
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
    pub fn progress(&mut self, text: fmt::Arguments<'_>) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now >= next) {
            self.next = Some(now + REFRESH);
            self.shown = true;
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Writes to stdout at once; false if nobody reads it any more.
///
/// # Errors
/// Why stdout did not take it, such as a full disk.
pub fn write_out(text: &[u8]) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// So many files, for a reader.
pub fn counted(files: usize) -> String {
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
        let tenths = |shift: u32| ((u128::from(self.0) * 10 + (1 << (shift - 1))) >> shift) as u64;
        let units = [(10, "K"), (20, "M"), (30, "G"), (40, "T")];
        let fits = |(shift, _): &(u32, &str)| tenths(*shift) < 10_240;
        let (shift, unit) = units.into_iter().find(fits).unwrap_or((40, "T"));
        let tenths = tenths(shift);
        f.pad(&format!("{}.{}{unit}", tenths / 10, tenths % 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_readers() {
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
        assert_eq!(format!("{:>6}|", Bytes(4096)), "  4.0K|");
    }
}

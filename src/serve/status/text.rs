//! The snapshot as aligned text: for terminals, curl, wget, and `package-cache status`.
//!
//! Rules: what changes by the second comes before the table of all requests, since a terminal that watches shows the
//! beginning alone; no line is wider than the layout; ASCII only, but for the blocks of bars where those are asked for; what
//! could do something to a terminal is replaced.

use std::fmt::{self, Display, Formatter};

use super::figures::{Bytes, Count, Time, from_cache, left, saved, speed, tail};
use crate::http::HttpDate;
use crate::stats::{Snapshot, SourceView, Transfer, names};

/// How wide the text may be, in columns, and is if nobody says so.
const NARROWEST: usize = 40;
const USUAL: usize = 80;
const WIDEST: usize = 240;

/// How the text is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    columns: usize,
    /// Whether bars are drawn with blocks, which are no ASCII.
    pub blocks: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            columns: USUAL,
            blocks: false,
        }
    }
}

impl Layout {
    /// The same with so many columns, as far as it is made for them.
    pub fn with_columns(self, columns: u64) -> Self {
        let columns = usize::try_from(columns).unwrap_or(WIDEST);
        let columns = columns.clamp(NARROWEST, WIDEST);
        Self { columns, ..self }
    }

    /// How wide the text may be.
    #[cfg(test)]
    pub fn columns(self) -> usize {
        self.columns
    }
}

/// The snapshot as text.
pub fn render(snapshot: &Snapshot, layout: Layout) -> String {
    let text = Text { snapshot, layout }.to_string();
    let mut out = String::new();
    for line in text.lines() {
        fit(&mut out, line.trim_end(), layout.columns);
        out.push('\n');
    }
    out
}

/// Adds a line without what could do something to a terminal, and cut where it is too long.
fn fit(out: &mut String, line: &str, columns: usize) {
    for character in line.chars().take(columns) {
        out.push(match character {
            ' '..='~' | '\u{2588}' | '\u{2591}' => character,
            _ => '?',
        });
    }
}

struct Text<'a> {
    snapshot: &'a Snapshot,
    layout: Layout,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (snapshot, version) = (self.snapshot, env!("CARGO_PKG_VERSION"));
        writeln!(f, "package-cache {version}, up {}\n", Time(snapshot.uptime))?;
        self.totals(f)?;
        self.transfers(f)?;
        self.sources(f)?;
        self.requests(f)?;
        self.failures(f)
    }
}

impl Text<'_> {
    fn totals(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let snapshot = self.snapshot;
        let (requests, bytes) = (from_cache(&snapshot.requests), from_cache(&snapshot.sent));
        let all = Count(requests.whole, "request");
        writeln!(f, "From the cache  {requests} of {all}")?;
        writeln!(f, "                {bytes} of the bytes")?;
        writeln!(f, "Saved           {}", Bytes(saved(snapshot)))?;
        writeln!(f, "Sent            {}", Bytes(bytes.whole))?;
        writeln!(f, "Fetched         {}", Bytes(snapshot.received()))?;
        let (open, limit) = (snapshot.connections.open, snapshot.connections.limit);
        writeln!(f, "Connections     {open} of {limit}")?;
        match snapshot.space.free {
            Some((free, least)) => {
                let gap = match self.is_narrow() {
                    true => "\n                ",
                    false => ", of which ",
                };
                let (free, least) = (Bytes(free), Bytes(least));
                writeln!(f, "Free            {free}{gap}{least} stay free")?;
            }
            None => writeln!(f, "Free            not known")?,
        }
        let storing = match snapshot.space.storing {
            true => "works",
            false => "FAILS: the log says why",
        };
        writeln!(f, "Storing         {storing}")?;
        match snapshot.verified {
            [0, 0, 0] => Ok(()),
            [good, bad, unknown] => {
                let gap = match self.is_narrow() {
                    true => "\n                ",
                    false => ", ",
                };
                writeln!(
                    f,
                    "Verified        {good} good{gap}{bad} bad{gap}{unknown} unknown"
                )
            }
        }
    }

    fn requests(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<12} {:>12} {:>12}",
            "Cache status", "Requests", "Sent"
        )?;
        let counts = self.snapshot.requests.iter().zip(&self.snapshot.sent);
        for (name, (requests, sent)) in names().zip(counts) {
            writeln!(f, "{name:<12} {requests:>12} {:>12}", Bytes(*sent))?;
        }
        Ok(())
    }

    fn transfers(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let transfers = &self.snapshot.transfers;
        writeln!(f, "\nTransfers: {}", transfers.len())?;
        transfers.iter().try_for_each(|one| self.transfer(f, one))
    }

    fn transfer(&self, f: &mut Formatter<'_>, transfer: &Transfer) -> fmt::Result {
        let (dots, end) = tail(&transfer.path, self.layout.columns);
        writeln!(f, "{dots}{end}")?;
        let received = Bytes(transfer.received);
        match transfer.length {
            Some(length) => {
                let percent = (u128::from(transfer.received) * 100).checked_div(u128::from(length));
                let percent = percent.and_then(|it| u64::try_from(it).ok()).unwrap_or(100);
                let bar = self.bar(transfer.received, length);
                let gap = if self.is_narrow() { "\n  " } else { "  " };
                writeln!(
                    f,
                    "  {bar} {percent:>3} %{gap}{received} of {}",
                    Bytes(length)
                )?;
            }
            None => writeln!(f, "  {received}, of unknown length")?,
        }
        write!(f, "  {}/s", Bytes(transfer.bytes_per_second))?;
        if let Some(left) = left(transfer) {
            write!(f, ", {} left", Time(left))?;
        }
        write!(f, "{}", if self.is_narrow() { "\n  " } else { ", " })?;
        let readers = Count(transfer.readers as u64, "reader");
        let stored = if transfer.stored { "" } else { ", not stored" };
        writeln!(f, "{readers}{stored}")?;
        match self.snapshot.source(transfer) {
            Some(source) => writeln!(f, "  from {source}"),
            None => Ok(()),
        }
    }

    /// Whether lines are made two that fit on one else.
    fn is_narrow(&self) -> bool {
        self.layout.columns < 72
    }

    /// A bar that takes about a third of a line.
    fn bar(&self, part: u64, whole: u64) -> String {
        let (full, empty) = match self.layout.blocks {
            true => ("\u{2588}", "\u{2591}"),
            false => ("#", "-"),
        };
        let width = self.layout.columns / 3;
        let filled = (u128::from(part) * width as u128).checked_div(u128::from(whole));
        let filled = filled.and_then(|filled| usize::try_from(filled).ok());
        let filled = filled.unwrap_or(width).min(width);
        format!("[{}{}]", full.repeat(filled), empty.repeat(width - filled))
    }

    fn sources(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sources = &self.snapshot.sources;
        writeln!(f, "\nSources: {}", sources.len())?;
        let mut numbered = sources.iter().enumerate();
        numbered.try_for_each(|(number, source)| self.source(f, number, source))
    }

    fn source(&self, f: &mut Formatter<'_>, number: usize, source: &SourceView) -> fmt::Result {
        let state = if source.up { "up  " } else { "DOWN" };
        match &source.name {
            Some(name) => writeln!(f, "{state}  {name}={}", source.url)?,
            None => writeln!(f, "{state}  {}", source.url)?,
        }
        let questions = Count(source.requests, "question");
        let failures = Count(source.failures.iter().sum(), "failure");
        let gap = if self.is_narrow() { "\n      " } else { ", " };
        let received = Bytes(source.received);
        write!(f, "      {questions}, {failures}{gap}{received} fetched")?;
        match speed(self.snapshot, number) {
            0 => writeln!(f)?,
            speed => writeln!(f, ", {}/s now", Bytes(speed))?,
        }
        match &source.last_failure {
            Some(why) => self.wrapped(f, &format!("last failure: {why}")),
            None => Ok(()),
        }
    }

    fn failures(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let failures = &self.snapshot.failures;
        writeln!(f, "\nLast failures: {}", failures.len())?;
        for failure in failures {
            let time = HttpDate::of(failure.time).rfc3339().to_string();
            let room = self.layout.columns.saturating_sub(time.len() + 1);
            let (dots, end) = tail(&failure.path, room);
            writeln!(f, "{time} {dots}{end}")?;
            self.wrapped(f, &failure.why)?;
        }
        Ok(())
    }

    /// A text on as many lines as it needs, up to three.
    fn wrapped(&self, f: &mut Formatter<'_>, text: &str) -> fmt::Result {
        let width = self.layout.columns.saturating_sub(6);
        let (mut line, mut lines) = (String::new(), 0);
        for word in text.split(' ') {
            if !line.is_empty() && line.len().saturating_add(word.len()) >= width {
                writeln!(f, "      {line}")?;
                line.clear();
                lines += 1;
                if lines == 3 {
                    return Ok(());
                }
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        writeln!(f, "      {line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Connections, Space, Stats};

    #[test]
    fn the_narrowest_layout_has_room_for_every_figure() {
        let stats = Stats::new([]);
        let connections = Connections {
            open: 10_000,
            limit: 10_000,
        };
        let space = Space {
            free: Some((1_023 << 30, 1_023 << 20)),
            storing: false,
        };
        let mut snapshot = Snapshot::of(&stats, connections, space, [0; 5]);
        let transfer = Transfer {
            path: String::from("/a"),
            received: 1_000 << 30,
            length: Some(1_023 << 30),
            readers: 1_000,
            bytes_per_second: 1 << 20,
            source: None,
            stored: false,
        };
        let unknown = Transfer {
            length: None,
            ..transfer.clone()
        };
        snapshot.transfers = vec![transfer, unknown];
        snapshot.verified = [999_999, 1, 20];
        let layout = Layout::default().with_columns(0);
        let text = Text {
            snapshot: &snapshot,
            layout,
        };
        let text = text.to_string();
        for line in text.lines() {
            assert!(line.len() <= NARROWEST, "{line}");
        }
        assert!(text.contains(" 1 bad\n"), "{text}");
    }

    #[test]
    fn a_line_does_nothing_to_a_terminal() {
        for (line, columns, shown) in [
            ("a\u{1b}[2J\u{9b}\u{202e}\u{2588}", 80, "a?[2J??\u{2588}"),
            ("abcdef", 4, "abcd"),
        ] {
            let mut out = String::new();
            fit(&mut out, line, columns);
            assert_eq!(out, shown);
        }
    }
}

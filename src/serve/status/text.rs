//! The snapshot as aligned text: for terminals, curl, wget, and `package-cache status`.
//!
//! Rules: what changes by the second comes before the table of all requests, since a terminal that watches shows the
//! beginning alone; no line is wider than the layout; ASCII only, but for the blocks of bars where those are asked for; what
//! could do something to a terminal is replaced.

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
    let text = Text { snapshot, layout }.whole();
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

impl Text<'_> {
    fn whole(&self) -> String {
        let mut text = String::new();
        let out = &mut text;
        let (snapshot, version) = (self.snapshot, env!("CARGO_PKG_VERSION"));
        putln!(
            out,
            "package-cache {version}, up {}\n",
            Time(snapshot.uptime)
        );
        self.totals(out);
        self.transfers(out);
        self.sources(out);
        self.requests(out);
        self.failures(out);
        text
    }

    fn totals(&self, out: &mut String) {
        let snapshot = self.snapshot;
        let (requests, bytes) = (from_cache(&snapshot.requests), from_cache(&snapshot.sent));
        let all = Count(requests.whole, "request");
        putln!(out, "From the cache  {requests} of {all}");
        putln!(out, "                {bytes} of the bytes");
        putln!(out, "Saved           {}", Bytes(saved(snapshot)));
        putln!(out, "Sent            {}", Bytes(bytes.whole));
        putln!(out, "Fetched         {}", Bytes(snapshot.received()));
        let (open, limit) = (snapshot.connections.open, snapshot.connections.limit);
        putln!(out, "Connections     {open} of {limit}");
        match snapshot.space.free {
            Some((free, least)) => {
                let gap = match self.is_narrow() {
                    true => "\n                ",
                    false => ", of which ",
                };
                let (free, least) = (Bytes(free), Bytes(least));
                putln!(out, "Free            {free}{gap}{least} stay free");
            }
            None => putln!(out, "Free            not known"),
        }
        let storing = match snapshot.space.storing {
            true => "works",
            false => "FAILS: the log says why",
        };
        putln!(out, "Storing         {storing}");
        match snapshot.verified {
            [0, 0, 0] => {}
            [good, bad, unknown] => {
                let gap = match self.is_narrow() {
                    true => "\n                ",
                    false => ", ",
                };
                putln!(
                    out,
                    "Verified        {good} good{gap}{bad} bad{gap}{unknown} unknown"
                );
            }
        }
    }

    fn requests(&self, out: &mut String) {
        putln!(
            out,
            "\n{:<12} {:>12} {:>12}",
            "Cache status",
            "Requests",
            "Sent"
        );
        let counts = self.snapshot.requests.iter().zip(&self.snapshot.sent);
        for (name, (requests, sent)) in names().zip(counts) {
            putln!(out, "{name:<12} {requests:>12} {:>12}", Bytes(*sent));
        }
    }

    fn transfers(&self, out: &mut String) {
        let transfers = &self.snapshot.transfers;
        putln!(out, "\nTransfers: {}", transfers.len());
        for one in transfers {
            self.transfer(out, one);
        }
    }

    fn transfer(&self, out: &mut String, transfer: &Transfer) {
        let (dots, end) = tail(&transfer.path, self.layout.columns);
        putln!(out, "{dots}{end}");
        let received = Bytes(transfer.received);
        match transfer.length {
            Some(length) => {
                let percent = (u128::from(transfer.received) * 100).checked_div(u128::from(length));
                let percent = percent.and_then(|it| u64::try_from(it).ok()).unwrap_or(100);
                let bar = self.bar(transfer.received, length);
                let gap = if self.is_narrow() { "\n  " } else { "  " };
                putln!(
                    out,
                    "  {bar} {percent:>3} %{gap}{received} of {}",
                    Bytes(length)
                );
            }
            None => putln!(out, "  {received}, of unknown length"),
        }
        put!(out, "  {}/s", Bytes(transfer.bytes_per_second));
        if let Some(left) = left(transfer) {
            put!(out, ", {} left", Time(left));
        }
        put!(out, "{}", if self.is_narrow() { "\n  " } else { ", " });
        let readers = Count(transfer.readers as u64, "reader");
        let stored = if transfer.stored { "" } else { ", not stored" };
        putln!(out, "{readers}{stored}");
        if let Some(source) = self.snapshot.source(transfer) {
            putln!(out, "  from {source}");
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

    fn sources(&self, out: &mut String) {
        let sources = &self.snapshot.sources;
        putln!(out, "\nSources: {}", sources.len());
        for (number, source) in sources.iter().enumerate() {
            self.source(out, number, source);
        }
    }

    fn source(&self, out: &mut String, number: usize, source: &SourceView) {
        let state = if source.up { "up  " } else { "DOWN" };
        match &source.name {
            Some(name) => putln!(out, "{state}  {name}={}", source.url),
            None => putln!(out, "{state}  {}", source.url),
        }
        let questions = Count(source.requests, "question");
        let failures = Count(source.failures.iter().sum(), "failure");
        let gap = if self.is_narrow() { "\n      " } else { ", " };
        let received = Bytes(source.received);
        put!(out, "      {questions}, {failures}{gap}{received} fetched");
        match speed(self.snapshot, number) {
            0 => out.push('\n'),
            speed => putln!(out, ", {}/s now", Bytes(speed)),
        }
        if let Some(why) = &source.last_failure {
            self.wrapped(out, &format!("last failure: {why}"));
        }
    }

    fn failures(&self, out: &mut String) {
        let failures = &self.snapshot.failures;
        putln!(out, "\nLast failures: {}", failures.len());
        for failure in failures {
            let time = HttpDate::of(failure.time).rfc3339().to_string();
            let room = self.layout.columns.saturating_sub(time.len() + 1);
            let (dots, end) = tail(&failure.path, room);
            putln!(out, "{time} {dots}{end}");
            self.wrapped(out, &failure.why);
        }
    }

    /// A text on as many lines as it needs, up to three.
    fn wrapped(&self, out: &mut String, text: &str) {
        let width = self.layout.columns.saturating_sub(6);
        let (mut line, mut lines) = (String::new(), 0);
        for word in text.split(' ') {
            if !line.is_empty() && line.len().saturating_add(word.len()) >= width {
                putln!(out, "      {line}");
                line.clear();
                lines += 1;
                if lines == 3 {
                    return;
                }
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        putln!(out, "      {line}");
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
        let text = text.whole();
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

//! Figures for people: what the counters mean together, and their units.

use std::fmt;
use std::time::Duration;

use crate::http::Word;
use crate::stats::{STATUSES, Snapshot, Transfer};

/// The answers whose content was not fetched for them.
const FROM_CACHE: [Word; 4] = [Word::Hit, Word::Collapsed, Word::Revalidated, Word::Stale];

/// How much of what was asked for came from the cache: of answers, or of bytes.
pub fn from_cache(counts: &[u64; STATUSES]) -> Share {
    let of = |word: Word| counts.get(word as usize).copied().unwrap_or(0);
    Share {
        part: FROM_CACHE.map(of).iter().sum(),
        whole: Word::ALL.map(of).iter().sum(),
    }
}

/// Bytes that clients got and no source had to send for them.
pub fn saved(snapshot: &Snapshot) -> u64 {
    from_cache(&snapshot.sent).part
}

/// Bytes a second that a source sends to the transfers that run.
pub fn speed(snapshot: &Snapshot, source: usize) -> u64 {
    let transfers = snapshot.transfers.iter();
    let its = transfers.filter(|transfer| transfer.source == Some(source));
    its.map(|transfer| transfer.bytes_per_second).sum()
}

/// How long a transfer will take, if that can be told.
pub fn left(transfer: &Transfer) -> Option<Duration> {
    let left = transfer.length?.saturating_sub(transfer.received);
    let seconds = left.checked_div(transfer.bytes_per_second)?;
    Some(Duration::from_secs(seconds))
}

/// A part of a whole; displayed in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// So many.
    pub part: u64,
    /// Of so many.
    pub whole: u64,
}

impl Share {
    /// In thousandths; none of nothing.
    pub fn per_mille(self) -> Option<u64> {
        let mille = (u128::from(self.part) * 1_000).checked_div(u128::from(self.whole))?;
        u64::try_from(mille).ok()
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per_mille() {
            Some(mille) => f.pad(&format!("{}.{} %", mille / 10, mille % 10)),
            None => f.pad("-"),
        }
    }
}

/// So many things of one kind: `1 reader`, `2 readers`.
#[derive(Debug, Clone, Copy)]
pub struct Count(pub u64, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, kind) = self;
        write!(f, "{count} {kind}{}", if *count == 1 { "" } else { "s" })
    }
}

/// Bytes for a reader: `3.4 GiB`.
#[derive(Debug, Clone, Copy)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let (mut tenths, mut unit) = (u128::from(self.0) * 10, "B");
        for larger in UNITS {
            // 1023.96 KiB would be shown as 1024.0.
            if tenths < 10_235 {
                break;
            }
            (tenths, unit) = ((tenths + 512) / 1_024, larger);
        }
        // A u128 has its own code to be shown, which nothing else needs.
        let tenths = u64::try_from(tenths).unwrap_or(u64::MAX);
        match unit {
            "B" => f.pad(&format!("{} B", tenths / 10)),
            _ => f.pad(&format!("{}.{} {unit}", tenths / 10, tenths % 10)),
        }
    }
}

/// A time for a reader, in its two largest units: `3 d 4 h`.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
        let seconds = self.0.as_secs();
        let at = UNITS.iter().position(|(_, length)| seconds >= *length);
        let mut rest = seconds;
        let units = UNITS.iter().skip(at.unwrap_or(UNITS.len() - 1)).take(2);
        let parts = units.map(|(unit, length)| {
            let count = rest / length;
            rest %= length;
            (count, unit)
        });
        let parts = parts
            .enumerate()
            .filter(|(at, (count, _))| *at == 0 || *count > 0);
        let text: Vec<_> = parts
            .map(|(_, (count, unit))| format!("{count} {unit}"))
            .collect();
        f.pad(&text.join(" "))
    }
}

/// The end of a path that is too long to be shown, as its name tells most, and the dots before it; all of one that has
/// up to `most` bytes. Paths are percent-encoded, and so in ASCII.
pub fn tail(path: &str, most: usize) -> (&'static str, &str) {
    if path.len() <= most {
        return ("", path);
    }
    let start = path.len().saturating_sub(most.saturating_sub(3));
    // Half an escape would be none.
    let hanging = match path.as_bytes().get(..start) {
        Some([.., b'%']) => 2,
        Some([.., b'%', _]) => 1,
        _ => 0,
    };
    let end = path.get(start.saturating_add(hanging)..);
    ("...", end.unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_one_thing() {
        for (count, text) in [(0, "0 failures"), (1, "1 failure"), (2, "2 failures")] {
            assert_eq!(Count(count, "failure").to_string(), text);
        }
    }

    #[test]
    fn bytes_and_times_and_shares_for_readers() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1_048_000, "1023.4 KiB"),
            (1_048_575, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text, "{bytes}");
        }
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_725, "1 h 2 min"),
            (86_400, "1 d"),
            (273_600, "3 d 4 h"),
            (86_459, "1 d"),
        ] {
            assert_eq!(Time(Duration::from_secs(seconds)).to_string(), text);
        }
        for (part, whole, text) in [
            (0, 0, "-"),
            (1, 3, "33.3 %"),
            (3, 3, "100.0 %"),
            (u64::MAX, u64::MAX, "100.0 %"),
        ] {
            assert_eq!(Share { part, whole }.to_string(), text);
        }
    }

    #[test]
    fn a_long_path_is_told_by_its_end() {
        assert_eq!(tail("/a/b.tar", 8), ("", "/a/b.tar"));
        assert_eq!(tail("/abc/defgh.tar", 11), ("...", "efgh.tar"));
        assert_eq!(tail("/a", 0), ("...", ""));
        for most in 6..30 {
            let (dots, end) = tail("/%41%42%43%44%45%46%47%48%49%50%51", most);
            assert!(
                dots.len() + end.len() <= most && end.starts_with('%'),
                "{most} {end}"
            );
        }
    }
}

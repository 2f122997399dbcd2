//! The snapshot as JSON (RFC 8259): for scripts, and for whoever shows it in a way of their own.
//!
//! Rules: the keys are a promise; every string passes through `Quoted`.

use std::fmt::{self, Display, Formatter, Write};

use crate::http::HttpDate;
use crate::stats::{Failure, STATUSES, Snapshot, SourceView, Transfer, names};

/// The snapshot as JSON.
pub fn render(snapshot: &Snapshot) -> String {
    format!("{}\n", Json(snapshot))
}

struct Json<'a>(&'a Snapshot);

impl Display for Json<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let snapshot = self.0;
        let version = Quoted(env!("CARGO_PKG_VERSION"));
        write!(f, "{{\"version\":{version}")?;
        write!(f, ",\n\"uptime_seconds\":{}", snapshot.uptime.as_secs())?;
        f.write_str(",\n\"requests\":")?;
        by_status(f, &snapshot.requests)?;
        f.write_str(",\n\"sent_bytes\":")?;
        by_status(f, &snapshot.sent)?;
        write!(f, ",\n\"received_bytes\":{}", snapshot.received())?;
        let (open, limit) = (snapshot.connections.open, snapshot.connections.limit);
        write!(
            f,
            ",\n\"connections\":{{\"open\":{open},\"limit\":{limit}}}"
        )?;
        f.write_str(",\n\"sources\":")?;
        list(f, &snapshot.sources, source)?;
        f.write_str(",\n\"transfers\":")?;
        list(f, &snapshot.transfers, |f, one| transfer(f, snapshot, one))?;
        f.write_str(",\n\"failures\":")?;
        list(f, &snapshot.failures, failure)?;
        let (free, min_free) = snapshot.space.free.unzip();
        write!(
            f,
            ",\n\"store\":{{\"free_bytes\":{},\"min_free_bytes\":{},\"storing\":{}}}",
            Maybe(free),
            Maybe(min_free),
            snapshot.space.storing
        )?;
        let [good, bad, unknown] = snapshot.verified;
        write!(
            f,
            ",\n\"verified\":{{\"good\":{good},\"bad\":{bad},\"unknown\":{unknown}}}}}"
        )
    }
}

fn by_status(f: &mut Formatter<'_>, counts: &[u64; STATUSES]) -> fmt::Result {
    for (at, (name, count)) in names().zip(counts).enumerate() {
        f.write_char(if at == 0 { '{' } else { ',' })?;
        write!(f, "\"{name}\":{count}")?;
    }
    f.write_char('}')
}

fn source(f: &mut Formatter<'_>, source: &SourceView) -> fmt::Result {
    write!(
        f,
        "{{\"url\":{},\"name\":{},\"up\":{},\"requests\":{},\"failures\":{},\"received_bytes\":{},\"last_failure\":{}}}",
        Quoted(&source.url),
        Maybe(source.name.as_deref().map(Quoted)),
        source.up,
        source.requests,
        source.failures.iter().sum::<u64>(),
        source.received,
        Maybe(source.last_failure.as_deref().map(Quoted)),
    )
}

fn transfer(f: &mut Formatter<'_>, snapshot: &Snapshot, transfer: &Transfer) -> fmt::Result {
    write!(
        f,
        "{{\"path\":{},\"received\":{},\"length\":{},\"readers\":{},\"bytes_per_second\":{},\"source\":{},\"stored\":{}}}",
        Quoted(&transfer.path),
        transfer.received,
        Maybe(transfer.length),
        transfer.readers,
        transfer.bytes_per_second,
        Maybe(snapshot.source(transfer).map(Quoted)),
        transfer.stored,
    )
}

fn failure(f: &mut Formatter<'_>, failure: &Failure) -> fmt::Result {
    let time = HttpDate::of(failure.time).rfc3339();
    let (path, why) = (Quoted(&failure.path), Quoted(&failure.why));
    write!(f, "{{\"time\":\"{time}\",\"path\":{path},\"why\":{why}}}")
}

/// An array, one element a line.
fn list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    write: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_char('[')?;
    for (at, item) in items.iter().enumerate() {
        f.write_str(if at == 0 { "\n" } else { ",\n" })?;
        write(f, item)?;
    }
    f.write_char(']')
}

/// A value or null.
struct Maybe<T>(Option<T>);

impl<T: Display> Display for Maybe<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("null"),
        }
    }
}

/// A string in its quotes (RFC 8259 §7).
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                _ if character.is_control() => write!(f, "\\u{:04x}", u32::from(character))?,
                _ => f.write_char(character)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted() {
        for (text, quoted) in [
            ("", r#""""#),
            ("a/b", r#""a/b""#),
            ("\"\\", r#""\"\\""#),
            ("\n\u{1b}\u{7f}\u{9b}", r#""\u000a\u001b\u007f\u009b""#),
            ("\u{e9}\u{1f600}", "\"\u{e9}\u{1f600}\""),
        ] {
            assert_eq!(Quoted(text).to_string(), quoted);
        }
    }
}

//! The snapshot as JSON (RFC 8259): for scripts, and for whoever shows it in a way of their own.
//!
//! Rules: the keys are a promise; every string passes through `Quoted`.

use std::fmt::{self, Display, Formatter, Write};

use crate::http::HttpDate;
use crate::stats::{Failure, STATUSES, Snapshot, SourceView, Transfer, names};

/// The snapshot as JSON.
pub fn render(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    let out = &mut text;
    let version = Quoted(env!("CARGO_PKG_VERSION"));
    put!(out, "{{\"version\":{version}");
    put!(out, ",\n\"uptime_seconds\":{}", snapshot.uptime.as_secs());
    out.push_str(",\n\"requests\":");
    by_status(out, &snapshot.requests);
    out.push_str(",\n\"sent_bytes\":");
    by_status(out, &snapshot.sent);
    put!(out, ",\n\"received_bytes\":{}", snapshot.received());
    let (open, limit) = (snapshot.connections.open, snapshot.connections.limit);
    put!(
        out,
        ",\n\"connections\":{{\"open\":{open},\"limit\":{limit}}}"
    );
    out.push_str(",\n\"sources\":");
    list(out, &snapshot.sources, source);
    out.push_str(",\n\"transfers\":");
    list(out, &snapshot.transfers, |out, one| {
        transfer(out, snapshot, one)
    });
    out.push_str(",\n\"failures\":");
    list(out, &snapshot.failures, failure);
    let (free, min_free) = snapshot.space.free.unzip();
    put!(
        out,
        ",\n\"store\":{{\"free_bytes\":{},\"min_free_bytes\":{},\"storing\":{}}}",
        Maybe(free),
        Maybe(min_free),
        snapshot.space.storing
    );
    let [good, bad, unknown] = snapshot.verified;
    put!(
        out,
        ",\n\"verified\":{{\"good\":{good},\"bad\":{bad},\"unknown\":{unknown}}}}}\n"
    );
    text
}

fn by_status(out: &mut String, counts: &[u64; STATUSES]) {
    for (at, (name, count)) in names().zip(counts).enumerate() {
        out.push(if at == 0 { '{' } else { ',' });
        put!(out, "\"{name}\":{count}");
    }
    out.push('}');
}

fn source(out: &mut String, source: &SourceView) {
    put!(
        out,
        "{{\"url\":{},\"name\":{},\"up\":{},\"requests\":{},\"failures\":{},\"received_bytes\":{},\"last_failure\":{}}}",
        Quoted(&source.url),
        Maybe(source.name.as_deref().map(Quoted)),
        source.up,
        source.requests,
        source.failures.iter().sum::<u64>(),
        source.received,
        Maybe(source.last_failure.as_deref().map(Quoted)),
    );
}

fn transfer(out: &mut String, snapshot: &Snapshot, transfer: &Transfer) {
    put!(
        out,
        "{{\"path\":{},\"received\":{},\"length\":{},\"readers\":{},\"bytes_per_second\":{},\"source\":{},\"stored\":{}}}",
        Quoted(&transfer.path),
        transfer.received,
        Maybe(transfer.length),
        transfer.readers,
        transfer.bytes_per_second,
        Maybe(snapshot.source(transfer).map(Quoted)),
        transfer.stored,
    );
}

fn failure(out: &mut String, failure: &Failure) {
    let time = HttpDate::of(failure.time).rfc3339();
    let (path, why) = (Quoted(&failure.path), Quoted(&failure.why));
    put!(out, "{{\"time\":\"{time}\",\"path\":{path},\"why\":{why}}}");
}

/// An array, one element a line.
fn list<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { ",\n" });
        write(out, item);
    }
    out.push(']');
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

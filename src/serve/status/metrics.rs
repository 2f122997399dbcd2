//! The snapshot for Prometheus: text format 0.0.4.
//!
//! Rules: the names are a promise; all samples of a metric stand together, behind HELP and TYPE; no label has a value
//! that a client sent, and every value passes through `Label`.

use std::fmt::{self, Display, Formatter, Write};
use std::time::UNIX_EPOCH;

use crate::http::Word;
use crate::stats::{BOUNDS, Distribution, Outcome, Reason, Snapshot, names};

/// The levels of log messages, in the order of their counters.
const LEVELS: [&str; 5] = ["error", "warning", "notice", "info", "debug"];

/// What Manifests said of files, in the order of the counters.
const VERIFIED: [&str; 3] = ["good", "bad", "unknown"];

/// The snapshot for Prometheus.
pub fn render(snapshot: &Snapshot) -> String {
    Metrics(snapshot).to_string()
}

struct Metrics<'a>(&'a Snapshot);

impl Display for Metrics<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        program(f, self.0)?;
        answers(f, self.0)?;
        first_byte(f, &self.0.first_byte)?;
        connections(f, self.0)?;
        sources(f, self.0)?;
        transfers(f, self.0)?;
        store(f, self.0)
    }
}

fn program(f: &mut Formatter<'_>, snapshot: &Snapshot) -> fmt::Result {
    let build = gauge(f, "build_info", "Always 1; its label is the version.")?;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    sample(f, build, &version, &1)?;
    let started = gauge(
        f,
        "start_time_seconds",
        "When the program started, since the epoch.",
    )?;
    let since = snapshot.started.duration_since(UNIX_EPOCH);
    let micros = u64::try_from(since.unwrap_or_default().as_micros());
    sample(f, started, &[], &Seconds(micros.unwrap_or(u64::MAX)))?;
    let logged = counter(
        f,
        "log_messages_total",
        "Messages in the log, without access lines.",
    )?;
    for (level, count) in LEVELS.into_iter().zip(snapshot.logged) {
        sample(f, logged, &[("level", level)], &count)?;
    }
    Ok(())
}

fn answers(f: &mut Formatter<'_>, snapshot: &Snapshot) -> fmt::Result {
    let requests = counter(
        f,
        "requests_total",
        "Answers by cache status; none: no file was looked up.",
    )?;
    for (name, count) in names().zip(snapshot.requests) {
        sample(f, requests, &[("cache", name)], &count)?;
    }
    let responses = counter(f, "responses_total", "Answers by status code.")?;
    for (code, count) in &snapshot.responses {
        sample(f, responses, &[("code", &code.to_string())], &count)?;
    }
    let sent = counter(
        f,
        "sent_bytes_total",
        "Bytes of content sent to clients, by cache status.",
    )?;
    for (name, count) in names().zip(snapshot.sent) {
        sample(f, sent, &[("cache", name)], &count)?;
    }
    Ok(())
}

fn first_byte(f: &mut Formatter<'_>, seen: &[(Word, Distribution)]) -> fmt::Result {
    let help = "Time from a request to the first byte of its answer.";
    let name = metric(f, "first_byte_seconds", "histogram", help)?;
    let bounds = || BOUNDS.iter().map(|(bound, _)| *bound).chain(["+Inf"]);
    for (word, distribution) in seen {
        let cache = ("cache", word.name());
        for (bound, count) in bounds().zip(distribution.buckets) {
            let labels = [cache, ("le", bound)];
            sample(f, "first_byte_seconds_bucket", &labels, &count)?;
        }
        let count = distribution.buckets.last().copied().unwrap_or(0);
        sample(
            f,
            &format!("{name}_sum"),
            &[cache],
            &Seconds(distribution.micros),
        )?;
        sample(f, &format!("{name}_count"), &[cache], &count)?;
    }
    Ok(())
}

fn connections(f: &mut Formatter<'_>, snapshot: &Snapshot) -> fmt::Result {
    let open = gauge(f, "connections", "Connections of clients that are open.")?;
    sample(f, open, &[], &snapshot.connections.open)?;
    let limit = gauge(
        f,
        "connections_limit",
        "Connections of clients that can be open at once.",
    )?;
    sample(f, limit, &[], &snapshot.connections.limit)?;
    let all = counter(
        f,
        "connections_total",
        "Connections of clients since the start.",
    )?;
    sample(f, all, &[], &snapshot.connected)
}

fn sources(f: &mut Formatter<'_>, snapshot: &Snapshot) -> fmt::Result {
    let all = &snapshot.sources;
    let requests = counter(
        f,
        "source_requests_total",
        "Questions to a source, redirects left out.",
    )?;
    for source in all {
        sample(f, requests, &[("source", &source.label)], &source.requests)?;
    }
    let help = "Failures of a source; that it has no such file is none.";
    let failures = counter(f, "source_failures_total", help)?;
    for source in all {
        for (reason, count) in Reason::ALL.into_iter().zip(source.failures) {
            let labels = [("source", &*source.label), ("reason", reason.name())];
            sample(f, failures, &labels, &count)?;
        }
    }
    let received = counter(
        f,
        "source_received_bytes_total",
        "Bytes of content that a source sent.",
    )?;
    for source in all {
        sample(f, received, &[("source", &source.label)], &source.received)?;
    }
    let help = "0 from when the source could not be reached, was silent or dripped until it answers, else 1.";
    let up = gauge(f, "source_up", help)?;
    for source in all {
        sample(f, up, &[("source", &source.label)], &u8::from(source.up))?;
    }
    Ok(())
}

fn transfers(f: &mut Formatter<'_>, snapshot: &Snapshot) -> fmt::Result {
    let running = gauge(f, "transfers", "Transfers from sources that run.")?;
    sample(f, running, &[], &snapshot.transfers.len())?;
    let readers = gauge(f, "transfer_readers", "Clients that read from them.")?;
    let reading = snapshot.transfers.iter().map(|transfer| transfer.readers);
    sample(f, readers, &[], &reading.sum::<usize>())?;
    let ended = counter(
        f,
        "transfers_total",
        "Transfers that ended: stored, passed on only, failed.",
    )?;
    for (outcome, count) in Outcome::ALL.into_iter().zip(snapshot.transferred) {
        sample(f, ended, &[("result", outcome.name())], &count)?;
    }
    let resumed = counter(
        f,
        "transfers_resumed_total",
        "Transfers that went on after a source broke off.",
    )?;
    sample(f, resumed, &[], &snapshot.resumed)
}

fn store(f: &mut Formatter<'_>, snapshot: &Snapshot) -> fmt::Result {
    let failed = counter(f, "store_failures_total", "Files that could not be stored.")?;
    sample(f, failed, &[], &snapshot.store_failures)?;
    let verified = counter(
        f,
        "verified_total",
        "Files by what their Manifests say of them.",
    )?;
    for (result, count) in VERIFIED.into_iter().zip(snapshot.verified) {
        sample(f, verified, &[("result", result)], &count)?;
    }
    let (free, min_free) = snapshot.space.free.unzip();
    let name = gauge(
        f,
        "free_bytes",
        "Free on the cache's file system; NaN if that is not known.",
    )?;
    sample(f, name, &[], &Known(free))?;
    let name = gauge(
        f,
        "min_free_bytes",
        "What storing leaves free; NaN if that is not known.",
    )?;
    sample(f, name, &[], &Known(min_free))
}

fn counter<'a>(f: &mut Formatter<'_>, name: &'a str, help: &str) -> Result<&'a str, fmt::Error> {
    metric(f, name, "counter", help)
}

fn gauge<'a>(f: &mut Formatter<'_>, name: &'a str, help: &str) -> Result<&'a str, fmt::Error> {
    metric(f, name, "gauge", help)
}

/// What stands before the samples of a metric; its name, for them.
fn metric<'a>(
    f: &mut Formatter<'_>,
    name: &'a str,
    kind: &str,
    help: &str,
) -> Result<&'a str, fmt::Error> {
    writeln!(f, "# HELP package_cache_{name} {help}")?;
    writeln!(f, "# TYPE package_cache_{name} {kind}")?;
    Ok(name)
}

fn sample(
    f: &mut Formatter<'_>,
    name: &str,
    labels: &[(&str, &str)],
    value: &dyn Display,
) -> fmt::Result {
    write!(f, "package_cache_{name}")?;
    for (at, (label, value)) in labels.iter().enumerate() {
        f.write_char(if at == 0 { '{' } else { ',' })?;
        write!(f, "{label}=\"{}\"", Label(value))?;
    }
    if !labels.is_empty() {
        f.write_char('}')?;
    }
    writeln!(f, " {value}")
}

/// Seconds, of so many microseconds.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A number, or that there is none.
struct Known(Option<u64>);

impl Display for Known {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str("NaN"),
        }
    }
}

/// The value of a label, as it stands in its quotes.
struct Label<'a>(&'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' | '"' => write!(f, "\\{character}")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_labels_are_escaped() {
        assert_eq!(Label("a\\b\"c\nd").to_string(), "a\\\\b\\\"c\\nd");
    }
}

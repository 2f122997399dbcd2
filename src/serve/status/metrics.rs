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
    let mut text = String::new();
    let out = &mut text;
    program(out, snapshot);
    answers(out, snapshot);
    first_byte(out, &snapshot.first_byte);
    connections(out, snapshot);
    sources(out, snapshot);
    transfers(out, snapshot);
    store(out, snapshot);
    text
}

fn program(out: &mut String, snapshot: &Snapshot) {
    let build = gauge(out, "build_info", "Always 1; its label is the version.");
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    sample(out, build, &version, &1);
    let started = gauge(
        out,
        "start_time_seconds",
        "When the program started, since the epoch.",
    );
    let since = snapshot.started.duration_since(UNIX_EPOCH);
    let micros = u64::try_from(since.unwrap_or_default().as_micros());
    sample(out, started, &[], &Seconds(micros.unwrap_or(u64::MAX)));
    let logged = counter(
        out,
        "log_messages_total",
        "Messages in the log, without access lines.",
    );
    for (level, count) in LEVELS.into_iter().zip(snapshot.logged) {
        sample(out, logged, &[("level", level)], &count);
    }
}

fn answers(out: &mut String, snapshot: &Snapshot) {
    let requests = counter(
        out,
        "requests_total",
        "Answers by cache status; none: no file was looked up.",
    );
    for (name, count) in names().zip(snapshot.requests) {
        sample(out, requests, &[("cache", name)], &count);
    }
    let responses = counter(out, "responses_total", "Answers by status code.");
    for (code, count) in &snapshot.responses {
        sample(out, responses, &[("code", &code.to_string())], &count);
    }
    let sent = counter(
        out,
        "sent_bytes_total",
        "Bytes of content sent to clients, by cache status.",
    );
    for (name, count) in names().zip(snapshot.sent) {
        sample(out, sent, &[("cache", name)], &count);
    }
}

fn first_byte(out: &mut String, seen: &[(Word, Distribution)]) {
    let help = "Time from a request to the first byte of its answer.";
    let name = metric(out, "first_byte_seconds", "histogram", help);
    let bounds = || BOUNDS.iter().map(|(bound, _)| *bound).chain(["+Inf"]);
    for (word, distribution) in seen {
        let cache = ("cache", word.name());
        for (bound, count) in bounds().zip(distribution.buckets) {
            let labels = [cache, ("le", bound)];
            sample(out, "first_byte_seconds_bucket", &labels, &count);
        }
        let count = distribution.buckets.last().copied().unwrap_or(0);
        sample(
            out,
            &format!("{name}_sum"),
            &[cache],
            &Seconds(distribution.micros),
        );
        sample(out, &format!("{name}_count"), &[cache], &count);
    }
}

fn connections(out: &mut String, snapshot: &Snapshot) {
    let open = gauge(out, "connections", "Connections of clients that are open.");
    sample(out, open, &[], &snapshot.connections.open);
    let limit = gauge(
        out,
        "connections_limit",
        "Connections of clients that can be open at once.",
    );
    sample(out, limit, &[], &snapshot.connections.limit);
    let all = counter(
        out,
        "connections_total",
        "Connections of clients since the start.",
    );
    sample(out, all, &[], &snapshot.connected)
}

fn sources(out: &mut String, snapshot: &Snapshot) {
    let all = &snapshot.sources;
    let requests = counter(
        out,
        "source_requests_total",
        "Questions to a source, redirects left out.",
    );
    for source in all {
        sample(
            out,
            requests,
            &[("source", &source.label)],
            &source.requests,
        );
    }
    let help = "Failures of a source; that it has no such file is none.";
    let failures = counter(out, "source_failures_total", help);
    for source in all {
        for (reason, count) in Reason::ALL.into_iter().zip(source.failures) {
            let labels = [("source", &*source.label), ("reason", reason.name())];
            sample(out, failures, &labels, &count);
        }
    }
    let received = counter(
        out,
        "source_received_bytes_total",
        "Bytes of content that a source sent.",
    );
    for source in all {
        sample(
            out,
            received,
            &[("source", &source.label)],
            &source.received,
        );
    }
    let help = "0 from when the source could not be reached, was silent or dripped until it answers, else 1.";
    let up = gauge(out, "source_up", help);
    for source in all {
        sample(out, up, &[("source", &source.label)], &u8::from(source.up));
    }
}

fn transfers(out: &mut String, snapshot: &Snapshot) {
    let running = gauge(out, "transfers", "Transfers from sources that run.");
    sample(out, running, &[], &snapshot.transfers.len());
    let readers = gauge(out, "transfer_readers", "Clients that read from them.");
    let reading = snapshot.transfers.iter().map(|transfer| transfer.readers);
    sample(out, readers, &[], &reading.sum::<usize>());
    let ended = counter(
        out,
        "transfers_total",
        "Transfers that ended: stored, passed on only, failed.",
    );
    for (outcome, count) in Outcome::ALL.into_iter().zip(snapshot.transferred) {
        sample(out, ended, &[("result", outcome.name())], &count);
    }
    let resumed = counter(
        out,
        "transfers_resumed_total",
        "Transfers that went on after a source broke off.",
    );
    sample(out, resumed, &[], &snapshot.resumed)
}

fn store(out: &mut String, snapshot: &Snapshot) {
    let failed = counter(
        out,
        "store_failures_total",
        "Files that could not be stored.",
    );
    sample(out, failed, &[], &snapshot.store_failures);
    let verified = counter(
        out,
        "verified_total",
        "Files by what their Manifests say of them.",
    );
    for (result, count) in VERIFIED.into_iter().zip(snapshot.verified) {
        sample(out, verified, &[("result", result)], &count);
    }
    let (free, min_free) = snapshot.space.free.unzip();
    let name = gauge(
        out,
        "free_bytes",
        "Free on the cache's file system; NaN if that is not known.",
    );
    sample(out, name, &[], &Known(free));
    let name = gauge(
        out,
        "min_free_bytes",
        "What storing leaves free; NaN if that is not known.",
    );
    sample(out, name, &[], &Known(min_free))
}

fn counter<'a>(out: &mut String, name: &'a str, help: &str) -> &'a str {
    metric(out, name, "counter", help)
}

fn gauge<'a>(out: &mut String, name: &'a str, help: &str) -> &'a str {
    metric(out, name, "gauge", help)
}

/// What stands before the samples of a metric; its name, for them.
fn metric<'a>(out: &mut String, name: &'a str, kind: &str, help: &str) -> &'a str {
    putln!(out, "# HELP package_cache_{name} {help}");
    putln!(out, "# TYPE package_cache_{name} {kind}");
    name
}

fn sample(out: &mut String, name: &str, labels: &[(&str, &str)], value: &dyn Display) {
    put!(out, "package_cache_{name}");
    for (at, (label, value)) in labels.iter().enumerate() {
        out.push(if at == 0 { '{' } else { ',' });
        put!(out, "{label}=\"{}\"", Label(value));
    }
    if !labels.is_empty() {
        out.push('}');
    }
    putln!(out, " {value}");
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

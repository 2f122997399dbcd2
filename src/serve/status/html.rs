//! The snapshot as a page for browsers.
//!
//! Rules: no script and nothing from elsewhere, a page that says everything without its style; every text passes
//! through `Escaped`. Numbers come first, failures last.

use std::fmt::{self, Display, Formatter, Write};

use super::figures::{Bytes, Count, Share, Time, from_cache, left, saved, speed, tail};
use crate::http::HttpDate;
use crate::stats::{Failure, Snapshot, SourceView, Transfer, names};

/// The longest path that is shown whole, in bytes.
const PATH_SHOWN: usize = 160;

/// The longest reason that is shown whole, in bytes.
const WHY_SHOWN: usize = 160;

const STYLE: &str = include_str!("page.css");

/// The snapshot as a page.
pub fn render(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    let out = &mut text;
    let version = env!("CARGO_PKG_VERSION");
    let share = from_cache(&snapshot.requests);
    out.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    out.push_str("<meta http-equiv=\"refresh\" content=\"5\">\n");
    match share.whole {
        0 => putln!(out, "<title>package-cache</title>"),
        _ => putln!(out, "<title>package-cache: {share} from the cache</title>"),
    }
    putln!(out, "<style>\n{STYLE}</style>\n</head>\n<body>\n<header>");
    putln!(out, "<h1>package-cache</h1>");
    putln!(
        out,
        "<p>Version {version}, up {}</p>\n</header>\n<main>",
        Time(snapshot.uptime)
    );
    totals(out, snapshot, share);
    transfers(out, snapshot);
    sources(out, snapshot);
    requests(out, snapshot);
    failures(out, &snapshot.failures);
    out.push_str("</main>\n</body>\n</html>\n");
    text
}

fn totals(out: &mut String, snapshot: &Snapshot, share: Share) {
    let bytes = from_cache(&snapshot.sent);
    let (open, limit) = (snapshot.connections.open, snapshot.connections.limit);
    out.push_str("<h2>Since the start</h2>\n<dl>\n");
    tile(
        out,
        "From the cache",
        &share,
        format_args!("of {}", Count(share.whole, "request")),
    );
    tile(
        out,
        "Of the bytes",
        &bytes,
        format_args!("of {} sent", Bytes(bytes.whole)),
    );
    let fetched = Bytes(snapshot.received());
    tile(
        out,
        "Saved",
        &Bytes(saved(snapshot)),
        format_args!("beside {fetched} fetched"),
    );
    tile(
        out,
        "Connections",
        &open,
        format_args!("of {limit} at once"),
    );
    let storing = match snapshot.space.storing {
        true => "<span class=\"good\">storing works</span>",
        false => "<span class=\"bad\">storing fails, the log says why</span>",
    };
    match snapshot.space.free {
        Some((free, least)) => {
            let note = format_args!("of which {} stay free; {storing}", Bytes(least));
            tile(out, "Free space", &Bytes(free), note);
        }
        None => tile(out, "Free space", &"not known", format_args!("{storing}")),
    }
    let [good, bad, unknown] = snapshot.verified;
    if snapshot.verified != [0; 3] {
        let note = format_args!("good; {bad} bad, {unknown} unknown");
        tile(out, "Verified", &good, note);
    }
    out.push_str("</dl>\n");
}

/// One figure, and what it is of.
fn tile(out: &mut String, name: &str, value: &dyn Display, note: fmt::Arguments<'_>) {
    putln!(
        out,
        "<div><dt>{name}</dt><dd>{value} <small>{note}</small></dd></div>"
    );
}

fn transfers(out: &mut String, snapshot: &Snapshot) {
    let transfers = &snapshot.transfers;
    if transfers.is_empty() {
        return out.push_str("<h2>Transfers</h2>\n<p>None is running.</p>\n");
    }
    putln!(out, "<h2>Transfers: {}</h2>\n<ul>", transfers.len());
    for one in transfers {
        transfer(out, snapshot, one);
    }
    out.push_str("</ul>\n");
}

fn transfer(out: &mut String, snapshot: &Snapshot, transfer: &Transfer) {
    putln!(out, "<li>{}", Path(&transfer.path));
    let received = Bytes(transfer.received);
    match transfer.length {
        Some(length) => {
            let share = Share {
                part: transfer.received.min(length),
                whole: length,
            };
            // Without content: the text behind it says the same.
            let mille = share.per_mille().unwrap_or(1_000);
            let bar = "progress aria-label=\"received\" max=\"1000\"";
            putln!(out, "<{bar} value=\"{mille}\"></progress>");
            put!(out, "<small>{share}: {received} of {}", Bytes(length));
        }
        None => put!(out, "<small>{received}, of unknown length"),
    }
    put!(out, ", {}/s", Bytes(transfer.bytes_per_second));
    if let Some(left) = left(transfer) {
        put!(out, ", {} left", Time(left));
    }
    put!(out, ", {}", Count(transfer.readers as u64, "reader"));
    if let Some(source) = snapshot.source(transfer) {
        put!(out, ", from {}", Escaped(source));
    }
    let stored = if transfer.stored { "" } else { ", not stored" };
    putln!(out, "{stored}</small></li>");
}

fn sources(out: &mut String, snapshot: &Snapshot) {
    if snapshot.sources.is_empty() {
        let none = "There is none: only what is stored is served.";
        return putln!(out, "<h2>Sources</h2>\n<p>{none}</p>");
    }
    putln!(out, "<h2>Sources: {}</h2>\n<ol>", snapshot.sources.len());
    for (number, one) in snapshot.sources.iter().enumerate() {
        source(out, one, speed(snapshot, number));
    }
    out.push_str("</ol>\n");
}

fn source(out: &mut String, source: &SourceView, speed: u64) {
    out.push_str(match source.up {
        true => "<li><span class=\"state good\">up</span> ",
        false => "<li><span class=\"state bad\">down</span> ",
    });
    out.push_str("<code>");
    if let Some(name) = &source.name {
        put!(out, "{}=", Escaped(name));
    }
    putln!(out, "{}</code>", Escaped(&source.url));
    let questions = Count(source.requests, "question");
    let failures = Count(source.failures.iter().sum(), "failure");
    let received = Bytes(source.received);
    put!(out, "<small>{questions}, {failures}, {received} fetched");
    if speed > 0 {
        put!(out, ", {}/s now", Bytes(speed));
    }
    out.push_str("</small>");
    if let Some(why) = &source.last_failure {
        put!(out, " <small>Last failure: {}</small>", Escaped(shown(why)));
    }
    out.push_str("</li>\n");
}

fn requests(out: &mut String, snapshot: &Snapshot) {
    out.push_str("<h2>Requests</h2>\n");
    table(
        out,
        "Requests by cache status",
        &["Cache status", "Requests", "Sent"],
    );
    let counts = snapshot.requests.iter().zip(&snapshot.sent);
    for (name, (requests, sent)) in names().zip(counts) {
        let sent = Bytes(*sent);
        putln!(
            out,
            "<tr><th scope=\"row\">{name}</th><td>{requests}</td><td>{sent}</td></tr>"
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

fn failures(out: &mut String, failures: &[Failure]) {
    out.push_str("<h2>Last failures</h2>\n");
    if failures.is_empty() {
        return out.push_str("<p>None since the start.</p>\n");
    }
    out.push_str("<ol>\n");
    for failure in failures {
        let time = HttpDate::of(failure.time).rfc3339().to_string();
        let why = Escaped(shown(&failure.why));
        putln!(
            out,
            "<li><time datetime=\"{time}\">{time}</time> {}",
            Path(&failure.path)
        );
        putln!(out, "<small>{why}</small></li>");
    }
    out.push_str("</ol>\n");
}

/// The beginning of a table, up to its body.
fn table(out: &mut String, caption: &str, columns: &[&str]) {
    put!(out, "<table>\n<caption>{caption}</caption>\n<thead><tr>");
    for column in columns {
        put!(out, "<th scope=\"col\">{column}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
}

/// The beginning of an ASCII text that may be long.
fn shown(why: &str) -> &str {
    why.get(..WHY_SHOWN).unwrap_or(why)
}

/// A path, of a long one the end.
struct Path<'a>(&'a str);

impl Display for Path<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (dots, end) = tail(self.0, PATH_SHOWN);
        write!(f, "<code>{dots}{}</code>", Escaped(end))
    }
}

/// A text as it stands in an element or in a quoted attribute; what is no character of HTML is replaced.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ if character.is_control() => f.write_char('\u{fffd}')?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Connections, Space, Stats};

    #[test]
    fn what_was_proved_is_shown_if_anything_was() {
        let connections = Connections { open: 1, limit: 2 };
        let space = Space {
            free: None,
            storing: true,
        };
        let mut snapshot = Snapshot::of(&Stats::new([]), connections, space, [0; 5]);
        assert!(!render(&snapshot).contains("Verified"));
        snapshot.verified = [0, 1, 20];
        assert!(render(&snapshot).contains("good; 1 bad, 20 unknown"));
    }

    #[test]
    fn no_text_becomes_markup() {
        let text = "<script>alert('1')</script>&\"\n";
        let escaped = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;\u{fffd}";
        assert_eq!(Escaped(text).to_string(), escaped);
    }
}

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
    Page(snapshot).to_string()
}

struct Page<'a>(&'a Snapshot);

impl Display for Page<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (snapshot, version) = (self.0, env!("CARGO_PKG_VERSION"));
        let share = from_cache(&snapshot.requests);
        f.write_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")?;
        f.write_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n")?;
        f.write_str("<meta name=\"color-scheme\" content=\"light dark\">\n")?;
        f.write_str("<meta http-equiv=\"refresh\" content=\"5\">\n")?;
        match share.whole {
            0 => writeln!(f, "<title>package-cache</title>")?,
            _ => writeln!(f, "<title>package-cache: {share} from the cache</title>")?,
        }
        writeln!(f, "<style>\n{STYLE}</style>\n</head>\n<body>\n<header>")?;
        writeln!(f, "<h1>package-cache</h1>")?;
        writeln!(
            f,
            "<p>Version {version}, up {}</p>\n</header>\n<main>",
            Time(snapshot.uptime)
        )?;
        totals(f, snapshot, share)?;
        transfers(f, snapshot)?;
        sources(f, snapshot)?;
        requests(f, snapshot)?;
        failures(f, &snapshot.failures)?;
        f.write_str("</main>\n</body>\n</html>\n")
    }
}

fn totals(f: &mut Formatter<'_>, snapshot: &Snapshot, share: Share) -> fmt::Result {
    let bytes = from_cache(&snapshot.sent);
    let (open, limit) = (snapshot.connections.open, snapshot.connections.limit);
    f.write_str("<h2>Since the start</h2>\n<dl>\n")?;
    tile(
        f,
        "From the cache",
        &share,
        format_args!("of {}", Count(share.whole, "request")),
    )?;
    tile(
        f,
        "Of the bytes",
        &bytes,
        format_args!("of {} sent", Bytes(bytes.whole)),
    )?;
    let fetched = Bytes(snapshot.received());
    tile(
        f,
        "Saved",
        &Bytes(saved(snapshot)),
        format_args!("beside {fetched} fetched"),
    )?;
    tile(f, "Connections", &open, format_args!("of {limit} at once"))?;
    let storing = match snapshot.space.storing {
        true => "<span class=\"good\">storing works</span>",
        false => "<span class=\"bad\">storing fails, the log says why</span>",
    };
    match snapshot.space.free {
        Some((free, least)) => {
            let note = format_args!("of which {} stay free; {storing}", Bytes(least));
            tile(f, "Free space", &Bytes(free), note)?;
        }
        None => tile(f, "Free space", &"not known", format_args!("{storing}"))?,
    }
    let [good, bad, unknown] = snapshot.verified;
    if snapshot.verified != [0; 3] {
        let note = format_args!("good; {bad} bad, {unknown} unknown");
        tile(f, "Verified", &good, note)?;
    }
    f.write_str("</dl>\n")
}

/// One figure, and what it is of.
fn tile(
    f: &mut Formatter<'_>,
    name: &str,
    value: &dyn Display,
    note: fmt::Arguments<'_>,
) -> fmt::Result {
    writeln!(
        f,
        "<div><dt>{name}</dt><dd>{value} <small>{note}</small></dd></div>"
    )
}

fn transfers(f: &mut Formatter<'_>, snapshot: &Snapshot) -> fmt::Result {
    let transfers = &snapshot.transfers;
    if transfers.is_empty() {
        return f.write_str("<h2>Transfers</h2>\n<p>None is running.</p>\n");
    }
    writeln!(f, "<h2>Transfers: {}</h2>\n<ul>", transfers.len())?;
    for one in transfers {
        transfer(f, snapshot, one)?;
    }
    f.write_str("</ul>\n")
}

fn transfer(f: &mut Formatter<'_>, snapshot: &Snapshot, transfer: &Transfer) -> fmt::Result {
    writeln!(f, "<li>{}", Path(&transfer.path))?;
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
            writeln!(f, "<{bar} value=\"{mille}\"></progress>")?;
            write!(f, "<small>{share}: {received} of {}", Bytes(length))?;
        }
        None => write!(f, "<small>{received}, of unknown length")?,
    }
    write!(f, ", {}/s", Bytes(transfer.bytes_per_second))?;
    if let Some(left) = left(transfer) {
        write!(f, ", {} left", Time(left))?;
    }
    write!(f, ", {}", Count(transfer.readers as u64, "reader"))?;
    if let Some(source) = snapshot.source(transfer) {
        write!(f, ", from {}", Escaped(source))?;
    }
    let stored = if transfer.stored { "" } else { ", not stored" };
    writeln!(f, "{stored}</small></li>")
}

fn sources(f: &mut Formatter<'_>, snapshot: &Snapshot) -> fmt::Result {
    if snapshot.sources.is_empty() {
        let none = "There is none: only what is stored is served.";
        return writeln!(f, "<h2>Sources</h2>\n<p>{none}</p>");
    }
    writeln!(f, "<h2>Sources: {}</h2>\n<ol>", snapshot.sources.len())?;
    for (number, one) in snapshot.sources.iter().enumerate() {
        source(f, one, speed(snapshot, number))?;
    }
    f.write_str("</ol>\n")
}

fn source(f: &mut Formatter<'_>, source: &SourceView, speed: u64) -> fmt::Result {
    f.write_str(match source.up {
        true => "<li><span class=\"state good\">up</span> ",
        false => "<li><span class=\"state bad\">down</span> ",
    })?;
    f.write_str("<code>")?;
    if let Some(name) = &source.name {
        write!(f, "{}=", Escaped(name))?;
    }
    writeln!(f, "{}</code>", Escaped(&source.url))?;
    let questions = Count(source.requests, "question");
    let failures = Count(source.failures.iter().sum(), "failure");
    let received = Bytes(source.received);
    write!(f, "<small>{questions}, {failures}, {received} fetched")?;
    if speed > 0 {
        write!(f, ", {}/s now", Bytes(speed))?;
    }
    f.write_str("</small>")?;
    if let Some(why) = &source.last_failure {
        write!(f, " <small>Last failure: {}</small>", Escaped(shown(why)))?;
    }
    f.write_str("</li>\n")
}

fn requests(f: &mut Formatter<'_>, snapshot: &Snapshot) -> fmt::Result {
    f.write_str("<h2>Requests</h2>\n")?;
    table(
        f,
        "Requests by cache status",
        &["Cache status", "Requests", "Sent"],
    )?;
    let counts = snapshot.requests.iter().zip(&snapshot.sent);
    for (name, (requests, sent)) in names().zip(counts) {
        let sent = Bytes(*sent);
        writeln!(
            f,
            "<tr><th scope=\"row\">{name}</th><td>{requests}</td><td>{sent}</td></tr>"
        )?;
    }
    f.write_str("</tbody>\n</table>\n")
}

fn failures(f: &mut Formatter<'_>, failures: &[Failure]) -> fmt::Result {
    f.write_str("<h2>Last failures</h2>\n")?;
    if failures.is_empty() {
        return f.write_str("<p>None since the start.</p>\n");
    }
    f.write_str("<ol>\n")?;
    for failure in failures {
        let time = HttpDate::of(failure.time).rfc3339().to_string();
        let why = Escaped(shown(&failure.why));
        writeln!(
            f,
            "<li><time datetime=\"{time}\">{time}</time> {}",
            Path(&failure.path)
        )?;
        writeln!(f, "<small>{why}</small></li>")?;
    }
    f.write_str("</ol>\n")
}

/// The beginning of a table, up to its body.
fn table(f: &mut Formatter<'_>, caption: &str, columns: &[&str]) -> fmt::Result {
    write!(f, "<table>\n<caption>{caption}</caption>\n<thead><tr>")?;
    for column in columns {
        write!(f, "<th scope=\"col\">{column}</th>")?;
    }
    f.write_str("</tr></thead>\n<tbody>\n")
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

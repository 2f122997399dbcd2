//! Status: what the program tells of itself, in five answers.
//!
//! Rules: only an origin-form target is for us, what came in absolute-form is meant for another host; a snapshot is
//! taken once for each question; nothing in it names a path of this host, a credential or a client. What is shown of
//! clients and sources is escaped by the rendering that shows it, in one place each.
//!
//! Not here: what is counted (`stats`).

use std::fmt::{self, Write};

/// Adds a formatted text to a string; unlike `write!` it has no result, since memory takes all of it.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        $crate::serve::status::add($out, format_args!($($text)*))
    };
}

/// Adds a formatted line.
macro_rules! putln {
    ($out:expr, $($text:tt)*) => {
        $crate::serve::status::add_line($out, format_args!($($text)*))
    };
}

mod figures;
mod html;
mod json;
mod metrics;
mod snapshot;
mod text;

use super::response::Response;
use crate::cache::Cache;
use crate::http::{RequestHead, ResponseHead, StatusCode, decimal};
use crate::net::clients::Client;
use text::Layout;

/// A style of ours and nothing else: neither scripts nor anything from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// What of it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Everything for people, as HTML or text.
    Overview,
    /// Everything as JSON.
    Json,
    /// Everything for Prometheus.
    Metrics,
    /// Whether it serves.
    Health,
}

impl Page {
    /// The page that a request asks for, if it asks for one.
    pub fn of(request: &RequestHead) -> Option<Self> {
        if !request.target.is_origin_form() {
            return None;
        }
        match request.target.path()? {
            b"/" => Some(Self::Overview),
            b"/.package-cache/status.json" => Some(Self::Json),
            b"/.package-cache/metrics" => Some(Self::Metrics),
            b"/.package-cache/health" => Some(Self::Health),
            _ => None,
        }
    }

    /// Its answer to `request`, which came from `client`; all but health may wait for the cache's file system.
    pub fn respond(self, request: &RequestHead, cache: &Cache, client: &Client) -> Response {
        const TEXT: &str = "text/plain; charset=utf-8";
        let snapshot = || snapshot::take(cache, client);
        match self {
            Self::Overview if wants_html(request) => {
                let html = html::render(&snapshot());
                let mut response = page(StatusCode::OK, "text/html; charset=utf-8", html);
                let fields = &mut response.head.fields;
                fields.push("Content-Security-Policy", POLICY);
                fields.push("Vary", "Accept");
                response
            }
            Self::Overview => {
                let text = text::render(&snapshot(), layout(request));
                let mut response = page(StatusCode::OK, TEXT, text);
                response.head.fields.push("Vary", "Accept");
                response
            }
            Self::Json => page(
                StatusCode::OK,
                "application/json",
                json::render(&snapshot()),
            ),
            Self::Metrics => {
                let media_type = "text/plain; version=0.0.4; charset=utf-8";
                page(StatusCode::OK, media_type, metrics::render(&snapshot()))
            }
            Self::Health if client.stopping() => {
                page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "stopping\n".into())
            }
            Self::Health => page(StatusCode::OK, TEXT, "ok\n".into()),
        }
    }
}

fn add(out: &mut String, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn add_line(out: &mut String, text: fmt::Arguments<'_>) {
    add(out, text);
    out.push('\n');
}

/// A response with this content, which no cache keeps.
fn page(status: StatusCode, media_type: &str, content: String) -> Response {
    let mut response = Response::of_text(ResponseHead::new(status), media_type, content);
    let fields = &mut response.head.fields;
    fields.push("Cache-Control", "no-store");
    fields.push("X-Content-Type-Options", "nosniff");
    response
}

/// Whether the client names HTML among what it takes (RFC 9110 §12.5.1). One that takes anything is a tool.
fn wants_html(request: &RequestHead) -> bool {
    let mut members = request.fields.members("Accept");
    members.any(|member| {
        let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let named = parts
            .next()
            .is_some_and(|range| range.eq_ignore_ascii_case(b"text/html"));
        // Weight zero is a refusal, however many digits it has.
        let refuses = |weight: &[u8]| weight.iter().all(|byte| matches!(byte, b'0' | b'.'));
        let mut weights = parts.filter_map(|part| part.strip_prefix(b"q="));
        named && !weights.any(refuses)
    })
}

/// How the text is to be laid out: `columns=60&bars=blocks` in the query.
fn layout(request: &RequestHead) -> Layout {
    let mut layout = Layout::default();
    let query = request.target.query().unwrap_or_default();
    for parameter in query.split(|byte| *byte == b'&') {
        if parameter == b"bars=blocks" {
            layout.blocks = true;
        } else if let Some(columns) = parameter.strip_prefix(b"columns=").and_then(decimal) {
            layout = layout.with_columns(columns);
        }
    }
    layout
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Caps, Parsed, parse_request};

    fn request(target: &str, field: &str) -> RequestHead {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n{field}\r\n\r\n");
        match parse_request(text.as_bytes(), &Caps::REQUEST) {
            Ok(Parsed::Complete(head, _)) => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_these_targets_are_pages() {
        for (target, page) in [
            ("/", Some(Page::Overview)),
            ("/?columns=60", Some(Page::Overview)),
            ("/.package-cache/status.json", Some(Page::Json)),
            ("/.package-cache/metrics", Some(Page::Metrics)),
            ("/.package-cache/health?a", Some(Page::Health)),
            ("//", None),
            ("/.", None),
            ("/%2epackage-cache/health", None),
            ("/.package-cache/health/", None),
            ("/.package-cache/", None),
            ("http://a.example/", None),
            ("http://a.example/.package-cache/health", None),
        ] {
            assert_eq!(Page::of(&request(target, "X: y")), page, "{target}");
        }
    }

    #[test]
    fn html_is_for_who_names_it() {
        for (accept, html) in [
            ("Accept: text/html", true),
            ("Accept: application/xhtml+xml, Text/HTML;q=0.8", true),
            ("Accept: text/html; level=1; q=1.0", true),
            ("Accept: */*", false),
            ("Accept: text/*", false),
            ("Accept: text/html;q=0", false),
            ("Accept: text/html; q=0.000, text/plain", false),
            ("X: text/html", false),
        ] {
            assert_eq!(wants_html(&request("/", accept)), html, "{accept}");
        }
    }

    #[test]
    fn the_query_lays_the_text_out() {
        for (target, columns, blocks) in [
            ("/", 80, false),
            ("/?columns=60&bars=blocks", 60, true),
            ("/?bars=blocks&columns=1", 40, true),
            ("/?columns=99999999999999999999", 80, false),
            ("/?columns=5000&bars=ascii", 240, false),
        ] {
            let layout = layout(&request(target, "X: y"));
            assert_eq!(
                (layout.columns(), layout.blocks),
                (columns, blocks),
                "{target}"
            );
        }
    }
}

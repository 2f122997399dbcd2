//! View: a representation and one request make a response, whatever the content comes from.
//!
//! Rules: preconditions are evaluated here alone, and before ranges (RFC 9110 §13.2.2). A range is obeyed only
//! where the length is known (§14.2 lets us ignore it). HEAD gets the fields of GET.
//!
//! Not here: where the representation was found (`found`), the fields that every response has (`connection`).

use std::ops::Range;
use std::time::SystemTime;

use super::content::Content;
use super::response::Response;
use crate::http::precondition::{self, Outcome};
use crate::http::range::{self, ContentRange, Selection, UnsatisfiedRange};
use crate::http::{HttpDate, Method, RequestHead, ResponseHead, StatusCode, Version};

/// A representation (RFC 9110 §8), by its fields.
#[derive(Debug)]
pub struct View<'a> {
    /// The length in bytes; none if only the end of the content will tell.
    pub length: Option<u64>,
    /// Its strong entity tag, quotes included.
    pub etag: Option<&'a str>,
    /// Its modification time. One in the future is not sent (RFC 9110 §8.8.2.1).
    pub last_modified: Option<HttpDate>,
    /// Its Content-Type.
    pub media_type: &'a [u8],
    /// Its Content-Encoding. A file has none: a coding that its name carries is part of the file.
    pub content_encoding: Option<&'a [u8]>,
    /// Seconds since the origin server generated or validated it, as far as known (RFC 9111 §5.1).
    pub age: Option<u64>,
    /// Whether it must be proved, and is not yet: a range behind its end may be one of the file that was asked for.
    pub unproved: bool,
}

/// Which bytes a response carries.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes of content of a known length.
    Bytes(Range<u64>),
    /// All of a content of unknown length.
    All {
        /// Whether it is sent in chunks; if not, the close ends it.
        chunked: bool,
    },
}

impl View<'_> {
    /// The response to `request`, by its preconditions and its range. `content` makes the content from the
    /// selected bytes; it is not called where there is none.
    pub fn respond(
        &self,
        request: &RequestHead,
        content: impl FnOnce(Part) -> Content,
    ) -> Response {
        let etag = self.etag.map(str::as_bytes);
        let (method, fields) = (request.method, &request.fields);
        let clock = HttpDate::of(SystemTime::now());
        // Never before this program was written: a clock may still be in 1970.
        let now = clock.max(HttpDate::WRITTEN);
        let range = match precondition::evaluate(method, fields, etag, self.last_modified, now) {
            Outcome::NotModified => {
                let head = self.head(StatusCode::NOT_MODIFIED, clock);
                return Response::empty(head, clock);
            }
            Outcome::Failed => {
                return Response::text(StatusCode::PRECONDITION_FAILED, "the file is another one");
            }
            Outcome::Proceed { range } => fields.get("Range").filter(|_| range),
        };
        let Some(length) = self.length else {
            return self.of_unknown_length(request, clock, content);
        };
        let selection = range.map_or(Selection::Whole, |range| range::select(range, length));
        let (head, part) = match selection {
            Selection::Whole => (self.head(StatusCode::OK, clock), 0..length),
            Selection::Part(part) => (self.partial(&part, length, clock), part),
            // wget takes a 416 for the word that it has all.
            Selection::Unsatisfiable if self.unproved => {
                (self.head(StatusCode::OK, clock), 0..length)
            }
            Selection::Unsatisfiable => return unsatisfiable(length),
        };
        let mut response = Response::empty(head, clock);
        let length = part.end.saturating_sub(part.start);
        response.head.fields.push_number("Content-Length", length);
        if method != Method::Head {
            response.content = content(Part::Bytes(part));
        }
        response
    }

    /// The 200 with content of unknown length. HTTP/1.0 knows no chunks: there the close ends it (RFC 9112
    /// §6.3).
    fn of_unknown_length(
        &self,
        request: &RequestHead,
        clock: HttpDate,
        content: impl FnOnce(Part) -> Content,
    ) -> Response {
        let chunked = request.version == Version::Http11;
        let mut response = Response::empty(self.head(StatusCode::OK, clock), clock);
        if chunked {
            let fields = &mut response.head.fields;
            fields.push_checked("Transfer-Encoding", "chunked");
        }
        if request.method != Method::Head {
            response.content = content(Part::All { chunked });
        }
        response
    }

    fn partial(&self, part: &Range<u64>, complete: u64, clock: HttpDate) -> ResponseHead {
        let range = ContentRange {
            first: part.start,
            last: part.end.saturating_sub(1),
            complete: Some(complete),
        };
        let mut head = self.head(StatusCode::PARTIAL_CONTENT, clock);
        head.fields
            .push_fmt("Content-Range", format_args!("{range}"));
        head
    }

    /// The fields of the representation, while our clock says `clock`; on a 304 only those of RFC 9110 §15.4.5.
    fn head(&self, status: StatusCode, clock: HttpDate) -> ResponseHead {
        let mut head = ResponseHead::new(status);
        let fields = &mut head.fields;
        if status != StatusCode::NOT_MODIFIED {
            fields.push_checked("Content-Type", self.media_type);
            if let Some(coding) = self.content_encoding {
                fields.push_checked("Content-Encoding", coding);
            }
            if self.length.is_some() {
                fields.push_checked("Accept-Ranges", "bytes");
            }
        }
        if let Some(etag) = self.etag {
            fields.push_checked("ETag", etag);
        }
        let dated = status != StatusCode::NOT_MODIFIED || self.etag.is_none();
        let last_modified = self
            .last_modified
            .filter(|date| dated && may_be_said(*date, clock));
        if let Some(date) = last_modified {
            fields.push_checked("Last-Modified", date.text());
        }
        if let Some(age) = self.age {
            fields.push_number("Age", age);
        }
        head
    }
}

/// The 416 for a content of `length` bytes (RFC 9110 §15.5.17).
fn unsatisfiable(length: u64) -> Response {
    let why = "the range begins behind the end of the file";
    let mut response = Response::text(StatusCode::RANGE_NOT_SATISFIABLE, why);
    let range = UnsatisfiedRange(length);
    let fields = &mut response.head.fields;
    fields.push_fmt("Content-Range", format_args!("{range}"));
    response
}

/// Whether a Last-Modified may be sent: not if it is in the future (RFC 9110 §8.8.2.1), unless our clock cannot
/// be right.
fn may_be_said(date: HttpDate, clock: HttpDate) -> bool {
    date <= clock || clock < HttpDate::WRITTEN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Caps, Parsed, parse_request};

    const MODIFIED: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
    const EARLIER: &str = "Tue, 20 Oct 2015 07:28:00 GMT";

    /// A stored file of ten bytes.
    fn stored() -> View<'static> {
        View {
            length: Some(10),
            etag: Some("\"a\""),
            last_modified: Some(HttpDate::from_unix(1_445_412_480)),
            media_type: b"a/file",
            content_encoding: None,
            age: Some(7),
            unproved: false,
        }
    }

    /// A listing on its way, of unknown length.
    fn relayed() -> View<'static> {
        View {
            length: None,
            etag: None,
            media_type: b"text/html",
            content_encoding: Some(b"gzip"),
            age: None,
            ..stored()
        }
    }

    /// What `view` gives for a request line and fields, separated by `|`: status, field lines, part.
    fn respond(view: &View<'_>, request: &str) -> (u16, Vec<String>, Option<Part>) {
        let head = request.replace('|', "\r\n") + "\r\nHost: x\r\n\r\n";
        let Parsed::Complete(request, _) = parse_request(head.as_bytes(), &Caps::REQUEST).unwrap()
        else {
            panic!("{head}");
        };
        let mut selected = None;
        let response = view.respond(&request, |part| {
            selected = Some(part);
            Content::Empty
        });
        let lines = response.head.fields.iter().map(|(name, value)| {
            let [name, value] = [name, value].map(String::from_utf8_lossy);
            format!("{name}: {value}")
        });
        (response.head.status.code(), lines.collect(), selected)
    }

    #[test]
    fn conditions_come_first_then_the_range_then_the_method() {
        let all = || Some(Part::Bytes(0..10));
        let dated = |field: &str, date: &str| format!("GET / HTTP/1.1|{field}: {date}");
        for (request, status, part) in [
            ("GET / HTTP/1.1", 200, all()),
            ("GET / HTTP/1.0", 200, all()),
            ("HEAD / HTTP/1.1", 200, None),
            ("GET / HTTP/1.1|If-None-Match: \"a\"", 304, None),
            ("HEAD / HTTP/1.1|If-None-Match: *", 304, None),
            ("GET / HTTP/1.1|If-Match: \"b\"", 412, None),
            (&dated("If-Modified-Since", MODIFIED), 304, None),
            (&dated("If-Modified-Since", EARLIER), 200, all()),
            (&dated("If-Unmodified-Since", EARLIER), 412, None),
            (
                "GET / HTTP/1.1|Range: bytes=2-4",
                206,
                Some(Part::Bytes(2..5)),
            ),
            (
                "GET / HTTP/1.1|Range: bytes=-3",
                206,
                Some(Part::Bytes(7..10)),
            ),
            ("GET / HTTP/1.1|Range: bytes=10-", 416, None),
            ("GET / HTTP/1.1|Range: bytes=0-1,3-4", 200, all()),
            ("GET / HTTP/1.1|Range: lines=0-1", 200, all()),
            ("HEAD / HTTP/1.1|Range: bytes=2-4", 200, None),
            (
                "GET / HTTP/1.1|Range: bytes=2-4|If-Range: \"a\"",
                206,
                Some(Part::Bytes(2..5)),
            ),
            (
                "GET / HTTP/1.1|Range: bytes=2-4|If-Range: \"b\"",
                200,
                all(),
            ),
            (
                "GET / HTTP/1.1|Range: bytes=10-|If-None-Match: \"a\"",
                304,
                None,
            ),
            ("GET / HTTP/1.1|Range: bytes=2-4|If-Match: \"b\"", 412, None),
        ] {
            let (given, lines, selected) = respond(&stored(), request);
            assert_eq!((given, selected), (status, part), "{request}: {lines:?}");
        }
    }

    #[test]
    fn without_a_length_all_of_it_comes_by_what_the_version_knows() {
        for (request, status, part) in [
            ("GET / HTTP/1.1", 200, Some(Part::All { chunked: true })),
            ("GET / HTTP/1.0", 200, Some(Part::All { chunked: false })),
            (
                "GET / HTTP/1.1|Range: bytes=2-4",
                200,
                Some(Part::All { chunked: true }),
            ),
            ("HEAD / HTTP/1.1", 200, None),
            ("GET / HTTP/1.1|If-None-Match: *", 304, None),
            ("GET / HTTP/1.1|If-Match: \"a\"", 412, None),
        ] {
            let (given, lines, selected) = respond(&relayed(), request);
            assert_eq!((given, selected), (status, part), "{request}");
            let chunked = lines
                .iter()
                .any(|line| line == "Transfer-Encoding: chunked");
            let expected = status == 200 && request.contains("HTTP/1.1");
            assert_eq!(chunked, expected, "{request}: {lines:?}");
        }
    }

    #[test]
    fn the_fields_are_those_of_the_representation() {
        let modified = format!("Last-Modified: {MODIFIED}");
        let common = [
            "Content-Type: a/file",
            "Accept-Ranges: bytes",
            "ETag: \"a\"",
        ];
        let common = [&common[..], &[&modified, "Age: 7"]].concat();
        let error = "Content-Type: text/plain; charset=utf-8";
        let coded = [
            "Content-Type: text/html",
            "Content-Encoding: gzip",
            &modified,
        ];
        for (view, request, expected) in [
            (
                stored(),
                "GET / HTTP/1.1",
                [&common[..], &["Content-Length: 10"]].concat(),
            ),
            (
                stored(),
                "HEAD / HTTP/1.1",
                [&common[..], &["Content-Length: 10"]].concat(),
            ),
            (
                stored(),
                "GET / HTTP/1.1|Range: bytes=2-4",
                [
                    &common[..],
                    &["Content-Range: bytes 2-4/10", "Content-Length: 3"],
                ]
                .concat(),
            ),
            (
                stored(),
                "GET / HTTP/1.1|Range: bytes=10-",
                vec![error, "Content-Length: 71", "Content-Range: bytes */10"],
            ),
            // The validator that the client has is said again, and nothing that it knows (RFC 9110 §15.4.5).
            (
                stored(),
                "GET / HTTP/1.1|If-None-Match: \"a\"",
                vec!["ETag: \"a\"", "Age: 7"],
            ),
            (
                relayed(),
                "GET / HTTP/1.1|If-None-Match: *",
                vec![modified.as_str()],
            ),
            (relayed(), "GET / HTTP/1.0", coded.to_vec()),
            (
                relayed(),
                "HEAD / HTTP/1.1",
                [&coded[..], &["Transfer-Encoding: chunked"]].concat(),
            ),
        ] {
            let (status, lines, _) = respond(&view, request);
            assert_eq!(lines, expected, "{request}: {status}");
        }
    }

    #[test]
    fn a_last_modified_in_the_future_is_said_by_a_clock_in_1970_alone() {
        let written = HttpDate::WRITTEN.unix();
        for (date, clock, said) in [
            (written, written, true),
            (written + 1, written, false),
            (written + 1, written - 1, true),
            (written + 1, 60, true),
            (59, 60, true),
        ] {
            let [date, clock] = [date, clock].map(HttpDate::from_unix);
            assert_eq!(may_be_said(date, clock), said, "{date} {clock}");
        }
    }
}

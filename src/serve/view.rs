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
        let (method, fields, now) = (request.method, &request.fields, now());
        let range = match precondition::evaluate(method, fields, etag, self.last_modified, now) {
            Outcome::NotModified => return Response::empty(self.head(StatusCode::NOT_MODIFIED)),
            Outcome::Failed => {
                return Response::text(StatusCode::PRECONDITION_FAILED, "the file is another one");
            }
            Outcome::Proceed { range } => fields.get("Range").filter(|_| range),
        };
        let Some(length) = self.length else {
            return self.of_unknown_length(request, content);
        };
        let selection = range.map_or(Selection::Whole, |range| range::select(range, length));
        let (head, part) = match selection {
            Selection::Whole => (self.head(StatusCode::OK), 0..length),
            Selection::Part(part) => (self.partial(&part, length), part),
            Selection::Unsatisfiable => return unsatisfiable(length),
        };
        let mut response = Response::empty(head);
        let length = part.end.saturating_sub(part.start);
        response
            .head
            .fields
            .push_fmt("Content-Length", format_args!("{length}"));
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
        content: impl FnOnce(Part) -> Content,
    ) -> Response {
        let chunked = request.version == Version::Http11;
        let mut response = Response::empty(self.head(StatusCode::OK));
        if chunked {
            let fields = &mut response.head.fields;
            fields.push_checked("Transfer-Encoding", "chunked");
        }
        if request.method != Method::Head {
            response.content = content(Part::All { chunked });
        }
        response
    }

    fn partial(&self, part: &Range<u64>, complete: u64) -> ResponseHead {
        let range = ContentRange {
            first: part.start,
            last: part.end.saturating_sub(1),
            complete: Some(complete),
        };
        let mut head = self.head(StatusCode::PARTIAL_CONTENT);
        head.fields
            .push_fmt("Content-Range", format_args!("{range}"));
        head
    }

    /// The fields of the representation; on a 304 only those of RFC 9110 §15.4.5.
    fn head(&self, status: StatusCode) -> ResponseHead {
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
        let clock = HttpDate::of(SystemTime::now());
        let last_modified = self
            .last_modified
            .filter(|date| dated && may_be_said(*date, clock));
        if let Some(date) = last_modified {
            fields.push_checked("Last-Modified", date.text());
        }
        if let Some(age) = self.age {
            fields.push_fmt("Age", format_args!("{age}"));
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

/// The present, but never before this program was written: a clock may still be in 1970.
fn now() -> HttpDate {
    HttpDate::of(SystemTime::now()).max(HttpDate::WRITTEN)
}

#[cfg(test)]
mod tests {
    use super::*;

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

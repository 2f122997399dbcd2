//! Response: a request and what was found for it, made into a head and a content.
//!
//! Rules: preconditions come before ranges (RFC 9110 §13.2.2); errors have short text bodies that name
//! the reason; failures of the sources become statuses here and nowhere else; a response that announces a
//! length has just that many bytes or is cut.
//!
//! Not here: sending it (`content`), the fields that every response has (`connection`).

use std::ops::Range;
use std::time::SystemTime;

use super::content::Content;
use crate::cache::{Cache, Found};
use crate::http::precondition::{self, Outcome};
use crate::http::range::{self, ContentRange, Selection, UnsatisfiedRange};
use crate::http::{
    CacheStatus, Forward, HttpDate, Malformed, Method, RequestHead, ResponseHead, StatusCode,
    Version, media_type,
};
use crate::net::clients::Client;
use crate::store::{CachePath, Stored};
use crate::transfer::{Reader, Representation};
use crate::upstream::{Failure, last_modified};

/// A response, and how the cache took part in it.
#[derive(Debug)]
pub struct Response {
    /// The head, but for the fields that every response has.
    pub head: ResponseHead,
    /// What follows it.
    pub content: Content,
    /// For `Cache-Status` and the access line.
    pub status: Option<CacheStatus>,
}

impl Response {
    /// A response with a short text that names the reason.
    pub fn text(status: StatusCode, why: &str) -> Self {
        let mut head = ResponseHead::new(status);
        let text = format!("{}: {why}\n", status);
        head.fields
            .push("Content-Type", "text/plain; charset=utf-8");
        head.fields
            .push_fmt("Content-Length", format_args!("{}", text.len()));
        Self {
            head,
            content: Content::Text(text),
            status: None,
        }
    }

    /// A response without content.
    fn empty(head: ResponseHead) -> Self {
        Self {
            head,
            content: Content::Empty,
            status: None,
        }
    }

    /// The refusal of a message.
    pub fn malformed(why: Malformed) -> Self {
        Self::text(why.status, why.why)
    }

    /// The refusal of a method (RFC 9110 §9.1, §15.5.6).
    pub fn method(method: Method) -> Self {
        if method.is_known() {
            // Sent by clients that were told to use us as a proxy for https too.
            let why = match method {
                Method::Connect => "no tunnels, only http:// URLs go through the cache",
                _ => "packages can be read only",
            };
            let mut response = Self::text(StatusCode::METHOD_NOT_ALLOWED, why);
            response.head.fields.push("Allow", "GET, HEAD");
            response
        } else {
            Self::text(StatusCode::NOT_IMPLEMENTED, "unknown method")
        }
    }

    /// The response when there is no content.
    pub fn failure(failure: Failure) -> Self {
        let (status, why) = match failure {
            Failure::NotFound => (
                StatusCode::NOT_FOUND,
                "neither the cache nor a source has it",
            ),
            Failure::Forbidden => (StatusCode::FORBIDDEN, "every source refuses it"),
            Failure::Unavailable { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "no source can give it now, try again",
            ),
            // Whoever was told of the latter had a stored file.
            Failure::BadGateway | Failure::NotModified => (
                StatusCode::BAD_GATEWAY,
                "no source gave it; the log says why",
            ),
            Failure::Broken => (
                StatusCode::BAD_GATEWAY,
                "the transfer from the source broke off",
            ),
            Failure::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "the sources did not answer in time",
            ),
            Failure::NotStored => (
                StatusCode::GATEWAY_TIMEOUT,
                "it is not in the cache, and only-if-cached wants no source asked",
            ),
            Failure::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many transfers, try again",
            ),
        };
        let mut response = Self::text(status, why);
        let retry_after = match failure {
            Failure::Busy => Some(5),
            Failure::Unavailable { retry_after } => retry_after,
            _ => None,
        };
        if let Some(seconds) = retry_after {
            let fields = &mut response.head.fields;
            fields.push_fmt("Retry-After", format_args!("{seconds}"));
        }
        response
    }
}

/// The response to `request` for `path`, of which `found` was found.
pub fn of_found(
    cache: &Cache,
    request: &RequestHead,
    path: &CachePath,
    found: Found,
    client: &Client,
) -> Response {
    match found {
        Found::Stored { stored, status } => from_stored(cache, request, path, stored, status),
        Found::InTransfer { reader, collapsed } => {
            from_transfer(request, reader, collapsed, client)
        }
        Found::Head { head, directory } => from_head(path, &head, directory),
        Found::Failed(failure) => Response::failure(failure),
    }
}

fn from_stored(
    cache: &Cache,
    request: &RequestHead,
    path: &CachePath,
    stored: Stored,
    status: CacheStatus,
) -> Response {
    let Stored {
        file,
        length,
        modified,
    } = stored;
    let etag = modified.etag(length);
    let view = View {
        length,
        etag: Some(&etag),
        last_modified: Some(modified.date()),
        media_type: media_type::of(path.name()).as_bytes(),
        age: cache.age(path, &etag),
    };
    let mut response = view.respond(request, |part| Content::File { file, part });
    response.status = Some(status);
    response
}

fn from_transfer(
    request: &RequestHead,
    reader: Reader,
    collapsed: bool,
    client: &Client,
) -> Response {
    let representation = match reader.await_head(client, None) {
        Ok(Some(representation)) => representation,
        Ok(None) => return Response::failure(Failure::Timeout),
        Err(failure) => return Response::failure(failure),
    };
    let status = Some(CacheStatus::Forwarded {
        why: representation.forward,
        status: Some(StatusCode::OK),
        stored: representation.stored,
        collapsed,
    });
    let Some(length) = representation.length else {
        return of_unknown_length(request, &representation, reader, status);
    };
    let view = View {
        length,
        etag: representation.etag.as_deref(),
        last_modified: representation.last_modified,
        media_type: &representation.media_type,
        age: None,
    };
    let mut response = view.respond(request, |part| Content::Part { reader, part });
    response.status = status;
    response
}

/// All of it, chunked or until the close; ranges are ignored (RFC 9110 §14.2).
fn of_unknown_length(
    request: &RequestHead,
    representation: &Representation,
    reader: Reader,
    status: Option<CacheStatus>,
) -> Response {
    let chunked = request.version == Version::Http11;
    let mut head = ResponseHead::new(StatusCode::OK);
    head.fields.push("Content-Type", &representation.media_type);
    push_last_modified(&mut head, representation.last_modified);
    if chunked {
        head.fields.push("Transfer-Encoding", "chunked");
    }
    let content = match request.method {
        Method::Head => Content::Empty,
        _ => Content::Stream { reader, chunked },
    };
    Response {
        head,
        content,
        status,
    }
}

/// A source's response to HEAD, in our words.
fn from_head(path: &CachePath, source: &ResponseHead, directory: bool) -> Response {
    let mut head = ResponseHead::new(StatusCode::OK);
    let fields = &source.fields;
    let own = media_type::of(path.name()).as_bytes();
    let media_type = if directory {
        fields.get("Content-Type").unwrap_or(own)
    } else {
        own
    };
    head.fields.push("Content-Type", media_type);
    let length = fields.single("Content-Length").ok().flatten();
    if let Some(length) = length.filter(|length| length.iter().all(u8::is_ascii_digit)) {
        head.fields.push("Content-Length", length);
        head.fields.push("Accept-Ranges", "bytes");
    }
    push_last_modified(&mut head, last_modified(source));
    let status = CacheStatus::Forwarded {
        why: Forward::Bypass,
        status: Some(source.status),
        stored: false,
        collapsed: false,
    };
    Response {
        head,
        content: Content::Empty,
        status: Some(status),
    }
}

/// A representation of known length.
struct View<'a> {
    length: u64,
    etag: Option<&'a str>,
    last_modified: Option<HttpDate>,
    media_type: &'a [u8],
    age: Option<u64>,
}

impl View<'_> {
    /// The response that the request's preconditions and range ask for; `content` makes its content of
    /// the part selected.
    fn respond(
        &self,
        request: &RequestHead,
        content: impl FnOnce(Range<u64>) -> Content,
    ) -> Response {
        let etag = self.etag.map(str::as_bytes);
        let (method, fields, now) = (request.method, &request.fields, now());
        let selection = match precondition::evaluate(method, fields, etag, self.last_modified, now)
        {
            Outcome::NotModified => return Response::empty(self.head(StatusCode::NOT_MODIFIED)),
            Outcome::Failed => {
                return Response::text(StatusCode::PRECONDITION_FAILED, "the file is another one");
            }
            Outcome::Proceed { range: false } => Selection::Whole,
            Outcome::Proceed { range: true } => fields
                .get("Range")
                .map_or(Selection::Whole, |range| range::select(range, self.length)),
        };
        let (mut head, part) = match selection {
            Selection::Whole => (self.head(StatusCode::OK), 0..self.length),
            Selection::Part(part) => (self.partial(&part), part),
            Selection::Unsatisfiable => return unsatisfiable(self.length),
        };
        let length = part.end.saturating_sub(part.start);
        head.fields
            .push_fmt("Content-Length", format_args!("{length}"));
        let mut response = Response::empty(head);
        if request.method != Method::Head {
            response.content = content(part);
        }
        response
    }

    fn partial(&self, part: &Range<u64>) -> ResponseHead {
        let range = ContentRange {
            first: part.start,
            last: part.end.saturating_sub(1),
            complete: Some(self.length),
        };
        let mut head = self.head(StatusCode::PARTIAL_CONTENT);
        head.fields
            .push_fmt("Content-Range", format_args!("{range}"));
        head
    }

    /// The fields of the representation; on a 304 only those that RFC 9110 §15.4.5 asks for.
    fn head(&self, status: StatusCode) -> ResponseHead {
        let mut head = ResponseHead::new(status);
        if status != StatusCode::NOT_MODIFIED {
            head.fields.push_checked("Content-Type", self.media_type);
            head.fields.push_checked("Accept-Ranges", "bytes");
        }
        if let Some(etag) = self.etag {
            head.fields.push_checked("ETag", etag);
        }
        if status != StatusCode::NOT_MODIFIED || self.etag.is_none() {
            push_last_modified(&mut head, self.last_modified);
        }
        if let Some(age) = self.age {
            head.fields.push_fmt("Age", format_args!("{age}"));
        }
        head
    }
}

/// A Last-Modified, unless it lies in the future (RFC 9110 §8.8.2.1).
fn push_last_modified(head: &mut ResponseHead, last_modified: Option<HttpDate>) {
    if let Some(date) = last_modified.filter(|date| *date <= now()) {
        head.fields.push_checked("Last-Modified", date.text());
    }
}

fn unsatisfiable(length: u64) -> Response {
    let mut response = Response::text(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "the range begins behind the end of the file",
    );
    let range = UnsatisfiedRange(length);
    response
        .head
        .fields
        .push_fmt("Content-Range", format_args!("{range}"));
    response
}

fn now() -> HttpDate {
    HttpDate::of(SystemTime::now())
}

//! Answer: a request and what was found for it, made into a response.
//!
//! Rules: preconditions come before ranges (RFC 9110 §13.2.2); errors have short text bodies that name
//! the reason; failures of the sources become statuses here and nowhere else; an answer that announces a length
//! has just that many bytes or is cut.
//!
//! Not here: sending it (`connection`).

use std::fs::File;
use std::ops::Range;

use crate::cache::{Cache, Found};
use crate::cache_path::CachePath;
use crate::clock;
use crate::download::{Follower, Representation};
use crate::http::precondition::{self, Outcome};
use crate::http::range::{self, ContentRange, Selection, UnsatisfiedRange};
use crate::http::{
    CacheStatus, Forward, HttpDate, Malformed, Method, RequestHead, ResponseHead, StatusCode,
    Version, media_type,
};
use crate::origin;
use crate::slots::Slot;
use crate::store::Stored;
use crate::upstream::FetchError;

/// A body up to this many bytes leaves in one write with its head.
const SMALL: u64 = 32 * 1024;

/// Whether a part of a file leaves in one write with the head.
pub fn is_small(part: &Range<u64>) -> bool {
    part.end.saturating_sub(part.start) <= SMALL
}

/// The content of an answer.
#[derive(Debug)]
pub enum Content {
    /// None.
    Empty,
    /// A short text.
    Text(String),
    /// A part of a file of the cache.
    File {
        /// The open file.
        file: File,
        /// Which of its bytes.
        part: Range<u64>,
    },
    /// A part of what is being received.
    Follow {
        /// Reads it.
        follower: Follower,
        /// Which of its bytes.
        part: Range<u64>,
    },
    /// All of what is being received, of unknown length.
    Stream {
        /// Reads it.
        follower: Follower,
        /// Whether the client understands chunks; else the close ends it.
        chunked: bool,
    },
}

impl Content {
    /// Whether it leaves in one write with its head.
    pub fn is_small(&self) -> bool {
        match self {
            Self::Empty | Self::Text(_) => true,
            Self::File { part, .. } => is_small(part),
            Self::Follow { .. } | Self::Stream { .. } => false,
        }
    }
}

/// A response, and how the cache took part in it.
#[derive(Debug)]
pub struct Answer {
    /// The head, but for the fields that every answer has.
    pub head: ResponseHead,
    /// What follows it.
    pub content: Content,
    /// For `Cache-Status` and the access line.
    pub status: Option<CacheStatus>,
}

impl Answer {
    /// An answer with a short text that names the reason.
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

    /// An answer without content.
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
            let mut answer = Self::text(StatusCode::METHOD_NOT_ALLOWED, why);
            answer.head.fields.push("Allow", "GET, HEAD");
            answer
        } else {
            Self::text(StatusCode::NOT_IMPLEMENTED, "unknown method")
        }
    }

    /// The answer when there is no content.
    pub fn failure(error: FetchError) -> Self {
        let (status, why) = match error {
            FetchError::NotFound => (
                StatusCode::NOT_FOUND,
                "neither the cache nor a source has it",
            ),
            // Whoever was told of the latter had a stored file.
            FetchError::BadGateway | FetchError::NotModified => (
                StatusCode::BAD_GATEWAY,
                "no source gave it; the log says why",
            ),
            FetchError::Broken => (
                StatusCode::BAD_GATEWAY,
                "the transfer from the source broke off",
            ),
            FetchError::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "the sources did not answer in time",
            ),
            FetchError::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many transfers, try again",
            ),
        };
        let mut answer = Self::text(status, why);
        if error == FetchError::Busy {
            answer.head.fields.push("Retry-After", "5");
        }
        answer
    }
}

/// The answer to `request` for `path`, of which `found` was found.
pub fn answer(
    cache: &Cache,
    request: &RequestHead,
    path: &CachePath,
    found: Found,
    client: &Slot,
) -> Answer {
    match found {
        Found::Stored { stored, status } => from_stored(cache, request, path, stored, status),
        Found::Following {
            follower,
            collapsed,
        } => from_transfer(request, follower, collapsed, client),
        Found::Head { head, directory } => from_head(path, &head, directory),
        Found::Failed(error) => Answer::failure(error),
    }
}

fn from_stored(
    cache: &Cache,
    request: &RequestHead,
    path: &CachePath,
    stored: Stored,
    status: CacheStatus,
) -> Answer {
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
    let mut answer = view.answer(request, |part| Content::File { file, part });
    answer.status = Some(status);
    answer
}

fn from_transfer(
    request: &RequestHead,
    follower: Follower,
    collapsed: bool,
    client: &Slot,
) -> Answer {
    let representation = match follower.await_head(client, None) {
        Ok(Some(representation)) => representation,
        Ok(None) => return Answer::failure(FetchError::Timeout),
        Err(error) => return Answer::failure(error),
    };
    let status = Some(CacheStatus::Forwarded {
        why: representation.forward,
        status: Some(StatusCode::OK),
        stored: representation.stored,
        collapsed,
    });
    let Some(length) = representation.length else {
        return of_unknown_length(request, &representation, follower, status);
    };
    let view = View {
        length,
        etag: representation.etag.as_deref(),
        last_modified: representation.last_modified,
        media_type: &representation.media_type,
        age: None,
    };
    let mut answer = view.answer(request, |part| Content::Follow { follower, part });
    answer.status = status;
    answer
}

/// All of it, chunked or until the close; ranges are ignored (RFC 9110 §14.2).
fn of_unknown_length(
    request: &RequestHead,
    representation: &Representation,
    follower: Follower,
    status: Option<CacheStatus>,
) -> Answer {
    let chunked = request.version == Version::Http11;
    let mut head = ResponseHead::new(StatusCode::OK);
    head.fields.push("Content-Type", &representation.media_type);
    push_last_modified(&mut head, representation.last_modified);
    if chunked {
        head.fields.push("Transfer-Encoding", "chunked");
    }
    let content = match request.method {
        Method::Head => Content::Empty,
        _ => Content::Stream { follower, chunked },
    };
    Answer {
        head,
        content,
        status,
    }
}

/// A source's answer to HEAD, in our words.
fn from_head(path: &CachePath, source: &ResponseHead, directory: bool) -> Answer {
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
    push_last_modified(&mut head, origin::last_modified(source));
    let status = CacheStatus::Forwarded {
        why: Forward::Bypass,
        status: Some(source.status),
        stored: false,
        collapsed: false,
    };
    Answer {
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
    /// The answer that the request's preconditions and range ask for; `content` makes its content of
    /// the part selected.
    fn answer(&self, request: &RequestHead, content: impl FnOnce(Range<u64>) -> Content) -> Answer {
        let etag = self.etag.map(str::as_bytes);
        let (method, fields, now) = (request.method, &request.fields, clock::now());
        let selection = match precondition::evaluate(method, fields, etag, self.last_modified, now)
        {
            Outcome::NotModified => return Answer::empty(self.head(StatusCode::NOT_MODIFIED)),
            Outcome::Failed => {
                return Answer::text(StatusCode::PRECONDITION_FAILED, "the file is another one");
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
        let mut answer = Answer::empty(head);
        if request.method != Method::Head {
            answer.content = content(part);
        }
        answer
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
    if let Some(date) = last_modified.filter(|date| *date <= clock::now()) {
        head.fields.push_checked("Last-Modified", date.text());
    }
}

fn unsatisfiable(length: u64) -> Answer {
    let mut answer = Answer::text(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "the range begins behind the end of the file",
    );
    let range = UnsatisfiedRange(length);
    answer
        .head
        .fields
        .push_fmt("Content-Range", format_args!("{range}"));
    answer
}

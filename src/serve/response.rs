//! Response: a request and what was found for it, made into a head and a content.
//!
//! Rules: errors have short text bodies that name the reason; failures of the sources become statuses here
//! and nowhere else; a response that announces a length has just that many bytes or is cut.
//!
//! Not here: preconditions and ranges (`view`), sending it (`content`), the fields that every response has
//! (`connection`).

use super::content::Content;
use super::view::{Part, View};
use crate::cache::{Cache, Found};
use crate::http::{
    CacheStatus, Malformed, Method, RequestHead, ResponseHead, StatusCode, Word, media_type,
};
use crate::store::{CachePath, Stored};
use crate::transfer::{Reader, Representation};
use crate::upstream::Failure;

/// A response, and how the cache took part in it.
#[derive(Debug)]
pub struct Response {
    /// The head, but for the fields that every response has.
    pub head: ResponseHead,
    /// What follows it.
    pub content: Content,
    /// For `Cache-Status` and the access line.
    pub status: Option<CacheStatus>,
    /// Whether a file was looked up for it.
    pub looked_up: bool,
}

impl Response {
    /// A response with a short text that names the reason.
    pub fn text(status: StatusCode, why: &str) -> Self {
        let text = format!("{}: {why}\n", status);
        Self::of_text(ResponseHead::new(status), "text/plain; charset=utf-8", text)
    }

    /// A response with a text of ours.
    pub fn of_text(mut head: ResponseHead, media_type: &str, text: String) -> Self {
        head.fields.push("Content-Type", media_type);
        head.fields
            .push_fmt("Content-Length", format_args!("{}", text.len()));
        Self {
            head,
            content: Content::Text(text),
            status: None,
            looked_up: false,
        }
    }

    /// A response without content.
    pub fn empty(head: ResponseHead) -> Self {
        Self {
            head,
            content: Content::Empty,
            status: None,
            looked_up: false,
        }
    }

    /// The word that counts it: that of its cache status; a file that was looked up and not given is a miss.
    pub fn word(&self) -> Option<Word> {
        let status = self.status.map(CacheStatus::word);
        status.or(self.looked_up.then_some(Word::Miss))
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
pub fn of_found(cache: &Cache, request: &RequestHead, path: &CachePath, found: Found) -> Response {
    match found {
        Found::Stored { stored, status } => from_stored(cache, request, path, stored, status),
        Found::InTransfer {
            reader,
            representation,
            collapsed,
        } => from_transfer(request, reader, &representation, collapsed),
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
        length: Some(length),
        etag: Some(&etag),
        last_modified: Some(modified.date()),
        media_type: media_type::of(path.name()).as_bytes(),
        content_encoding: None,
        age: cache.age(path, &etag),
    };
    let mut response = view.respond(request, |part| match part {
        Part::Bytes(part) => Content::File { file, part },
        Part::All { .. } => Content::Empty,
    });
    response.status = Some(status);
    response
}

fn from_transfer(
    request: &RequestHead,
    reader: Reader,
    representation: &Representation,
    collapsed: bool,
) -> Response {
    // Of a response that is on its way to others already, or has been with a cache before (RFC 9111 §5.1).
    let aged = collapsed || representation.age.is_some();
    let age = aged.then(|| reader.age());
    let mut response = view(representation, age).respond(request, |part| match part {
        Part::Bytes(part) => Content::Part { reader, part },
        Part::All { chunked } => Content::Stream { reader, chunked },
    });
    response.status = Some(CacheStatus::Forwarded {
        why: representation.forward,
        status: Some(StatusCode::OK),
        stored: representation.stored,
        collapsed,
    });
    response
}

fn view(representation: &Representation, age: Option<u64>) -> View<'_> {
    View {
        length: representation.length,
        etag: representation.etag.as_deref(),
        last_modified: representation.last_modified,
        media_type: &representation.media_type,
        content_encoding: representation.content_encoding.as_deref(),
        age,
    }
}

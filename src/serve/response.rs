//! Response: a request and what was found for it, made into a head and a content.
//!
//! Rules: errors have short text bodies that name the reason; failures of the sources become statuses here
//! and nowhere else; a response that announces a length has just that many bytes or is cut.
//!
//! Not here: preconditions and ranges (`view`), sending it (`content`).

use std::time::SystemTime;

use super::content::Content;
use super::view::{Part, View};
use crate::cache::{Cache, Found};
use crate::http::{
    CacheStatus, HttpDate, Malformed, Method, RequestHead, ResponseHead, StatusCode, Version,
    media_type,
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
    pub fn empty(head: ResponseHead) -> Self {
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

    /// Adds the fields that every response has; `via` is our entry in Via.
    pub fn complete(&mut self, via: &str, version: Version, reusable: bool) {
        let fields = &mut self.head.fields;
        let now = HttpDate::of(SystemTime::now());
        // Nothing is better than 1970, by which every cache would take the answer for stale (RFC 9110 §6.6.1).
        if now >= HttpDate::WRITTEN {
            fields.push_checked("Date", now.text());
        }
        fields.push_checked(
            "Server",
            concat!("package-cache/", env!("CARGO_PKG_VERSION")),
        );
        fields.push_checked("Via", via);
        if let Some(status) = self.status {
            match status {
                CacheStatus::Hit => fields.push_checked("Cache-Status", CacheStatus::HIT),
                _ => fields.push_fmt("Cache-Status", format_args!("{status}")),
            }
        }
        match (reusable, version) {
            (false, _) => fields.push_checked("Connection", "close"),
            (true, Version::Http10) => fields.push_checked("Connection", "keep-alive"),
            (true, Version::Http11) => {}
        }
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

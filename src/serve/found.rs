//! Found: what the cache found for a request, made into a response.
//!
//! Rules: a response that announces a length has exactly that many bytes, or is cut.
//!
//! Not here: finding it (`cache`), preconditions and ranges (`view`).

use super::content::Content;
use super::response::Response;
use super::view::{Part, View};
use crate::cache::{Cache, Found};
use crate::http::{CacheStatus, RequestHead, StatusCode, media_type};
use crate::store::{CachePath, Stored};
use crate::transfer::{Reader, Representation};

/// The response to `request` for `path`, from what was `found` for it.
pub fn respond(cache: &Cache, request: &RequestHead, path: &CachePath, found: Found) -> Response {
    match found {
        Found::Stored { stored, status } => from_stored(cache, request, path, stored, status),
        Found::InTransfer {
            reader,
            representation,
            collapsed,
            ending,
        } => Response {
            ending,
            ..from_transfer(request, reader, &representation, collapsed)
        },
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
        unproved: false,
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
    // The response may be on its way to other clients already, or come from another cache (RFC 9111 §5.1).
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
        unproved: representation.unproved,
    }
}

//! Representation: what a transfer's content is, as known from the source's head.
//!
//! Rules: what is stored has the same fields now as on later hits. What is not stored has its source's.

use super::request::{Purpose, Request};
use super::resume::Validators;
use crate::http::{Forward, HttpDate, age, media_type};
use crate::store::{Modified, Partial};
use crate::upstream::Response;

/// What a transfer's content is.
#[derive(Debug)]
pub struct Representation {
    /// Its length in bytes, if the source said so.
    pub length: Option<u64>,
    /// Its modification time: the one that the file system keeps, or the source's Last-Modified.
    pub last_modified: Option<HttpDate>,
    /// Its strong entity tag with quotes, the same as on later hits; or none.
    pub etag: Option<String>,
    /// Its Content-Type.
    pub media_type: Vec<u8>,
    /// Its Content-Encoding; only a listing has one.
    pub content_encoding: Option<Vec<u8>>,
    /// The age in seconds that its source said (RFC 9111 §5.1), if it did.
    pub age: Option<u64>,
    /// Whether it goes into the cache.
    pub stored: bool,
    /// Whether it must be proved, and is not yet.
    pub unproved: bool,
    /// By which a response can show that it is of the same file.
    pub validators: Validators,
    /// Why it was fetched (RFC 9211 §2.2).
    pub forward: Forward,
}

impl Representation {
    /// What `response` is to `request`; `partial` is where its content is stored, if it is, `unproved` whether its
    /// content must be proved, and `length` that of the whole content.
    pub fn of(
        request: &Request,
        response: &Response,
        partial: Option<&Partial>,
        unproved: bool,
        length: Option<u64>,
    ) -> Self {
        let length = match &request.purpose {
            Purpose::Part(part) => Some(part.length()),
            _ => length,
        };
        let modified = match request.is_head() && request.is_storable(response) {
            // As the stored file would have it after a GET.
            true => Modified::of_source(response.last_modified()),
            // None where the file system sets the time itself: it is known only at the end.
            false => partial.and_then(Partial::modified),
        };
        Self {
            length,
            last_modified: modified
                .map_or_else(|| response.last_modified(), |time| Some(time.date())),
            etag: modified.zip(length).map(|(time, length)| time.etag(length)),
            media_type: media_type(request, response).to_vec(),
            content_encoding: content_encoding(request, response),
            age: age(&response.head.fields),
            stored: partial.is_some(),
            unproved,
            validators: Validators::of(response),
            forward: forward(request, response),
        }
    }
}

/// By the name, for what is stored or would be; else as the source says.
fn media_type<'a>(request: &Request, response: &'a Response) -> &'a [u8] {
    let own = media_type::of(request.path.name()).as_bytes();
    let theirs = response.head.fields.get("Content-Type");
    match request.is_storable(response) {
        true => own,
        false => theirs.unwrap_or(own),
    }
}

fn forward(request: &Request, response: &Response) -> Forward {
    let why = request.held.as_ref().map(|held| held.why);
    match request.is_head() || request.never_stores(response) {
        true => Forward::Bypass,
        false => why.unwrap_or(Forward::UriMiss),
    }
}

/// The codings of a listing, which is relayed as it came: some servers code it although `identity` is asked
/// for. A file has none: a coding that its name carries is part of the file (`upstream::Response::check`).
fn content_encoding(request: &Request, response: &Response) -> Option<Vec<u8>> {
    let fields = &response.head.fields;
    let codings: Vec<&[u8]> = fields.members("Content-Encoding").collect();
    let listing = request.is_listing() || response.directory;
    (listing && !codings.is_empty()).then(|| codings.join(&b", "[..]))
}

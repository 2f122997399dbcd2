//! Representation: what a transfer's content is, known once the source's head is there.
//!
//! Rules: a miss is announced as later hits will be; what is not stored is announced as its source does.

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
    /// Its time: what the file system keeps, or the source's Last-Modified.
    pub last_modified: Option<HttpDate>,
    /// Its strong entity tag, the same as later from the file, or none.
    pub etag: Option<String>,
    /// Its Content-Type.
    pub media_type: Vec<u8>,
    /// Its Content-Encoding, if it is one that its name does not carry: that of a listing.
    pub content_encoding: Option<Vec<u8>>,
    /// The age in seconds that its source gave it, none if it gave none.
    pub age: Option<u64>,
    /// Whether it goes into the cache.
    pub stored: bool,
    /// By which an answer can show that it is of the same file.
    pub validators: Validators,
    /// Why it was fetched (RFC 9211 §2.2).
    pub forward: Forward,
}

impl Representation {
    /// What `response` announces in answer to `request`; `partial` is where it goes, if it is stored.
    pub fn of(request: &Request, response: &Response, partial: Option<&Partial>) -> Self {
        let length = match &request.purpose {
            Purpose::Part(part) => Some(part.length()),
            _ => response.length(),
        };
        let modified = match request.is_head() && request.is_storable(response) {
            // What GET would give.
            true => Modified::of_source(response.last_modified()),
            // None where the file system sets its own time: nobody knows yet what that will be.
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
            validators: Validators::of(response),
            forward: forward(request, response),
        }
    }
}

/// What the name says, for what is stored or would be; else what the source says.
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

/// The codings of a listing, which is relayed as it came: some servers code it although we ask for identity.
/// A file has none: those that its name carries are the file (`upstream::Response::check`).
fn content_encoding(request: &Request, response: &Response) -> Option<Vec<u8>> {
    let fields = &response.head.fields;
    let codings: Vec<&[u8]> = fields.members("Content-Encoding").collect();
    let listing = request.is_listing() || response.directory;
    (listing && !codings.is_empty()).then(|| codings.join(&b", "[..]))
}

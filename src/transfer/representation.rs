//! Representation: what a transfer's content is, known once the source's head is there.
//!
//! Rules: a miss is announced as later hits will be; what is not stored is announced as its source does.

use super::request::Request;
use super::resume::Validators;
use crate::http::{Forward, Framing, HttpDate, Method, age, carried_by_name, framing, media_type};
use crate::store::Modified;
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
    /// What `response` announces in answer to `request`; `modified` is the time that its file keeps, none if
    /// it is not stored.
    pub fn of(request: &Request, response: &Response, modified: Option<Modified>) -> Self {
        let length = match request.upstream.method {
            Method::Head => announced_length(response),
            _ => response.length(),
        };
        let may_store = request.may_store(response);
        let own_type = media_type::of(request.path.name()).as_bytes();
        let source_type = response.head.fields.get("Content-Type");
        let media_type = source_type.filter(|_| !may_store).unwrap_or(own_type);
        let why = request.held.as_ref().map(|held| held.why);
        Self {
            length,
            last_modified: modified.map_or_else(
                || response.last_modified(),
                |modified| Some(modified.date()),
            ),
            etag: modified
                .zip(length)
                .map(|(modified, length)| modified.etag(length)),
            media_type: media_type.to_vec(),
            content_encoding: content_encoding(request, response),
            age: age(&response.head.fields),
            stored: modified.is_some(),
            validators: Validators::of(response),
            forward: match why {
                _ if request.never_stores(response) => Forward::Bypass,
                why => why.unwrap_or(Forward::UriMiss),
            },
        }
    }
}

/// The length that a response to HEAD announces for GET.
fn announced_length(response: &Response) -> Option<u64> {
    match framing::of_response(&response.head, Method::Get) {
        Ok(Framing::Length(length)) => Some(length),
        _ => None,
    }
}

/// The codings of a listing, which is relayed as it came: some servers code it although we ask for identity.
/// A file has none beside those that its name carries, and those are the file (`upstream::Response::usable`).
fn content_encoding(request: &Request, response: &Response) -> Option<Vec<u8>> {
    let listing = request.is_listing() || response.directory;
    let codings: Vec<&[u8]> = response
        .head
        .fields
        .members("Content-Encoding")
        .filter(|coding| listing || !carried_by_name(coding, request.path.name()))
        .collect();
    (!codings.is_empty()).then(|| codings.join(&b", "[..]))
}

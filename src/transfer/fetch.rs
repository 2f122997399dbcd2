//! Fetch: the thread of one transfer, from the question to the source's head.
//!
//! Rules: what is no package content, or has no room, is relayed and never stored; what the sources said of a
//! stored file is noted before its readers hear of it.
//!
//! Not here: which requests share a transfer (`cache`), receiving its content (`receive`).

use std::sync::Arc;

use super::Representation;
use super::receive::Receive;
use super::request::{Purpose, Request};
use super::resume::Validators;
use super::writer::Writer;
use crate::http::{Forward, StatusCode, media_type};
use crate::store::{Partial, Store, Validation};
use crate::upstream::{Failure, Response, Upstream};

/// Runs one transfer to its end.
pub fn fetch(store: &Arc<Store>, upstream: &Upstream, request: &Request, writer: Writer) {
    let response = match upstream.fetch(&request.upstream) {
        Ok(response) => response,
        Err(failure) => {
            if let Some(held) = &request.held {
                let said = validation(failure);
                let freshness = store.freshness();
                freshness.note_validation(&request.path, &held.etag, said);
            }
            return writer.fail(failure);
        }
    };
    if let Some(held) = request
        .held
        .as_ref()
        .filter(|held| held.is_newest(&response))
    {
        // Noted before anybody is told: whoever asks next must not ask again.
        let (path, etag) = (&request.path, &held.etag);
        let freshness = store.freshness();
        freshness.note_fresh(path, etag);
        freshness.note_validation(path, etag, Validation::Unchanged);
        if held.given.is_none() && response.head.status == StatusCode::NOT_MODIFIED {
            freshness.note_given(path, etag, response.given());
        }
        upstream.finish(response);
        return writer.fail(Failure::NotModified);
    }
    let partial = begin(store, request, &response);
    announce(request, &response, partial.as_ref(), &writer);
    Receive::new(store, upstream, request, writer, partial, &response).run(response);
}

/// What a failed question says of the stored file.
fn validation(failure: Failure) -> Validation {
    match failure {
        Failure::NotFound => Validation::Gone,
        _ => Validation::Unanswered,
    }
}

/// The partial for content that is to be stored and can be.
fn begin(store: &Arc<Store>, request: &Request, response: &Response) -> Option<Partial> {
    if request.purpose != Purpose::Store || response.directory {
        return None;
    }
    let fields = &response.head.fields;
    let media_type = fields.get("Content-Type").unwrap_or_default();
    // A document for a name without extension may be a listing: a file of that name would block all below it.
    if media_type::is_document(media_type) && media_type::extension(request.path.name()).is_none() {
        return None;
    }
    store
        .begin(&request.path, response.length(), response.last_modified())
        .ok()
}

fn announce(request: &Request, response: &Response, partial: Option<&Partial>, writer: &Writer) {
    let length = response.length();
    let own_type = media_type::of(request.path.name());
    let forward = request
        .held
        .as_ref()
        .map_or(Forward::UriMiss, |held| held.why);
    let representation = match partial {
        Some(partial) => Representation {
            length,
            last_modified: Some(partial.modified().date()),
            etag: length.map(|length| partial.modified().etag(length)),
            media_type: own_type.into(),
            stored: true,
            validators: Validators::of(response),
            forward,
        },
        None => Representation {
            length,
            last_modified: response.last_modified(),
            etag: None,
            media_type: response
                .head
                .fields
                .get("Content-Type")
                .unwrap_or(own_type.as_bytes())
                .to_vec(),
            stored: false,
            validators: Validators::of(response),
            forward: if request.purpose != Purpose::Store || response.directory {
                Forward::Bypass
            } else {
                forward
            },
        },
    };
    let file = partial.map(|partial| Arc::clone(partial.file()));
    writer.announce(representation, file, Arc::clone(response.stream()));
    if !response.has_content() {
        writer.tell();
    }
}

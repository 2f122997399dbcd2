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
use crate::http::{Forward, media_type};
use crate::store::{Modified, Partial, Store, Validation};
use crate::upstream::{Failure, Kind, Response, Upstream};

/// Runs one transfer to its end.
pub fn fetch(store: &Arc<Store>, upstream: &Upstream, request: &Request, writer: Writer) {
    let exchange = writer.exchange();
    let answer = match &request.purpose {
        Purpose::Part(part) => part.ask(upstream, &request.upstream, exchange),
        _ => upstream.fetch(&request.upstream, exchange),
    };
    let response = match answer {
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
        store.freshness().note_fresh(path, etag);
        store
            .freshness()
            .note_validation(path, etag, Validation::Unchanged);
        upstream.finish(response, exchange);
        return writer.fail(Failure::NotModified);
    }
    if let Purpose::Head = request.purpose {
        writer.announce(head_only(request, &response), None);
        upstream.finish(response, exchange);
        let _ = writer.finish();
        return;
    }
    let partial = begin(store, request, &response);
    let representation = representation(request, &response, partial.as_ref());
    let length = representation.length;
    let file = partial.as_ref().map(|partial| Arc::clone(partial.file()));
    writer.announce(representation, file);
    if !response.has_content() {
        writer.tell();
    }
    Receive::new(store, upstream, request, writer, partial, length, &response).run(response);
}

/// What a failed question says of the stored file.
fn validation(failure: Failure) -> Validation {
    match failure {
        Failure::NotFound => Validation::Gone,
        _ => Validation::Unanswered,
    }
}

/// Whether the content of this response is to be stored.
fn is_storable(request: &Request, response: &Response) -> bool {
    let fields = &response.head.fields;
    let html = media_type::is_html(fields.get("Content-Type").unwrap_or_default());
    // A page for a name without extension may be a listing: a file of that name would block all below it.
    let may_be_listing = html && media_type::extension(request.path.name()).is_none();
    !response.directory && !may_be_listing
}

/// The partial for content that is to be stored and can be.
fn begin(store: &Arc<Store>, request: &Request, response: &Response) -> Option<Partial> {
    if !matches!(request.purpose, Purpose::Store) || !is_storable(request, response) {
        return None;
    }
    let (length, modified, date) = (response.length(), response.last_modified(), response.date());
    store.begin(&request.path, length, modified, date).ok()
}

/// What the content is, if it goes into `partial`, or is passed on as it comes.
fn representation(
    request: &Request,
    response: &Response,
    partial: Option<&Partial>,
) -> Representation {
    let length = match &request.purpose {
        Purpose::Part(part) => Some(part.length()),
        _ => response.length(),
    };
    let why = request.held.as_ref().map(|held| held.why);
    let forward = match &request.purpose {
        Purpose::Store if !response.directory => why.unwrap_or(Forward::UriMiss),
        _ => Forward::Bypass,
    };
    let passed_on = Representation {
        length,
        last_modified: response.last_modified(),
        etag: None,
        media_type: passed_on_type(request, response),
        stored: false,
        validators: Validators::of(response),
        forward,
    };
    match partial {
        None => passed_on,
        Some(partial) => Representation {
            // Where the file system sets its own time, nobody knows yet what that will be.
            last_modified: partial
                .modified()
                .map_or_else(|| response.last_modified(), |time| Some(time.date())),
            etag: partial
                .modified()
                .zip(length)
                .map(|(time, length)| time.etag(length)),
            media_type: media_type::of(request.path.name()).into(),
            stored: true,
            ..passed_on
        },
    }
}

/// The source's Content-Type, or what the name says where it has none.
fn passed_on_type(request: &Request, response: &Response) -> Vec<u8> {
    let theirs = response.head.fields.get("Content-Type");
    let own = media_type::of(request.path.name()).as_bytes();
    theirs.unwrap_or(own).to_vec()
}

/// What a GET would give: the fields of a response to HEAD are those of GET (RFC 9110 §9.3.2).
fn head_only(request: &Request, response: &Response) -> Representation {
    let passed_on = representation(request, response, None);
    if request.upstream.kind == Kind::Listing || !is_storable(request, response) {
        return passed_on;
    }
    let stored = Modified::of_source(response.last_modified());
    let length = passed_on.length;
    Representation {
        media_type: media_type::of(request.path.name()).into(),
        etag: stored.and_then(|modified| Some(modified.etag(length?))),
        ..passed_on
    }
}

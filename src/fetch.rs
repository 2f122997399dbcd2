//! Fetch: the thread of one transfer, from the question to its end.
//!
//! Rules: what is no package content, or has no room, is relayed and never stored; what a check of a stored
//! file found is noted before its readers hear of it.
//!
//! Not here: which requests share a transfer (`cache`), moving its content (`transfer`).

use std::sync::Arc;

use crate::checks::Verdict;
use crate::download::{Representation, Writer};
use crate::http::{Forward, media_type};
use crate::job::{Job, Purpose};
use crate::origin::Response;
use crate::partial::Partial;
use crate::proof::Validators;
use crate::store::Store;
use crate::transfer::Transfer;
use crate::upstream::{FetchError, Upstream};

/// Runs one transfer to its end. `unshared` is called once it is certain that it will not be stored.
pub fn run(
    store: &Arc<Store>,
    upstream: &Upstream,
    job: &Job,
    writer: Writer,
    unshared: &dyn Fn(),
) {
    let encoded = job.encoded();
    let wanted = job.wanted(&encoded);
    let response = match upstream.fetch(wanted, &job.ask) {
        Ok(response) => response,
        Err(error) => {
            if let Some(held) = &job.held {
                store.checks().note(&job.path, &held.etag, verdict(error));
            }
            return writer.fail(error);
        }
    };
    if let Some(held) = job.held.as_ref().filter(|held| held.is_newest(&response)) {
        // Noted before anybody is told: whoever asks next must not ask again.
        store.note_fresh(&job.path, &held.etag);
        store
            .checks()
            .note(&job.path, &held.etag, Verdict::Confirmed);
        upstream.finish(response);
        return writer.fail(FetchError::NotModified);
    }
    let partial = begin(store, job, &response);
    if partial.is_none() {
        unshared();
    }
    announce(job, &response, partial.as_ref(), &writer);
    Transfer::new(store, upstream, job, writer, unshared, partial, &response).run(response)
}

/// What a failed question says of the stored file.
fn verdict(error: FetchError) -> Verdict {
    match error {
        FetchError::NotFound => Verdict::Gone,
        _ => Verdict::Unconfirmed,
    }
}

/// The partial for content that is to be stored and can be.
fn begin(store: &Arc<Store>, job: &Job, response: &Response) -> Option<Partial> {
    if job.purpose != Purpose::Store || response.directory {
        return None;
    }
    let fields = &response.head.fields;
    let html = media_type::is_html(fields.get("Content-Type").unwrap_or_default());
    // A page for a name without extension may be a listing: a file of that name would block all below it.
    if html && media_type::extension(job.path.name()).is_none() {
        return None;
    }
    store
        .begin(&job.path, response.length(), response.last_modified())
        .ok()
}

fn announce(job: &Job, response: &Response, partial: Option<&Partial>, writer: &Writer) {
    let length = response.length();
    let own_type = media_type::of(job.path.name());
    let forward = job.held.as_ref().map_or(Forward::UriMiss, |held| held.why);
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
            forward: if job.purpose != Purpose::Store || response.directory {
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

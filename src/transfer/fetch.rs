//! Fetch: one transfer, from the request to the source's head, by a thread of its own or at once.
//!
//! Rules: what is not package content, or has no room, is relayed and never stored. What the sources said of a
//! stored file is noted before the readers are told. A transfer on a thread of its own looks first whether an earlier
//! process has kept its beginning (`kept`); one that is done at once is too small for that.
//!
//! Not here: which requests share a transfer (`cache`), receiving the content (`receive`).

use std::sync::Arc;

use super::kept::{Beginning, Rest};
use super::prove::judge;
use super::publish::Received;
use super::receive::Receive;
use super::request::{Purpose, Request};
use super::writer::Writer;
use super::{Representation, kept};
use crate::http::{StatusCode, age};
use crate::manifests::Proof;
use crate::stats::Outcome;
use crate::store::{Partial, Store, Validation};
use crate::upstream::{Failure, Response, Upstream};

/// Runs one transfer up to the name of its file.
pub fn fetch(
    store: &Arc<Store>,
    upstream: &Upstream,
    request: &Request,
    writer: Writer,
) -> Received {
    let exchange = writer.exchange();
    match kept::ask(store, upstream, request, exchange) {
        Some(Ok(Rest(response, proof, kept))) => {
            return take(
                store,
                upstream,
                request,
                writer,
                response,
                proof,
                Some(kept),
            );
        }
        Some(Err(failure)) => return Err(fail(store, request, writer, failure)),
        None => {}
    }
    let mut proof = None;
    let asked = match &request.purpose {
        Purpose::Part(part) => part.ask(upstream, &request.upstream, exchange),
        _ => upstream.fetch(&request.upstream, exchange, &mut |response| {
            proof = judge(response, request, upstream, exchange)?;
            Ok(())
        }),
    };
    match asked {
        Ok(response) => take(store, upstream, request, writer, response, proof, None),
        Err(failure) => Err(fail(store, request, writer, failure)),
    }
}

/// Runs one transfer as far, if that takes no wait for a source longer than `look_ms`.
///
/// # Errors
/// Gives the writer back for `fetch`, which goes on from there.
pub fn fetch_at_once(
    store: &Arc<Store>,
    upstream: &Upstream,
    request: &Request,
    writer: Writer,
) -> Result<Received, Writer> {
    let (asked, exchange) = (&request.upstream, writer.exchange());
    // Nobody would see that the client has left while its thread waits for the Manifests.
    let waits = matches!(request.purpose, Purpose::Part(_)) || request.expected.may_take_long();
    if waits || !upstream.begin(asked, exchange) {
        return Err(writer);
    }
    let mut proof = None;
    let response = upstream.fetch_begun(asked, exchange, &mut |response| {
        proof = judge(response, request, upstream, exchange)?;
        Ok(())
    });
    match response {
        Some(response) => Ok(take(
            store, upstream, request, writer, response, proof, None,
        )),
        None => Err(writer),
    }
}

/// Fails the transfer; how that counts.
fn fail(store: &Store, request: &Request, writer: Writer, failure: Failure) -> Outcome {
    // A source may have refused the client's Via: that says nothing to others.
    if let Some(held) = request.held.as_ref().filter(|_| !request.foreign) {
        let said = validation(failure);
        let freshness = store.freshness();
        freshness.note_validation(&request.path, &held.etag, said);
    }
    writer.fail(failure);
    match failure {
        Failure::NotFound => Outcome::Passed,
        _ => Outcome::Failed,
    }
}

/// Receives the content of a usable response, which `proof` must find right. If its beginning was kept, the response has
/// the rest.
fn take(
    store: &Arc<Store>,
    upstream: &Upstream,
    request: &Request,
    writer: Writer,
    mut response: Response,
    proof: Option<Proof>,
    kept: Option<Beginning>,
) -> Received {
    let exchange = writer.exchange();
    if let Some(held) = request
        .held
        .as_ref()
        .filter(|held| held.is_newest(&response))
    {
        // Noted before the readers are told: the next request must not ask the sources again.
        let (path, etag) = (&request.path, &held.etag);
        let (freshness, age) = (store.freshness(), age(&response.head.fields).unwrap_or(0));
        freshness.note_fresh(path, etag, age);
        freshness.note_validation(path, etag, Validation::Unchanged);
        if held.given.is_none() && response.head.status == StatusCode::NOT_MODIFIED {
            freshness.note_given(path, etag, response.given());
        }
        upstream.finish(response, exchange);
        writer.fail(Failure::NotModified);
        return Err(Outcome::Passed);
    }
    if request.is_head() {
        let representation = Representation::of(request, &response, None, false, response.length());
        writer.announce(Arc::new(representation), None);
        upstream.finish(response, exchange);
        let _ = writer.finish();
        return Err(Outcome::Passed);
    }
    let (partial, length, written) = match kept {
        Some(kept) => {
            writer.has(kept.received);
            (Some(kept.partial), Some(kept.length), false)
        }
        None => {
            let partial = begin(store, request, &response);
            let written = partial.is_some() && response.at_hand().is_some();
            (partial, response.length(), written)
        }
    };
    let (stored, unproved) = (partial.as_ref(), proof.is_some());
    let representation = Representation::of(request, &response, stored, unproved, length);
    let representation = Arc::new(representation);
    let file = partial.as_ref().map(|partial| Arc::clone(partial.file()));
    writer.announce(Arc::clone(&representation), file);
    if written {
        response.pass();
        writer.has(representation.length.unwrap_or(0));
    } else if !response.has_content() {
        writer.tell();
    }
    let receive = Receive::new(store, upstream, request, writer, partial, representation);
    receive.proving(proof).run(response)
}

/// What a failed validation says of the stored file.
fn validation(failure: Failure) -> Validation {
    match failure {
        Failure::NotFound => Validation::Gone,
        _ => Validation::Unanswered,
    }
}

/// The partial for the content, with all of that if it is at hand; none if that is not stored or cannot be.
fn begin(store: &Arc<Store>, request: &Request, response: &Response) -> Option<Partial> {
    if !request.is_shared() || !request.is_storable(response) {
        return None;
    }
    let (path, length) = (&request.path, response.length());
    let (modified, date) = (response.last_modified(), response.date());
    match response.at_hand() {
        Some(content) => store.write(path, content, request.held.is_some(), modified, date),
        None => store.begin(path, length, modified, date),
    }
    .ok()
}

//! Fetch: one transfer, from the request to the source's head, by a thread of its own or at once.
//!
//! Rules: what is not package content, or has no room, is relayed and never stored. What the sources said of a
//! stored file is noted before the readers are told. Where an earlier process has kept the beginning (`kept`), a thread of
//! its own asks for the rest. The first readers have the head, and the content that came with it, before another thread
//! is woken for the rest.
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
use crate::upstream::{Came, Failure, Response, Upstream};

/// What is left of a transfer for a thread of its own.
pub enum Left {
    /// All of it: it is gone on with where it was (`upstream::fetch`), or anew where something was kept.
    All(Writer),
    /// The content: readers have the head already.
    Content(Box<Content>),
}

/// The content of a usable response, of which readers have the head and, if it is stored, what came with that.
pub struct Content {
    writer: Writer,
    /// How many bytes had been received when the response began.
    begun_at: u64,
    partial: Option<Partial>,
    representation: Arc<Representation>,
    proof: Option<Proof>,
    response: Response,
}

impl Content {
    /// Receives the rest of it, up to the name.
    fn receive(self, store: &Arc<Store>, upstream: &Upstream, request: &Request) -> Received {
        let (partial, representation) = (self.partial, self.representation);
        let receive = Receive::new(
            store,
            upstream,
            request,
            self.writer,
            self.begun_at,
            partial,
            representation,
        );
        receive.proving(self.proof).run(self.response)
    }
}

/// Runs what is left of one transfer, up to the name of its file.
pub fn fetch(store: &Arc<Store>, upstream: &Upstream, request: &Request, left: Left) -> Received {
    let content = match left {
        Left::All(writer) => ask(store, upstream, request, writer)?,
        Left::Content(content) => content,
    };
    content.receive(store, upstream, request)
}

/// Asks the sources, for the rest alone where the beginning was kept.
fn ask(
    store: &Arc<Store>,
    upstream: &Upstream,
    request: &Request,
    writer: Writer,
) -> Result<Box<Content>, Outcome> {
    let (exchange, mut proof) = (writer.exchange(), None);
    let asked = match kept::ask(store, upstream, request, exchange) {
        Some(rest) => rest.map(|Rest(response, rest, kept)| {
            proof = rest;
            (response, Some(kept))
        }),
        None => match &request.purpose {
            Purpose::Part(part) => part.ask(upstream, &request.upstream, exchange),
            _ => upstream.fetch(&request.upstream, exchange, &mut |response| {
                proof = judge(response, request, upstream, exchange)?;
                Ok(())
            }),
        }
        .map(|response| (response, None)),
    };
    match asked {
        Ok((response, kept)) => take(store, upstream, request, writer, response, proof, kept),
        Err(failure) => Err(fail(store, request, writer, failure)),
    }
}

/// Runs one transfer, if that takes no wait for a source longer than `look_ms`.
///
/// # Errors
/// Gives back for `fetch` what is left if it takes one.
pub fn fetch_at_once(
    store: &Arc<Store>,
    upstream: &Upstream,
    request: &Request,
    writer: Writer,
) -> Result<Received, Left> {
    let (asked, exchange) = (&request.upstream, writer.exchange());
    // Nobody would see that the client has left while its thread waits for the Manifests.
    if matches!(request.purpose, Purpose::Part(_)) || request.expected.may_take_long() {
        return Err(Left::All(writer));
    }
    let came = upstream.begin(asked, exchange);
    // To prove content takes all of it, or a wait (`prove::judge`).
    let proved = !request.expected.all.is_empty();
    if came == Came::Nothing || came == Came::First && proved {
        return Err(Left::All(writer));
    }
    // Who has a thread for it asks for the rest alone.
    let is_kept = came == Came::First && request.is_shared() && store.has_kept(&request.path);
    let mut proof = None;
    let response = upstream.fetch_begun(asked, exchange, &mut |response| {
        if !is_kept {
            proof = judge(response, request, upstream, exchange)?;
        }
        Ok(())
    });
    let Some(response) = response.filter(|_| !is_kept) else {
        exchange.let_go();
        return Err(Left::All(writer));
    };
    match take(store, upstream, request, writer, response, proof, None) {
        Ok(content) if came == Came::First => Err(Left::Content(content)),
        taken => Ok(taken.and_then(|content| content.receive(store, upstream, request))),
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

/// Shows the readers a usable response, whose content `proof` must find right, with what of the content is there. If its
/// beginning was kept, the response has the rest.
fn take(
    store: &Arc<Store>,
    upstream: &Upstream,
    request: &Request,
    writer: Writer,
    mut response: Response,
    proof: Option<Proof>,
    kept: Option<Beginning>,
) -> Result<Box<Content>, Outcome> {
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
        // A lagging mirror says so of a file that it has never had, too.
        let unchanged = response.head.status == StatusCode::NOT_MODIFIED;
        if held.given.is_none() && unchanged && response.last_modified() == held.date {
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
    let (mut partial, length, written) = match kept {
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
    }
    let begun_at = writer.received();
    if !written {
        show_first(&mut response, &writer, partial.as_mut());
    }
    Ok(Box::new(Content {
        writer,
        begun_at,
        partial,
        representation,
        proof,
        response,
    }))
}

/// Shows the readers the head, and what of the content came with it if that is stored.
fn show_first(response: &mut Response, writer: &Writer, partial: Option<&mut Partial>) {
    let ahead = response.ahead();
    if ahead.is_empty() {
        return writer.tell();
    }
    // What is not stored, and what cannot be written now, is read again by who receives the rest.
    if let Some(partial) = partial
        && writer.write(ahead).is_ok()
    {
        // It is too little for a look at the room.
        let _ = partial.wrote(ahead.len() as u64);
        response.pass();
    }
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

//! Kept: what a stop leaves of a transfer, and how the next one begins with that.
//!
//! Rules: at a stop a transfer leaves what it has received to the next process (`store::Kept`). A transfer of the same
//! path takes that and asks the sources for the rest, with the same proof as after a break (`resume`), before any reader
//! hears of it; from there on it is like any other. If a source has another file, sends all of it too slowly for the proof,
//! or none can show that it has the same, twice asked, what was kept goes and the file is asked for anew. If none has an
//! answer, it stays for another request.
//!
//! Not here: which partials are worth it, and their names (`store`).

use std::cell::Cell;
use std::sync::Arc;

use super::prove::expect;
use super::request::Request;
use super::resume::{Validators, check, compare};
use super::{Representation, Writer};
use crate::http::StatusCode;
use crate::log;
use crate::manifests::Proof;
use crate::store::{Kept, Partial, Store, Whole};
use crate::sys::limits::limits;
use crate::upstream::{Error, Exchange, Failure, Response, Upstream};

/// The beginning of a file, which was kept.
pub struct Beginning {
    /// It.
    pub partial: Partial,
    /// Its length in bytes.
    pub received: u64,
    /// The length of the whole file in bytes.
    pub length: u64,
}

/// What a source gives behind that beginning: a response whose content begins there, and the proof of the whole, which has
/// seen none of it yet. The response is a 304 if the request validates a stored file and that is still the present one.
pub struct Rest(pub Response, pub Option<Proof>, pub Beginning);

/// Asks the sources for the rest of what was kept for `request`; none if nothing was, or the file is to be asked for
/// anew.
///
/// # Errors
/// When no source has an answer: what all the failures together mean.
pub fn ask(
    store: &Store,
    upstream: &Upstream,
    request: &Request,
    exchange: &Exchange,
) -> Option<Result<Rest, Failure>> {
    if !request.is_shared() {
        return None;
    }
    let kept = store.take_kept(&request.path)?;
    // What was begun is a question for all of it.
    exchange.let_go();
    exchange.refused();
    let (received, length) = (kept.received, kept.whole.length);
    let start = received.saturating_sub(limits().overlap_bytes);
    let overlap = kept.tail(start).ok()?;
    let same = validators(&kept);
    let asked = request.upstream.rest(start);
    let (another, broke, slow) = (Cell::new(false), Cell::new(false), Cell::new(false));
    let mut proof = None;
    let order = upstream.order_from(&asked, &same.given.server);
    let mut accept = |response: &mut Response| {
        let status = response.head.status;
        match status {
            StatusCode::NOT_MODIFIED => return response.check(&asked),
            // A page that says so with 200 is no other file.
            StatusCode::OK => response.check(&asked)?,
            _ => {}
        }
        let shown = check(Some(length), &same, response, start)
            .and_then(|skip| compare(response, skip, &overlap))
            .and_then(|()| expect(request, upstream, Some(length)));
        if matches!(shown, Err(Error::Broken(_) | Error::Timeout(_))) {
            broke.set(true);
        }
        // One that sends all of it too slowly for the proof would be as slow again.
        if status == StatusCode::OK && matches!(shown, Err(Error::Timeout(_))) {
            slow.set(true);
        }
        if matches!(shown, Err(Error::NotTheFile(_))) || status == StatusCode::RANGE_NOT_SATISFIABLE
        {
            another.set(true);
        }
        proof = shown?;
        Ok(())
    };
    let mut answer = upstream.first(&order, &asked, exchange, &mut accept);
    // A break shows no other file.
    if answer.is_err() && broke.get() && !another.get() && !slow.get() && !exchange.is_given_up() {
        answer = upstream.first(&order, &asked, exchange, &mut accept);
    }
    if exchange.is_given_up() {
        kept.put_back(&request.path);
        return Some(Err(Failure::Broken));
    }
    if another.get() || answer.is_err() && broke.get() {
        exchange.let_go();
        return None;
    }
    match answer {
        Ok(response) => {
            let partial = kept.go_on().ok()?;
            if response.head.status != StatusCode::NOT_MODIFIED {
                log::info!("source {}: goes on at byte {received}", response.url);
                upstream.stats().resumed.add(1);
            }
            let beginning = Beginning {
                partial,
                received,
                length,
            };
            Some(Ok(Rest(response, proof, beginning)))
        }
        Err(failure) => {
            kept.put_back(&request.path);
            Some(Err(failure))
        }
    }
}

fn validators(kept: &Kept) -> Validators {
    Validators {
        last_modified: Some(kept.whole.last_modified),
        given: kept.whole.given.clone(),
    }
}

/// Leaves to the next process what has come of a transfer that was given up, if this process stops. What cannot be
/// proved later goes.
pub fn leave(
    store: &Store,
    request: &Request,
    representation: &Arc<Representation>,
    writer: &Writer,
    partial: Option<Partial>,
) {
    let Some(partial) = partial.filter(|_| writer.is_abandoned()) else {
        return;
    };
    let validators = &representation.validators;
    if let (Some(length), Some(last_modified)) = (representation.length, validators.last_modified) {
        let whole = Whole {
            length,
            last_modified,
            given: validators.given.clone(),
        };
        store.keep(&request.path, partial, writer.received(), &whole);
    }
}

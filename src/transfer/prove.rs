//! Prove: whether a response has what its request expects of the content.
//!
//! Rules: a length that is not expected is another file, before any byte of it is sent. Content of up to
//! `unproved_bytes` is read and proved before the readers hear of it, so that a wrong one goes on to the next source
//! unseen; so does one that breaks off or falls silent, while there is a next source. Longer content, and what comes
//! slowly, is proved while it is received (`receive`). A directory is no file, whatever is expected of that.
//!
//! Not here: what is expected of a path (`manifests`).

use std::io;
use std::os::unix::fs::FileExt;

use super::Writer;
use super::request::Request;
use crate::http::StatusCode;
use crate::manifests::Proof;
use crate::stats::Verdict;
use crate::store::Partial;
use crate::sys::limits::{limits, ms};
use crate::upstream::{Error, Exchange, Fault, Response, Upstream};

/// The proof to go on with while the content of `response` is received; none if there is nothing to prove, or all is
/// proved already. Reading for that takes `patience_ms` at most.
///
/// # Errors
/// What it is instead of what was expected, or that it broke off.
pub fn judge(
    response: &mut Response,
    request: &Request,
    upstream: &Upstream,
    exchange: &Exchange,
) -> Result<Option<Proof>, Error> {
    let (expected, stats) = (&request.expected, upstream.stats());
    let nothing = response.directory && expected.all.is_empty();
    if response.head.status != StatusCode::OK || request.is_listing() || nothing {
        return Ok(None);
    }
    let length = response.length();
    let Some(mut proof) = expect(request, upstream, length)? else {
        return Ok(None);
    };
    let most = limits().unproved_bytes;
    if request.is_head() {
        return Ok(None);
    }
    if length.is_some_and(|length| length > most) {
        return Ok(Some(proof));
    }
    let count = usize::try_from(length.unwrap_or(most)).unwrap_or(usize::MAX);
    match response.read_first(count.saturating_add(1), ms(limits().patience_ms)) {
        // Our own end of the connection is not that of the content.
        Ok(()) if exchange.is_given_up() => return Err(Error::GivenUp),
        Ok(()) if response.first().len() <= count => proof.update(response.first()),
        Ok(()) => return Ok(Some(proof)),
        Err(cause) => {
            let slow = cause.is_timeout() && !response.first().is_empty();
            let last = response.is_last && (cause.is_timeout() || length.is_some());
            // Its readers wait for it as for other content, and what breaks off is gone on with.
            return if slow || last {
                Ok(Some(proof))
            } else {
                Err(cause)
            };
        }
    }
    match proof.finish(|| expected.look_again()) {
        Ok(()) => {
            stats.verified(Verdict::Good);
            Ok(None)
        }
        Err(why) => {
            upstream.at_fault(response.source, request.upstream.path(), Fault::Wrong);
            stats.verified(Verdict::Bad);
            Err(Error::NotTheFile(why))
        }
    }
}

/// The proof for content of this length; none if nothing is expected of it.
///
/// # Errors
/// What it is instead of what was expected.
pub fn expect(
    request: &Request,
    upstream: &Upstream,
    length: Option<u64>,
) -> Result<Option<Proof>, Error> {
    let (expected, stats) = (&request.expected, upstream.stats());
    if expected.is_unlisted() && !request.is_head() {
        stats.verified(Verdict::Unknown);
    }
    if expected.all.is_empty() {
        return Ok(None);
    }
    let proof = Proof::new(&expected.all, length);
    // A sync may have brought another version a moment ago.
    let proof = proof.or_else(|_| Proof::new(&expected.look_again(), length));
    proof.map(Some).map_err(|why| {
        // HEAD asks about a file, and fetches none.
        if !request.is_head() {
            stats.verified(Verdict::Bad);
        }
        Error::NotTheFile(why)
    })
}

/// Takes in the first bytes of the content, which came before and are in the partial, unless the transfer is given up
/// meanwhile. BLAKE2b takes about a second for each GiB of them.
///
/// # Errors
/// When they cannot be read back.
pub fn take_in(proof: &mut Proof, partial: &Partial, writer: &Writer) -> io::Result<()> {
    let (mut at, end) = (0, writer.received());
    let mut block = vec![0; 256 * 1024];
    while at < end && !writer.is_abandoned() {
        let most = usize::try_from(end - at).unwrap_or(usize::MAX);
        let space = block.len().min(most);
        let space = block.get_mut(..space).unwrap_or_default();
        partial.file().read_exact_at(space, at)?;
        proof.update(space);
        at += space.len() as u64;
    }
    Ok(())
}

//! Everything between a client and what was found for it.

/// The access line.
mod access;
/// More clients than there is room for: who is evicted, and that nobody is locked out.
mod clients;
/// Preconditions, on stored files.
mod conditional;
/// Keep-alive, pipelining, request bodies, limits of a head.
mod connection;
/// Content that cannot be sent as promised, or to a client that does not take it.
mod content;
/// Preconditions and HEAD whatever the content comes from; Age; the end of a connection.
mod details;
/// Requests that no honest client sends.
mod hostile;
/// The addresses that are listened on.
mod listener;
/// Some three hundred malformed and odd requests, beside what nginx answers to them.
mod malformed;
/// Many connections, few threads: who waits, who is held up, who is closed.
mod poller;
/// Ranges of stored files.
mod range;
/// Preconditions, ranges and HEAD on a file that is just being received.
mod relay;
/// The fields of an answer.
mod response;
/// SIGTERM and SIGINT: what ends at once, what may finish, and for how long.
mod stop;

use crate::support::{MODIFIED_UNIX, Response, Rig, Setup};

/// A rig with two stored files and one at the source.
fn filled(more: impl FnOnce(Setup) -> Setup) -> Rig {
    let rig = Rig::with(more);
    rig.cache.put("a.tar", b"content of a", 1);
    rig.cache.put("b.tar", b"content of b", 1);
    rig.origin.file("/miss.tar", b"content of the miss");
    rig
}

/// A stored file of ten bytes and its entity tag.
fn stored() -> (Rig, String) {
    let rig = Rig::start();
    rig.cache.put("d/a.tar", b"0123456789", MODIFIED_UNIX);
    let etag = rig.daemon.get("/d/a.tar").field("etag").unwrap().to_owned();
    (rig, etag)
}

/// The answer to a GET of it with these fields.
fn ask(rig: &Rig, fields: &[&str]) -> Response {
    rig.daemon.ask("GET", "/d/a.tar", fields)
}

//! Everything between a client and what was found for it.

/// The access line.
mod access;
/// Age: at the source, with us, of a validation, of a response that others get already.
mod age;
/// More clients than there is room for: who is evicted, and that nobody is locked out.
mod clients;
/// The end of a connection: what comes after the last response, and who never closes.
mod close;
/// Preconditions, whatever the content comes from.
mod conditional;
/// Keep-alive, pipelining, request bodies, limits of a head.
mod connection;
/// Content that cannot be sent as promised, or to a client that does not take it.
mod content;
/// HEAD: the fields of GET, and no content, of a refusal either.
mod head;
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
/// The fields of a response.
mod response;
/// SIGTERM, SIGINT and SIGHUP: what ends at once, what may finish, and for how long.
mod stop;

use std::io::Read;
use std::net::TcpStream;

use crate::support::{
    Daemon, Gate, LIMIT, MODIFIED_UNIX, Response, Rig, Script, Setup, Step, head,
};

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

/// A source's response in chunks, of which the first comes before the gate opens.
fn chunked(fields: &[&str], gate: &Gate) -> Script {
    let fields = [&["Transfer-Encoding: chunked"], fields].concat();
    vec![
        head("200 OK", &fields),
        Step::Chunk(b"0123456789".to_vec()),
        Step::Wait(gate.clone()),
        Step::Chunk(b"abcdefghij".to_vec()),
        Step::LastChunk,
    ]
}

/// The status of the response to a request on a connection of its own, read to its end.
fn status(rig: &Rig, method: &str, target: &str, fields: &[&str]) -> u16 {
    let answer = rig.daemon.ask(method, target, fields);
    if answer.status == 412 && method == "GET" {
        answer.assert_error(412);
    }
    answer.status
}

/// A connection of its own, without any framing.
fn connect(daemon: &Daemon) -> TcpStream {
    let stream = TcpStream::connect_timeout(&daemon.address(), LIMIT).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// All that comes until the daemon closes.
fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

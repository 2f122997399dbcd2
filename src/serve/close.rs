//! Close: what follows a response: the rest of the request's content, and the end of the connection.
//!
//! Rules: a response that was cut never looks whole. What the client sends after the last response is read and
//! dropped until it closes, so that it can read that response (RFC 9112 §9.6).
//!
//! # Theory
//!
//! If a socket is closed with bytes unread, or bytes arrive after the close, the kernel sends a reset, and the
//! client's kernel discards what the client has not read yet. So after the last response only our side is shut
//! down (`Connection::close`), and the connection goes back to the poller, where it needs no thread. It is over
//! when the client closes, when `drain_bytes` more have come, or when the poller looks after `linger_ms`. When
//! places are needed it is evicted like an idle one.
//!
//! Waiting for every client would cost a fifth more processor time where each request has a connection of its
//! own. So a client that asked for the close is not waited for once its kernel has acknowledged the whole
//! response.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Instant;

use super::lead::Lead;
use super::sender::SendError;
use crate::http::{Framing, RequestHead};
use crate::log;
use crate::net::clients::Client;
use crate::net::{Activity, Body, Wire};
use crate::sys::calls;
use crate::sys::limits::{limits, ms};

/// What follows a response on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another request.
    Request,
    /// The end, after the client has read what was sent.
    Close,
    /// The end that the client asked for; nothing more has come from it.
    Done,
    /// The end at once, since the response was cut short.
    Cut,
}

/// Prepares the end of a connection whose response was cut. Where a close would look like the end of the
/// content, it must be a `reset`.
pub fn cut(stream: &TcpStream, address: IpAddr, cause: &SendError, reset: bool) {
    match cause {
        SendError::Client(cause) => log::debug!("{address}: client left: {cause}"),
        SendError::Content(cause) => log::debug!("{address}: cut short: {cause:?}"),
    }
    // Bytes that the client does not take would stay in the kernel for minutes.
    let untaken = matches!(cause, SendError::Client(cause) if cause.kind() == ErrorKind::TimedOut);
    if reset || untaken {
        let _ = calls::set(stream.as_fd(), calls::RESET, true);
    }
}

/// Whether the request's content can be read and dropped. After a final response a client that waited for 100
/// may or may not send it (RFC 9110 §10.1.1).
pub fn may_drain(request: &RequestHead, framing: Framing) -> bool {
    match framing {
        Framing::None => true,
        _ if request.fields.get("Expect").is_some() => false,
        Framing::Length(length) => length <= limits().drain_bytes,
        Framing::Chunked | Framing::UntilClose => true,
    }
}

/// Whether nothing more has come and no content is announced.
pub fn is_over(framing: Framing, wire: &Wire) -> bool {
    framing == Framing::None && wire.ahead().is_empty()
}

/// Reads and drops the content of a request, up to `drain_bytes` and for up to `linger_ms`; false if it is
/// larger or does not come.
pub fn drain(framing: Framing, wire: &mut Wire, client: &Client, lead: &mut Lead) -> bool {
    let mut body = Body::new(framing);
    let mut left = limits().drain_bytes;
    let deadline = Instant::now() + ms(limits().linger_ms);
    if body.is_done() {
        return true;
    }
    if !client.turn_to(Activity::Head, Instant::now()) || lead.give_up(client.stream()).is_err() {
        return false;
    }
    let mut scrap = [0; 4096];
    while !body.is_done() {
        let wait = deadline.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return false;
        }
        wire.set_patience(wait);
        match body.read(wire, &mut scrap) {
            Ok(count) if count as u64 <= left => left = left.saturating_sub(count as u64),
            _ => return false,
        }
    }
    true
}

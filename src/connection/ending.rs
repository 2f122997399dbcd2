//! What comes after an answer: the rest of the request, and the end of the connection.
//!
//! Rules: what the client still sends is read for a moment before the close, so that it can read our answer; an
//! answer that was cut never looks whole.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::Instant;

use super::Connection;
use crate::http::{Framing, RequestHead};
use crate::limits::{limits, ms};
use crate::log;
use crate::reading::SendError;
use crate::slots::Doing;
use crate::sys;
use crate::wire::Body;

impl Connection {
    /// Ends a connection short of what its head promised. Where the close itself would look like the
    /// end of the content, it is a reset.
    pub(super) fn cut(&self, cause: &SendError, reset: bool) {
        match cause {
            SendError::Client(cause) => log::debug!("{}: client left: {cause}", self.client),
            SendError::Content(cause) => log::debug!("{}: cut short: {cause:?}", self.client),
        }
        // What a client does not take would stay in the kernel for minutes.
        let untaken =
            matches!(cause, SendError::Client(cause) if cause.kind() == ErrorKind::TimedOut);
        if reset || untaken {
            let _ = sys::set_reset(self.wire.stream().as_fd(), true);
        }
    }

    /// Reads and drops a small request body; false if it is not small or does not come.
    pub(super) fn drain(&mut self, framing: Framing) -> bool {
        let mut body = Body::new(framing);
        let mut left = limits().drain_bytes;
        let deadline = Instant::now() + ms(limits().linger_ms);
        if body.is_done() {
            return true;
        }
        if !self.seat.slot().turn_to(Doing::Head, Instant::now())
            || self.seat.slot().stand_aside().is_err()
        {
            return false;
        }
        let mut scrap = [0; 4096];
        while !body.is_done() {
            let wait = deadline.saturating_duration_since(Instant::now());
            if wait.is_zero() || self.wire.set_patience(wait).is_err() {
                return false;
            }
            match body.read(&mut self.wire, &mut scrap) {
                Ok(count) if count as u64 <= left => left = left.saturating_sub(count as u64),
                _ => return false,
            }
        }
        true
    }

    /// Reads what the client still sends until it closes: a close with unread bytes would be a reset
    /// that can overtake our answer (RFC 9112 §9.6).
    pub(super) fn linger(&mut self) {
        let _ = self.wire.stream().shutdown(Shutdown::Write);
        if self.seat.slot().stand_aside().is_err() {
            return;
        }
        // Whoever needs the place may have it.
        self.seat.slot().turn_to(Doing::Idle, Instant::now());
        let deadline = Instant::now() + ms(limits().linger_ms);
        let mut left = limits().drain_bytes;
        loop {
            self.wire.consume(usize::MAX);
            let wait = deadline.saturating_duration_since(Instant::now());
            if wait.is_zero() || self.wire.set_patience(wait).is_err() {
                return;
            }
            match self.wire.fill() {
                Ok(count @ 1..) if count as u64 <= left => left = left.saturating_sub(count as u64),
                _ => return,
            }
        }
    }
}

/// Whether the request's content can be read and dropped. A client that waits for 100 may or may not
/// send it after a final answer (RFC 9110 §10.1.1).
pub(super) fn may_drain(request: &RequestHead, framing: Framing) -> bool {
    match framing {
        Framing::None => true,
        _ if request.fields.get("Expect").is_some() => false,
        Framing::Length(length) => length <= limits().drain_bytes,
        Framing::Chunked | Framing::UntilClose => true,
    }
}

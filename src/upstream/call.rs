//! Call: one request on one connection, and the heads of its response.
//!
//! Rules: all of it takes the caller's patience at most, counted from when the request was sent. 1xx responses are
//! skipped. Over TLS the helper connects, and all that can be seen of it is that the source has proved its certificate.
//! Until then the time for a connect counts as well; the request is on its way meanwhile.
//!
//! Not here: which connection, redirects (`client`).

use std::io;
use std::time::{Duration, Instant};

use super::begun::{Begun, parse};
use super::connect::{Route, no_answer};
use super::error::Error;
use super::exchange::Exchange;
use super::proxy::Via;
use super::request::Request;
use super::response::Response;
use crate::http::{Method, ResponseHead, Url, framing};
use crate::net::{Body, HeadError, Wire, timed_out};

/// One request to one URL, on a connection yet to be chosen.
pub struct Call<'a> {
    url: &'a Url,
    /// The way to its server.
    pub route: Route<'a>,
    request: &'a Request,
    /// The transfer's exchange, which it is a part of.
    pub exchange: &'a Exchange,
}

impl<'a> Call<'a> {
    /// The request to `url`, through a proxy where there is one.
    pub fn new(
        url: &'a Url,
        request: &'a Request,
        via: Option<&'a Via>,
        exchange: &'a Exchange,
    ) -> Self {
        Self {
            url,
            route: Route::to(url, via),
            request,
            exchange,
        }
    }

    /// Sends the request and reads heads until the final one, for `patience` in all. If a helper makes the connection,
    /// it has `connect` for it.
    pub fn converse(
        &self,
        wire: Wire,
        connect: Duration,
        patience: Duration,
    ) -> Result<Response, Error> {
        let begun = self.send(wire, patience);
        let begun = begun.inspect_err(|_| self.exchange.let_go())?;
        self.answer(begun, connect, patience)
    }

    /// Sends the request; that takes `patience` at most.
    pub fn send(&self, mut wire: Wire, patience: Duration) -> Result<Begun, Error> {
        let at = Instant::now();
        self.exchange.goes_by(wire.stream());
        let patience = patience.max(Duration::from_millis(1));
        wire.set_send_patience(patience).map_err(Error::Broken)?;
        let sent = wire.send(&self.request.serialise(self.url, self.route.via));
        match sent {
            // Over TLS the first read tells more: the helper's last words.
            Err(cause) if !wire.is_tls() => Err(read_error(cause, patience)),
            _ => Ok(Begun {
                at,
                wire,
                head: None,
            }),
        }
    }

    /// The response to a request that was sent; reading heads until the final one takes `patience` at most since it
    /// was sent, and making the connection `connect`.
    pub fn answer(
        &self,
        begun: Begun,
        connect: Duration,
        patience: Duration,
    ) -> Result<Response, Error> {
        let result = final_head(begun, self.request.method, connect, patience);
        let (head, wire, body) = result.inspect_err(|_| self.exchange.let_go())?;
        let peer = self.route.peer.clone();
        Ok(Response::new(head, wire, body, self.url, peer))
    }
}

/// Reads heads until the final one (RFC 9110 §15.2), within `patience` since the request was sent. The connection must
/// be made within `connect`.
fn final_head(
    begun: Begun,
    asked: Method,
    connect: Duration,
    patience: Duration,
) -> Result<(ResponseHead, Wire, Body), Error> {
    let patience = patience.max(Duration::from_millis(1));
    let deadline = begun.at + patience;
    let (mut wire, mut first) = (begun.wire, begun.head);
    let mut until = match wire.is_tls() {
        true => begun.at + connect.min(patience),
        false => deadline,
    };
    loop {
        let head = match first.take() {
            Some(head) => Ok(head),
            None => wire.head(until, parse),
        };
        let head = match head {
            Ok(head) => head,
            Err(HeadError::Timeout { .. }) if until < deadline => {
                if !wire.is_made() {
                    return Err(Error::Connect(no_answer()));
                }
                until = deadline;
                continue;
            }
            Err(cause) => {
                // A handshake can also fail after the proof; what TLS says of it is of no kind.
                let unmade = |cause: &io::Error| cause.kind() == io::ErrorKind::Other;
                return Err(match head_error(cause, patience) {
                    Error::Broken(cause) if unmade(&cause) || !wire.is_made() => {
                        Error::Connect(cause)
                    }
                    other => other,
                });
            }
        };
        if !head.status.is_informational() {
            // The fields of a response to HEAD announce the content of GET, and must pass the same checks.
            let framing = framing::of_response(&head, Method::Get).map_err(Error::Malformed)?;
            let body = match asked {
                Method::Head => Body::announced(framing),
                _ => Body::new(framing),
            };
            return Ok((head, wire, body));
        }
        if head.status.code() == 101 || deadline <= Instant::now() {
            return Err(Error::Status(head.status));
        }
    }
}

fn head_error(cause: HeadError, patience: Duration) -> Error {
    match cause {
        HeadError::Closed => Error::Broken(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "closed before its head ended",
        )),
        HeadError::Cut => Error::Broken(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "closed before its head ended",
        )),
        HeadError::Timeout { .. } => Error::Timeout(patience),
        HeadError::Malformed(cause) => Error::Malformed(cause),
        HeadError::Io(cause) => read_error(cause, patience),
    }
}

fn read_error(cause: io::Error, patience: Duration) -> Error {
    if timed_out(&cause) {
        Error::Timeout(patience)
    } else {
        Error::Broken(cause)
    }
}

//! Call: one request on one connection, and the heads of its response.
//!
//! Rules: all of it takes the caller's patience at most, counted from when the request was sent. 1xx responses are
//! skipped.
//!
//! Not here: which connection, redirects (`client`).

use std::io;
use std::time::{Duration, Instant};

use super::begun::{Begun, parse};
use super::connect::Peer;
use super::error::Error;
use super::exchange::Exchange;
use super::request::Request;
use super::response::Response;
use crate::http::{Method, ResponseHead, Url, framing};
use crate::net::{Body, HeadError, Wire, timed_out};

/// One request to one URL, on a connection yet to be chosen.
pub struct Call<'a> {
    url: &'a Url,
    /// Where the connection goes.
    pub peer: Peer,
    request: &'a Request,
    proxy: Option<(&'a Peer, Option<&'a str>)>,
    /// The transfer's exchange, which it is a part of.
    pub exchange: &'a Exchange,
}

impl<'a> Call<'a> {
    /// The request to `url`, through a proxy with its credentials where there is one.
    pub fn new(
        url: &'a Url,
        request: &'a Request,
        proxy: Option<(&'a Peer, Option<&'a str>)>,
        exchange: &'a Exchange,
    ) -> Self {
        let peer = match proxy {
            Some((peer, _)) => peer.clone(),
            None => (url.host().to_owned(), url.port()),
        };
        Self {
            url,
            peer,
            request,
            proxy,
            exchange,
        }
    }

    /// Sends the request and reads heads until the final one, for `patience` in all.
    pub fn converse(&self, wire: Wire, patience: Duration) -> Result<Response, Error> {
        let begun = self.send(wire, patience);
        let begun = begun.inspect_err(|_| self.exchange.let_go())?;
        self.answer(begun, patience)
    }

    /// Sends the request; that takes `patience` at most.
    pub fn send(&self, mut wire: Wire, patience: Duration) -> Result<Begun, Error> {
        let at = Instant::now();
        self.exchange.goes_by(wire.stream());
        let patience = patience.max(Duration::from_millis(1));
        wire.set_send_patience(patience).map_err(Error::Broken)?;
        wire.send(&self.request.serialise(self.url, self.proxy))
            .map_err(|cause| read_error(cause, patience))?;
        let head = None;
        Ok(Begun { at, wire, head })
    }

    /// The response to a request that was sent; reading heads until the final one takes `patience` at most since it
    /// was sent.
    pub fn answer(&self, begun: Begun, patience: Duration) -> Result<Response, Error> {
        let result = final_head(begun, self.request.method, patience);
        let (head, wire, body) = result.inspect_err(|_| self.exchange.let_go())?;
        Ok(Response::new(head, wire, body, self.url, self.peer.clone()))
    }
}

/// Reads heads until the final one (RFC 9110 §15.2), within `patience` since the request was sent.
fn final_head(
    begun: Begun,
    asked: Method,
    patience: Duration,
) -> Result<(ResponseHead, Wire, Body), Error> {
    let patience = patience.max(Duration::from_millis(1));
    let deadline = begun.at + patience;
    let (mut wire, mut first) = (begun.wire, begun.head);
    loop {
        let head = match first.take() {
            Some(head) => head,
            None => wire
                .head(deadline, parse)
                .map_err(|cause| head_error(cause, patience))?,
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

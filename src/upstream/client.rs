//! Client: one request to one source, and its response.
//!
//! Rules: redirects are followed a few hops; 1xx responses are skipped; a kept connection that fails
//! before a byte came is replaced unseen.
//!
//! Not here: whether the response is usable and who is asked next (`upstream`).

use std::io;
use std::time::{Duration, Instant};

use super::connect::Connector;
use super::error::Error;
use super::proxy::Proxy;
use super::request::Request;
use super::response::Response;
use crate::http::{
    Caps, Method, ResponseHead, Url, UrlError, framing, parse_response, without_user_info,
};
use crate::net::{Body, HeadError, Wire, timed_out};
use crate::sys::limits::limits;

/// Asks sources, straight or through a proxy.
#[derive(Debug)]
pub struct Client {
    connector: Connector,
    proxy: Proxy,
}

impl Client {
    /// Asks through `proxy`, where it applies.
    pub fn new(proxy: Proxy) -> Self {
        Self {
            connector: Connector::default(),
            proxy,
        }
    }

    /// Asks `url` and follows its redirects; `patience` for the head of each response.
    ///
    /// # Errors
    /// All but a well-formed final head, of any status.
    pub fn ask(&self, url: &Url, request: &Request, patience: Duration) -> Result<Response, Error> {
        let mut url = url.clone();
        let mut directory = false;
        for _ in 0..=limits().redirects {
            let mut response = self.exchange(&url, request, patience)?;
            response.directory = directory;
            if !response.head.status.is_redirect() {
                return Ok(response);
            }
            let Some(location) = response.head.fields.get("Location") else {
                return Ok(response);
            };
            let next = url
                .join(location)
                .map_err(|why| redirect_error(location, &why))?;
            // Once a directory, the next hop may be to the same directory elsewhere.
            directory = next.path().ends_with('/') && (directory || next.is_directory_of(&url));
            url = next;
            self.discard(response);
        }
        Err(Error::Redirect(format!(
            "{url}: more than {} hops",
            limits().redirects
        )))
    }

    /// Reads a short content that nobody wants, so that the connection can serve again.
    fn discard(&self, mut response: Response) {
        let mut scrap = [0; 4096];
        while response
            .length()
            .is_some_and(|length| length <= scrap.len() as u64)
        {
            match response.read(&mut scrap) {
                Ok(0) => return self.finish(response),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    /// Keeps the connection for the next request, if it can serve one.
    pub fn finish(&self, response: Response) {
        if let Some((peer, wire)) = response.into_connection() {
            self.connector.keep(peer, wire);
        }
    }

    /// One request and its final response, on a kept connection if there is one that still works.
    fn exchange(
        &self,
        url: &Url,
        request: &Request,
        patience: Duration,
    ) -> Result<Response, Error> {
        let proxy = self.proxy.for_url(url);
        let peer = proxy.map_or_else(
            || (url.host().to_owned(), url.port()),
            |(peer, _)| peer.clone(),
        );
        let head = request.serialise(url, proxy);
        let method = request.method;
        if let Some(wire) = self.connector.reuse(&peer) {
            match converse(wire, &head, method, patience) {
                // It had been closed, or spoilt by what came unasked: that says nothing of the source.
                Err(Error::Broken(_) | Error::Malformed(_)) => {}
                answer => {
                    let (head, wire, body) = answer?;
                    return Ok(Response::new(head, wire, body, url, peer));
                }
            }
        }
        let wire = self.connector.connect(&peer)?;
        let (head, wire, body) = converse(wire, &head, method, patience)?;
        Ok(Response::new(head, wire, body, url, peer))
    }
}

fn redirect_error(location: &[u8], why: &UrlError) -> Error {
    let to = without_user_info(&String::from_utf8_lossy(location));
    Error::Redirect(format!("to {to}: {why}"))
}

/// Sends the request and reads heads until a final one; `patience` to its first byte and as long again for
/// the rest.
fn converse(
    mut wire: Wire,
    request: &[u8],
    asked: Method,
    patience: Duration,
) -> Result<(ResponseHead, Wire, Body), Error> {
    let deadline = Instant::now() + patience;
    wire.set_send_patience(patience).map_err(Error::Broken)?;
    wire.send(request)
        .map_err(|cause| read_error(cause, patience))?;
    let mut left = patience;
    loop {
        let head = wire
            .head(left, patience, |bytes| {
                parse_response(bytes, &Caps::RESPONSE)
            })
            .map_err(|cause| head_error(cause, patience))?;
        if !head.status.is_informational() {
            let framing = framing::of_response(&head, asked).map_err(Error::Malformed)?;
            return Ok((head, wire, Body::new(framing)));
        }
        left = deadline.saturating_duration_since(Instant::now());
        if head.status.code() == 101 || left.is_zero() {
            return Err(Error::Status(head.status));
        }
    }
}

fn head_error(cause: HeadError, patience: Duration) -> Error {
    match cause {
        HeadError::Closed | HeadError::Cut => Error::Broken(io::Error::new(
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

//! Connection: the whole life of a client's socket.
//!
//! Read a head, find the content, send the response, decide whether another request may follow.
//!
//! Rules: after a malformed request there is one response, and the connection closes. A failure after the head
//! cuts the connection short of the length that the head promised. Before any wait the thread gives up the lead
//! (`lead`).
//!
//! Not here: the choice of the response (`question`, `response`), where the content is (`cache`), closing
//! (`close`), waiting for the next request (`poller`).

use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use super::access;
use super::close::{self, Next};
use super::content::Content;
use super::lead::Lead;
use super::question;
use super::response::Response;
use super::sender::Sender;
use crate::cache::Cache;
use crate::http::{
    Caps, Malformed, Method, RequestHead, StatusCode, Version, asks_for_head, framing,
    parse_request,
};
use crate::log;
use crate::net::clients::Client;
use crate::net::{Activity, HeadError, Wire, timed_out};
use crate::stats::Answer;
use crate::sys::calls;
use crate::sys::limits::{limits, ms};
use crate::upstream::Failure;

/// Who awaits the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Await {
    /// It has come: go on with it.
    Here,
    /// The leader of the poller.
    Elsewhere,
    /// Nobody: the connection is over.
    Over,
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    cache: Arc<Cache>,
    wire: Wire,
    client: Client,
    address: IpAddr,
    /// When the head of the present request was complete.
    begun: Instant,
    /// When the client last took bytes of a response, or connected.
    moved: Instant,
    /// After the last response: how many more bytes the client may send before it is closed (`close`).
    closing: Option<u64>,
    /// Whether status, metrics and health are shown.
    shows_status: bool,
}

impl Connection {
    /// A connection just accepted from `address`, to which the status is shown or not.
    pub fn new(cache: Arc<Cache>, client: Client, address: IpAddr, shows_status: bool) -> Self {
        let now = Instant::now();
        Self {
            cache,
            wire: Wire::of_client(Arc::clone(client.stream())),
            client,
            address,
            begun: now,
            moved: now,
            closing: None,
            shows_status,
        }
    }

    /// The connection itself.
    pub fn stream(&self) -> &Arc<TcpStream> {
        self.wire.stream()
    }

    /// Whether the client has been silent for too long at `now`: `idle_ms` without another request, or
    /// `linger_ms` after the last response.
    pub fn is_silent(&self, now: Instant) -> bool {
        let patience = match self.closing {
            Some(_) => limits().linger_ms,
            None => limits().idle_ms,
        };
        now.saturating_duration_since(self.moved) >= ms(patience)
    }

    /// Serves what the client has sent. Returns the connection if it waits for the next request or for the
    /// client's end; none if it is over.
    pub fn serve(mut self: Box<Self>, lead: &mut Lead) -> Option<Box<Self>> {
        match self.wire.fill() {
            Ok(count @ 1..) => {
                if let Some(left) = self.closing {
                    self.wire.consume(usize::MAX);
                    self.closing = Some(left.checked_sub(count as u64)?);
                    return Some(self);
                }
            }
            Err(cause) if timed_out(&cause) => return Some(self),
            _ => return None,
        }
        loop {
            let next = match self.read_head(lead)? {
                Ok(request) => self.exchange(&request, lead),
                Err(malformed) => {
                    let mut refusal = Response::malformed(malformed);
                    // The refused head is still in the buffer.
                    if asks_for_head(self.wire.ahead()) {
                        refusal.content = Content::Empty;
                    }
                    self.refuse(None, refusal, lead)
                }
            };
            match next {
                Next::Request if !self.wire.ahead().is_empty() => {}
                Next::Request => match self.await_request(lead) {
                    Await::Here => {}
                    Await::Elsewhere => return Some(self),
                    Await::Over => return None,
                },
                Next::Done if self.is_acknowledged() => return None,
                Next::Done | Next::Close => return self.close(),
                Next::Cut => return None,
            }
        }
    }

    /// Whether the client's kernel has acknowledged all that was sent: then a reset cannot take it away any
    /// more.
    fn is_acknowledged(&self) -> bool {
        calls::unsent(self.wire.stream().as_fd()).is_ok_and(|unsent| unsent == 0)
    }

    /// Ends our side after the last response. The poller awaits the client's end.
    fn close(mut self: Box<Self>) -> Option<Box<Self>> {
        self.wire.stream().shutdown(Shutdown::Write).ok()?;
        self.wire.consume(usize::MAX);
        self.wire.release();
        self.closing = Some(limits().drain_bytes);
        // It may be evicted like an idle one, since the client has its response.
        let idle = self.client.turn_to(Activity::Idle, self.moved);
        idle.then_some(self)
    }

    /// Waits for the next request for up to `stay_ms` if the thread stays with this connection; else the poller
    /// awaits it.
    fn await_request(&mut self, lead: &mut Lead) -> Await {
        if !self.client.turn_to(Activity::Idle, self.moved) || self.client.stopping() {
            return Await::Over;
        }
        self.wire.release();
        if !lead.stays_with(self.wire.stream(), self.client.connections()) {
            return Await::Elsewhere;
        }
        self.wire.set_patience(ms(limits().stay_ms));
        match self.wire.fill() {
            Ok(1..) => Await::Here,
            Err(cause) if timed_out(&cause) => Await::Elsewhere,
            _ => Await::Over,
        }
    }

    /// The next request's head; none when the connection is over.
    fn read_head(&mut self, lead: &mut Lead) -> Option<Result<RequestHead, Malformed>> {
        let mut now = Instant::now();
        let parse = |bytes: &[u8]| parse_request(bytes, &Caps::REQUEST);
        let head = match self.wire.head_ahead(parse) {
            Some(head) => head.map_err(HeadError::Malformed),
            None => {
                if !self.client.turn_to(Activity::Head, now) {
                    return None;
                }
                lead.give_up(self.client.stream()).ok()?;
                let deadline = now + ms(limits().head_ms);
                let head = self.wire.head(deadline, parse);
                now = Instant::now();
                head
            }
        };
        if !self.client.turn_to(Activity::Response, now) {
            return None;
        }
        self.begun = now;
        match head {
            Ok(head) => Some(Ok(head)),
            Err(HeadError::Malformed(malformed)) => Some(Err(malformed)),
            Err(HeadError::Timeout { begun: true }) => Some(Err(Malformed::new(
                StatusCode::REQUEST_TIMEOUT,
                "the request head did not end in time",
            ))),
            Err(
                HeadError::Closed | HeadError::Cut | HeadError::Timeout { .. } | HeadError::Io(_),
            ) => None,
        }
    }

    /// One request and its response.
    fn exchange(&mut self, request: &RequestHead, lead: &mut Lead) -> Next {
        let framing = match framing::of_request(request) {
            Ok(framing) => framing,
            Err(malformed) => {
                return self.refuse(Some(request), Response::malformed(malformed), lead);
            }
        };
        let response =
            question::respond(request, &self.cache, &self.client, self.shows_status, lead);
        let persists = framing::persists(request.version, &request.fields);
        let reusable = persists
            && response.head.status != StatusCode::BAD_REQUEST
            && close::may_drain(request, framing)
            && !self.client.stopping();
        match self.send(Some(request), response, reusable, lead) {
            Next::Request if !close::drain(framing, &mut self.wire, &self.client, lead) => {
                Next::Close
            }
            Next::Close if !persists && close::is_over(framing, &self.wire) => Next::Done,
            next => next,
        }
    }

    /// Sends a refusal and closes, since it is unknown where the next request would begin.
    fn refuse(
        &mut self,
        request: Option<&RequestHead>,
        response: Response,
        lead: &mut Lead,
    ) -> Next {
        match self.send(request, response, false, lead) {
            Next::Cut => Next::Cut,
            _ => Next::Close,
        }
    }

    /// Sends a response and logs it.
    fn send(
        &mut self,
        request: Option<&RequestHead>,
        mut response: Response,
        reusable: bool,
        lead: &mut Lead,
    ) -> Next {
        let version = request.map_or(Version::Http11, |request| request.version);
        // Its content ends with the connection (RFC 9112 §6.3).
        let unframed = matches!(response.content, Content::Stream { chunked: false, .. });
        if request.is_some_and(|request| request.method == Method::Head) {
            response.content = Content::Empty;
        }
        if !response.content.is_small() && lead.give_up(self.client.stream()).is_err() {
            let looked_up = response.looked_up;
            response = Response::failure(Failure::Busy);
            response.looked_up = looked_up;
        }
        let reusable = reusable && !unframed;
        let word = response.word();
        response.complete(self.cache.via(), version, reusable, &mut lead.date);
        let (status, cache_status) = (response.head.status, response.status);
        let mut out = std::mem::take(&mut lead.buffer);
        out.clear();
        let head = response.head.fields.as_bytes().len().saturating_add(64);
        out.reserve(head.saturating_add(response.content.expected()));
        response.head.write_to(&mut out);
        let head = out.len() as u64;

        if unframed {
            // Until all of it was sent, every end of the connection must be a reset: a close would look like
            // the end of the content.
            let _ = calls::set(self.wire.stream().as_fd(), calls::RESET, true);
        }
        let activity = match unframed || version == Version::Http10 {
            true => Activity::Unframed,
            false => Activity::Response,
        };
        // Before the first byte is sent: a connection in this state is not shut down when it is evicted.
        if activity == Activity::Unframed && !self.client.turn_to(activity, self.begun) {
            return Next::Cut;
        }
        let ending = std::mem::take(&mut response.ending);
        let mut sender = Sender::new(&self.client, lead, activity, self.begun, ending);
        let result = response.content.send(&mut out, &mut sender, &self.cache);
        self.moved = sender.moved();
        let framing = head.saturating_add(sender.framing());
        let sent = sender.sent().saturating_sub(framing);
        self.cache.stats().answered(&Answer {
            word,
            status,
            sent,
            first_byte: sender.first_byte(),
        });
        // Dropped when all is done: the client has its response.
        let _ending = sender.ending();
        lead.buffer = out;
        if log::enabled(log::Level::Info) {
            let entry = access::Entry {
                client: self.address,
                request,
                status,
                sent,
                cache_status,
            };
            let took = self.begun.elapsed().as_millis() as u64;
            log::access(format_args!("{entry} {took}ms"));
        }
        match result {
            Ok(()) if reusable => Next::Request,
            Ok(()) => {
                if unframed {
                    let _ = calls::set(self.wire.stream().as_fd(), calls::RESET, false);
                }
                Next::Close
            }
            Err(cause) => {
                let reset = activity == Activity::Unframed;
                close::cut(self.wire.stream(), self.address, &cause, reset);
                Next::Cut
            }
        }
    }
}

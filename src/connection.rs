//! Connection: the whole life of a client's socket.
//!
//! Read a head, find the content, send the answer, decide whether another request may follow. Rules: a malformed request is
//! answered and closed; a failure after the head cuts the connection short of its promised end.
//!
//! Not here: which answer it is (`answer`), where the bytes are (`cache`), the end (`ending`), who awaits the next request (`poller`).

mod ending;

use std::cell::Cell;
use std::net::{IpAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use crate::access;
use crate::answer::{self, Answer, Content, is_small};
use crate::cache::Cache;
use crate::cache_path::{CachePath, Place};
use crate::clock;
use crate::download::Follower;
use crate::http::via::{self, Loop};
use crate::http::{
    CacheStatus, Framing, Malformed, Method, RequestHead, StatusCode, Version, framing,
    parse_request,
};
use crate::lead;
use crate::limits::{Limits, limits, ms};
use crate::log;
use crate::outlet::Outlet;
use crate::send::send_content;
use crate::slots::{Doing, Seat};
use crate::sys;
use crate::upstream::FetchError;
use crate::wire::{HeadError, Wire, timed_out};
use ending::may_drain;

thread_local! {
    /// For an answer's head, and a small body behind it: lent to the connection that sends.
    static OUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Whether another request may follow on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Request,
    /// The end, after letting the client read what we sent.
    Close,
    /// The end that the client asked for; it sends nothing more.
    Done,
    /// The end at once: the answer was cut short.
    Cut,
}

/// Where the next request is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Await {
    /// It is there.
    Here,
    /// By whoever leads.
    Elsewhere,
    /// Nowhere: the connection is over.
    Over,
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    cache: Arc<Cache>,
    wire: Wire,
    seat: Seat,
    client: IpAddr,
    /// When the request was there.
    begun: Instant,
    /// When the last answer had been sent.
    moved: Instant,
}

impl Connection {
    /// A connection just accepted from `client`.
    pub fn new(cache: Arc<Cache>, seat: Seat, client: IpAddr) -> Self {
        let now = Instant::now();
        Self {
            cache,
            wire: Wire::of_client(Arc::clone(seat.stream())),
            seat,
            client,
            begun: now,
            moved: now,
        }
    }

    /// The connection itself.
    pub fn stream(&self) -> &Arc<TcpStream> {
        self.wire.stream()
    }

    /// Since when the next request is awaited.
    pub fn waits_since(&self) -> Instant {
        self.moved
    }

    /// Serves what the client has sent. None when one of both sides has ended the connection; else it waits
    /// for the next request.
    pub fn serve(mut self: Box<Self>) -> Option<Box<Self>> {
        match self.wire.fill() {
            Ok(1..) => {}
            Err(cause) if timed_out(&cause) => return Some(self),
            _ => return None,
        }
        loop {
            let next = match self.read_head()? {
                Ok(request) => self.exchange(&request),
                Err(malformed) => self.refuse(None, Answer::malformed(malformed)),
            };
            match next {
                Next::Request if !self.wire.ahead().is_empty() => {}
                Next::Request => match self.await_request() {
                    Await::Here => {}
                    Await::Elsewhere => return Some(self),
                    Await::Over => return None,
                },
                Next::Close => {
                    self.linger();
                    return None;
                }
                Next::Done | Next::Cut => return None,
            }
        }
    }

    /// Waits for the next request, but not long: a thread is worth more than a connection.
    fn await_request(&mut self) -> Await {
        if !self.seat.slot().turn_to(Doing::Idle, self.moved) || self.seat.stopping() {
            return Await::Over;
        }
        self.wire.release();
        if !lead::stays_with(self.wire.stream(), self.seat.connections()) {
            return Await::Elsewhere;
        }
        if self.wire.set_patience(ms(limits().stay_ms)).is_err() {
            return Await::Over;
        }
        match self.wire.fill() {
            Ok(1..) => Await::Here,
            Err(cause) if timed_out(&cause) => Await::Elsewhere,
            _ => Await::Over,
        }
    }

    /// The next request's head; none when the connection is over.
    fn read_head(&mut self) -> Option<Result<RequestHead, Malformed>> {
        let mut now = Instant::now();
        let parse = |bytes: &[u8]| parse_request(bytes, &Limits::REQUEST);
        let head = match self.wire.head_ahead(parse) {
            Some(head) => head.map_err(HeadError::Malformed),
            None => {
                if !self.seat.slot().turn_to(Doing::Head, now) {
                    return None;
                }
                self.seat.slot().stand_aside().ok()?;
                let whole = ms(limits().head_ms);
                let head = self.wire.head(whole, whole, parse);
                now = Instant::now();
                head
            }
        };
        if !self.seat.slot().turn_to(Doing::Answer, now) {
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

    /// One request and its answer.
    fn exchange(&mut self, request: &RequestHead) -> Next {
        let framing = match framing::of_request(request) {
            Ok(framing) => framing,
            Err(malformed) => return self.refuse(Some(request), Answer::malformed(malformed)),
        };
        let answer = self.find_answer(request);
        let persists = framing::persists(request.version, &request.fields);
        let reusable = persists
            && answer.head.status != StatusCode::BAD_REQUEST
            && may_drain(request, framing);
        let next = self.send(Some(request), answer, reusable && !self.seat.stopping());
        match next {
            Next::Request if !self.drain(framing) => Next::Close,
            Next::Close
                if !persists && framing == Framing::None && self.wire.ahead().is_empty() =>
            {
                Next::Done
            }
            next => next,
        }
    }

    /// The answer to a well-framed request.
    fn find_answer(&self, request: &RequestHead) -> Answer {
        if !matches!(request.method, Method::Get | Method::Head) {
            return Answer::method(request.method);
        }
        let mut expects = request.fields.members("Expect");
        if expects.any(|expects| !expects.eq_ignore_ascii_case(b"100-continue")) {
            return Answer::text(
                StatusCode::EXPECTATION_FAILED,
                "only 100-continue can be expected",
            );
        }
        let most = usize::try_from(limits().via_hops).unwrap_or(usize::MAX);
        let via = match via::passed_on(&request.fields, self.cache.pseudonym(), most) {
            Ok(via) => via,
            Err(Loop::Own) => {
                log::warning!(
                    "a request came back to us: one of our sources leads to this very cache"
                );
                return Answer::text(
                    StatusCode::LOOP_DETECTED,
                    "the request came back to this cache",
                );
            }
            Err(Loop::TooMany) => {
                return Answer::text(
                    StatusCode::LOOP_DETECTED,
                    "the request went through too many caches",
                );
            }
        };
        let Some(path) = request.target.path() else {
            return Answer::malformed(Malformed::bad_request("the target has no path"));
        };
        let place = match CachePath::place(path) {
            Ok(place) => place,
            Err(malformed) => return Answer::malformed(malformed),
        };
        let client = self.seat.slot();
        let found = self.cache.lookup(request, &place, &via, client);
        match &place {
            Place::Root => Answer::failure(FetchError::NotFound),
            Place::Listing(path) | Place::File(path) => {
                answer::answer(&self.cache, request, path, found, client)
            }
        }
    }

    /// Answers what cannot be served, and closes: nobody knows where the next request would begin.
    fn refuse(&mut self, request: Option<&RequestHead>, answer: Answer) -> Next {
        match self.send(request, answer, false) {
            Next::Cut => Next::Cut,
            _ => Next::Close,
        }
    }

    /// Sends an answer and logs it.
    fn send(&mut self, request: Option<&RequestHead>, mut answer: Answer, reusable: bool) -> Next {
        let version = request.map_or(Version::Http11, |request| request.version);
        let closes = matches!(answer.content, Content::Stream { chunked: false, .. });
        if request.is_some_and(|request| request.method == Method::Head) {
            answer.content = Content::Empty;
        }
        if !answer.content.is_small() && self.seat.slot().stand_aside().is_err() {
            answer = Answer::failure(FetchError::Busy);
        }
        let reusable = reusable && !closes;
        self.complete_head(&mut answer, version, reusable);
        let (status, cache_status) = (answer.head.status, answer.status);
        let mut out = OUT.take();
        out.clear();
        out.reserve(expected(&answer));
        answer.head.write_to(&mut out);
        let head_length = out.len() as u64;

        let stream = Arc::clone(self.wire.stream());
        if closes {
            // Until it is whole, whatever closes the connection must not look like its end.
            let _ = sys::set_reset(stream.as_fd(), true);
        }
        let mut outlet = Outlet::new(&stream, self.seat.slot(), self.begun);
        let cache = &self.cache;
        let direct = |follower: &Follower, part, overlap: &[u8], attempt| {
            cache.part(follower, part, overlap, attempt)
        };
        let result = send_content(&mut outlet, &mut out, answer.content, &direct);
        OUT.set(out);
        self.moved = outlet.moved();
        let sent = outlet.sent().saturating_sub(head_length);
        if log::enabled(log::Level::Info) {
            let entry = access::Entry {
                client: self.client,
                request,
                status,
                sent,
                cache_status,
            };
            let took = self.begun.elapsed().as_millis();
            log::access(format_args!("{entry} {took}ms"));
        }
        match result {
            Ok(()) if reusable => Next::Request,
            Ok(()) => {
                if closes {
                    let _ = sys::set_reset(stream.as_fd(), false);
                }
                Next::Close
            }
            Err(cause) => {
                self.cut(&cause, closes || version == Version::Http10);
                Next::Cut
            }
        }
    }

    /// Adds the fields that every answer has.
    fn complete_head(&self, answer: &mut Answer, version: Version, reusable: bool) {
        let fields = &mut answer.head.fields;
        fields.push_checked("Date", clock::date());
        fields.push_checked(
            "Server",
            concat!("package-cache/", env!("CARGO_PKG_VERSION")),
        );
        fields.push_checked("Via", self.cache.via());
        if let Some(status) = answer.status {
            match status {
                CacheStatus::Hit => fields.push_checked("Cache-Status", CacheStatus::HIT),
                _ => fields.push_fmt("Cache-Status", format_args!("{status}")),
            }
        }
        match (reusable, version) {
            (false, _) => fields.push_checked("Connection", "close"),
            (true, Version::Http10) => fields.push_checked("Connection", "keep-alive"),
            (true, Version::Http11) => {}
        }
    }
}

/// How many bytes of an answer leave in one write, about.
fn expected(answer: &Answer) -> usize {
    let head = answer.head.fields.as_bytes().len().saturating_add(64);
    let content = match &answer.content {
        Content::File { part, .. } | Content::Follow { part, .. } if is_small(part) => {
            part.end.saturating_sub(part.start)
        }
        _ => 0,
    };
    head.saturating_add(usize::try_from(content).unwrap_or(0))
}

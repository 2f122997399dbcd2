//! Client: one request to one source, and its response.
//!
//! Rules: the time for a source is bounded as a whole, through all addresses of its host and all redirects:
//! `connect_ms` for connects, and the caller's patience for heads. Every address is tried: one that cannot be
//! reached, is silent, breaks off or says 5xx is followed by the next. A few redirects are followed. Content
//! that nobody reads, of an error or a redirect, is read only if it is short and there already. 1xx responses
//! are skipped. A kept connection that turns out dead is replaced by a new one; one that stays silent counts as
//! dead after `kept_answer_ms`. On a kept connection a request may be begun by one thread, which waits for `look_ms`
//! at most, and be gone on with by another.
//!
//! Not here: one request on one connection (`call`), whether the response is usable and who is asked next
//! (`upstream`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::begun::Came;
use super::call::Call;
use super::connect::Connector;
use super::error::Error;
use super::exchange::Exchange;
use super::proxy::Proxy;
use super::request::Request;
use super::response::Response;
use crate::http::{Url, without_user_info};
use crate::net::Wire;
use crate::net::tls::{self, Helpers, Place};
use crate::sys::limits::{limits, ms};

/// Asks sources, straight or through a proxy.
#[derive(Debug)]
pub struct Client {
    connector: Connector,
    proxy: Proxy,
    /// The time of a source that is not hurried (`--timeout`).
    timeout: Duration,
}

/// What is left of the time for one source.
struct Budget {
    /// For connects, all together.
    connect: Duration,
    /// For heads, all together.
    head: Duration,
    /// Whether a connection that is reset before the first byte of a response may be tried once more.
    again: bool,
    /// Whether this is less than a source's full time, which it gets if no other source has the file.
    hurried: bool,
    /// A place for the helper of the next connection over TLS.
    place: Option<Place>,
}

impl Client {
    /// Asks through `proxy`, where it applies, and starts what speaks TLS in places of `helpers`. `timeout` is the full time
    /// for a source.
    pub fn new(proxy: Proxy, helpers: Arc<Helpers>, timeout: Duration) -> Self {
        Self {
            connector: Connector::new(helpers),
            proxy,
            timeout,
        }
    }

    /// Sends the request for `url` on a kept connection, if there is one, and looks what comes of the response within
    /// `look_ms`: [`Client::ask`] goes on with that, and waits for nothing if anything has come.
    pub fn begin(&self, url: &Url, request: &Request, exchange: &Exchange) -> Came {
        let call = self.call(url, request, exchange);
        // Who begins may not wait, not even until a helper is reaped.
        let kept = match url.is_tls() {
            true => None,
            false => self.connector.reuse(&call.route.peer),
        };
        let Some(wire) = kept else {
            return Came::Nothing;
        };
        let Ok(mut begun) = call.send(wire, ms(limits().kept_answer_ms)) else {
            exchange.let_go();
            return Came::Nothing;
        };
        let came = begun.look(request.method);
        exchange.leave(begun);
        came
    }

    /// Asks `url` and follows its redirects. All connects together take `connect_ms`, all heads together
    /// `patience`. Giving up `exchange` ends it at once.
    ///
    /// # Errors
    /// When no well-formed final head came. A head of any status is no error.
    pub fn ask(
        &self,
        url: &Url,
        request: &Request,
        patience: Duration,
        exchange: &Exchange,
    ) -> Result<Response, Error> {
        let mut budget = Budget {
            connect: ms(limits().connect_ms),
            head: patience,
            again: true,
            hurried: patience < self.timeout,
            place: None,
        };
        let mut url = url.clone();
        let mut directory = false;
        for _ in 0..=limits().redirects {
            let mut response = self.exchange(&url, request, exchange, &mut budget)?;
            response.directory = directory;
            if !response.head.status.is_redirect() {
                return Ok(response);
            }
            let Some(location) = response.head.fields.get("Location") else {
                return Ok(response);
            };
            let next = url
                .join(location)
                .map_err(|why| redirect_error(location, &why.to_string()))?;
            if next.is_tls() && !tls::is_available() {
                return Err(redirect_error(location, tls::MISSING));
            }
            // Once a hop has added the slash, a further one may lead to the same directory elsewhere.
            directory = next.path().ends_with('/') && (directory || next.is_directory_of(&url));
            url = next;
            self.discard(response, exchange);
        }
        Err(Error::Redirect(format!(
            "{url}: more than {} hops",
            limits().redirects
        )))
    }

    /// Reads content that nobody wants, up to `discard_bytes` and for up to `discard_ms`, so that the
    /// connection can serve again. If it is longer or slower, the connection is closed.
    pub fn discard(&self, mut response: Response, exchange: &Exchange) {
        let deadline = Instant::now() + ms(limits().discard_ms);
        let mut left = limits().discard_bytes;
        if !response.persists() || response.length().is_some_and(|length| length > left) {
            return exchange.let_go();
        }
        let mut scrap = [0; 4096];
        loop {
            let wait = deadline.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return exchange.let_go();
            }
            response.set_patience(wait);
            match response.read(&mut scrap) {
                Ok(0) => return self.finish(response, exchange),
                Ok(count) if count as u64 <= left => left = left.saturating_sub(count as u64),
                _ => return exchange.let_go(),
            }
        }
    }

    /// Keeps the connection for the next request, if it can serve one.
    pub fn finish(&self, response: Response, exchange: &Exchange) {
        exchange.let_go();
        if let Some((peer, wire)) = response.into_connection() {
            self.connector.keep(peer, wire);
        }
    }

    /// Notes that this address gave a usable response: it is tried first next time.
    pub fn remember(&self, response: &Response) {
        if let Some(address) = response.connected_to {
            self.connector.remember(response.peer(), address);
        }
    }

    /// One request and its final response, from the first address that gives one that is not 5xx; else the last
    /// result, but that an address was silent counts for more than any other error.
    fn exchange(
        &self,
        url: &Url,
        request: &Request,
        exchange: &Exchange,
        budget: &mut Budget,
    ) -> Result<Response, Error> {
        let call = self.call(url, request, exchange);
        let mut last = self.reuse(&call, budget);
        if let Some(result) = last.take_if(|result| is_good(result)) {
            return result;
        }
        let asked = match &last {
            Some(Ok(response)) => response.address(),
            _ => None,
        };
        let mut addresses = match self.connector.addresses(&call.route) {
            Err(cause) if last.is_none() => return Err(cause),
            found => found.unwrap_or_default(),
        };
        addresses.retain(|address| Some(*address) != asked);
        for (at, address) in addresses.iter().enumerate() {
            let mut late = None;
            match last.take() {
                Some(Ok(response)) => self.discard(response, exchange),
                Some(Err(cause)) => late = Some(cause).filter(Error::is_timeout),
                None => {}
            }
            let result = self.ask_address(&call, *address, addresses.len() - at, budget);
            if is_good(&result) || exchange.is_given_up() {
                return result;
            }
            last = Some(match late {
                // An address that was silent may have had too little time: the source is not done with.
                Some(late) => match result {
                    Ok(response) if budget.hurried => {
                        self.discard(response, exchange);
                        Err(late)
                    }
                    result => result.or(Err(late)),
                },
                None => result,
            });
        }
        last.unwrap_or_else(|| Err(Error::Timeout(Duration::ZERO)))
    }

    fn call<'a>(&'a self, url: &'a Url, request: &'a Request, exchange: &'a Exchange) -> Call<'a> {
        Call::new(url, request, self.proxy.for_url(url), exchange)
    }

    /// The result on a kept connection, or of the request that was begun on one; none if there is no such connection,
    /// or it turned out dead. A server may close a kept connection at any time, send on it unasked, or lose it without
    /// a word: that says nothing of the source.
    fn reuse(&self, call: &Call<'_>, budget: &mut Budget) -> Option<Result<Response, Error>> {
        // Some of the time must be left for a new connection.
        let patience = (budget.head / 2).min(ms(limits().kept_answer_ms));
        let whole = budget.head;
        let (at, result) = match call.exchange.take() {
            Some(begun) => (begun.at, call.answer(begun, patience, patience)),
            None => {
                // Nobody waits for a place who has one.
                budget.place = None;
                let wire = match self.turn(call, false, budget) {
                    Ok(wire) => wire?,
                    Err(cause) => return Some(Err(cause)),
                };
                (Instant::now(), call.converse(wire, patience, patience))
            }
        };
        budget.spend(at);
        match result {
            Err(cause @ (Error::Broken(_) | Error::Malformed(_) | Error::Timeout(_))) => {
                self.connector.distrust(&call.route.peer);
                if !cause.is_timeout() {
                    budget.head = whole;
                }
                None
            }
            result => Some(result),
        }
    }

    /// A kept connection, unless it must be fresh, or leave to make a new one.
    fn turn(
        &self,
        call: &Call<'_>,
        fresh: bool,
        budget: &mut Budget,
    ) -> Result<Option<Wire>, Error> {
        let (patience, place) = (budget.head, &mut budget.place);
        self.connector
            .turn(&call.route, fresh, call.exchange, patience, place)
    }

    /// The result from one address. It is the first of `left` that are still to be tried, and gets its share of
    /// the time.
    fn ask_address(
        &self,
        call: &Call<'_>,
        address: SocketAddr,
        left: usize,
        budget: &mut Budget,
    ) -> Result<Response, Error> {
        let share = |time: Duration| time / u32::try_from(left).unwrap_or(u32::MAX).max(1);
        loop {
            self.turn(call, true, budget)?;
            let (begun, most) = (Instant::now(), share(budget.connect));
            let place = budget.place.take();
            let wire = self.connector.connect(&call.route, address, most, place);
            budget.connect = budget.connect.saturating_sub(begun.elapsed());
            let patience = match left {
                0 | 1 => budget.head,
                _ => share(budget.head).min(ms(limits().patience_ms)),
            };
            let (wire, at) = (wire?, Instant::now());
            let result = call.converse(wire, most, patience);
            budget.spend(at);
            match result {
                // Reset before the first byte of a response, as when a server restarts.
                Err(Error::Broken(cause) | Error::Connect(cause))
                    if cause.kind() == io::ErrorKind::ConnectionReset
                        && std::mem::take(&mut budget.again) => {}
                result => {
                    if matches!(result, Err(Error::Connect(_))) {
                        budget.connect = budget.connect.saturating_sub(at.elapsed());
                    }
                    let mut response = result?;
                    response.connected_to = Some(address);
                    return Ok(response);
                }
            }
        }
    }
}

impl Budget {
    /// Takes the time since `begun` from the time for heads.
    fn spend(&mut self, begun: Instant) {
        self.head = self.head.saturating_sub(begun.elapsed());
    }
}

/// Whether the result stands, and no other address is asked.
fn is_good(result: &Result<Response, Error>) -> bool {
    match result {
        Ok(response) => !response.head.status.is_server_error(),
        Err(Error::Malformed(_) | Error::Connect(_) | Error::Broken(_) | Error::Timeout(_)) => {
            false
        }
        Err(_) => true,
    }
}

fn redirect_error(location: &[u8], why: &str) -> Error {
    let to = without_user_info(&String::from_utf8_lossy(location));
    Error::Redirect(format!("to {to}: {why}"))
}

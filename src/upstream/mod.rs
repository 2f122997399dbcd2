//! Upstream: the sources in their order, and which of their responses is usable.
//!
//! Rules: a path whose first segment is the name of sources is asked of these sources alone, every other path of
//! the sources without a name; each name has an order of its own. Sources are asked in the order given, and
//! anything but a usable 200 goes on to the next. One that cannot be reached or was silent goes to the end of the
//! order for a while (`health`). While another source is left, or when it is itself at the end, a source has
//! `patience_ms` for its head, else the time of `--timeout`. One that was merely slower is asked once more with
//! its full time when all others have failed, unless all of them say that there is no such file. Each failure is
//! one warning that names URL and cause; that a source has no such file is logged as information.
//!
//! Only transfers ask sources, each through its own [`Exchange`], which other threads can give up.
//!
//! Not here: what becomes of the content (`transfer`).

mod begun;
mod call;
mod client;
mod connect;
mod error;
mod exchange;
mod fetch;
mod health;
mod names;
mod peer;
mod proxy;
mod request;
mod response;
mod source;
mod wrong;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::Url;
use crate::log;
use crate::net::tls::Helpers;
use crate::stats::{Reason, Stats};
use crate::store::CachePath;
use crate::sys::limits::{limits, ms};
use client::Client;
use health::{Health, Standing};
use names::Names;
use wrong::Wrong;

pub use begun::Came;
pub use error::{Error, Failure};
pub use exchange::Exchange;
pub use proxy::Proxy;
pub use request::{Kind, Request};
pub use response::Response;
pub use source::Source;
pub use wrong::Fault;

/// A source, and how it does.
#[derive(Debug)]
struct Entry {
    source: Source,
    health: Health,
}

/// A source that did not answer in its turn, and why.
enum Late {
    /// It was silent for all the time that it gets.
    Silent(Error),
    /// It was silent for the short time that it had, because others were left to ask.
    Hurried,
    /// It was not asked: for a file that nobody has that would have cost time.
    PassedOver,
}

/// The sources, with what is known of their health, and the client that asks them.
#[derive(Debug)]
pub struct Upstream {
    sources: Vec<Entry>,
    names: Names,
    client: Client,
    timeout: Duration,
    stats: Arc<Stats>,
    wrong: Wrong,
}

impl Upstream {
    /// Sources in the order in which they are asked, which `stats` counts; `timeout` is the longest silence tolerated
    /// from one (`--timeout`), `helpers` speak TLS with them.
    pub fn new(
        sources: Vec<Source>,
        proxy: Proxy,
        timeout: Duration,
        stats: Arc<Stats>,
        helpers: Arc<Helpers>,
    ) -> Self {
        let names = Names::of(&sources);
        let sources = sources.into_iter().map(|source| Entry {
            source,
            health: Health::default(),
        });
        Self {
            sources: sources.collect(),
            names,
            client: Client::new(proxy, helpers, timeout),
            timeout,
            stats,
            wrong: Wrong::default(),
        }
    }

    /// Where it is counted what they do.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// The longest silence tolerated from a source.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether there is any source for `path`.
    pub fn has_sources(&self, path: &CachePath) -> bool {
        !self.names.serving(path.first()).is_empty()
    }

    /// Whether `path` is the name of sources and nothing more: the root of what they have.
    pub fn is_name(&self, path: &CachePath) -> bool {
        self.names.has(path.as_bytes())
    }

    /// The numbers of the sources that serve what is asked for, in the order given.
    pub fn serving(&self, request: &Request) -> &[usize] {
        self.names.serving(request.first())
    }

    /// Keeps the connection of a response whose content was read to its end, for another request.
    pub fn finish(&self, response: Response, exchange: &Exchange) {
        self.client.finish(response, exchange);
    }

    /// The first response that `accept` takes, from the sources whose numbers are in `order`. `accept` says why
    /// it refuses a response.
    ///
    /// # Errors
    /// What all the failures together mean.
    pub fn first(
        &self,
        order: &[usize],
        request: &Request,
        exchange: &Exchange,
        accept: &mut dyn FnMut(&mut Response) -> Result<(), Error>,
    ) -> Result<Response, Failure> {
        let hurry = self.timeout.min(ms(limits().patience_ms));
        let mut failure = None;
        let (mut lacking, mut busy) = (false, false);
        let mut late = Vec::new();
        for (at, number) in order.iter().enumerate() {
            let Some(source) = self.sources.get(*number) else {
                continue;
            };
            let now = Instant::now();
            let standing = source.health.standing(now);
            let worth = || source.health.is_worth_asking(now);
            if lacking && standing == Standing::Last && !worth() {
                late.push((*number, Late::PassedOver));
                continue;
            }
            let is_last = at + 1 == order.len();
            let patience = match standing {
                Standing::InPlace if is_last => self.timeout,
                _ => hurry,
            };
            match self.ask_one(*number, is_last, request, patience, exchange, accept) {
                Ok(response) => return Ok(response),
                Err(Error::GivenUp) => return Err(Failure::Broken),
                Err(cause) if cause.is_timeout() && standing != Standing::InPlace => {
                    late.push((*number, Late::Silent(cause)));
                }
                Err(cause)
                    if (cause.is_timeout() || cause.is_busy()) && patience < self.timeout =>
                {
                    busy |= cause.is_busy();
                    late.push((*number, Late::Hurried));
                }
                Err(cause) => {
                    lacking |= cause.is_not_found();
                    failure = Some(Failure::after(failure, &cause));
                }
            }
        }
        if lacking && !busy && failure == Some(Failure::NotFound) {
            // A source that answered knows better than one that was silent for a few seconds: no second try. One that
            // was not asked, since all helpers were busy, may have the file.
            return Err(Failure::NotFound);
        }
        let count = late.len();
        for (at, (number, late)) in late.into_iter().enumerate() {
            let is_last = at + 1 == count;
            let patience = match late {
                Late::Silent(cause) => {
                    failure = Some(Failure::after(failure, &cause));
                    continue;
                }
                Late::PassedOver if self.is_crowded(number) => continue,
                Late::PassedOver => hurry,
                Late::Hurried => self.timeout,
            };
            match self.ask_one(number, is_last, request, patience, exchange, accept) {
                Ok(response) => return Ok(response),
                Err(cause) => failure = Some(Failure::after(failure, &cause)),
            }
        }
        // Without sources there is no such file.
        Err(failure.unwrap_or(Failure::NotFound))
    }

    /// The numbers of the sources that serve what is asked for, in the order to ask them: those whose content of it broke
    /// off behind the sound ones, those that failed lately behind these, and those that gave wrong content for it last. Of
    /// several the one that did so last comes last, since one that had no part but in the end of it may have the file.
    pub fn order(&self, request: &Request) -> Vec<usize> {
        let now = Instant::now();
        let mut order: Vec<(_, usize)> = Vec::new();
        for &number in self.serving(request) {
            let fault = self.wrong.last(number, request.path(), now);
            let wrong = fault.filter(|(fault, _)| *fault == Fault::Wrong);
            let rank = (wrong, self.is_demoted(number, now), fault);
            let at = order.partition_point(|(other, _)| *other <= rank);
            order.insert(at, (rank, number));
        }
        order.into_iter().map(|(_, number)| number).collect()
    }

    /// The same with the source at `server` (host and port) first, if it is one of them.
    pub fn order_from(&self, request: &Request, server: &str) -> Vec<usize> {
        let mut order = self.order(request);
        let is_it = |number: &usize| {
            let entry = self.sources.get(*number);
            entry.is_some_and(|entry| entry.source.url.authority() == server)
        };
        let at = order.iter().position(is_it);
        if let Some(first) = at.and_then(|at| order.get_mut(..=at)) {
            first.rotate_right(1);
        }
        order
    }

    /// Notes a source's fault with `path`: there it is asked last for a while.
    pub fn at_fault(&self, number: usize, path: &str, fault: Fault) {
        self.wrong.note(number, path, fault, Instant::now());
    }

    fn is_crowded(&self, number: usize) -> bool {
        let source = self.sources.get(number);
        source.is_some_and(|source| source.health.is_crowded())
    }

    fn is_demoted(&self, number: usize, now: Instant) -> bool {
        let source = self.sources.get(number);
        source.is_some_and(|source| source.health.is_demoted(now))
    }

    /// Counts that a source broke off within its content. One that was silent for `silence`, if that is not zero, goes
    /// to the end of the order for `demote_ms`.
    pub fn broke(&self, number: usize, path: &str, why: &str, silence: Duration) {
        let reason = match silence.is_zero() {
            true => Reason::Broken,
            false => Reason::Timeout,
        };
        let why = format!("broke off: {why}");
        self.stats.source_failed(number, reason, path, &why);
        if !silence.is_zero() {
            self.demote(number, silence);
        }
    }

    /// Puts a source that was silent, or dripped, for `took` at the end of the order for `demote_ms`.
    pub fn demote(&self, number: usize, took: Duration) {
        if let Some(source) = self.sources.get(number) {
            source.health.demote(took);
        }
        self.set_up(number, false);
    }

    /// Notes whether a source answers.
    fn set_up(&self, number: usize, up: bool) {
        if let Some(source) = self.stats.source(number) {
            source.set_up(up);
        }
    }

    fn count_question(&self, number: usize) {
        if let Some(source) = self.stats.source(number) {
            source.requests.add(1);
        }
    }

    /// One question to a source; redirects are followed.
    fn ask_url(
        &self,
        number: usize,
        url: &Url,
        request: &Request,
        patience: Duration,
        exchange: &Exchange,
    ) -> Result<Response, Error> {
        // One that was begun is counted already, also if nobody goes on with it.
        if exchange.begun().is_none() {
            self.count_question(number);
        }
        self.client.ask(url, request, patience, exchange)
    }

    /// Asks one source. The response that it returns has passed `accept`; each further read of its content may
    /// wait for `--timeout`.
    fn ask_one(
        &self,
        number: usize,
        is_last: bool,
        request: &Request,
        patience: Duration,
        exchange: &Exchange,
        accept: &mut dyn FnMut(&mut Response) -> Result<(), Error>,
    ) -> Result<Response, Error> {
        let Some(Entry { source, health }) = self.sources.get(number) else {
            let why = "there is no such source".to_owned();
            return Err(Error::NotTheFile(why));
        };
        if exchange.is_given_up() {
            return Err(Error::GivenUp);
        }
        if let Some(cause) = exchange.refused() {
            return Err(cause);
        }
        let url = source.url.below(source.path_of(request.path()));
        let begun = Instant::now();
        health.asked(begun);
        exchange.asks(number);
        let mut answer = self.ask_url(number, &url, request, patience, exchange);
        let refused = answer.as_ref().map(|refusal| refusal.head.status);
        if let Some(request) = refused.ok().and_then(|status| request.by_get(status)) {
            // Its connection serves again, and its helper's place is not held while another one is waited for.
            if let Ok(refusal) = answer {
                self.client.discard(refusal, exchange);
            }
            answer = self.ask_url(number, &url, &request, patience, exchange);
        }
        let given_up = exchange.is_given_up();
        match &answer {
            Ok(_) => {
                health.answered();
                self.set_up(number, true);
            }
            Err(cause) if cause.is_unreachable() && !given_up => {
                health.failed(begun.elapsed());
                self.set_up(number, false);
            }
            Err(_) => health.left(),
        }
        let answer = answer.and_then(|mut response| {
            response.source = number;
            response.is_last = is_last;
            response.is_first = self.serving(request).first() == Some(&number);
            response.stats = Some(Arc::clone(&self.stats));
            response.by_itself = response.url.is_of(&source.url);
            // `accept` may read content, as proof of what it is; it bounds these reads itself.
            match accept(&mut response) {
                Ok(()) => {
                    self.client.remember(&response);
                    response.set_patience(self.timeout);
                    Ok(response)
                }
                Err(cause) => {
                    if cause.is_timeout() {
                        self.demote(number, begun.elapsed());
                    }
                    self.client.discard(response, exchange);
                    Err(cause)
                }
            }
        });
        answer.map_err(|cause| match exchange.is_given_up() {
            true => Error::GivenUp,
            false => {
                // Not every source has every file: with several it is enough that one has it.
                match cause.reason() {
                    None => log::info!("source {url}: {cause}"),
                    Some(reason) => {
                        log::warning!("source {url}: {cause}");
                        let why = cause.to_string();
                        self.stats
                            .source_failed(number, reason, request.path(), &why);
                    }
                }
                cause
            }
        })
    }
}

#[cfg(test)]
mod tests;

//! Upstream: the sources in their order, and which of their responses is usable.
//!
//! Rules: sources are asked in the order given, and anything but a usable 200 goes on to the next. One that
//! cannot be reached or was silent goes to the end of the order for a while (`health`). While another source is
//! left, or when it is itself at the end, a source has `patience_ms` for its head, else the time of
//! `--timeout`. One that was merely slower is asked once more with its full time when all others have failed,
//! unless one of them says that there is no such file. Each failure is one warning that names URL and cause;
//! that a source has no such file is logged as information.
//!
//! Only transfers ask sources, each through its own [`Exchange`], which other threads can give up.
//!
//! Not here: what becomes of the content (`transfer`).

mod client;
mod connect;
mod error;
mod exchange;
mod health;
mod proxy;
mod request;
mod response;

use std::time::{Duration, Instant};

use crate::http::Url;
use crate::log;
use crate::sys::limits::{limits, ms};
use client::Client;
use health::Health;

pub use error::{Error, Failure};
pub use exchange::Exchange;
pub use proxy::Proxy;
pub use request::{Kind, Request};
pub use response::Response;

#[derive(Debug)]
struct Source {
    url: Url,
    health: Health,
}

/// The sources, with what is known of their health, and the client that asks them.
#[derive(Debug)]
pub struct Upstream {
    sources: Vec<Source>,
    client: Client,
    timeout: Duration,
}

impl Upstream {
    /// Sources in the order in which they are asked; `timeout` is the longest silence tolerated from one
    /// (`--timeout`).
    pub fn new(urls: Vec<Url>, proxy: Proxy, timeout: Duration) -> Self {
        let sources = urls.into_iter().map(|url| Source {
            url,
            health: Health::default(),
        });
        Self {
            sources: sources.collect(),
            client: Client::new(proxy),
            timeout,
        }
    }

    /// The longest silence tolerated from a source.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether there is any source.
    pub fn has_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    /// How many sources there are.
    pub fn count(&self) -> usize {
        self.sources.len()
    }

    /// Keeps the connection of a response whose content was read to its end, for another request.
    pub fn finish(&self, response: Response, exchange: &Exchange) {
        self.client.finish(response, exchange);
    }

    /// The first usable response to `request`.
    ///
    /// # Errors
    /// What all the failures together mean.
    pub fn fetch(&self, request: &Request, exchange: &Exchange) -> Result<Response, Failure> {
        self.first(&self.order(), request, exchange, &mut |response| {
            response.check(request)
        })
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
        let mut failure = None;
        let mut lacking = false;
        let mut hurried = Vec::new();
        for (at, number) in order.iter().enumerate() {
            let Some(source) = self.sources.get(*number) else {
                continue;
            };
            let now = Instant::now();
            let demoted = source.health.is_demoted(now);
            if lacking && !source.health.is_worth_asking(now) {
                continue;
            }
            let is_last = at + 1 == order.len();
            let patience = match is_last && !demoted {
                true => self.timeout,
                false => self.timeout.min(ms(limits().patience_ms)),
            };
            match self.ask_one(*number, request, patience, exchange, accept) {
                Ok(response) => return Ok(response),
                Err(Error::GivenUp) => return Err(Failure::Broken),
                Err(cause) if cause.is_timeout() && (patience < self.timeout || demoted) => {
                    hurried.push((*number, demoted, cause));
                }
                Err(cause) => {
                    lacking |= cause.is_not_found();
                    failure = Some(Failure::after(failure, &cause));
                }
            }
        }
        if lacking && failure == Some(Failure::NotFound) {
            // A source that answered knows better than one that was silent for a few seconds: no second try.
            return Err(Failure::NotFound);
        }
        for (number, demoted, cause) in hurried {
            let cause = match demoted {
                true => cause,
                false => match self.ask_one(number, request, self.timeout, exchange, accept) {
                    Ok(response) => return Ok(response),
                    Err(cause) => cause,
                },
            };
            failure = Some(Failure::after(failure, &cause));
        }
        // Without sources there is no such file.
        Err(failure.unwrap_or(Failure::NotFound))
    }

    /// The numbers of the sources in the order to ask them, those that failed lately last.
    pub fn order(&self) -> Vec<usize> {
        let now = Instant::now();
        let (mut first, last): (Vec<_>, Vec<_>) =
            (0..self.sources.len()).partition(|number| self.is_in_place(*number, now));
        first.extend(last);
        first
    }

    fn is_in_place(&self, number: usize, now: Instant) -> bool {
        let source = self.sources.get(number);
        source.is_some_and(|source| source.health.is_in_place(now))
    }

    /// Puts a source that was silent within its content for `took` at the end of the order for `demote_ms`.
    pub fn demote(&self, number: usize, took: Duration) {
        if let Some(source) = self.sources.get(number) {
            source.health.demote(took);
        }
    }

    /// Asks one source. The response that it returns has passed `accept`; each further read of its content may
    /// wait for `--timeout`.
    fn ask_one(
        &self,
        number: usize,
        request: &Request,
        patience: Duration,
        exchange: &Exchange,
        accept: &mut dyn FnMut(&mut Response) -> Result<(), Error>,
    ) -> Result<Response, Error> {
        let Some(source) = self.sources.get(number) else {
            let why = "there is no such source".to_owned();
            return Err(Error::NotTheFile(why));
        };
        if exchange.is_given_up() {
            return Err(Error::GivenUp);
        }
        let url = source.url.below(request.path());
        let begun = Instant::now();
        source.health.asked(begun);
        let mut answer = self.client.ask(&url, request, patience, exchange);
        if let Ok(response) = &answer
            && let Some(request) = request.by_get(response.head.status)
        {
            answer = self.client.ask(&url, &request, patience, exchange);
        }
        let given_up = exchange.is_given_up();
        match &answer {
            Ok(_) => source.health.answered(),
            Err(cause) if cause.is_unreachable() && !given_up => {
                source.health.failed(begun.elapsed());
            }
            Err(_) => source.health.left(),
        }
        let answer = answer.and_then(|mut response| {
            response.source = number;
            response.by_itself = response.url.authority() == source.url.authority();
            // `accept` may read content, as proof of what it is; it bounds these reads itself.
            match accept(&mut response) {
                Ok(()) => {
                    self.client.remember(&response);
                    response.set_patience(self.timeout);
                    Ok(response)
                }
                Err(cause) => {
                    if cause.is_timeout() {
                        source.health.demote(begun.elapsed());
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
                match cause.is_not_found() {
                    true => log::info!("source {url}: {cause}"),
                    false => log::warning!("source {url}: {cause}"),
                }
                cause
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_failed_are_asked_last_in_the_order_given() {
        let urls = ["http://a.example", "http://b.example", "http://c.example"];
        let urls = urls.map(|url| Url::parse_source(url).unwrap()).to_vec();
        let upstream = Upstream::new(urls, Proxy::default(), Duration::from_secs(30));
        assert_eq!(upstream.order(), [0, 1, 2]);
        upstream.demote(0, Duration::ZERO);
        assert_eq!(upstream.order(), [1, 2, 0]);
        upstream.demote(1, Duration::ZERO);
        assert_eq!(upstream.order(), [2, 0, 1]);
        for number in 0..3 {
            upstream.demote(number, Duration::ZERO);
        }
        assert_eq!(upstream.order(), [0, 1, 2]);
    }
}

//! Upstream: the sources in their order, and which of their responses is usable.
//!
//! Rules: sources are asked in the order given, and anything but a usable 200 goes on to the next; one
//! that cannot be reached or was silent goes to the end of the order for a while; each failure is one
//! warning that names URL and cause; a source that was merely slower than our patience gets its full
//! time once all others have failed, before a client is refused.
//!
//! Not here: what becomes of the content (`transfer`).

mod client;
mod connect;
mod error;
mod proxy;
mod request;
mod response;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::http::Url;
use crate::log;
use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;
use client::Client;

pub use error::{Error, Failure};
pub use proxy::Proxy;
pub use request::{Kind, Request};
pub use response::{Response, last_modified};

#[derive(Debug)]
struct Source {
    url: Url,
    /// Until when it is asked last.
    demoted: Mutex<Option<Instant>>,
}

/// The sources.
#[derive(Debug)]
pub struct Upstream {
    sources: Vec<Source>,
    client: Client,
    timeout: Duration,
}

impl Upstream {
    /// Sources in the order to ask them; `timeout` is the longest silence tolerated from one.
    pub fn new(urls: Vec<Url>, proxy: Proxy, timeout: Duration) -> Self {
        let sources = urls.into_iter().map(|url| Source {
            url,
            demoted: Mutex::new(None),
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

    /// Whether there is anybody to ask.
    pub fn has_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Gives a connection back whose content was read to its end.
    pub fn finish(&self, response: Response) {
        self.client.finish(response);
    }

    /// The first usable response to `request`.
    ///
    /// # Errors
    /// What all the failures together mean.
    pub fn fetch(&self, request: &Request) -> Result<Response, Failure> {
        self.first(&self.order(), request, &mut |response| {
            response.usable(request)
        })
    }

    /// The first response that `accept` takes, from the sources whose numbers are in `order`.
    ///
    /// # Errors
    /// What all the failures together mean.
    pub fn first(
        &self,
        order: &[usize],
        request: &Request,
        accept: &mut dyn FnMut(Response) -> Result<Response, Error>,
    ) -> Result<Response, Failure> {
        let mut failure = None;
        let mut hurried = Vec::new();
        for (at, number) in order.iter().enumerate() {
            let is_last = at.saturating_add(1) == order.len();
            let hurry = self.timeout.min(ms(limits().patience_ms));
            let patience = if is_last { self.timeout } else { hurry };
            match self.ask_one(*number, request, patience, accept) {
                Ok(response) => return Ok(response),
                Err(cause) if cause.is_timeout() && patience < self.timeout => {
                    hurried.push(*number)
                }
                Err(cause) => failure = Some(Failure::after(failure, &cause)),
            }
        }
        for number in hurried {
            match self.ask_one(number, request, self.timeout, accept) {
                Ok(response) => return Ok(response),
                Err(cause) => failure = Some(Failure::after(failure, &cause)),
            }
        }
        // Without a source there is no such file.
        Err(failure.unwrap_or(Failure::NotFound))
    }

    /// The numbers of the sources in the order to ask them, those that failed lately last.
    pub fn order(&self) -> Vec<usize> {
        let now = Instant::now();
        let demoted = |source: &Source| lock(&source.demoted).is_some_and(|until| until > now);
        let (last, first): (Vec<_>, Vec<_>) = self
            .sources
            .iter()
            .enumerate()
            .partition(|(_, source)| demoted(source));
        first
            .into_iter()
            .chain(last)
            .map(|(number, _)| number)
            .collect()
    }

    /// Puts a source at the end of the order for a while.
    pub fn demote(&self, number: usize) {
        if let Some(source) = self.sources.get(number) {
            *lock(&source.demoted) = Some(Instant::now() + ms(limits().demote_ms));
        }
    }

    fn ask_one(
        &self,
        number: usize,
        request: &Request,
        patience: Duration,
        accept: &mut dyn FnMut(Response) -> Result<Response, Error>,
    ) -> Result<Response, Error> {
        let Some(source) = self.sources.get(number) else {
            return Err(Error::NotTheFile("there is no such source".to_owned()));
        };
        let url = source.url.below(request.path());
        let answer = self
            .client
            .ask(&url, request, patience)
            .and_then(|mut response| {
                response.source = number;
                response.by_itself = response.url.authority() == source.url.authority();
                response.set_patience(self.timeout).map_err(Error::Broken)?;
                accept(response)
            });
        match &answer {
            Ok(_) => *lock(&source.demoted) = None,
            Err(cause) => {
                log::warning!("source {url}: {cause}");
                if cause.is_unreachable() {
                    self.demote(number);
                }
            }
        }
        answer
    }
}

//! Upstream: the sources in their order, and which of their answers is usable.
//!
//! Rules: sources are asked in the order given and anything but a usable 200 goes on to the next; one
//! that cannot be reached or was silent goes to the end of the order for a while; each failure is
//! one warning that names URL and cause; a source that was merely slower than our patience gets its full
//! time once all others have failed, before a client is refused.
//!
//! Not here: connections and redirects (`connect`, `origin`), what becomes of the content (`fetch`).

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::http::{StatusCode, Url, carried_by_name, media_type};
use crate::limits::{limits, ms};
use crate::lock::lock;
use crate::log;
use crate::origin::{Ask, Origin, OriginError, Response};
use crate::proxy::Proxy;

/// Why a request cannot be answered from the sources. Detail is logged where it happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FetchError {
    /// Every source said that there is no such file, or there is no source.
    NotFound,
    /// No source gave a usable answer.
    BadGateway,
    /// The last source asked was silent.
    Timeout,
    /// No transfer became free in time.
    Busy,
    /// The content broke off.
    Broken,
    /// There is nothing newer than what is stored.
    NotModified,
}

/// What is asked for, in the form that the sources get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// A file of this name.
    File {
        /// The encoded path below a source's prefix.
        encoded: &'a str,
        /// The decoded last segment.
        name: &'a [u8],
        /// Whether the cache has it: then it is no listing, whatever a portal says.
        stored: bool,
    },
    /// A listing; `encoded` ends in a slash.
    Listing {
        /// The encoded path below a source's prefix.
        encoded: &'a str,
    },
}

impl Wanted<'_> {
    fn encoded(&self) -> &str {
        match self {
            Self::File { encoded, .. } | Self::Listing { encoded } => encoded,
        }
    }
}

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
    origin: Origin,
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
            origin: Origin::new(proxy),
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
        response.finish(&self.origin);
    }

    /// The first usable answer to `ask`.
    ///
    /// # Errors
    /// How all the failures together are to be answered.
    pub fn fetch(&self, wanted: Wanted<'_>, ask: &Ask) -> Result<Response, FetchError> {
        self.first(&self.order(), wanted, ask, &mut |response| {
            usable(response, wanted, ask)
        })
    }

    /// The first answer that `accept` takes, from the sources whose numbers are in `order`.
    ///
    /// # Errors
    /// How all the failures together are to be answered.
    pub fn first(
        &self,
        order: &[usize],
        wanted: Wanted<'_>,
        ask: &Ask,
        accept: &mut dyn FnMut(Response) -> Result<Response, OriginError>,
    ) -> Result<Response, FetchError> {
        let mut verdict = FetchError::NotFound;
        let mut hurried = Vec::new();
        for (at, number) in order.iter().enumerate() {
            let is_last = at.saturating_add(1) == order.len();
            let hurry = self.timeout.min(ms(limits().patience_ms));
            let patience = if is_last { self.timeout } else { hurry };
            match self.ask_one(*number, wanted, ask, patience, accept) {
                Ok(response) => return Ok(response),
                Err(cause) if cause.is_timeout() && patience < self.timeout => {
                    hurried.push(*number)
                }
                Err(cause) => verdict = judge(verdict, &cause),
            }
        }
        for number in hurried {
            match self.ask_one(number, wanted, ask, self.timeout, accept) {
                Ok(response) => return Ok(response),
                Err(cause) => verdict = judge(verdict, &cause),
            }
        }
        Err(verdict)
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
        wanted: Wanted<'_>,
        ask: &Ask,
        patience: Duration,
        accept: &mut dyn FnMut(Response) -> Result<Response, OriginError>,
    ) -> Result<Response, OriginError> {
        let Some(source) = self.sources.get(number) else {
            return Err(OriginError::NotTheFile(
                "there is no such source".to_owned(),
            ));
        };
        let url = source.url.below(wanted.encoded());
        let answer = self
            .origin
            .ask(&url, ask, patience)
            .and_then(|mut response| {
                response.source = number;
                response
                    .set_patience(self.timeout)
                    .map_err(OriginError::Broken)?;
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

/// The answer to a client after one more failure: 404 only if every source said so, 504 if the last
/// word was a time-out.
fn judge(so_far: FetchError, cause: &OriginError) -> FetchError {
    match so_far {
        FetchError::NotFound if cause.is_not_found() => FetchError::NotFound,
        _ if cause.is_timeout() => FetchError::Timeout,
        _ => FetchError::BadGateway,
    }
}

/// Whether an answer is the content that was asked for: a 200, not a captive portal's page, not a
/// coding of it that the name does not carry; or the news that it has not changed.
fn usable(response: Response, wanted: Wanted<'_>, ask: &Ask) -> Result<Response, OriginError> {
    match response.head.status {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED if ask.modified_since.is_some() => return Ok(response),
        other => return Err(OriginError::Status(other)),
    }
    let Wanted::File { name, stored, .. } = wanted else {
        return Ok(response);
    };
    if stored && response.directory {
        return Err(OriginError::NotTheFile("a directory".to_owned()));
    }
    let html = media_type::is_html(response.head.fields.get("Content-Type").unwrap_or_default());
    let named_html = media_type::extension(name).map_or(!stored, |extension| {
        [&b"html"[..], b"htm", b"xhtml"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    });
    if html && !named_html && !response.directory {
        return Err(OriginError::NotTheFile("an HTML page".to_owned()));
    }
    let foreign = response
        .head
        .fields
        .members("Content-Encoding")
        .find(|coding| !carried_by_name(coding, name));
    if let Some(coding) = foreign {
        let coding = String::from_utf8_lossy(coding);
        return Err(OriginError::NotTheFile(format!("it is coded as {coding}")));
    }
    Ok(response)
}

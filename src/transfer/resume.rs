//! Resume: continuing broken content, only where it is the same file.
//!
//! Rules: a source may continue only if its complete length and its Last-Modified are equal (on the server that
//! broke also the strong entity tag), and the last bytes received come again, equal byte for byte. The server
//! is the one that responded in the end: behind one redirector there are many, each with entity tags of its
//! own. Without a validator there is no proof, and nothing is continued; otherwise the bytes of two files could
//! be spliced.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Representation;
use crate::http::range::ContentRange;
use crate::http::{HttpDate, StatusCode};
use crate::net::timed_out;
use crate::store::Given;
use crate::sys::limits::{limits, ms};
use crate::upstream::{Error, Exchange, Failure, Request, Response, Upstream};

/// The validators of a response, and the server that sent it (RFC 9110 §8.8).
#[derive(Debug)]
pub struct Validators {
    /// Its Last-Modified, unless it is 1970, which stands for none.
    pub last_modified: Option<HttpDate>,
    /// The server that sent it, after redirects, and its entity tag there.
    pub given: Given,
}

impl Validators {
    /// The validators of `response`.
    pub fn of(response: &Response) -> Self {
        Self {
            last_modified: response.last_modified().filter(|date| !date.is_unset()),
            given: response.given(),
        }
    }

    /// Whether `response` can be of the same file.
    ///
    /// # Errors
    /// Which of them differs, or that nothing proves it.
    pub fn check(&self, response: &Response) -> Result<(), Error> {
        let theirs = Self::of(response);
        let (etag, same_server) = (self.strong_etag(), theirs.given.server == self.given.server);
        if theirs.last_modified != self.last_modified {
            return Err(other("its Last-Modified is another"));
        }
        if same_server && etag.is_some() && theirs.strong_etag() != etag {
            return Err(other("its entity tag is another"));
        }
        if self.last_modified.is_none() && (etag.is_none() || !same_server) {
            return Err(other("nothing proves that it is the same"));
        }
        Ok(())
    }

    /// The entity tag with quotes, if it is a strong one (RFC 9110 §8.8.1).
    fn strong_etag(&self) -> Option<&[u8]> {
        let etag = self.given.etag.as_deref();
        etag.filter(|etag| etag.starts_with(b"\""))
    }
}

/// What the first response said of the content, and what each source has done for it since.
#[derive(Debug)]
pub struct Resume {
    same: Arc<Representation>,
    /// The source that gave the latest bytes.
    latest: Option<usize>,
    /// Sources whose responses gained less than the proof costs, since another one gained more.
    barren: Vec<usize>,
    /// Sources that have shown to have another file under this name.
    others: Vec<usize>,
}

impl Resume {
    /// What other responses can prove that they continue the content of `same` by; none if its length is unknown
    /// or it has no validator.
    pub fn of(same: &Arc<Representation>) -> Option<Self> {
        let validators = &same.validators;
        let provable = validators.last_modified.is_some() || validators.strong_etag().is_some();
        (provable && same.length.is_some()).then(|| Self {
            same: Arc::clone(same),
            latest: None,
            barren: Vec::new(),
            others: Vec::new(),
        })
    }

    /// Notes that the response of `source` broke off after `gained` bytes.
    pub fn broke(&mut self, source: usize, gained: u64) {
        if gained >= limits().overlap_bytes {
            self.barren.clear();
            self.latest = Some(source);
        } else {
            self.barren.push(source);
        }
    }

    /// Asks each source once for the content from `at` on; `overlap` are the bytes just before. The content of
    /// the response begins exactly at `at`.
    pub fn ask(
        &mut self,
        upstream: &Upstream,
        request: &Request,
        exchange: &Exchange,
        at: u64,
        overlap: &[u8],
    ) -> Option<Response> {
        let start = at.saturating_sub(overlap.len() as u64);
        let request = request.part(start, None);
        let mut others = Vec::new();
        let order = self.order(upstream, &request);
        let continued = upstream.first(&order, &request, exchange, &mut |response| {
            let source = response.source;
            let same = &self.same;
            // A page that says so with 200 is no other file.
            if response.head.status == StatusCode::OK {
                response.check(&request)?;
            }
            let shown = check(same.length, &same.validators, response, start)
                .and_then(|skip| compare(response, skip, overlap));
            if matches!(shown, Err(Error::NotTheFile(_))) {
                others.push(source);
            }
            shown
        });
        self.others.extend(others);
        continued.ok()
    }

    /// Whether every source that could be asked has shown that it has another file.
    pub fn is_hopeless(&self, upstream: &Upstream, request: &Request) -> bool {
        let mut sources = upstream.serving(request).iter();
        sources.all(|source| self.others.contains(source))
    }

    fn order(&self, upstream: &Upstream, request: &Request) -> Vec<usize> {
        let mut order = upstream.order(request);
        order.retain(|source| !self.others.contains(source));
        // The source that broke just now comes first, since it has the file; one that gains nothing comes last.
        let is_barren = |source: &usize| self.barren.contains(source);
        let (barren, mut order): (Vec<_>, Vec<_>) = order.into_iter().partition(is_barren);
        let latest = order.iter().position(|source| Some(*source) == self.latest);
        if let Some(first) = latest.and_then(|at| order.get_mut(..=at)) {
            first.rotate_right(1);
        }
        order.extend(barren);
        order
    }
}

/// How many bytes of the response's content come before `start`, if it can be of the file with this complete length and
/// these validators.
///
/// # Errors
/// What it is instead.
pub fn check(
    length: Option<u64>,
    same: &Validators,
    response: &Response,
    start: u64,
) -> Result<u64, Error> {
    let (skip, complete) = match response.head.status {
        StatusCode::OK => (start, response.length()),
        StatusCode::PARTIAL_CONTENT => {
            let field = response
                .head
                .fields
                .get("Content-Range")
                .unwrap_or_default();
            let range = ContentRange::parse(field).filter(|range| {
                let rest = range.last.saturating_sub(start).saturating_add(1);
                range.first == start && response.length().is_none_or(|length| length == rest)
            });
            let range = range.ok_or_else(|| other("its range is not the one asked for"))?;
            (0, range.complete)
        }
        status => return Err(Error::Status(status)),
    };
    if complete != length {
        return Err(other("its length is another"));
    }
    same.check(response)?;
    Ok(skip)
}

fn other(why: &str) -> Error {
    Error::NotTheFile(format!("cannot go on with it: {why}"))
}

/// A part of a transfer's content that one of its readers fetches for itself, and what a source must show to
/// give it: the same length, the same Last-Modified (the transfer's own server also the same strong entity
/// tag), and the bytes that the reader got just before. Without a Last-Modified there is no proof.
#[derive(Debug)]
pub struct Part {
    same: Arc<Representation>,
    range: Range<u64>,
    overlap: Vec<u8>,
    /// How many parts the reader has fetched before: each time another source is asked first.
    attempt: u64,
}

impl Part {
    /// The bytes `range` of a transfer's content, after the bytes `overlap`; none if nothing could prove them.
    pub fn new(
        same: Arc<Representation>,
        range: Range<u64>,
        overlap: Vec<u8>,
        attempt: u64,
    ) -> Option<Self> {
        same.validators.last_modified?;
        let fits = range.start >= overlap.len() as u64 && range.start < range.end;
        fits.then_some(Self {
            same,
            range,
            overlap,
            attempt,
        })
    }

    /// The offset of the first byte to ask for, overlap included.
    pub fn first(&self) -> u64 {
        self.range.start.saturating_sub(self.overlap.len() as u64)
    }

    /// The offset of the last byte to ask for.
    pub fn last(&self) -> u64 {
        self.range.end.saturating_sub(1)
    }

    /// How many bytes it has, without the overlap.
    pub fn length(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Asks the sources. The content of the response begins with the first byte of the part.
    ///
    /// # Errors
    /// What all the failures together mean.
    pub fn ask(
        &self,
        upstream: &Upstream,
        request: &Request,
        exchange: &Exchange,
    ) -> Result<Response, Failure> {
        let mut order = upstream.order(request);
        let turn = usize::try_from(self.attempt).unwrap_or(0);
        let first = turn.checked_rem(order.len()).unwrap_or(0);
        order.rotate_left(first);
        upstream.first(&order, request, exchange, &mut |response| {
            self.check(response)
        })
    }

    fn check(&self, response: &mut Response) -> Result<(), Error> {
        let field = response.head.fields.get("Content-Range");
        if response.head.status != StatusCode::PARTIAL_CONTENT {
            return Err(Error::Status(response.head.status));
        }
        let expected = ContentRange {
            first: self.first(),
            last: self.last(),
            complete: self.same.length,
        };
        if field.and_then(ContentRange::parse) != Some(expected) {
            return Err(Error::NotTheFile("a part of another one".to_owned()));
        }
        self.same.validators.check(response)?;
        compare(response, 0, &self.overlap)
    }
}

/// Reads over `skip` bytes and then compares `overlap`. All of it may take `patience_ms` and a second for each
/// MiB skipped, but `proof_ms` at most.
///
/// # Errors
/// When other bytes come, or none, or not in time.
pub fn compare(response: &mut Response, mut skip: u64, overlap: &[u8]) -> Result<(), Error> {
    let time = limits().patience_ms.saturating_add(skip / 1024);
    let patience = ms(time.min(limits().proof_ms.max(limits().patience_ms)));
    let deadline = Instant::now() + patience;
    let mut block = vec![0; 64 * 1024];
    while skip > 0 {
        let most = usize::try_from(skip).unwrap_or(usize::MAX).min(block.len());
        let came = read(response, block.get_mut(..most), deadline, patience)?;
        skip = skip.saturating_sub(came.len() as u64);
    }
    let mut expected = overlap;
    while !expected.is_empty() {
        let most = expected.len().min(block.len());
        let came = read(response, block.get_mut(..most), deadline, patience)?;
        expected = expected
            .strip_prefix(came)
            .ok_or_else(|| other("its bytes are others"))?;
    }
    Ok(())
}

/// Reads some bytes before the deadline; the end of the content is a failure here.
fn read<'a>(
    response: &mut Response,
    space: Option<&'a mut [u8]>,
    deadline: Instant,
    patience: Duration,
) -> Result<&'a [u8], Error> {
    let space = space.unwrap_or_default();
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::Timeout(patience));
    }
    response.set_patience(left);
    match response.read(space) {
        Ok(0) => Err(Error::Broken(io::ErrorKind::UnexpectedEof.into())),
        Ok(count) => Ok(space.get(..count).unwrap_or_default()),
        Err(cause) if timed_out(&cause) => Err(Error::Timeout(patience)),
        Err(cause) => Err(Error::Broken(cause)),
    }
}

//! Response: a source's final answer, its content unread.
//!
//! Not here: what becomes of the content (`transfer`).

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::connect::Peer;
use super::error::Error;
use super::request::{Kind, Request};
use crate::http::{
    Coded, HttpDate, Method, ResponseHead, StatusCode, Url, coded, decimal, framing, media_type,
};
use crate::net::{Body, Wire, timed_out};
use crate::stats::Stats;
use crate::store::Given;
use crate::sys::limits::{limits, ms};

/// A response of a source.
#[derive(Debug)]
pub struct Response {
    /// The head.
    pub head: ResponseHead,
    /// Where it came from, after redirects.
    pub url: Url,
    /// Whether a redirect on the way did nothing but add a slash to the path: a directory.
    pub directory: bool,
    /// The number of the source that was asked; `Upstream` sets it.
    pub source: usize,
    /// Whether that source answered by itself, and sent us to no other server; `Upstream` sets it.
    pub by_itself: bool,
    /// Where its content is counted; `Upstream` sets it.
    pub stats: Option<Arc<Stats>>,
    wire: Wire,
    body: Body,
    /// What was read of the content to judge it, and is to be read again.
    first: Vec<u8>,
    peer: Peer,
}

impl Response {
    /// The response that `head` begins, its content still on `wire`.
    pub fn new(head: ResponseHead, wire: Wire, body: Body, url: &Url, peer: Peer) -> Self {
        Self {
            head,
            url: url.clone(),
            directory: false,
            source: 0,
            by_itself: false,
            stats: None,
            wire,
            body,
            first: Vec::new(),
            peer,
        }
    }

    /// The content's length in bytes, if the source said so.
    pub fn length(&self) -> Option<u64> {
        self.body.length()
    }

    /// The source's Last-Modified, if it can be read as a date.
    pub fn last_modified(&self) -> Option<HttpDate> {
        date(&self.head, "Last-Modified")
    }

    /// When the source sent the answer, by its own clock.
    pub fn date(&self) -> Option<HttpDate> {
        date(&self.head, "Date")
    }

    /// Its entity tag, if it is a strong one (RFC 9110 §8.8.1).
    pub fn strong_etag(&self) -> Option<&[u8]> {
        let etag = self.head.fields.get("ETag");
        etag.filter(|etag| etag.starts_with(b"\""))
    }

    /// Which server sent it, and its entity tag, weak ones too.
    pub fn given(&self) -> Given {
        Given {
            server: self.url.authority(),
            etag: self.head.fields.get("ETag").map(<[u8]>::to_vec),
        }
    }

    /// The connection that the content comes by.
    pub fn stream(&self) -> &Arc<TcpStream> {
        self.wire.stream()
    }

    /// Whether the beginning of the content has surely come with the head: of chunks it may be but half a size.
    pub fn has_content(&self) -> bool {
        let ahead = !self.first.is_empty() || !self.wire.ahead().is_empty();
        self.length().is_some() && ahead
    }

    /// Sets how long one read of the content may wait.
    pub fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        self.wire.set_patience(patience)
    }

    /// Reads content into `out`; 0 only when the framing is satisfied.
    ///
    /// # Errors
    /// Those of [`Body::read`].
    pub fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.first.is_empty() {
            let count = self.body.read(&mut self.wire, out)?;
            self.count(count);
            return Ok(count);
        }
        let count = self.first.len().min(out.len());
        let first = self.first.drain(..count);
        out.iter_mut()
            .zip(first)
            .for_each(|(out, byte)| *out = byte);
        Ok(count)
    }

    /// The first bytes of the content, `count` or all if there are fewer; none of them is used up. They are awaited
    /// for `patience_ms` in all.
    fn first(&mut self, count: usize) -> Result<&[u8], Error> {
        let patience = ms(limits().patience_ms);
        let deadline = Instant::now() + patience;
        while self.first.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Timeout(patience));
            }
            self.set_patience(left).map_err(Error::Broken)?;
            let mut byte = [0];
            match self.body.read(&mut self.wire, &mut byte) {
                Ok(0) => break,
                Ok(_) => {
                    self.first.extend(byte);
                    self.count(1);
                }
                Err(cause) if timed_out(&cause) => return Err(Error::Timeout(patience)),
                Err(cause) => return Err(Error::Broken(cause)),
            }
        }
        Ok(&self.first)
    }

    /// Counts bytes of content that came.
    fn count(&self, bytes: usize) {
        let stats = self.stats.as_ref();
        if let Some(source) = stats.and_then(|stats| stats.source(self.source)) {
            source.received.add(bytes as u64);
        }
    }

    /// Where its connection leads.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether the source keeps the connection open after it (RFC 9112 §9.3).
    pub fn persists(&self) -> bool {
        framing::persists(self.head.version, &self.head.fields)
    }

    /// The connection and where it leads, if it can serve another request: its content was read to the end
    /// and nothing came behind it.
    pub fn into_connection(self) -> Option<(Peer, Wire)> {
        (self.persists() && self.body.is_done() && self.wire.ahead().is_empty())
            .then_some((self.peer, self.wire))
    }

    /// Whether it is the content that was asked for: a 200, not a captive portal's page, not in a coding of its
    /// own, not nothing; or the news that nothing has changed.
    ///
    /// # Errors
    /// What it is instead.
    pub fn check(&mut self, request: &Request) -> Result<(), Error> {
        match self.head.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if request.is_conditional(&self.url) => return Ok(()),
            status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
                return Err(Error::Unavailable(status, self.retry_after()));
            }
            other => return Err(Error::Status(other)),
        }
        if request.kind != Kind::Listing {
            self.check_page(request)?;
            self.check_coding(request)?;
            self.check_empty(request)?;
        }
        Ok(())
    }

    /// In how many seconds the source wants to be asked again, at most an hour (RFC 9110 §10.2.3).
    fn retry_after(&self) -> Option<u32> {
        let value = self.head.fields.get("Retry-After")?;
        let seconds = match decimal(value) {
            Some(seconds) => seconds,
            None => {
                let now = HttpDate::of(SystemTime::now());
                let wait = HttpDate::parse(value, now)?
                    .unix()
                    .checked_sub(now.unix())?;
                u64::try_from(wait).unwrap_or(0)
            }
        };
        u32::try_from(seconds.min(3600)).ok()
    }

    /// Refuses a page that is none by its name: captive portals and soft 404s.
    fn check_page(&self, request: &Request) -> Result<(), Error> {
        let stored = request.kind == Kind::StoredFile;
        if stored && self.directory {
            return Err(Error::NotTheFile("a directory".to_owned()));
        }
        let media_type = self.head.fields.get("Content-Type").unwrap_or_default();
        let named_html = match media_type::extension(request.name()) {
            Some(extension) => [&b"html"[..], b"htm", b"xhtml"]
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known)),
            None => !stored,
        };
        if media_type::is_html(media_type) && !named_html && !self.directory {
            return Err(Error::NotTheFile("an HTML page".to_owned()));
        }
        Ok(())
    }

    /// Refuses content in a coding that was put on the file; a listing is relayed as it came.
    fn check_coding(&mut self, request: &Request) -> Result<(), Error> {
        if self.directory {
            return Ok(());
        }
        let codings = self.head.fields.members("Content-Encoding");
        let codings: Vec<_> = codings
            .filter(|coding| !coding.eq_ignore_ascii_case(b"identity"))
            .collect();
        let coded = match codings.as_slice() {
            [] => return Ok(()),
            [coding] => coded(coding, request.name()),
            // The name can carry one.
            _ => Coded::Other,
        };
        let codings = String::from_utf8_lossy(&codings.join(&b", "[..])).into_owned();
        let is_file = match coded {
            Coded::File => true,
            Coded::Other => false,
            // There is nothing to look at.
            Coded::FileIf(_) if request.method == Method::Head => true,
            Coded::FileIf(magic) => self.first(magic.len())?.starts_with(magic),
        };
        match is_file {
            true => Ok(()),
            false => Err(Error::NotTheFile(format!("it is coded as {codings}"))),
        }
    }

    /// Refuses an archive or a package without a byte: what a mirror has whose disk was full.
    fn check_empty(&mut self, request: &Request) -> Result<(), Error> {
        let is_archive = media_type::is_archive(request.name());
        if request.method != Method::Get || !is_archive || self.directory {
            return Ok(());
        }
        // A source that says no length may take its time for the first byte: only what has come is looked at, and
        // the transfer looks again at the end.
        let is_empty = match self.length() {
            Some(length) => length == 0,
            None => self.wire.ahead().starts_with(b"0\r\n") && self.first(1)?.is_empty(),
        };
        match is_empty {
            true => Err(Error::NotTheFile("it is empty".to_owned())),
            false => Ok(()),
        }
    }
}

fn date(head: &ResponseHead, name: &str) -> Option<HttpDate> {
    // For years of two digits: a clock in 1970 would take 26 for 1926.
    let now = HttpDate::of(SystemTime::now()).max(HttpDate::WRITTEN);
    HttpDate::parse(head.fields.get(name)?, now)
}

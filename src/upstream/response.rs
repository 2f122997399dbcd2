//! Response: a source's final response, its content unread.
//!
//! Rules: what is not the content that was asked for is found out here, from the head and at most the first
//! bytes.
//!
//! Not here: what becomes of the content (`transfer`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::error::Error;
use super::peer::Peer;
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
    /// The response head.
    pub head: ResponseHead,
    /// The URL that it came from, after redirects.
    pub url: Url,
    /// The source's Last-Modified, if it can be read as a date.
    last_modified: Option<HttpDate>,
    /// Whether a redirect on the way only added a slash to the path: then it is a directory.
    pub directory: bool,
    /// The number of the source that was asked; set by `Upstream`.
    pub source: usize,
    /// The address that a connection was made to for it; none if it came by a kept one.
    pub connected_to: Option<SocketAddr>,
    /// Whether that source is the first of those that serve the path; set by `Upstream`.
    pub is_first: bool,
    /// Whether that source responded itself and did not redirect to another server; set by `Upstream`.
    pub by_itself: bool,
    /// Whether no other source is left to ask; set by `Upstream`.
    pub is_last: bool,
    /// Where its content is counted; `Upstream` sets it.
    pub stats: Option<Arc<Stats>>,
    wire: Wire,
    body: Body,
    /// Content that was read to check what it is; it is given out again first.
    first: Vec<u8>,
    peer: Peer,
}

impl Response {
    /// The response that `head` begins, its content still on `wire`.
    pub fn new(head: ResponseHead, wire: Wire, body: Body, url: &Url, peer: Peer) -> Self {
        Self {
            last_modified: date(&head, "Last-Modified"),
            head,
            url: url.clone(),
            directory: false,
            source: 0,
            connected_to: None,
            is_first: false,
            by_itself: false,
            is_last: false,
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
        self.last_modified
    }

    /// Its Date: when the source sent it, by its own clock.
    pub fn date(&self) -> Option<HttpDate> {
        date(&self.head, "Date")
    }

    /// The server that sent it, and its entity tag, which may be weak.
    pub fn given(&self) -> Given {
        Given {
            server: self.url.authority(),
            etag: self.head.fields.get("ETag").map(<[u8]>::to_vec),
        }
    }

    /// The address that its connection leads to.
    pub fn address(&self) -> Option<SocketAddr> {
        self.wire.address()
    }

    /// What has come of the content and can be read at once; there may be more.
    pub fn ahead(&self) -> &[u8] {
        match self.first.as_slice() {
            [] => self.body.ahead(&self.wire),
            first => first,
        }
    }

    /// All of the content, if its length is known and all of that has come.
    pub fn at_hand(&self) -> Option<&[u8]> {
        let ahead = self.ahead();
        (self.length() == Some(ahead.len() as u64)).then_some(ahead)
    }

    /// Goes on behind what is `ahead`, as if it were read.
    pub fn pass(&mut self) {
        if self.first.is_empty() {
            self.count(self.ahead().len());
            self.body.pass(&mut self.wire);
        }
        self.first.clear();
    }

    /// Sets the read time-out of the connection.
    pub fn set_patience(&mut self, patience: Duration) {
        self.wire.set_patience(patience);
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

    /// What was read of the content and will be read again.
    pub fn first(&self) -> &[u8] {
        &self.first
    }

    /// Reads the first `count` bytes of the content, or all if there are fewer. They will be read again. Waiting for
    /// them takes `patience` at most.
    ///
    /// # Errors
    /// When they do not come in time, or the content breaks off; what came before will be read again.
    pub fn read_first(&mut self, count: usize, patience: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        while self.first.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Timeout(patience));
            }
            self.set_patience(left);
            let at = self.first.len();
            self.first.resize(count, 0);
            let space = self.first.get_mut(at..).unwrap_or_default();
            let read = self.body.read(&mut self.wire, space);
            let came = read.as_ref().map_or(0, |count| *count);
            self.first.truncate(at.saturating_add(came));
            self.count(came);
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(cause) if timed_out(&cause) => return Err(Error::Timeout(patience)),
                Err(cause) => return Err(Error::Broken(cause)),
            }
        }
        Ok(())
    }

    /// Counts bytes of content that came.
    fn count(&self, bytes: usize) {
        let stats = self.stats.as_ref();
        if let Some(source) = stats.and_then(|stats| stats.source(self.source)) {
            source.received.add(bytes as u64);
        }
    }

    /// Whom its connection leads to.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether the source keeps the connection open after it (RFC 9112 §9.3).
    pub fn persists(&self) -> bool {
        framing::persists(self.head.version, &self.head.fields)
    }

    /// The connection and where it leads, if it can serve another request: the content was read to its end and
    /// nothing has come after it.
    pub fn into_connection(self) -> Option<(Peer, Wire)> {
        (self.persists() && self.body.is_done() && self.wire.ahead().is_empty())
            .then_some((self.peer, self.wire))
    }

    /// Whether it is usable: a 200 that is no captive portal's page, has no content coding beside the file's
    /// own and is not empty where that cannot be; or a 304 to a conditional request.
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
        if self.wire.is_tls() && self.body.ends_with_connection() {
            // The helper cannot tell the source's end from somebody else's (RFC 9112 §9.8).
            let why = "over TLS nothing tells where it ends".to_owned();
            return Err(Error::NotTheFile(why));
        }
        if request.kind != Kind::Listing {
            self.check_page(request)?;
            self.check_coding(request)?;
            self.check_empty(request)?;
        }
        Ok(())
    }

    /// The source's Retry-After in seconds, at most an hour (RFC 9110 §10.2.3).
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

    /// Refuses an HTML page for a name that is not that of a page: captive portals and soft 404s send such
    /// pages with a 200.
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

    /// Refuses a file in a content coding that the server put on it. A listing is relayed as it came.
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
            // A name carries one coding at most.
            _ => Coded::Other,
        };
        let codings = String::from_utf8_lossy(&codings.join(&b", "[..])).into_owned();
        let is_file = match coded {
            Coded::File => true,
            Coded::Other => false,
            // The response to HEAD has no content to look at.
            Coded::FileIf(_) if request.method == Method::Head => true,
            Coded::FileIf(magic) => {
                if self.ahead().len() < magic.len() {
                    self.read_first(magic.len(), ms(limits().patience_ms))?;
                }
                self.ahead().starts_with(magic)
            }
        };
        match is_file {
            true => Ok(()),
            false => Err(Error::NotTheFile(format!("it is coded as {codings}"))),
        }
    }

    /// Refuses an archive or package of no bytes: a mirror whose disk was full has such files.
    fn check_empty(&mut self, request: &Request) -> Result<(), Error> {
        // Without a length the first byte may be long in coming, so only what has arrived is looked at. The
        // transfer looks again at the end.
        let ends_at_once = match self.length() {
            Some(length) => length == 0,
            None => self.wire.ahead().starts_with(b"0\r\n"),
        };
        let may_be_empty = request.method != Method::Get || self.directory;
        if !ends_at_once || may_be_empty || !media_type::is_archive(request.name()) {
            return Ok(());
        }
        if self.length().is_none() {
            self.read_first(1, ms(limits().patience_ms))?;
        }
        match self.first.is_empty() {
            true => Err(Error::NotTheFile("it is empty".to_owned())),
            false => Ok(()),
        }
    }
}

fn date(head: &ResponseHead, name: &str) -> Option<HttpDate> {
    // A clock that is still in 1970 would take the year 26 of an RFC 850 date for 1926 (RFC 9110 §5.6.7).
    let now = HttpDate::of(SystemTime::now()).max(HttpDate::WRITTEN);
    HttpDate::parse(head.fields.get(name)?, now)
}

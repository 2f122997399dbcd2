//! Response: a source's final answer, its content unread.
//!
//! Not here: what becomes of the content (`transfer`).

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::connect::Peer;
use super::error::Error;
use super::request::{Kind, Request};
use crate::http::{HttpDate, ResponseHead, StatusCode, Url, carried_by_name, framing, media_type};
use crate::net::{Body, Wire};

/// A response of a source.
#[derive(Debug)]
pub struct Response {
    /// The head.
    pub head: ResponseHead,
    /// Where it came from, after redirects.
    pub url: Url,
    /// Whether a redirect did nothing but add a slash to the path: a directory.
    pub directory: bool,
    /// The number of the source that was asked; `Upstream` sets it.
    pub source: usize,
    wire: Wire,
    body: Body,
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
            wire,
            body,
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

    /// The connection that the content comes by.
    pub fn stream(&self) -> &Arc<TcpStream> {
        self.wire.stream()
    }

    /// Whether the beginning of the content has surely come with the head: of chunks it may be but half a size.
    pub fn has_content(&self) -> bool {
        self.length().is_some() && !self.wire.ahead().is_empty()
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
        self.body.read(&mut self.wire, out)
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

    /// Whether it is the content that was asked for: a 200, not a captive portal's page, not in a coding that
    /// the name does not carry; or the news that nothing has changed.
    ///
    /// # Errors
    /// What it is instead.
    pub fn check(&self, request: &Request) -> Result<(), Error> {
        match self.head.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if request.is_conditional() => return Ok(()),
            other => return Err(Error::Status(other)),
        }
        if request.kind == Kind::Listing {
            return Ok(());
        }
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
        // A listing is relayed as it came.
        if self.directory {
            return Ok(());
        }
        let mut codings = self.head.fields.members("Content-Encoding");
        if let Some(coding) = codings.find(|coding| !carried_by_name(coding, request.name())) {
            let coding = String::from_utf8_lossy(coding);
            return Err(Error::NotTheFile(format!("it is coded as {coding}")));
        }
        Ok(())
    }
}

fn date(head: &ResponseHead, name: &str) -> Option<HttpDate> {
    // For years of two digits: a clock in 1970 would take 26 for 1926.
    let now = HttpDate::of(SystemTime::now()).max(HttpDate::WRITTEN);
    HttpDate::parse(head.fields.get(name)?, now)
}

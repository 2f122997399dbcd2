//! Origin: one question to one source, and its answer.
//!
//! Rules: a request carries `Host`, `User-Agent`, `Accept-Encoding: identity`, `Via` and what the
//! question itself needs, and nothing else of a client; redirects are followed a few hops; 1xx
//! answers are skipped; a kept connection that fails before a byte came is replaced unseen.
//!
//! Not here: whether the answer is usable and who is asked next (`upstream`).

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::connect::{ConnectError, Connector, Peer};
use crate::http::{
    Fields, HttpDate, Malformed, Method, ResponseHead, StatusCode, Url, UrlError, framing,
    parse_response,
};
use crate::limits::{Limits, limits};
use crate::proxy::Proxy;
use crate::wire::{Body, HeadError, Wire, timed_out};

/// What is asked of a source, beside the URL.
#[derive(Debug, Clone)]
pub struct Ask {
    /// GET or HEAD.
    pub method: Method,
    /// The `Via` members to send, our own last.
    pub via: String,
    /// Only the content from this byte on, up to that one.
    pub range: Option<(u64, Option<u64>)>,
    /// Only if it was modified since (RFC 9110 §13.1.3).
    pub modified_since: Option<HttpDate>,
}

impl Ask {
    /// A question on behalf of a client whose request carried these `Via` members of other caches.
    pub fn new(method: Method, received: &[String], pseudonym: &str) -> Self {
        let mut via = received.join(", ");
        if !via.is_empty() {
            via.push_str(", ");
        }
        via.push_str("1.1 ");
        via.push_str(pseudonym);
        Self {
            method,
            via,
            range: None,
            modified_since: None,
        }
    }

    /// The same question, for content newer than `date` only.
    pub fn if_modified_since(self, date: Option<HttpDate>) -> Self {
        Self {
            modified_since: date,
            ..self
        }
    }

    /// The same question for a part of the content.
    pub fn part(&self, first: u64, last: Option<u64>) -> Self {
        Self {
            method: Method::Get,
            via: self.via.clone(),
            range: Some((first, last)),
            modified_since: None,
        }
    }
}

/// A source's final answer, its content unread.
#[derive(Debug)]
pub struct Response {
    /// The head.
    pub head: ResponseHead,
    wire: Wire,
    body: Body,
    /// Where it came from, after redirects.
    pub url: Url,
    /// Whether a redirect did nothing but add a slash to the path: a directory.
    pub directory: bool,
    /// Which of the sources was asked; the one who asks knows.
    pub source: usize,
    peer: Peer,
    persists: bool,
}

impl Response {
    /// The content's length, if the source said so.
    pub fn length(&self) -> Option<u64> {
        self.body.length()
    }

    /// The source's Last-Modified, if it can be read as a date.
    pub fn last_modified(&self) -> Option<HttpDate> {
        last_modified(&self.head)
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

    /// Gives the connection back for the next request, if its content was read to the end and nothing
    /// came behind it.
    pub fn finish(self, origin: &Origin) {
        if self.persists && self.body.is_done() && self.wire.ahead().is_empty() {
            origin.connector.keep(self.peer, self.wire);
        }
    }
}

/// The Last-Modified of a head, if it can be read as a date.
pub fn last_modified(head: &ResponseHead) -> Option<HttpDate> {
    HttpDate::parse(head.fields.get("Last-Modified")?, clock::now())
}

/// Why a source did not answer usably.
#[derive(Debug)]
pub enum OriginError {
    /// Its name has no address.
    Resolve(io::Error),
    /// It could not be reached.
    Connect(io::Error),
    /// It was silent for so long.
    Timeout(Duration),
    /// The connection broke before the head was whole.
    Broken(io::Error),
    /// Its answer breaks the grammar or a cap.
    Malformed(Malformed),
    /// It answered with a status that is no content.
    Status(StatusCode),
    /// It redirects to where we cannot follow.
    Redirect(String),
    /// What it sent is not the file that was asked for.
    NotTheFile(String),
}

impl OriginError {
    /// Whether the source said that there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status(StatusCode::NOT_FOUND | StatusCode::GONE))
    }

    /// Whether the source was silent for too long.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Whether another request would fail alike for now.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Resolve(_) | Self::Connect(_) | Self::Timeout(_))
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(cause) => write!(f, "name not resolved: {cause}"),
            Self::Connect(cause) => write!(f, "cannot connect: {cause}"),
            Self::Timeout(after) => write!(f, "no answer within {after:?}"),
            Self::Broken(cause) => write!(f, "connection broken: {cause}"),
            Self::Malformed(cause) => write!(f, "malformed answer: {cause}"),
            Self::Status(status) => write!(f, "answered {status}"),
            Self::Redirect(why) => write!(f, "cannot follow its redirect {why}"),
            Self::NotTheFile(why) => write!(f, "not the file: {why}"),
        }
    }
}

impl From<ConnectError> for OriginError {
    fn from(cause: ConnectError) -> Self {
        match cause {
            ConnectError::Resolve(cause) => Self::Resolve(cause),
            ConnectError::Connect(cause) => Self::Connect(cause),
            ConnectError::Timeout => Self::Connect(io::Error::new(
                io::ErrorKind::TimedOut,
                "no answer to the connect",
            )),
        }
    }
}

/// Asks sources.
#[derive(Debug)]
pub struct Origin {
    connector: Connector,
    proxy: Proxy,
}

impl Origin {
    /// Asks through `proxy`, where it applies.
    pub fn new(proxy: Proxy) -> Self {
        Self {
            connector: Connector::default(),
            proxy,
        }
    }

    /// Asks `url` and follows its redirects; `patience` for the head of each answer.
    ///
    /// # Errors
    /// All but a well-formed final head; a final head of any status is an answer.
    pub fn ask(&self, url: &Url, ask: &Ask, patience: Duration) -> Result<Response, OriginError> {
        let mut url = url.clone();
        let mut directory = false;
        for _ in 0..=limits().redirects {
            let mut response = self.exchange(&url, ask, patience)?;
            response.directory = directory;
            if !response.head.status.is_redirect() {
                return Ok(response);
            }
            let Some(location) = response.head.fields.get("Location") else {
                return Ok(response);
            };
            let next = url
                .join(location)
                .map_err(|why| redirect_error(location, &why))?;
            directory = next.path().strip_suffix('/') == Some(url.path());
            url = next;
            self.discard(response);
        }
        Err(OriginError::Redirect(format!(
            "{url}: more than {} hops",
            limits().redirects
        )))
    }

    /// Reads a short content that nobody wants, so that the connection can serve again.
    fn discard(&self, mut response: Response) {
        let mut scrap = [0; 4096];
        while response
            .length()
            .is_some_and(|length| length <= scrap.len() as u64)
        {
            match response.read(&mut scrap) {
                Ok(0) => return response.finish(self),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    /// One request and its final answer, on a kept connection if there is one that still works.
    fn exchange(&self, url: &Url, ask: &Ask, patience: Duration) -> Result<Response, OriginError> {
        let proxy = self.proxy.for_url(url);
        let peer = proxy.map_or_else(
            || (url.host().to_owned(), url.port()),
            |(peer, _)| peer.clone(),
        );
        let request = serialise(url, ask, proxy);
        if let Some(wire) = self.connector.reuse(&peer) {
            match converse(wire, &request, ask.method, patience) {
                // It had been closed, or spoilt by what came unasked: that says nothing of the source.
                Err(OriginError::Broken(_) | OriginError::Malformed(_)) => {}
                answer => {
                    return answer.map(|(head, wire, body)| respond(head, wire, body, url, peer));
                }
            }
        }
        let wire = self.connector.connect(&peer)?;
        let (head, wire, body) = converse(wire, &request, ask.method, patience)?;
        Ok(respond(head, wire, body, url, peer))
    }
}

fn redirect_error(location: &[u8], why: &UrlError) -> OriginError {
    OriginError::Redirect(format!("to {}: {why}", String::from_utf8_lossy(location)))
}

fn respond(head: ResponseHead, wire: Wire, body: Body, url: &Url, peer: Peer) -> Response {
    let persists = framing::persists(head.version, &head.fields);
    Response {
        head,
        wire,
        body,
        url: url.clone(),
        directory: false,
        source: 0,
        peer,
        persists,
    }
}

/// The request as sent. A proxy wants the absolute-form (RFC 9112 §3.2.2).
fn serialise(url: &Url, ask: &Ask, proxy: Option<(&Peer, Option<&str>)>) -> Vec<u8> {
    let mut fields = Fields::new();
    fields.push("Host", url.authority());
    fields.push(
        "User-Agent",
        concat!("package-cache/", env!("CARGO_PKG_VERSION")),
    );
    fields.push("Accept-Encoding", "identity");
    fields.push("Via", &ask.via);
    match ask.range {
        Some((first, Some(last))) => fields.push_fmt("Range", format_args!("bytes={first}-{last}")),
        Some((first, None)) => fields.push_fmt("Range", format_args!("bytes={first}-")),
        None => {}
    }
    if let Some(date) = ask.modified_since {
        fields.push_fmt("If-Modified-Since", format_args!("{date}"));
    }
    if let Some((_, Some(credentials))) = proxy {
        fields.push("Proxy-Authorization", credentials);
    }
    let method = ask.method.as_str();
    let mut request = match proxy {
        Some(_) => format!("{method} {url} HTTP/1.1\r\n"),
        None => format!("{method} {} HTTP/1.1\r\n", url.path_and_query()),
    }
    .into_bytes();
    request.extend_from_slice(fields.as_bytes());
    request.extend_from_slice(b"\r\n");
    request
}

/// Sends the request and reads heads until a final one; at most `patience` to its first byte and as long again for the rest.
fn converse(
    mut wire: Wire,
    request: &[u8],
    asked: Method,
    patience: Duration,
) -> Result<(ResponseHead, Wire, Body), OriginError> {
    let deadline = Instant::now() + patience;
    wire.set_send_patience(patience)
        .map_err(OriginError::Broken)?;
    wire.send(request)
        .map_err(|cause| read_error(cause, patience))?;
    let mut left = patience;
    loop {
        let head = wire
            .head(left, patience, |bytes| {
                parse_response(bytes, &Limits::RESPONSE)
            })
            .map_err(|cause| head_error(cause, patience))?;
        if !head.status.is_informational() {
            let framing = framing::of_response(&head, asked).map_err(OriginError::Malformed)?;
            return Ok((head, wire, Body::new(framing)));
        }
        left = deadline.saturating_duration_since(Instant::now());
        if head.status.code() == 101 || left.is_zero() {
            return Err(OriginError::Status(head.status));
        }
    }
}

fn head_error(cause: HeadError, patience: Duration) -> OriginError {
    match cause {
        HeadError::Closed | HeadError::Cut => OriginError::Broken(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "closed before its head ended",
        )),
        HeadError::Timeout { .. } => OriginError::Timeout(patience),
        HeadError::Malformed(cause) => OriginError::Malformed(cause),
        HeadError::Io(cause) => read_error(cause, patience),
    }
}

fn read_error(cause: io::Error, patience: Duration) -> OriginError {
    if timed_out(&cause) {
        OriginError::Timeout(patience)
    } else {
        OriginError::Broken(cause)
    }
}

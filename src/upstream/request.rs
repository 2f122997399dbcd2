//! Request: what is asked of a source, beside its URL.
//!
//! Rules: it carries `Host`, `User-Agent`, `Accept-Encoding: identity`, `Via` and what the question
//! itself needs, and nothing else of a client. An entity tag is for the server alone that gave it.

use super::connect::Peer;
use crate::http::cache_control::Confirm;
use crate::http::{Fields, HttpDate, Method, StatusCode, Url};
use crate::store::{CachePath, Given};

/// What kind of thing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file that is not stored.
    File,
    /// A file that is stored: then it is no listing, whatever a portal says.
    StoredFile,
    /// A listing: its path ends in a slash.
    Listing,
}

/// One question, the same to every source.
#[derive(Debug, Clone)]
pub struct Request {
    /// GET or HEAD.
    pub method: Method,
    /// What is asked for.
    pub kind: Kind,
    /// The encoded path, a name of sources at its beginning included.
    path: String,
    /// The first segment, which may be the name of sources.
    first: Vec<u8>,
    /// The decoded last segment.
    name: Vec<u8>,
    /// The value of `Via`, our own entry last.
    via: String,
    /// Only the content from this byte on, up to that one.
    range: Option<(u64, Option<u64>)>,
    /// Only if it was modified since (RFC 9110 §13.1.3).
    modified_since: Option<HttpDate>,
    /// Only if it is another one than this (RFC 9110 §13.1.2).
    none_match: Option<Given>,
    /// How far caches on the way are to confirm theirs.
    confirm: Confirm,
}

impl Request {
    /// A question for what is at `path`.
    pub fn new(method: Method, kind: Kind, path: &CachePath, via: String) -> Self {
        let mut encoded = path.encoded();
        if kind == Kind::Listing {
            encoded.push('/');
        }
        Self {
            method,
            kind,
            path: encoded,
            first: path.first().to_vec(),
            name: path.name().to_vec(),
            via,
            range: None,
            modified_since: None,
            none_match: None,
            confirm: Confirm::No,
        }
    }

    /// The same question, for content newer than `date` only, or of the server that gave ours for another one.
    pub fn if_changed(self, date: Option<HttpDate>, given: Option<Given>) -> Self {
        Self {
            modified_since: date,
            none_match: given,
            ..self
        }
    }

    /// The same question, for an answer that the origin has confirmed.
    pub fn confirmed(self, confirm: Confirm) -> Self {
        Self { confirm, ..self }
    }

    /// The same question for a part of the content, from byte `first` up to byte `last`.
    pub fn part(&self, first: u64, last: Option<u64>) -> Self {
        Self {
            method: Method::Get,
            range: Some((first, last)),
            modified_since: None,
            none_match: None,
            confirm: Confirm::No,
            ..self.clone()
        }
    }

    /// The same question by GET, for a source that answers HEAD with `refusal` (RFC 9110 §15.5.6, §15.6.2;
    /// object stores refuse it with 403); none if that is no refusal of HEAD.
    pub fn by_get(&self, refusal: StatusCode) -> Option<Self> {
        let refused = matches!(refusal.code(), 403 | 405 | 501);
        (self.method == Method::Head && refused).then(|| Self {
            method: Method::Get,
            ..self.clone()
        })
    }

    /// The encoded path, a name of sources at its beginning included.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The decoded first segment of the path.
    pub fn first(&self) -> &[u8] {
        &self.first
    }

    /// The decoded last segment of the path.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether the news that nothing has changed is an answer to it when it comes from `url`.
    pub fn is_conditional(&self, url: &Url) -> bool {
        self.modified_since.is_some() || self.etag_for(url).is_some()
    }

    /// The entity tag that the server of `url` gave.
    fn etag_for(&self, url: &Url) -> Option<&[u8]> {
        let given = self.none_match.as_ref()?;
        let etag = given.etag.as_deref()?;
        (given.server == url.authority()).then_some(etag)
    }

    /// The head as sent to `url`. A proxy wants the absolute-form (RFC 9112 §3.2.2).
    pub fn serialise(&self, url: &Url, proxy: Option<(&Peer, Option<&str>)>) -> Vec<u8> {
        let method = self.method.as_str();
        let mut head = match proxy {
            Some(_) => format!("{method} {url} HTTP/1.1\r\n"),
            None => format!("{method} {} HTTP/1.1\r\n", url.path_and_query()),
        }
        .into_bytes();
        let credentials = proxy.and_then(|(_, credentials)| credentials);
        head.extend_from_slice(self.fields(url, credentials).as_bytes());
        head.extend_from_slice(b"\r\n");
        head
    }

    fn fields(&self, url: &Url, credentials: Option<&str>) -> Fields {
        let mut fields = Fields::new();
        fields.push("Host", url.authority());
        fields.push(
            "User-Agent",
            concat!("package-cache/", env!("CARGO_PKG_VERSION")),
        );
        fields.push("Accept-Encoding", "identity");
        fields.push("Via", &self.via);
        match self.range {
            Some((first, Some(last))) => {
                fields.push_fmt("Range", format_args!("bytes={first}-{last}"));
            }
            Some((first, None)) => fields.push_fmt("Range", format_args!("bytes={first}-")),
            None => {}
        }
        if let Some(date) = self.modified_since {
            fields.push_fmt("If-Modified-Since", format_args!("{date}"));
        }
        if let Some(etag) = self.etag_for(url) {
            fields.push("If-None-Match", etag);
        }
        if let Some(directive) = self.confirm.directive() {
            fields.push("Cache-Control", directive);
        }
        if let Some(credentials) = credentials {
            fields.push("Proxy-Authorization", credentials);
        }
        fields
    }
}

//! Request: what is asked of a source, beside its URL.
//!
//! Rules: it carries `Host`, `User-Agent`, `Accept-Encoding: identity`, `Via` and what the request itself
//! needs, and nothing else of a client. An entity tag is sent only to the server that gave it.

use super::proxy::Via;
use crate::http::cache_control::Confirm;
use crate::http::{Fields, HttpDate, Method, StatusCode, Url};
use crate::store::{CachePath, Given};

/// What kind of thing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file that is not stored.
    File,
    /// A file that is stored: a directory or an HTML page in its place is a failure.
    StoredFile,
    /// A listing: its path ends in a slash.
    Listing,
}

/// One request, the same to every source.
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
    /// The range that is asked for: first byte, and last byte unless it is open.
    range: Option<(u64, Option<u64>)>,
    /// The value of If-Modified-Since (RFC 9110 §13.1.3).
    modified_since: Option<HttpDate>,
    /// What If-None-Match is made of, for the server that gave it (RFC 9110 §13.1.2).
    none_match: Option<Given>,
    /// Whether caches on the way must validate what they have.
    confirm: Confirm,
}

impl Request {
    /// A request for what is at `path`.
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

    /// The same request, conditional: for content newer than `date`, or with another entity tag than `given`.
    pub fn if_changed(self, date: Option<HttpDate>, given: Option<Given>) -> Self {
        Self {
            modified_since: date,
            none_match: given,
            ..self
        }
    }

    /// The same request, for a response that caches on the way have validated as far as `confirm` says.
    pub fn confirmed(self, confirm: Confirm) -> Self {
        Self { confirm, ..self }
    }

    /// The same request for a part of the content, from byte `first` to byte `last` inclusive or to the end;
    /// without conditions.
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

    /// The same request for the content from byte `first` on.
    pub fn rest(&self, first: u64) -> Self {
        Self {
            range: Some((first, None)),
            ..self.clone()
        }
    }

    /// The same request by GET, for a source that refuses HEAD: with 405 or 501 (RFC 9110 §15.5.6, §15.6.2), or
    /// with 403 as object stores do. None if the status is no such refusal.
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

    /// Whether a 304 from `url` is a response to it.
    pub fn is_conditional(&self, url: &Url) -> bool {
        self.modified_since.is_some() || self.etag_for(url).is_some()
    }

    /// The entity tag for If-None-Match to `url`: the one that this very server gave.
    fn etag_for(&self, url: &Url) -> Option<&[u8]> {
        let given = self.none_match.as_ref()?;
        let etag = given.etag.as_deref()?;
        (given.server == url.authority()).then_some(etag)
    }

    /// The request head for `url`. A proxy for http gets the absolute-form (RFC 9112 §3.2.2), one for https nothing.
    pub fn serialise(&self, url: &Url, proxy: Option<&Via>) -> Vec<u8> {
        let proxy = proxy.filter(|_| !url.is_tls());
        let mut head = Vec::with_capacity(512);
        head.extend_from_slice(self.method.as_str().as_bytes());
        head.push(b' ');
        match proxy {
            Some(_) => head.extend_from_slice(url.to_string().as_bytes()),
            None => head.extend_from_slice(url.path_and_query().as_bytes()),
        }
        head.extend_from_slice(b" HTTP/1.1\r\n");
        let authorization = proxy.and_then(Via::authorization);
        head.extend_from_slice(self.fields(url, authorization.as_deref()).as_bytes());
        head.extend_from_slice(b"\r\n");
        head
    }

    fn fields(&self, url: &Url, authorization: Option<&str>) -> Fields {
        let mut fields = Fields::with_capacity(256);
        fields.push("Host", url.authority());
        fields.push_checked(
            "User-Agent",
            concat!("package-cache/", env!("CARGO_PKG_VERSION")),
        );
        fields.push_checked("Accept-Encoding", "identity");
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
        if let Some(authorization) = authorization {
            fields.push("Proxy-Authorization", authorization);
        }
        fields
    }
}

//! Message: the heads of requests and responses, and how they are sent (RFC 9112 §3, §4).
//!
//! Rules: a head that was parsed and sent again parses to the same head. Reason phrases are the standard ones;
//! a received phrase means nothing and is dropped.
//!
//! Not here: parsing (`parse`), content.

use super::{Fields, StatusCode, Target};

/// A request method (RFC 9110 §9); methods are case-sensitive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// CONNECT.
    Connect,
    /// OPTIONS.
    Options,
    /// TRACE.
    Trace,
    /// PATCH (RFC 5789).
    Patch,
    /// Any other token.
    Unknown,
}

impl Method {
    /// The method of that name, `Unknown` for any other.
    pub fn parse(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => Self::Unknown,
        }
    }

    /// The name, `UNKNOWN` for `Unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Whether it is a standard method: 405 or 501 (RFC 9110 §9.1).
    pub fn is_known(self) -> bool {
        self != Self::Unknown
    }
}

/// A version of HTTP/1 (RFC 9112 §2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1, and any later minor version.
    Http11,
}

impl Version {
    /// As in a start line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

/// Request line and header section (RFC 9112 §3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The request target.
    pub target: Target,
    /// The sender's version.
    pub version: Version,
    /// The header section.
    pub fields: Fields,
}

impl RequestHead {
    /// Appends the head, its empty line included; what was parsed comes out as it came in.
    #[cfg(test)]
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.target.raw());
        out.push(b' ');
        out.extend_from_slice(self.version.as_str().as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.fields.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Status line and header section (RFC 9112 §4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResponseHead {
    /// The sender's version.
    pub version: Version,
    /// The status code.
    pub status: StatusCode,
    /// The header section.
    pub fields: Fields,
}

impl ResponseHead {
    /// A head of HTTP/1.1 without fields.
    pub fn new(status: StatusCode) -> Self {
        Self {
            version: Version::Http11,
            status,
            // The size of a usual response of ours: growing step by step would cost more than making it.
            fields: Fields::with_capacity(512),
        }
    }

    /// Appends the head, its empty line included.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.version.as_str().as_bytes());
        let code = self.status.code();
        let digit = |value: u16| b'0'.saturating_add((value % 10) as u8);
        // The space before the phrase is there even if the phrase is not (RFC 9112 §4).
        out.extend_from_slice(&[b' ', digit(code / 100), digit(code / 10), digit(code), b' ']);
        out.extend_from_slice(self.status.reason().as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.fields.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

//! Status: status codes (RFC 9110 §15), and messages that are refused.
//!
//! Rules: a [`StatusCode`] is always from 100 to 599. [`Malformed`] is for both directions: a client gets its
//! status; of a source its status is ignored, and the source fails.
//!
//! Not here: which failure becomes which status (`serve::response`).

use std::fmt;

/// A status code from 100 to 599 (RFC 9110 §15).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct StatusCode(u16);

/// The codes that have names. Their reason phrases are those of RFC 9110 §15 (508: RFC 5842).
macro_rules! status_codes {
    ($($name:ident = $code:literal $reason:literal;)*) => {
        impl StatusCode {
            $(#[allow(dead_code, reason = "some are only ever a source's, for their phrase")]
            #[doc = concat!(stringify!($code), " ", $reason, ".")] pub const $name: Self = Self($code);)*

            /// The standard reason phrase, empty for a code that has no name here.
            pub const fn reason(self) -> &'static str {
                match self.0 { $($code => $reason,)* _ => "" }
            }
        }
    };
}

status_codes! {
    CONTINUE = 100 "Continue";
    OK = 200 "OK";
    NO_CONTENT = 204 "No Content";
    RESET_CONTENT = 205 "Reset Content";
    PARTIAL_CONTENT = 206 "Partial Content";
    MOVED_PERMANENTLY = 301 "Moved Permanently";
    FOUND = 302 "Found";
    SEE_OTHER = 303 "See Other";
    NOT_MODIFIED = 304 "Not Modified";
    TEMPORARY_REDIRECT = 307 "Temporary Redirect";
    PERMANENT_REDIRECT = 308 "Permanent Redirect";
    BAD_REQUEST = 400 "Bad Request";
    FORBIDDEN = 403 "Forbidden";
    NOT_FOUND = 404 "Not Found";
    METHOD_NOT_ALLOWED = 405 "Method Not Allowed";
    REQUEST_TIMEOUT = 408 "Request Timeout";
    GONE = 410 "Gone";
    LENGTH_REQUIRED = 411 "Length Required";
    PRECONDITION_FAILED = 412 "Precondition Failed";
    CONTENT_TOO_LARGE = 413 "Content Too Large";
    URI_TOO_LONG = 414 "URI Too Long";
    RANGE_NOT_SATISFIABLE = 416 "Range Not Satisfiable";
    EXPECTATION_FAILED = 417 "Expectation Failed";
    TOO_MANY_REQUESTS = 429 "Too Many Requests";
    REQUEST_HEADER_FIELDS_TOO_LARGE = 431 "Request Header Fields Too Large";
    INTERNAL_SERVER_ERROR = 500 "Internal Server Error";
    NOT_IMPLEMENTED = 501 "Not Implemented";
    BAD_GATEWAY = 502 "Bad Gateway";
    SERVICE_UNAVAILABLE = 503 "Service Unavailable";
    GATEWAY_TIMEOUT = 504 "Gateway Timeout";
    HTTP_VERSION_NOT_SUPPORTED = 505 "HTTP Version Not Supported";
    LOOP_DETECTED = 508 "Loop Detected";
}

impl StatusCode {
    /// The code, or `None` outside 100 to 599.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            100..=599 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number, 100 to 599.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Whether it is 1xx, an interim response before another one (RFC 9110 §15.2).
    pub const fn is_informational(self) -> bool {
        self.0 < 200
    }

    /// Whether it is 5xx: the server failed (RFC 9110 §15.6).
    pub const fn is_server_error(self) -> bool {
        self.0 >= 500
    }

    /// Whether it is 301, 302, 303, 307 or 308: the content is at `Location` (RFC 9110 §15.4).
    pub const fn is_redirect(self) -> bool {
        matches!(self.0, 301 | 302 | 303 | 307 | 308)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            "" => write!(f, "{}", self.0),
            reason => write!(f, "{} {reason}", self.0),
        }
    }
}

/// Why a message is refused, and the status for a client that sent it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// The status for a client.
    pub status: StatusCode,
    /// What is wrong, in one line without a full stop.
    pub why: &'static str,
}

impl Malformed {
    /// A refusal with this status.
    pub const fn new(status: StatusCode, why: &'static str) -> Self {
        Self { status, why }
    }

    /// A refusal with 400.
    pub const fn bad_request(why: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)
    }
}

impl std::error::Error for Malformed {}

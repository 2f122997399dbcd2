//! Response: a head and a content, and the responses that are errors.
//!
//! Rules: errors have short plain text that names the reason. Failures of the sources become statuses here and
//! nowhere else.
//!
//! Not here: what was found (`found`), preconditions and ranges (`view`), sending it (`content`).

use std::time::SystemTime;

use super::content::Content;
use crate::cache::Ending;
use crate::http::{
    CacheStatus, HttpDate, LastDate, Malformed, Method, ResponseHead, StatusCode, Version, Word,
};
use crate::upstream::Failure;

/// A response, and how the cache took part in it.
#[derive(Debug)]
pub struct Response {
    /// The head, without the fields that every response has.
    pub head: ResponseHead,
    /// What follows it.
    pub content: Content,
    /// For `Cache-Status` and the access line.
    pub status: Option<CacheStatus>,
    /// Whether a file was looked up for it.
    pub looked_up: bool,
    /// What is to be done when it was sent.
    pub ending: Ending,
    /// When it was made, by our clock.
    pub date: HttpDate,
}

impl Response {
    /// A response with a short text that names the reason.
    pub fn text(status: StatusCode, why: &str) -> Self {
        let text = format!("{}: {why}\n", status);
        Self::of_text(ResponseHead::new(status), "text/plain; charset=utf-8", text)
    }

    /// A response with a text of ours.
    pub fn of_text(mut head: ResponseHead, media_type: &str, text: String) -> Self {
        head.fields.push("Content-Type", media_type);
        head.fields.push_number("Content-Length", text.len() as u64);
        Self {
            head,
            content: Content::Text(text),
            status: None,
            looked_up: false,
            ending: Ending::default(),
            date: HttpDate::of(SystemTime::now()),
        }
    }

    /// A response without content, made at `date`.
    pub fn empty(head: ResponseHead, date: HttpDate) -> Self {
        Self {
            head,
            content: Content::Empty,
            status: None,
            looked_up: false,
            ending: Ending::default(),
            date,
        }
    }

    /// The word that counts it: that of its cache status; a file that was looked up and not given is a miss.
    pub fn word(&self) -> Option<Word> {
        let status = self.status.map(CacheStatus::word);
        status.or(self.looked_up.then_some(Word::Miss))
    }

    /// The response to a malformed message.
    pub fn malformed(why: Malformed) -> Self {
        Self::text(why.status, why.why)
    }

    /// The response to a method other than GET and HEAD (RFC 9110 §9.1, §15.5.6).
    pub fn method(method: Method) -> Self {
        if method.is_known() {
            // Clients send CONNECT when they are set to use us as a proxy for https too.
            let why = match method {
                Method::Connect => "no tunnels, only http:// URLs go through the cache",
                _ => "packages can be read only",
            };
            let mut response = Self::text(StatusCode::METHOD_NOT_ALLOWED, why);
            response.head.fields.push("Allow", "GET, HEAD");
            response
        } else {
            Self::text(StatusCode::NOT_IMPLEMENTED, "unknown method")
        }
    }

    /// The response when there is no content, and why.
    pub fn failure(failure: Failure) -> Self {
        let (status, why) = match failure {
            Failure::NotFound => (
                StatusCode::NOT_FOUND,
                "neither the cache nor a source has it",
            ),
            Failure::Forbidden => (StatusCode::FORBIDDEN, "every source refuses it"),
            Failure::Unavailable { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "no source can give it now, try again",
            ),
            // NotModified is only said to requests that hold a stored file.
            Failure::BadGateway | Failure::NotModified => (
                StatusCode::BAD_GATEWAY,
                "no source gave it; the log says why",
            ),
            Failure::Broken => (
                StatusCode::BAD_GATEWAY,
                "the transfer from the source broke off",
            ),
            Failure::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "the sources did not answer in time",
            ),
            Failure::NotStored => (
                StatusCode::GATEWAY_TIMEOUT,
                "it is not in the cache, and only-if-cached wants no source asked",
            ),
            Failure::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too busy, try again"),
        };
        let mut response = Self::text(status, why);
        let retry_after = match failure {
            Failure::Busy => Some(5),
            Failure::Unavailable { retry_after } => retry_after,
            _ => None,
        };
        if let Some(seconds) = retry_after {
            let fields = &mut response.head.fields;
            fields.push_number("Retry-After", seconds.into());
        }
        response
    }

    /// Adds the fields that every response has; `via` is our entry in Via, `date` has the text of the last Date.
    pub fn complete(&mut self, via: &str, version: Version, reusable: bool, date: &mut LastDate) {
        let fields = &mut self.head.fields;
        // No Date is better than one in 1970, by which caches would take the response for stale (RFC 9110
        // §6.6.1).
        if self.date >= HttpDate::WRITTEN {
            fields.push_checked("Date", date.text(self.date));
        }
        fields.push_checked(
            "Server",
            concat!("package-cache/", env!("CARGO_PKG_VERSION")),
        );
        fields.push_checked("Via", via);
        if let Some(status) = self.status {
            match status {
                CacheStatus::Hit => fields.push_checked("Cache-Status", CacheStatus::HIT),
                _ => fields.push_fmt("Cache-Status", format_args!("{status}")),
            }
        }
        match (reusable, version) {
            (false, _) => fields.push_checked("Connection", "close"),
            (true, Version::Http10) => fields.push_checked("Connection", "keep-alive"),
            (true, Version::Http11) => {}
        }
    }
}

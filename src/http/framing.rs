//! Framing: how the content of a message ends (RFC 9112 §6.3), and whether the connection persists (§9.3).
//!
//! Rules: a message whose end two parties could see in different places is refused, from clients and from
//! sources. The only transfer coding is chunked.
//!
//! Not here: reading the content (`net::Body`).

use super::target::decimal;
use super::{Fields, Malformed, Method, RequestHead, ResponseHead, StatusCode, Version};

/// How content ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// There is none.
    None,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// The framing of a request; refused with 400, or with 501 for a transfer coding other than chunked.
pub fn of_request(head: &RequestHead) -> Result<Framing, Malformed> {
    // Steps 1, 2 and 5 of RFC 9112 §6.3 are about responses.
    // 3 and 4. Transfer-Encoding, which no Content-Length may accompany.
    if is_chunked(head.version, &head.fields)? {
        return Ok(Framing::Chunked);
    }
    // 6. Content-Length; 7. without it a request has no content.
    Ok(content_length(&head.fields)?.map_or(Framing::None, Framing::Length))
}

/// The framing of the response to a request of this method.
pub fn of_response(head: &ResponseHead, asked: Method) -> Result<Framing, Malformed> {
    // 1. No content, whatever the fields say. (2 is about CONNECT, which is never sent.)
    let status = head.status;
    if status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    {
        return Ok(Framing::None);
    }
    // 3 and 4. Transfer-Encoding. 5 and 6. Content-Length; 8. without it the content ends with the connection.
    let framing = if is_chunked(head.version, &head.fields)? {
        Framing::Chunked
    } else {
        content_length(&head.fields)?.map_or(Framing::UntilClose, Framing::Length)
    };
    // In a response to HEAD the fields are those of GET, and pass the same checks.
    match asked {
        Method::Head => Ok(Framing::None),
        _ => Ok(framing),
    }
}

/// The Content-Length, a decimal number of bytes (RFC 9110 §8.6). Two lines, even equal ones, a list, and
/// anything but digits are refused with 400.
pub fn content_length(fields: &Fields) -> Result<Option<u64>, Malformed> {
    let Some(value) = fields
        .single("content-length")
        .map_err(|_| Malformed::bad_request("two Content-Length"))?
    else {
        return Ok(None);
    };
    let garbled = Malformed::bad_request("Content-Length is not a number of bytes");
    decimal(value).map(Some).ok_or(garbled)
}

/// Whether there is a Transfer-Encoding; it must be exactly `chunked` (RFC 9112 §6.1).
fn is_chunked(version: Version, fields: &Fields) -> Result<bool, Malformed> {
    let given = fields.single("transfer-encoding");
    if given
        .map_err(|_| Malformed::bad_request("two Transfer-Encoding"))?
        .is_none()
    {
        return Ok(false);
    }
    if version < Version::Http11 {
        return Err(Malformed::bad_request("Transfer-Encoding in HTTP/1.0"));
    }
    if fields.get("content-length").is_some() {
        return Err(Malformed::bad_request(
            "both Transfer-Encoding and Content-Length",
        ));
    }
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let codings = fields.members("transfer-encoding").count();
    let chunked = fields
        .members("transfer-encoding")
        .filter(is_chunked)
        .count();
    let last = fields.members("transfer-encoding").last();
    match (codings, chunked) {
        (1, 1) => Ok(true),
        (0, _) => Err(Malformed::bad_request("Transfer-Encoding without a coding")),
        (_, 0) => Err(UNKNOWN_CODING),
        (_, 1) if last.as_ref().is_some_and(is_chunked) => Err(UNKNOWN_CODING),
        _ => Err(Malformed::bad_request(
            "chunked is not the last transfer coding, or not once",
        )),
    }
}

const UNKNOWN_CODING: Malformed = Malformed::new(
    StatusCode::NOT_IMPLEMENTED,
    "a transfer coding other than chunked",
);

/// Whether the sender keeps its connection open after this message (RFC 9112 §9.3).
pub fn persists(version: Version, fields: &Fields) -> bool {
    let says = |option| fields.has_member("connection", option);
    match version {
        _ if says("close") => false,
        Version::Http11 => true,
        Version::Http10 => says("keep-alive"),
    }
}

#[cfg(test)]
mod tests;

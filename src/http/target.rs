//! Target: the request target (RFC 9112 §3.2), and percent-encoding (RFC 3986 §2.1).
//!
//! Rules: the bytes are kept as they came, and the positions of their parts beside them. The authority of an
//! absolute-form never chooses where we fetch from.
//!
//! Not here: what a path may name in the cache (`store::CachePath`), the URL of a source (`url`).

use std::net::Ipv6Addr;
use std::ops::Range;

use super::{Malformed, Method};

/// A request target in one of its four forms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    raw: Vec<u8>,
    form: Form,
}

/// The forms of RFC 9112 §3.2.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    Origin,
    Absolute { authority: Range<usize> },
    Authority,
    Asterisk,
}

const GARBLED: Malformed = Malformed::bad_request("garbled request target");

impl Target {
    /// Parses the form that the method allows; anything else is refused with 400.
    pub fn parse(method: Method, raw: &[u8]) -> Result<Self, Malformed> {
        if !raw.iter().copied().all(is_target_byte) {
            return Err(GARBLED);
        }
        let form = match (method, raw) {
            (Method::Connect, _) => authority_form(raw)?,
            (_, [b'/', ..]) => Form::Origin,
            (Method::Options, b"*") => Form::Asterisk,
            _ => absolute_form(raw)?,
        };
        Ok(Self {
            raw: raw.to_vec(),
            form,
        })
    }

    /// The target as it was sent.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The path without the query, still percent-encoded, with its first slash; none for `*` and for the target
    /// of a CONNECT.
    pub fn path(&self) -> Option<&[u8]> {
        let from = match &self.form {
            Form::Origin => 0,
            Form::Absolute { authority } => authority.end,
            Form::Authority | Form::Asterisk => return None,
        };
        match self.raw.get(from..)?.split(|&byte| byte == b'?').next() {
            None | Some([]) => Some(b"/"),
            path => path,
        }
    }

    /// The authority of an absolute-form, `host` or `host:port`.
    #[cfg(test)]
    pub fn authority(&self) -> Option<&[u8]> {
        match &self.form {
            Form::Absolute { authority } => self.raw.get(authority.clone()),
            _ => None,
        }
    }
}

/// `host:port`, the target of a CONNECT (RFC 9112 §3.2.3).
fn authority_form(raw: &[u8]) -> Result<Form, Malformed> {
    match Authority::parse(raw) {
        Some(Authority {
            host: [_, ..],
            port: Some(_),
        }) => Ok(Form::Authority),
        _ => Err(GARBLED),
    }
}

/// `http://host:port/path?query` (RFC 9112 §3.2.2). Other schemes are refused.
fn absolute_form(raw: &[u8]) -> Result<Form, Malformed> {
    let (scheme, rest) = split_scheme(raw).ok_or(GARBLED)?;
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(Malformed::bad_request(
            "the target's scheme is neither http nor https",
        ));
    }
    let rest = rest.strip_prefix(b"//").ok_or(GARBLED)?;
    let length = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    match rest.get(..length).and_then(Authority::parse) {
        Some(Authority { host: [_, ..], .. }) => {}
        _ => {
            return Err(Malformed::bad_request(
                "garbled authority in the request target",
            ));
        }
    }
    let start = raw.len().saturating_sub(rest.len());
    Ok(Form::Absolute {
        authority: start..start.saturating_add(length),
    })
}

/// A URI's scheme and what follows its colon (RFC 3986 §3.1).
pub(super) fn split_scheme(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().position(|&byte| byte == b':')?;
    let (scheme, rest) = text.split_at_checked(colon)?;
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let valid = scheme.first()?.is_ascii_alphabetic() && scheme.iter().all(inner);
    valid.then_some((scheme, rest.get(1..)?))
}

/// `uri-host [ ":" port ]` (RFC 9110 §4.2.1, §7.2), without user info.
pub(super) struct Authority<'a> {
    /// A registered name or IPv4 address, possibly empty, or an IPv6 address in its brackets.
    pub(super) host: &'a [u8],
    /// 0 to 65535; none if it is missing or empty.
    pub(super) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// The parts, or `None` for anything else.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let host_length = match text {
            [b'[', ..] => text.iter().position(|&byte| byte == b']')?.checked_add(1)?,
            _ => text
                .iter()
                .position(|&byte| byte == b':')
                .unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at_checked(host_length)?;
        let valid = match host {
            [b'[', address @ .., b']'] => ipv6(address).is_some(),
            name => name.iter().copied().all(is_name_byte),
        };
        let port = match rest {
            [] | [b':'] => None,
            [b':', digits @ ..] => Some(decimal(digits).and_then(|port| u16::try_from(port).ok())?),
            _ => return None,
        };
        valid.then_some(Self { host, port })
    }
}

/// The address within an IP-literal's brackets.
pub(super) fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A number of one or more decimal digits; none for anything else and above `u64::MAX`.
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte & 0x0f))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Whether a byte may be in a reg-name (RFC 3986 §3.2.2), the percent sign of an escape included.
const fn is_name_byte(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'%' | b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}

/// Whether a byte needs no escape anywhere in a URI (RFC 3986 §2.3).
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether a byte may be in a request target: visible except `#`, or above ASCII, which some clients send
/// unescaped.
pub(super) const fn is_target_byte(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0x80..) && byte != b'#'
}

/// The decoded bytes; a bad or incomplete escape is refused with 400.
pub fn percent_decode(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => escape(bytes.next(), bytes.next()).ok_or(Malformed::bad_request(
                "bad percent-escape in the request target",
            ))?,
            _ => byte,
        });
    }
    Ok(decoded)
}

fn escape(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    Some(hex(high?)? << 4 | hex(low?)?)
}

/// The value of a hexadecimal digit, in either case.
pub(super) const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Appends the bytes, with all but letters, digits and `-._~` as escapes in upper case.
pub fn percent_encode(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            push_escape(byte, out);
        }
    }
}

/// Appends a text that is encoded already, and escapes only bytes that no URL may have. Escapes, and bytes that
/// may be in a path or query (RFC 3986 §3.3, §3.4), stay as they are.
pub fn percent_encode_rest(encoded: &[u8], out: &mut String) {
    for &byte in encoded {
        if is_unreserved(byte) || b"!$&'()*+,;=:@/?[]%".contains(&byte) {
            out.push(char::from(byte));
        } else {
            push_escape(byte, out);
        }
    }
}

/// Appends `%XX`.
fn push_escape(byte: u8, out: &mut String) {
    out.push('%');
    for digit in [byte >> 4, byte & 0x0f] {
        out.extend(char::from_digit(u32::from(digit), 16).map(|digit| digit.to_ascii_uppercase()));
    }
}

#[cfg(test)]
mod tests;

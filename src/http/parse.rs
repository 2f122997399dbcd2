//! Parse: the heads of requests and responses from bytes (RFC 9112 §2 to §5).
//!
//! Rules: parsing is strict, since what two parsers read differently can be used for an attack. Every line ends
//! with CRLF; bare CR or LF, control bytes, obs-fold, white space before a colon and a second space in the
//! start line are refused. The grammar is walked byte by byte from the left, so that the result depends on the
//! bytes alone, not on how they were cut into reads, and a refusal comes as soon as it is certain. Only in a
//! source's head white space before a colon is removed, as RFC 9112 §5.1 asks of a proxy.
//!
//! Not here: how content ends (`framing`), reading from a connection (`net::Wire`).

use super::fields::{is_token_byte, is_value_byte, trim};
use super::target::{Authority, is_target_byte};
use super::{Fields, Malformed, Method, RequestHead, ResponseHead, StatusCode, Target, Version};

/// How long a head may be.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// The most bytes of the whole head.
    pub head: usize,
    /// The most field lines.
    pub lines: usize,
    /// The most bytes of a request target.
    pub target: usize,
}

impl Caps {
    /// A client's head: 16 KiB, 100 lines, a target of 8 KiB.
    pub const REQUEST: Self = Self {
        head: 16 * 1024,
        lines: 100,
        target: 8 * 1024,
    };
    /// A source's head; those of CDNs are long.
    pub const RESPONSE: Self = Self {
        head: 64 * 1024,
        lines: 200,
        target: 0,
    };
}

/// The result of parsing the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// The beginning of a head: read on.
    Partial,
    /// A head, and the number of its bytes.
    Complete(T, usize),
}

/// How many empty lines are skipped before a request line (RFC 9112 §2.2): some clients send one after a body.
const EMPTY_LINES: usize = 4;

const CONTROL: Malformed = Malformed::bad_request("a control byte or a bare line feed in the head");
const BARE_CR: Malformed = Malformed::bad_request("a bare carriage return in the head");

/// Reads a request head from the front of the bytes; refused with 400, 414, 431 or 505.
pub fn parse_request(bytes: &[u8], caps: &Caps) -> Result<Parsed<RequestHead>, Malformed> {
    within(bytes, caps, Peer::Client, |cursor| request(cursor, caps))
}

/// Whether a request head, even a malformed or incomplete one, begins with the method HEAD: then its refusal
/// has no content.
pub fn asks_for_head(mut bytes: &[u8]) -> bool {
    for _ in 0..EMPTY_LINES {
        bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    }
    bytes.starts_with(b"HEAD ")
}

/// Reads a response head from the front of the bytes. The status of a refusal means nothing here.
pub fn parse_response(bytes: &[u8], caps: &Caps) -> Result<Parsed<ResponseHead>, Malformed> {
    within(bytes, caps, Peer::Source, |cursor| response(cursor, caps))
}

/// Who sent the head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Client,
    Source,
}

/// Why a walk over the grammar ends early.
enum Stop {
    /// The bytes have run out.
    Partial,
    Refused(Malformed),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Refused(malformed)
    }
}

/// Parses no more bytes than a head may have, so that the cap does not depend on the size of reads.
fn within<'a, T>(
    bytes: &'a [u8],
    caps: &Caps,
    peer: Peer,
    walk: impl FnOnce(&mut Cursor<'a>) -> Result<T, Stop>,
) -> Result<Parsed<T>, Malformed> {
    let mut cursor = Cursor {
        rest: bytes.get(..caps.head).unwrap_or(bytes),
        peer,
    };
    let length = cursor.rest.len();
    match walk(&mut cursor) {
        Ok(head) => Ok(Parsed::Complete(
            head,
            length.saturating_sub(cursor.rest.len()),
        )),
        Err(Stop::Refused(malformed)) => Err(malformed),
        Err(Stop::Partial) if bytes.len() < caps.head => Ok(Parsed::Partial),
        Err(Stop::Partial) => Err(too_large("the head is too long")),
    }
}

const fn too_large(why: &'static str) -> Malformed {
    Malformed::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why)
}

fn request(cursor: &mut Cursor<'_>, caps: &Caps) -> Result<RequestHead, Stop> {
    for _ in 0..EMPTY_LINES {
        if cursor.peek()? != b'\r' {
            break;
        }
        cursor.crlf()?;
    }
    let method = Method::parse(cursor.token("no method at the start of the request line")?);
    cursor.literal(b" ", "the method is not a token and one space")?;
    let target = Target::parse(method, cursor.target(caps.target)?)?;
    cursor.literal(
        b" ",
        "a byte in the request target that does not belong there",
    )?;
    let version = cursor.version()?;
    cursor.crlf()?;
    let fields = cursor.fields(caps)?;
    check_host(version, &fields)?;
    Ok(RequestHead {
        method,
        target,
        version,
        fields,
    })
}

fn response(cursor: &mut Cursor<'_>, caps: &Caps) -> Result<ResponseHead, Stop> {
    let version = cursor.version()?;
    cursor.literal(b" ", "no space after the version")?;
    let status = cursor.status()?;
    // The space after the status is often missing together with the phrase.
    if cursor.peek()? != b'\r' {
        cursor.literal(b" ", "no space after the status code")?;
        cursor.take_while(is_value_byte)?;
    }
    cursor.crlf()?;
    let fields = cursor.fields(caps)?;
    Ok(ResponseHead {
        version,
        status,
        fields,
    })
}

/// Checks that there is one valid Host, which only HTTP/1.0 may leave out (RFC 9112 §3.2).
fn check_host(version: Version, fields: &Fields) -> Result<(), Malformed> {
    match fields.single("host") {
        Err(_) => Err(Malformed::bad_request("two Host fields")),
        Ok(None) if version >= Version::Http11 => Err(Malformed::bad_request("no Host field")),
        Ok(Some(host)) if Authority::parse(host).is_none() => Err(Malformed::bad_request(
            "the Host field is not host or host:port",
        )),
        Ok(_) => Ok(()),
    }
}

/// The rest of the head; each method takes one production from its front.
struct Cursor<'a> {
    rest: &'a [u8],
    peer: Peer,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Result<u8, Stop> {
        self.rest.first().copied().ok_or(Stop::Partial)
    }

    fn next(&mut self) -> Result<u8, Stop> {
        let (&byte, rest) = self.rest.split_first().ok_or(Stop::Partial)?;
        self.rest = rest;
        Ok(byte)
    }

    /// The bytes up to the first that is not `accepted`, as soon as that one has come.
    fn take_while(&mut self, accepted: impl Fn(u8) -> bool) -> Result<&'a [u8], Stop> {
        let length = self
            .rest
            .iter()
            .position(|&byte| !accepted(byte))
            .ok_or(Stop::Partial)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Stop::Partial)?;
        self.rest = rest;
        Ok(taken)
    }

    fn literal(&mut self, text: &[u8], why: &'static str) -> Result<(), Stop> {
        for &byte in text {
            if self.next()? != byte {
                return Err(Malformed::bad_request(why).into());
            }
        }
        Ok(())
    }

    fn crlf(&mut self) -> Result<(), Stop> {
        if self.next()? != b'\r' {
            return Err(CONTROL.into());
        }
        if self.next()? != b'\n' {
            return Err(BARE_CR.into());
        }
        Ok(())
    }

    /// One or more token bytes.
    fn token(&mut self, why: &'static str) -> Result<&'a [u8], Stop> {
        match self.take_while(is_token_byte)? {
            [] => Err(Malformed::bad_request(why).into()),
            token => Ok(token),
        }
    }

    /// A target of at most `cap` bytes; one byte more is enough to refuse it.
    fn target(&mut self, cap: usize) -> Result<&'a [u8], Stop> {
        let taken = self.take_while(is_target_byte);
        // Where the target has not ended, all of the rest belongs to it.
        if taken.as_ref().map_or(self.rest.len(), |taken| taken.len()) > cap {
            let why = "the request target is too long";
            return Err(Malformed::new(StatusCode::URI_TOO_LONG, why).into());
        }
        taken
    }

    /// `HTTP/1.x`; another major version is refused with 505 (RFC 9110 §2.5).
    fn version(&mut self) -> Result<Version, Stop> {
        const GARBLED: &str = "garbled HTTP version";
        self.literal(b"HTTP/", GARBLED)?;
        let major = self.digit(GARBLED)?;
        self.literal(b".", GARBLED)?;
        let minor = self.digit(GARBLED)?;
        match (major, minor) {
            (1, 0) => Ok(Version::Http10),
            (1, _) => Ok(Version::Http11),
            _ => {
                let why = "only HTTP/1.0 and HTTP/1.1 are spoken";
                Err(Malformed::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, why).into())
            }
        }
    }

    fn status(&mut self) -> Result<StatusCode, Stop> {
        const GARBLED: &str = "the status code is not a number from 100 to 599";
        let mut code = 0;
        for _ in 0..3 {
            code = code * 10 + u16::from(self.digit(GARBLED)?);
        }
        Ok(StatusCode::new(code).ok_or(Malformed::bad_request(GARBLED))?)
    }

    fn digit(&mut self, why: &'static str) -> Result<u8, Stop> {
        match self.next()? {
            byte @ b'0'..=b'9' => Ok(byte - b'0'),
            _ => Err(Malformed::bad_request(why).into()),
        }
    }

    /// The header section and the empty line that ends it.
    fn fields(&mut self, caps: &Caps) -> Result<Fields, Stop> {
        let mut fields = Fields::with_capacity(self.rest.len().min(512));
        while self.peek()? != b'\r' {
            if fields.len() >= caps.lines {
                return Err(too_large("too many field lines").into());
            }
            self.field_line(&mut fields)?;
        }
        self.crlf()?;
        Ok(fields)
    }

    /// A field line. No white space may come before the colon, but a proxy removes it from a response (RFC 9112
    /// §5.1); no line may begin with white space (obs-fold, §5.2).
    fn field_line(&mut self, fields: &mut Fields) -> Result<(), Stop> {
        let name = self.token("a field line without a name, or folded")?;
        if self.peer == Peer::Source {
            self.take_while(|byte| matches!(byte, b' ' | b'\t'))?;
        }
        match self.next()? {
            b':' => {}
            b' ' | b'\t' => {
                return Err(Malformed::bad_request("white space before a field's colon").into());
            }
            _ => return Err(Malformed::bad_request("a field name with a byte not allowed").into()),
        }
        let value = self.take_while(is_value_byte)?;
        self.crlf()?;
        fields.push_checked(name, trim(value));
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! CachePath: a request path proved safe, the only thing that reaches the file system from outside.
//!
//! Rules: the path is split at its slashes first and decoded, once, afterwards, so that no escape can
//! make a segment; empty segments are dropped; what could leave the directory, hide in a log or name
//! a partial is refused. Any other byte is ordinary.
//!
//! Not here: limits on length. What the file system cannot name is relayed.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::http::{Malformed, StatusCode, percent_decode, percent_encode};

/// How the names begin that are ours alone; no request reaches a segment that begins so.
pub const RESERVED: &[u8] = b".package-cache";

/// Decoded segments joined by slashes: none empty, `.`, `..` or reserved, none with a control byte.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CachePath {
    bytes: Vec<u8>,
}

/// What a request path names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Nothing but slashes.
    Root,
    /// A path that ends in a slash.
    Listing(CachePath),
    /// Any other path.
    File(CachePath),
}

impl CachePath {
    /// The place named by the path of a request target, still encoded and without its query.
    ///
    /// Refused with 400: bad escapes, escaped slashes, NUL and control bytes, `.` and `..`;
    /// with 404: reserved names.
    pub fn place(encoded_path: &[u8]) -> Result<Place, Malformed> {
        let mut bytes = Vec::with_capacity(encoded_path.len());
        let mut reserved = false;
        for encoded in encoded_path
            .split(|&byte| byte == b'/')
            .filter(|part| !part.is_empty())
        {
            let segment = decode(encoded)?;
            reserved |= segment.starts_with(RESERVED);
            if !bytes.is_empty() {
                bytes.push(b'/');
            }
            bytes.extend_from_slice(&segment);
        }
        if reserved {
            return Err(Malformed::new(
                StatusCode::NOT_FOUND,
                "the name is reserved",
            ));
        }
        Ok(match (bytes.is_empty(), encoded_path.ends_with(b"/")) {
            (true, _) => Place::Root,
            (false, true) => Place::Listing(Self { bytes }),
            (false, false) => Place::File(Self { bytes }),
        })
    }

    /// The decoded segments joined by slashes, without one at either end.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same as a relative path, to be joined to the cache directory.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.bytes))
    }

    /// The last segment.
    pub fn name(&self) -> &[u8] {
        self.segments().next_back().unwrap_or_default()
    }

    /// The path for an upstream request: each segment percent-encoded, joined by slashes.
    pub fn encoded(&self) -> String {
        let mut out = String::with_capacity(self.bytes.len());
        for segment in self.segments() {
            if !out.is_empty() {
                out.push('/');
            }
            percent_encode(segment, &mut out);
        }
        out
    }

    fn segments(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.bytes.split(|&byte| byte == b'/')
    }
}

impl fmt::Display for CachePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

/// One segment decoded, if it is a name that stays where it is put.
fn decode(encoded: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    let segment = if encoded.contains(&b'%') {
        Cow::Owned(percent_decode(encoded)?)
    } else {
        Cow::Borrowed(encoded)
    };
    if segment.contains(&b'/') {
        return Err(Malformed::bad_request("an escaped slash in the path"));
    }
    if segment.iter().any(u8::is_ascii_control) {
        return Err(Malformed::bad_request("a control byte in the path"));
    }
    if matches!(&*segment, b"." | b"..") {
        return Err(Malformed::bad_request("a dot segment in the path"));
    }
    Ok(segment)
}

#[cfg(test)]
mod tests;

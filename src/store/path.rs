//! CachePath: a request path that was checked; nothing else reaches the file system from outside.
//!
//! Rules: the path is split at its slashes first, and each segment is decoded once afterwards, so that no
//! escape can make a segment. Empty and `.` segments are dropped (flat apt repositories ask for
//! `/repo/./Packages`). What could leave the directory, hide in a log or name a partial is refused. A segment
//! with an encoded slash cannot be a file name: it is passed on as it came. Any other byte is allowed.
//!
//! Not here: limits on length. A name that the file system does not take is relayed.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::http::{Malformed, StatusCode, percent_decode, percent_encode, percent_encode_rest};

/// The beginning of reserved names; no request reaches a segment that begins so.
pub const RESERVED: &[u8] = b".package-cache";

/// Segments joined by slashes. None is empty, `.`, `..` or reserved, or has a control byte. All are decoded but
/// those with an encoded slash, which are as they came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CachePath {
    bytes: Vec<u8>,
    /// The encoded path for sources, if a segment has an encoded slash and `bytes` cannot tell it.
    opaque: Option<String>,
}

/// What a request path names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Nothing but slashes.
    Root,
    /// A path that ends in a slash, or in a `.` segment, which names the same directory (RFC 3986 §5.2.4).
    Listing(CachePath),
    /// A path with a segment that has an encoded slash, as in npm's `/@scope%2fname`. It names nothing in the
    /// cache.
    Opaque(CachePath),
    /// Any other path.
    File(CachePath),
}

impl CachePath {
    /// What the path of a request target names; it is still encoded, and without its query.
    ///
    /// # Errors
    /// Status 400 for a bad escape, a control byte, and `..` even after an encoded slash; 404 for a reserved
    /// name.
    pub fn place(encoded_path: &[u8]) -> Result<Place, Malformed> {
        let mut path = Self {
            bytes: Vec::with_capacity(encoded_path.len()),
            opaque: None,
        };
        let (mut reserved, mut is_listing) = (false, true);
        for encoded in encoded_path.split(|&byte| byte == b'/') {
            let segment = decode(encoded)?;
            is_listing = matches!(&*segment, b"" | b".");
            if is_listing {
                continue;
            }
            let mut parts = segment.split(|&byte| byte == b'/');
            reserved |= parts.any(|part| part.starts_with(RESERVED));
            path.push(encoded, &segment);
        }
        if reserved {
            return Err(Malformed::new(
                StatusCode::NOT_FOUND,
                "the name is reserved",
            ));
        }
        Ok(match path {
            Self { bytes, .. } if bytes.is_empty() => Place::Root,
            path if is_listing => Place::Listing(path),
            path if path.opaque.is_some() => Place::Opaque(path),
            path => Place::File(path),
        })
    }

    /// The path of these segments, which were checked before.
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            opaque: None,
        }
    }

    /// Adds a segment.
    fn push(&mut self, encoded: &[u8], decoded: &[u8]) {
        let is_opaque = decoded.contains(&b'/');
        if is_opaque && self.opaque.is_none() {
            self.opaque = Some(self.encoded());
        }
        if let Some(opaque) = &mut self.opaque {
            if !opaque.is_empty() {
                opaque.push('/');
            }
            match is_opaque {
                true => percent_encode_rest(encoded, opaque),
                false => percent_encode(decoded, opaque),
            }
        }
        if !self.bytes.is_empty() {
            self.bytes.push(b'/');
        }
        let segment = if is_opaque { encoded } else { decoded };
        self.bytes.extend_from_slice(segment);
    }

    /// The path: segments joined by slashes, without one at either end.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same as a relative path, to be joined to the cache directory.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.bytes))
    }

    /// The first segment.
    pub fn first(&self) -> &[u8] {
        self.segments().next().unwrap_or_default()
    }

    /// The last segment.
    pub fn name(&self) -> &[u8] {
        self.segments().next_back().unwrap_or_default()
    }

    /// The path for a request to a source: each segment percent-encoded, or as it came if it has an encoded
    /// slash.
    pub fn encoded(&self) -> String {
        if let Some(opaque) = &self.opaque {
            return opaque.clone();
        }
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

impl Hash for CachePath {
    /// In one piece: each hit hashes its path, and a hasher takes time for each of its pieces.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.bytes);
    }
}

impl fmt::Display for CachePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

/// One segment decoded, unless it is refused.
fn decode(encoded: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    let segment = if encoded.contains(&b'%') {
        Cow::Owned(percent_decode(encoded)?)
    } else {
        Cow::Borrowed(encoded)
    };
    if segment.iter().any(u8::is_ascii_control) {
        return Err(Malformed::bad_request("a control byte in the path"));
    }
    let mut parts = segment.split(|&byte| byte == b'/');
    if parts.any(|part| part == b"..") {
        return Err(Malformed::bad_request("a .. segment in the path"));
    }
    Ok(segment)
}

#[cfg(test)]
mod tests;

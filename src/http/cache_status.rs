//! Cache-Status: how the cache handled a request, as a field (RFC 9211) and as a word for the access log.
//!
//! Rules: `hit` and `fwd` exclude each other.
//!
//! Not here: what to do with a request (`cache`).

use std::fmt::{self, Display, Write};

use super::StatusCode;

/// Why a request was forwarded to a source (RFC 9211 §2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forward {
    /// Nothing is stored under that path.
    UriMiss,
    /// What is stored under that path is another file.
    Miss,
    /// Such paths are never stored.
    Bypass,
    /// The stored file may have changed.
    Stale,
    /// The request asked for validation.
    Request,
}

impl Forward {
    fn token(self) -> &'static str {
        match self {
            Self::UriMiss => "uri-miss",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
}

/// A cache status in one word, as it is logged and counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// Served from the cache.
    Hit,
    /// Fetched, since it is not stored.
    Miss,
    /// Served from the transfer that an earlier request began.
    Collapsed,
    /// Passed on: such paths are not stored.
    Bypass,
    /// Served from the cache, a source having confirmed it.
    Revalidated,
    /// Fetched, since the stored file had changed.
    Expired,
    /// Served from the cache, since no source could confirm it.
    Stale,
}

impl Word {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Hit,
        Self::Miss,
        Self::Collapsed,
        Self::Bypass,
        Self::Revalidated,
        Self::Expired,
        Self::Stale,
    ];

    /// The word in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Collapsed => "collapsed",
            Self::Bypass => "bypass",
            Self::Revalidated => "revalidated",
            Self::Expired => "expired",
            Self::Stale => "stale",
        }
    }
}

/// In capitals, as in the access log.
impl Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = self.name().chars();
        letters.try_for_each(|letter| f.write_char(letter.to_ascii_uppercase()))
    }
}

/// How the cache handled a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheStatus {
    /// Served from the cache.
    Hit,
    /// Served from the cache without validation, since no source could be asked.
    Stale,
    /// Served by a source.
    Forwarded {
        /// Why a source was asked.
        why: Forward,
        /// The source's status (RFC 9211 §2.3).
        status: Option<StatusCode>,
        /// Whether the response is stored (RFC 9211 §2.5).
        stored: bool,
        /// Whether the request joined the transfer of another one (RFC 9211 §2.6).
        collapsed: bool,
    },
}

impl CacheStatus {
    /// The value for a hit, which is the most common.
    pub const HIT: &str = "package-cache; hit";

    /// The word for it.
    pub fn word(self) -> Word {
        match self {
            Self::Hit => Word::Hit,
            Self::Stale => Word::Stale,
            Self::Forwarded {
                status: Some(StatusCode::NOT_MODIFIED),
                ..
            } => Word::Revalidated,
            Self::Forwarded {
                collapsed: true, ..
            } => Word::Collapsed,
            Self::Forwarded {
                why: Forward::UriMiss | Forward::Miss,
                ..
            } => Word::Miss,
            Self::Forwarded {
                why: Forward::Bypass,
                ..
            } => Word::Bypass,
            Self::Forwarded {
                why: Forward::Stale | Forward::Request,
                ..
            } => Word::Expired,
        }
    }
}

impl Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (why, status, stored, collapsed) = match *self {
            Self::Hit => return f.write_str(Self::HIT),
            Self::Stale => return f.write_str("package-cache; fwd=stale; detail=served-stale"),
            Self::Forwarded {
                why,
                status,
                stored,
                collapsed,
            } => (why, status, stored, collapsed),
        };
        f.write_str("package-cache; fwd=")?;
        f.write_str(why.token())?;
        if let Some(status) = status {
            write!(f, "; fwd-status={}", status.code())?;
        }
        f.write_str(if stored { "; stored" } else { "" })?;
        f.write_str(if collapsed { "; collapsed" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_word() {
        let forwarded = |why, status, stored, collapsed| CacheStatus::Forwarded {
            why,
            status,
            stored,
            collapsed,
        };
        let ok = Some(StatusCode::OK);
        for (status, text, word) in [
            (CacheStatus::Hit, "hit", "HIT"),
            (
                forwarded(Forward::UriMiss, ok, true, false),
                "fwd=uri-miss; fwd-status=200; stored",
                "MISS",
            ),
            (
                forwarded(Forward::UriMiss, ok, true, true),
                "fwd=uri-miss; fwd-status=200; stored; collapsed",
                "COLLAPSED",
            ),
            (
                forwarded(Forward::UriMiss, None, false, false),
                "fwd=uri-miss",
                "MISS",
            ),
            (
                forwarded(Forward::Bypass, ok, false, false),
                "fwd=bypass; fwd-status=200",
                "BYPASS",
            ),
            (
                forwarded(Forward::Stale, Some(StatusCode::NOT_MODIFIED), false, false),
                "fwd=stale; fwd-status=304",
                "REVALIDATED",
            ),
            (
                forwarded(Forward::Request, ok, true, false),
                "fwd=request; fwd-status=200; stored",
                "EXPIRED",
            ),
            (
                CacheStatus::Stale,
                "fwd=stale; detail=served-stale",
                "STALE",
            ),
        ] {
            assert_eq!(status.to_string(), format!("package-cache; {text}"));
            assert_eq!(status.word().to_string(), word, "{text}");
        }
    }
}

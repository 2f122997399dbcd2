//! Errors: why a source gave nothing usable, and what the errors of all sources together mean to a client.
//!
//! Rules: an [`Error`] is one source's and goes to the log; a [`Failure`] is what the client's status is made
//! of, and carries no text of a source.
//!
//! Not here: the status itself (`serve::response`).

use std::error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::http::{Malformed, StatusCode};
use crate::stats::Reason;

/// Why one source gave no usable response.
#[derive(Debug)]
pub enum Error {
    /// Its name has no address.
    Resolve(io::Error),
    /// It could not be reached.
    Connect(io::Error),
    /// TLS cannot be spoken to it: the helper is missing, cannot be started, or all are busy (`TimedOut`). That says
    /// nothing of the source.
    Helper(io::Error),
    /// It was silent for this long.
    Timeout(Duration),
    /// The connection broke before the head was whole.
    Broken(io::Error),
    /// Its response breaks the grammar or a cap.
    Malformed(Malformed),
    /// Its status is not that of usable content.
    Status(StatusCode),
    /// Its status is 429 or 503; the seconds of its Retry-After, if it sent one.
    Unavailable(StatusCode, Option<u32>),
    /// It redirects to a place that is not followed, and why.
    Redirect(String),
    /// It sent something else than the file that was asked for, and what that is.
    NotTheFile(String),
    /// The transfer was given up, since nobody reads it.
    GivenUp,
}

impl Error {
    /// Whether the source said that there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status(StatusCode::NOT_FOUND | StatusCode::GONE))
    }

    /// Whether the source was silent for too long before its head.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Whether all helpers that speak TLS were busy for too long.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Helper(cause) if cause.kind() == io::ErrorKind::TimedOut)
    }

    /// As what it counts; none if the source is in order: it has no such file, or nobody wants it any more.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            _ if self.is_not_found() => None,
            Self::GivenUp => None,
            Self::Resolve(_) => Some(Reason::Resolve),
            Self::Connect(_) | Self::Helper(_) => Some(Reason::Connect),
            Self::Timeout(_) => Some(Reason::Timeout),
            Self::Broken(_) => Some(Reason::Broken),
            Self::Malformed(_) => Some(Reason::Malformed),
            Self::Status(_) | Self::Unavailable(..) => Some(Reason::Status),
            Self::Redirect(_) => Some(Reason::Redirect),
            Self::NotTheFile(_) => Some(Reason::NotTheFile),
        }
    }

    /// Whether the source cannot be reached or is silent, so that the next request would fail alike.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Resolve(_) | Self::Connect(_) | Self::Timeout(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(cause) => write!(f, "name not resolved: {cause}"),
            Self::Connect(cause) => write!(f, "cannot connect: {cause}"),
            Self::Helper(cause) => write!(f, "cannot speak TLS: {cause}"),
            Self::Timeout(after) => write!(f, "no answer within {} s", after.as_secs()),
            Self::Broken(cause) => write!(f, "connection broken: {cause}"),
            Self::Malformed(cause) => write!(f, "malformed answer: {cause}"),
            Self::Status(status) | Self::Unavailable(status, None) => {
                write!(f, "answered {status}")
            }
            Self::Unavailable(status, Some(seconds)) => {
                write!(f, "answered {status}, to be asked again in {seconds} s")
            }
            Self::Redirect(why) => write!(f, "cannot follow its redirect {why}"),
            Self::NotTheFile(why) => write!(f, "not the file: {why}"),
            Self::GivenUp => f.write_str("given up, since nobody wants it any more"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Resolve(cause)
            | Self::Connect(cause)
            | Self::Helper(cause)
            | Self::Broken(cause) => Some(cause),
            Self::Malformed(cause) => Some(cause),
            Self::Timeout(_)
            | Self::Status(_)
            | Self::Unavailable(..)
            | Self::Redirect(_)
            | Self::NotTheFile(_)
            | Self::GivenUp => None,
        }
    }
}

/// Why there is no content for a client's request. Details are logged where they happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Every source said that there is no such file, or there is no source.
    NotFound,
    /// Every source refused it.
    Forbidden,
    /// No source gave a usable response.
    BadGateway,
    /// The last source asked was silent, or could not be reached in time.
    Timeout,
    /// The last source asked said 429 or 503.
    Unavailable {
        /// After how many seconds it wants to be asked again, if it said so.
        retry_after: Option<u32>,
    },
    /// No transfer, or no helper that speaks TLS, became free in time.
    Busy,
    /// The content broke off.
    Broken,
    /// It is not stored, and the client wants no source asked.
    NotStored,
    /// There is nothing newer than what is stored.
    NotModified,
}

impl Failure {
    /// What one source's failure means alone.
    fn of(error: &Error) -> Self {
        match error {
            Error::Status(StatusCode::FORBIDDEN) => Self::Forbidden,
            Error::Unavailable(_, retry_after) => Self::Unavailable {
                retry_after: *retry_after,
            },
            Error::Timeout(_) => Self::Timeout,
            _ if error.is_busy() => Self::Busy,
            Error::Connect(cause) if cause.kind() == io::ErrorKind::TimedOut => Self::Timeout,
            other if other.is_not_found() => Self::NotFound,
            _ => Self::BadGateway,
        }
    }

    /// What the failures so far mean together with the next one. The last one counts, but 404 needs every
    /// source to say so; object stores say 403 for what is not there.
    pub fn after(before: Option<Self>, next: &Error) -> Self {
        match (before, Self::of(next)) {
            (None, only) => only,
            (Some(Self::Forbidden), Self::Forbidden) => Self::Forbidden,
            (Some(Self::NotFound | Self::Forbidden), Self::NotFound | Self::Forbidden) => {
                Self::NotFound
            }
            (Some(_), Self::NotFound | Self::Forbidden) => Self::BadGateway,
            (Some(_), last) => last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_stands_for_all_sources() {
        let status = |code| Error::Status(StatusCode::new(code).unwrap());
        let silent = || Error::Timeout(Duration::from_secs(5));
        let refused = || Error::Connect(io::ErrorKind::ConnectionRefused.into());
        let no_helper = |kind| Error::Helper(io::Error::from(kind));
        let unreached = || Error::Connect(io::ErrorKind::TimedOut.into());
        let busy = |after| Error::Unavailable(StatusCode::SERVICE_UNAVAILABLE, after);
        let unavailable = |retry_after| Failure::Unavailable { retry_after };
        for (errors, expected) in [
            (vec![status(404), status(410)], Failure::NotFound),
            (vec![status(404), status(500)], Failure::BadGateway),
            (vec![status(500), status(404)], Failure::BadGateway),
            (vec![refused(), status(404)], Failure::BadGateway),
            (vec![silent(), status(404)], Failure::BadGateway),
            (vec![status(404), silent()], Failure::Timeout),
            (vec![status(500), silent()], Failure::Timeout),
            (vec![status(403), status(403)], Failure::Forbidden),
            (vec![status(403), status(404)], Failure::NotFound),
            (vec![status(404), status(403)], Failure::NotFound),
            (
                vec![status(403), status(404), status(403)],
                Failure::NotFound,
            ),
            (vec![status(403), status(500)], Failure::BadGateway),
            (vec![status(500), status(403)], Failure::BadGateway),
            (vec![busy(Some(7)), status(403)], Failure::BadGateway),
            (vec![status(404), unreached()], Failure::Timeout),
            (vec![unreached()], Failure::Timeout),
            (vec![unreached(), refused()], Failure::BadGateway),
            (vec![status(404), busy(Some(7))], unavailable(Some(7))),
            (vec![silent(), busy(None)], unavailable(None)),
            (vec![no_helper(io::ErrorKind::TimedOut)], Failure::Busy),
            (
                vec![no_helper(io::ErrorKind::NotFound)],
                Failure::BadGateway,
            ),
            (vec![busy(Some(7)), silent()], Failure::Timeout),
            (vec![busy(Some(7)), status(404)], Failure::BadGateway),
        ] {
            let after = |before, next| Some(Failure::after(before, next));
            let found = errors.iter().fold(None, after);
            assert_eq!(found, Some(expected), "{errors:?}");
        }
    }

    #[test]
    fn causes_are_kept() {
        let refused = Error::Connect(io::ErrorKind::ConnectionRefused.into());
        assert!(error::Error::source(&refused).is_some());
        assert!(error::Error::source(&Error::Timeout(Duration::ZERO)).is_none());
    }
}

//! Modified: the time a cached file has, as Last-Modified and as entity tag.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::HttpDate;

/// When a file was last modified, as the file system keeps it. A non-zero nanosecond part marks a
/// time that is not a Last-Modified of the source.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Modified {
    seconds: i64,
    nanoseconds: i64,
}

impl Modified {
    /// The time a file has.
    pub fn of(metadata: &fs::Metadata) -> Self {
        Self {
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        }
    }

    /// The time as a field value, in whole seconds.
    pub fn date(self) -> HttpDate {
        HttpDate::from_unix(self.seconds)
    }

    /// The time as a field value, if it is a Last-Modified of the source.
    pub fn source_date(self) -> Option<HttpDate> {
        (self.nanoseconds == 0).then(|| self.date())
    }

    /// The time for the file system; the epoch if it lies before it.
    pub fn time(self) -> SystemTime {
        let seconds = u64::try_from(self.seconds).unwrap_or(0);
        let nanoseconds = u32::try_from(self.nanoseconds)
            .unwrap_or(0)
            .min(999_999_999);
        UNIX_EPOCH
            .checked_add(Duration::new(seconds, nanoseconds))
            .unwrap_or(UNIX_EPOCH)
    }

    /// The strong entity tag of a file with this time and `length` bytes (RFC 9110 §8.8.3).
    pub fn etag(self, length: u64) -> String {
        match self.nanoseconds {
            0 => format!("\"{:x}-{length:x}\"", self.seconds),
            nanoseconds => format!("\"{:x}.{nanoseconds:x}-{length:x}\"", self.seconds),
        }
    }
}

//! Modified: the modification time of a cached file, as Last-Modified and as entity tag.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::HttpDate;

/// A modification time as the file system keeps it. A nanosecond part that is not zero marks a time that is not
/// the source's Last-Modified.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Modified {
    seconds: i64,
    nanoseconds: i64,
}

impl Modified {
    /// The modification time of a file.
    pub fn of(metadata: &fs::Metadata) -> Self {
        Self {
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        }
    }

    /// The modification time that a file with this Last-Modified would get; none if it has none.
    pub fn of_source(date: Option<HttpDate>) -> Option<Self> {
        date.map(|date| Self {
            seconds: date.unix(),
            nanoseconds: 0,
        })
    }

    /// The time for Last-Modified, in whole seconds.
    pub fn date(self) -> HttpDate {
        HttpDate::from_unix(self.seconds)
    }

    /// The time for Last-Modified, if it is the source's.
    pub fn source_date(self) -> Option<HttpDate> {
        (self.nanoseconds == 0).then(|| self.date())
    }

    /// The time for the file system; the epoch if it is before that.
    pub fn time(self) -> SystemTime {
        let seconds = u64::try_from(self.seconds).unwrap_or(0);
        let nanoseconds = u32::try_from(self.nanoseconds)
            .unwrap_or(0)
            .min(999_999_999);
        UNIX_EPOCH
            .checked_add(Duration::new(seconds, nanoseconds))
            .unwrap_or(UNIX_EPOCH)
    }

    /// The strong entity tag (RFC 9110 §8.8.3) of a file with this time and `length` bytes:
    /// `"SECONDS[.NANOSECONDS]-LENGTH"` in hexadecimal.
    pub fn etag(self, length: u64) -> String {
        let mut tag = Vec::with_capacity(64);
        tag.push(b'"');
        push_hex(&mut tag, self.seconds.cast_unsigned());
        if self.nanoseconds != 0 {
            tag.push(b'.');
            push_hex(&mut tag, self.nanoseconds.cast_unsigned());
        }
        tag.push(b'-');
        push_hex(&mut tag, length);
        tag.push(b'"');
        String::from_utf8(tag).unwrap_or_default()
    }
}

/// Appends a number in hexadecimal. A formatter would take longer than the rest of a hit's head.
fn push_hex(text: &mut Vec<u8>, number: u64) {
    let (mut digits, mut first, mut rest) = ([0; 16], 16, number);
    for digit in digits.iter_mut().rev() {
        let nibble = rest as u8 & 0xf;
        *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        first -= 1;
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(digits.get(first..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_tell_times_and_lengths_apart() {
        for (seconds, nanoseconds, length, expected) in [
            (0, 0, 0, "\"0-0\""),
            (1, 0, 16, "\"1-10\""),
            (1_445_412_480, 0, 4096, "\"56273e80-1000\""),
            (1, 999_999_999, u64::MAX, "\"1.3b9ac9ff-ffffffffffffffff\""),
            (-1, 0, 1, "\"ffffffffffffffff-1\""),
        ] {
            let modified = Modified {
                seconds,
                nanoseconds,
            };
            assert_eq!(modified.etag(length), expected);
        }
    }
}

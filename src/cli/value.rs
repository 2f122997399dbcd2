//! Value: values with a unit, and values as messages show them.

use std::ffi::OsStr;
use std::time::Duration;

use crate::http::without_user_info;

/// Bytes from a whole number with an optional suffix K, M, G or T, powers of 1024; `B` or `iB` may follow. Case
/// does not matter.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.strip_prefix(digits)?.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    integer(digits)?.checked_mul(unit)
}

/// A time from a whole number and h, d, w or y (365 days); case does not matter. There are no minutes, since an
/// `m` could be meant for months.
pub fn parse_age(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let hours: u64 = match text.strip_prefix(digits)?.to_ascii_lowercase().as_str() {
        "h" => 1,
        "d" => 24,
        "w" => 7 * 24,
        "y" => 365 * 24,
        _ => return None,
    };
    let hours = integer(digits)?.checked_mul(hours)?;
    hours.checked_mul(60 * 60).map(Duration::from_secs)
}

/// A number of decimal digits alone: no sign, no space.
pub fn integer(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// A value as it is shown in one line of a message, without the password of a URL.
pub fn shown(value: &OsStr) -> String {
    let mut value = value.to_string_lossy().into_owned();
    if value.contains("://") {
        value = without_user_info(&value);
    }
    let mut out = String::new();
    for c in value.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("512B", Some(512)),
            ("1K", Some(1 << 10)),
            ("256M", Some(256 << 20)),
            ("256m", Some(256 << 20)),
            ("50G", Some(50 << 30)),
            ("50GB", Some(50 << 30)),
            ("50GiB", Some(50 << 30)),
            ("2T", Some(2 << 40)),
            ("18446744073709551615", Some(u64::MAX)),
            ("16777215T", Some(16_777_215 << 40)),
            ("16777216T", None),
            ("18446744073709551616", None),
            ("", None),
            ("M", None),
            ("1.5G", None),
            ("1,5G", None),
            ("-1", None),
            ("+1", None),
            (" 1", None),
            ("1 G", None),
            ("1P", None),
            ("1Gi", None),
            ("1iB", None),
            ("1GG", None),
            ("0x10", None),
            ("\u{661}", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text:?}");
        }
    }

    #[test]
    fn ages() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3_600));
        for (text, expected) in [
            ("12h", hours(12)),
            ("180d", hours(180 * 24)),
            ("180D", hours(180 * 24)),
            ("26w", hours(26 * 7 * 24)),
            ("1y", hours(365 * 24)),
            ("0d", hours(0)),
            ("180", None),
            ("6m", None),
            ("d", None),
            ("", None),
            ("1.5d", None),
            ("-1d", None),
            ("1d12h", None),
            ("99999999999999999999y", None),
            ("9999999999999999y", None),
        ] {
            assert_eq!(parse_age(text), expected, "{text:?}");
        }
    }
}

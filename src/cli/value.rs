//! Values with a unit, and values shown in messages.

use std::ffi::OsStr;
use std::time::Duration;

/// Bytes from a whole number with an optional suffix K, M, G or T, a power of 1024; `B` or `iB` may
/// follow, case does not matter.
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

/// A time from a whole number and h, d, w or y (365 days), case does not matter. Minutes are left out: an
/// `m` could as well be meant for months.
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

/// Decimal digits alone: no sign, no space.
pub fn integer(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// A value fit for one line of a message.
pub fn shown(value: &OsStr) -> String {
    let mut out = String::new();
    for c in value.to_string_lossy().chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

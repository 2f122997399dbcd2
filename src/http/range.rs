//! Range: byte ranges (RFC 9110 §14). One range of a request is resolved; Content-Range is read and written.
//!
//! Rules: a Range that we do not obey is ignored and no error. Only a valid one outside the content is
//! unsatisfiable. A number beyond 64 bits counts as the largest in a request, and is refused from a source.
//!
//! Not here: If-Range (`precondition`).

use std::fmt::{self, Display};
use std::ops::Range;

use super::fields::trim;
use super::target::decimal;

/// What part of the content a Range field selects.
#[derive(PartialEq, Eq, Debug, Clone)]
pub enum Selection {
    /// All of it: the field is not one valid `bytes` range.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// No byte: the status is 416.
    Unsatisfiable,
}

/// Resolves the value of a Range field against a length in bytes (RFC 9110 §14.1.2).
pub fn select(field: &[u8], length: u64) -> Selection {
    let Some((first, last)) = one_range(field) else {
        return Selection::Whole;
    };
    match (number(first), number(last)) {
        // A suffix of empty content is all of it, since no 206 can express that.
        (None, Some(0)) => Selection::Unsatisfiable,
        (None, Some(_)) if length == 0 => Selection::Whole,
        (None, Some(suffix)) => Selection::Part(length.saturating_sub(suffix)..length),
        (Some(first), None) if last.is_empty() => part(first, u64::MAX, length),
        (Some(first), Some(last)) if first <= last => part(first, last, length),
        _ => Selection::Whole,
    }
}

fn part(first: u64, last: u64, length: u64) -> Selection {
    if first < length {
        Selection::Part(first..last.saturating_add(1).min(length))
    } else {
        Selection::Unsatisfiable
    }
}

/// The two sides of the dash of `bytes=first-last`, if that is the only range.
fn one_range(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let (unit, set) = field.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let mut specs = set
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|spec| !spec.is_empty());
    let (Some(spec), None) = (specs.next(), specs.next()) else {
        return None;
    };
    let dash = spec.iter().position(|&byte| byte == b'-')?;
    let (first, last) = spec.split_at_checked(dash)?;
    let last = last.get(1..)?;
    // A side that is not a number must not count as one that was left out.
    let valid = |side: &[u8]| side.iter().all(u8::is_ascii_digit);
    (valid(first) && valid(last)).then_some((first, last))
}

/// The number on one side, saturated; none for an empty side.
fn number(digits: &[u8]) -> Option<u64> {
    (!digits.is_empty()).then(|| decimal(digits).unwrap_or(u64::MAX))
}

/// The value of Content-Range in a 206 (RFC 9110 §14.4).
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub struct ContentRange {
    /// The offset of the first byte.
    pub first: u64,
    /// The offset of the last byte, not below the first.
    pub last: u64,
    /// The complete length, which is above `last`; none if unknown.
    pub complete: Option<u64>,
}

impl ContentRange {
    /// Reads `bytes first-last/complete` or `bytes first-last/*`, and nothing else.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (unit, rest) = value.split_at_checked(6)?;
        let slash = rest.iter().position(|&byte| byte == b'/')?;
        let (range, complete) = rest.split_at_checked(slash)?;
        let dash = range.iter().position(|&byte| byte == b'-')?;
        let (first, last) = range.split_at_checked(dash)?;
        let (first, last) = (decimal(first)?, decimal(last.get(1..)?)?);
        let complete = match complete.get(1..)? {
            b"*" => None,
            digits => Some(decimal(digits)?),
        };
        let valid = unit.eq_ignore_ascii_case(b"bytes ")
            && first <= last
            && complete.is_none_or(|complete| last < complete);
        valid.then_some(Self {
            first,
            last,
            complete,
        })
    }
}

impl Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {}-{}/", self.first, self.last)?;
        match self.complete {
            Some(complete) => write!(f, "{complete}"),
            None => f.write_str("*"),
        }
    }
}

/// The value of Content-Range in a 416 (RFC 9110 §14.4), with the complete length in bytes.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub struct UnsatisfiedRange(pub u64);

impl Display for UnsatisfiedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes */{}", self.0)
    }
}

#[cfg(test)]
mod tests;

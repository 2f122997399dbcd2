//! Conditional requests (RFC 9110 §13).
//!
//! Rules: the order of §13.2.2, one function a field. A date that does not parse, or stands twice, is
//! ignored, as is a date condition on a representation without one.
//!
//! Not here: resolving the range.

use super::{Fields, HttpDate, Method};

/// What the preconditions of a request come to.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub enum Outcome {
    /// Answer as if there were none; `range` if a Range field is there and stands.
    Proceed {
        /// A Range field is to be obeyed.
        range: bool,
    },
    /// Answer 304.
    NotModified,
    /// Answer 412.
    Failed,
}

/// Weighs the conditions of a request for a representation that exists (RFC 9110 §13.2.2).
pub fn evaluate(
    method: Method,
    fields: &Fields,
    etag: Option<&[u8]>,
    last_modified: Option<HttpDate>,
    now: HttpDate,
) -> Outcome {
    let reads = matches!(method, Method::Get | Method::Head);
    // 1 and 2. Is it still what the client has seen?
    let unchanged = if_match(fields, etag)
        .or_else(|| if_unmodified_since(fields, last_modified, now))
        .unwrap_or(true);
    if !unchanged {
        return Outcome::Failed;
    }
    // 3 and 4. Has the client got it already?
    let wanted = if_none_match(fields, etag).or_else(|| {
        if reads {
            if_modified_since(fields, last_modified, now)
        } else {
            None
        }
    });
    match wanted {
        Some(false) if reads => Outcome::NotModified,
        Some(false) => Outcome::Failed,
        // 5 and 6.
        _ => Outcome::Proceed {
            range: range_stands(method, fields, etag, last_modified, now),
        },
    }
}

/// §13.1.1: strong comparison.
fn if_match(fields: &Fields, etag: Option<&[u8]>) -> Option<bool> {
    fields.get("if-match")?;
    let matches = |given: &[u8]| given == b"*" || etag.is_some_and(|etag| strong(given, etag));
    Some(fields.members("if-match").any(matches))
}

/// §13.1.2: weak comparison; false if the client has it.
fn if_none_match(fields: &Fields, etag: Option<&[u8]>) -> Option<bool> {
    fields.get("if-none-match")?;
    let matches = |given: &[u8]| given == b"*" || etag.is_some_and(|etag| weak(given, etag));
    Some(!fields.members("if-none-match").any(matches))
}

/// §13.1.3; false if the client's copy is as new. Ignored beside If-None-Match, which is asked first.
fn if_modified_since(
    fields: &Fields,
    last_modified: Option<HttpDate>,
    now: HttpDate,
) -> Option<bool> {
    Some(last_modified? > date(fields, "if-modified-since", now)?)
}

/// §13.1.4. Ignored beside If-Match, which is asked first.
fn if_unmodified_since(
    fields: &Fields,
    last_modified: Option<HttpDate>,
    now: HttpDate,
) -> Option<bool> {
    Some(last_modified? <= date(fields, "if-unmodified-since", now)?)
}

/// §13.1.5 and §14.2: Range means something to GET alone, and a range of another version nothing.
fn range_stands(
    method: Method,
    fields: &Fields,
    etag: Option<&[u8]>,
    last_modified: Option<HttpDate>,
    now: HttpDate,
) -> bool {
    if method != Method::Get || !matches!(fields.single("range"), Ok(Some(_))) {
        return false;
    }
    match fields.single("if-range") {
        Ok(None) => true,
        Err(_) => false,
        Ok(Some(given)) if given.contains(&b'"') => etag.is_some_and(|etag| strong(given, etag)),
        // A date names one version only when the second it counts is over (§8.8.2.2).
        Ok(Some(given)) => {
            let given = HttpDate::parse(given, now);
            given.is_some() && given == last_modified && given < Some(now)
        }
    }
}

fn date(fields: &Fields, name: &str, now: HttpDate) -> Option<HttpDate> {
    HttpDate::parse(fields.single(name).ok()??, now)
}

/// Equal, and both strong (RFC 9110 §8.8.3.2).
fn strong(given: &[u8], etag: &[u8]) -> bool {
    given == etag && given.starts_with(b"\"")
}

/// Equal whatever their strength.
fn weak(given: &[u8], etag: &[u8]) -> bool {
    opaque(given) == opaque(etag)
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests;

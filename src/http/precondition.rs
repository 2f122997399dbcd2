//! Precondition: conditional requests (RFC 9110 §13).
//!
//! Rules: the order is that of §13.2.2, with one function for each field. A date that does not parse, or is
//! there twice, is ignored; so is a date condition on a representation without a date.
//!
//! Not here: resolving the range (`range`).

use super::{Fields, HttpDate, Method};

/// The result of evaluating the preconditions of a request.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub enum Outcome {
    /// Respond as if there were none.
    Proceed {
        /// Whether there is a Range field that is to be obeyed.
        range: bool,
    },
    /// Respond with 304.
    NotModified,
    /// Respond with 412.
    Failed,
}

/// Evaluates the preconditions of a request for a representation that exists (RFC 9110 §13.2.2).
pub fn evaluate(
    method: Method,
    fields: &Fields,
    etag: Option<&[u8]>,
    last_modified: Option<HttpDate>,
    now: HttpDate,
) -> Outcome {
    let reads = matches!(method, Method::Get | Method::Head);
    // Steps 1 and 2: is the representation still the one that the client has seen?
    let unchanged = if_match(fields, etag)
        .or_else(|| if_unmodified_since(fields, last_modified, now))
        .unwrap_or(true);
    if !unchanged {
        return Outcome::Failed;
    }
    // Steps 3 and 4: has the client got the representation already?
    let changed = if_none_match(fields, etag).or_else(|| {
        if reads {
            if_modified_since(fields, last_modified, now)
        } else {
            None
        }
    });
    match changed {
        Some(false) if reads => Outcome::NotModified,
        Some(false) => Outcome::Failed,
        // Steps 5 and 6.
        _ => Outcome::Proceed {
            range: range_stands(method, fields, etag, last_modified, now),
        },
    }
}

/// If-Match, with strong comparison (§13.1.1).
fn if_match(fields: &Fields, etag: Option<&[u8]>) -> Option<bool> {
    fields.get("if-match")?;
    let matches = |given: &[u8]| given == b"*" || etag.is_some_and(|etag| strong(given, etag));
    Some(fields.members("if-match").any(matches))
}

/// If-None-Match, with weak comparison; false if the client has the representation (§13.1.2).
fn if_none_match(fields: &Fields, etag: Option<&[u8]>) -> Option<bool> {
    fields.get("if-none-match")?;
    let matches = |given: &[u8]| given == b"*" || etag.is_some_and(|etag| weak(given, etag));
    Some(!fields.members("if-none-match").any(matches))
}

/// If-Modified-Since; false if the client's copy is as new. Not evaluated beside If-None-Match (§13.1.3).
fn if_modified_since(
    fields: &Fields,
    last_modified: Option<HttpDate>,
    now: HttpDate,
) -> Option<bool> {
    Some(last_modified? > date(fields, "if-modified-since", now)?)
}

/// If-Unmodified-Since. Not evaluated beside If-Match (§13.1.4).
fn if_unmodified_since(
    fields: &Fields,
    last_modified: Option<HttpDate>,
    now: HttpDate,
) -> Option<bool> {
    Some(last_modified? <= date(fields, "if-unmodified-since", now)?)
}

/// If-Range: whether a Range field is to be obeyed. It is for GET alone (§14.2), and not if the condition is of
/// another version (§13.1.5).
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
        // A date is a strong validator only when the second that it names is over (§8.8.2.2).
        Ok(Some(given)) => {
            let given = HttpDate::parse(given, now);
            given.is_some() && given == last_modified && given < Some(now)
        }
    }
}

fn date(fields: &Fields, name: &str, now: HttpDate) -> Option<HttpDate> {
    HttpDate::parse(fields.single(name).ok()??, now)
}

/// Whether both are strong and equal (RFC 9110 §8.8.3.2).
fn strong(given: &[u8], etag: &[u8]) -> bool {
    given == etag && given.starts_with(b"\"")
}

/// Whether both are equal, weak or strong (RFC 9110 §8.8.3.2).
fn weak(given: &[u8], etag: &[u8]) -> bool {
    opaque(given) == opaque(etag)
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests;

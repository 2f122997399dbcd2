//! The Via field (RFC 9110 §7.6.3): how caches that ask each other in a ring are noticed.
//!
//! Rules: each running cache has a pseudonym of its own. Of the entries received only those of this
//! program are passed on, rebuilt from their eight digits; nothing else of a client goes upstream.
//!
//! Not here: drawing the pseudonym.

use super::Fields;

/// What every pseudonym begins with; eight lower-case hexadecimal digits follow.
pub const PREFIX: &str = "package-cache-";

/// Why a request is answered 508.
#[derive(Debug, PartialEq, Eq)]
pub enum Loop {
    /// It has been here before.
    Own,
    /// It has been through more caches than anyone chains.
    TooMany,
}

/// The Via entries to pass on, in order, each as `1.1 package-cache-0123abcd`; refused if our `own`
/// pseudonym is among them, else if they are more than `most`.
pub fn passed_on(fields: &Fields, own: &str, most: usize) -> Result<Vec<String>, Loop> {
    let names: Vec<&str> = fields.members("via").filter_map(pseudonym).collect();
    if names.contains(&own) {
        Err(Loop::Own)
    } else if names.len() > most {
        Err(Loop::TooMany)
    } else {
        Ok(names
            .into_iter()
            .map(|name| format!("1.1 {name}"))
            .collect())
    }
}

/// The value to send: entries that are passed on, then our `own` pseudonym's.
pub fn with_own(passed_on: &[String], own: &str) -> String {
    let mut value = passed_on.join(", ");
    if !value.is_empty() {
        value.push_str(", ");
    }
    value.push_str("1.1 ");
    value.push_str(own);
    value
}

/// The pseudonym of an entry `[name/]version pseudonym [comment]`, if it is one of ours.
fn pseudonym(entry: &[u8]) -> Option<&str> {
    let mut words = entry
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let name = std::str::from_utf8(words.nth(1)?).ok()?;
    let digits = name.strip_prefix(PREFIX)?;
    let valid = digits.len() == 8
        && digits
            .bytes()
            .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    valid.then_some(name)
}

#[cfg(test)]
mod tests;

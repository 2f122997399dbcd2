//! Via: how caches that ask each other in a ring find that out (RFC 9110 §7.6.3).
//!
//! Rules: each running cache has a pseudonym of its own. Of the received entries only those of package-caches
//! are passed on, rebuilt from their eight digits; nothing else of a client goes to a source.
//!
//! Not here: choosing the pseudonym (`serve`).

use super::Fields;

/// The beginning of every pseudonym; eight lower-case hexadecimal digits follow.
pub const PREFIX: &str = "package-cache-";

/// Why a request is refused with 508.
#[derive(Debug, PartialEq, Eq)]
pub enum Loop {
    /// It went through this cache before.
    Own,
    /// It went through more caches than are allowed in a chain.
    TooMany,
}

/// The Via entries to pass on, in order, each as `1.1 package-cache-0123abcd`. Refused if our `own` pseudonym
/// is among them, or if there are more than `most`.
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

/// The value to send: the entries that are passed on, and ours.
pub fn with_own(passed_on: &[String], own: &str) -> String {
    let mut value = passed_on.join(", ");
    if !value.is_empty() {
        value.push_str(", ");
    }
    value.push_str("1.1 ");
    value.push_str(own);
    value
}

/// The pseudonym in an entry `[name/]version pseudonym [comment]`, if it is that of a package-cache.
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

//! What a request's Cache-Control asks for (RFC 9111 §5.2.1).
//!
//! Rules: `no-cache` and `max-age=0` ask for an answer that the origin has just confirmed; every other directive leaves
//! a cache of files free to answer as it does.
//!
//! Not here: what the sources say in theirs. A file is kept whatever they say.

use super::Fields;

/// Whether a stored file may only be served once a source has confirmed it.
pub fn asks_for_validation(fields: &Fields) -> bool {
    fields.members("Cache-Control").any(|directive| {
        let mut parts = directive.splitn(2, |&byte| byte == b'=');
        let name = parts.next().unwrap_or_default();
        let value = parts.next().map(unquoted);
        match value {
            None => name.eq_ignore_ascii_case(b"no-cache"),
            Some(value) => {
                name.eq_ignore_ascii_case(b"max-age")
                    && !value.is_empty()
                    && value.iter().all(|&digit| digit == b'0')
            }
        }
    })
}

/// A value may come as a token or as a quoted string (RFC 9111 §5.2).
fn unquoted(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_directives_ask_for_it() {
        for (value, expected) in [
            ("no-cache", true),
            ("No-Cache", true),
            ("max-age=0", true),
            ("Max-Age=\"0\"", true),
            ("no-store, max-age=00", true),
            ("max-age=60", false),
            ("max-age=", false),
            ("max-age", false),
            ("no-store", false),
            ("only-if-cached", false),
            ("no-cache-at-all", false),
            ("", false),
        ] {
            let mut fields = Fields::new();
            fields.push("Cache-Control", value);
            assert_eq!(asks_for_validation(&fields), expected, "{value}");
        }
        assert!(!asks_for_validation(&Fields::new()));
    }
}

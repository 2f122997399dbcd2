//! Cache-Control: what a request asks of caches (RFC 9111 §5.2.1).
//!
//! Rules: `no-cache` and `max-age=0` ask for a response that the origin server has just validated,
//! `only-if-cached` for a stored one. Every other directive leaves a cache of files free to serve what it has.
//! `Pragma: no-cache` counts where there is no Cache-Control (RFC 9111 §5.4).
//!
//! Not here: Cache-Control in responses. A file is kept whatever its source says.

use super::Fields;

/// How far a request wants stored files validated, the least first.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Confirm {
    /// Not at all.
    #[default]
    No,
    /// `max-age=0`: by the origin server.
    MaxAge0,
    /// `no-cache`: by the origin server, and each cache on the way must pass that on.
    NoCache,
}

impl Confirm {
    /// What the fields of a request ask for, the most of all directives.
    pub fn of(fields: &Fields) -> Self {
        let lines = match fields.get("Cache-Control") {
            Some(_) => "Cache-Control",
            None => "Pragma",
        };
        let directives = fields.members(lines).map(|directive| {
            let mut parts = directive.splitn(2, |&byte| byte == b'=');
            let name = parts.next().unwrap_or_default();
            match parts.next().map(unquoted) {
                None if name.eq_ignore_ascii_case(b"no-cache") => Self::NoCache,
                Some([b'0', zeros @ ..])
                    if name.eq_ignore_ascii_case(b"max-age")
                        && zeros.iter().all(|&digit| digit == b'0') =>
                {
                    Self::MaxAge0
                }
                _ => Self::No,
            }
        });
        directives.max().unwrap_or_default()
    }

    /// The directive that asks the next cache for the same.
    pub fn directive(self) -> Option<&'static str> {
        match self {
            Self::No => None,
            Self::MaxAge0 => Some("max-age=0"),
            Self::NoCache => Some("no-cache"),
        }
    }
}

/// Whether a request wants only what is stored (RFC 9111 §5.2.1.7).
pub fn only_if_cached(fields: &Fields) -> bool {
    fields.has_member("Cache-Control", "only-if-cached")
}

/// The value of a directive, which may be a token or a quoted string (RFC 9111 §5.2).
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
            ("no-cache", Confirm::NoCache),
            ("No-Cache", Confirm::NoCache),
            ("max-age=0", Confirm::MaxAge0),
            ("Max-Age=\"0\"", Confirm::MaxAge0),
            ("no-store, max-age=00", Confirm::MaxAge0),
            ("max-age=0, no-cache", Confirm::NoCache),
            ("max-age=60", Confirm::No),
            ("max-age=", Confirm::No),
            ("max-age", Confirm::No),
            ("no-store", Confirm::No),
            ("only-if-cached", Confirm::No),
            ("no-cache-at-all", Confirm::No),
            ("", Confirm::No),
        ] {
            let mut fields = Fields::new();
            fields.push("Cache-Control", value);
            assert_eq!(Confirm::of(&fields), expected, "{value}");
        }
        assert_eq!(Confirm::of(&Fields::new()), Confirm::No);
    }

    #[test]
    fn pragma_counts_alone() {
        let mut fields = Fields::new();
        fields.push("Pragma", "no-cache");
        assert_eq!(Confirm::of(&fields), Confirm::NoCache);
        fields.push("Cache-Control", "no-store");
        assert_eq!(Confirm::of(&fields), Confirm::No);
    }
}

//! Age: how old a response is, as the caches on the way say (RFC 9111 §5.1).
//!
//! Not here: how much older it has become since (`transfer`, `store::freshness`).

use super::Fields;
use super::target::decimal;

/// The Age field in seconds. Of several members the first counts, as RFC 9111 §5.1 says; one that is no number
/// counts as none. A number beyond 64 bits is the largest.
pub fn age(fields: &Fields) -> Option<u64> {
    let first = fields.members("Age").next()?;
    let is_number = first.iter().all(u8::is_ascii_digit);
    is_number.then(|| decimal(first).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_counts() {
        for (values, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["0"], Some(0)),
            (&["100"], Some(100)),
            (&["0100"], Some(100)),
            (&["99999999999999999999999"], Some(u64::MAX)),
            (&["7, 9"], Some(7)),
            (&["7", "9"], Some(7)),
            (&["-1"], None),
            (&["+1"], None),
            (&["1.5"], None),
            (&["1 2"], None),
            (&["old", "9"], None),
            (&["\"7\""], None),
        ] {
            let mut fields = Fields::new();
            values.iter().for_each(|value| fields.push("Age", value));
            assert_eq!(age(&fields), expected, "{values:?}");
        }
    }
}

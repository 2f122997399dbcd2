//! Value: values with a unit, networks, and values as messages show them.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::time::Duration;

use crate::http::without_user_info;
use crate::net::Network;

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

/// A network from an address and, behind a slash, the bits that count. The other bits must be zero: who wrote
/// them meant one address or another network. IPv4 is written as IPv4.
///
/// # Errors
/// What to write instead.
pub fn parse_network(text: &str) -> Result<Network, String> {
    let remedy = "give an address or a network such as 192.168.0.0/24 or 2001:db8::/32";
    let (first, bits) = match text.split_once('/') {
        Some((first, bits)) => (first, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = first.parse().map_err(|_| remedy.to_owned())?;
    let bits = match bits.map(integer) {
        None => None,
        Some(Some(bits)) => Some(u8::try_from(bits).unwrap_or(u8::MAX)),
        Some(None) => return Err(remedy.to_owned()),
    };
    // A mapped address has the IPv4 one behind 96 bits.
    let mapped = address.is_ipv6() && address.to_canonical().is_ipv4();
    if mapped && bits.is_none_or(|bits| bits <= 128) {
        let bits = bits.map(|bits| bits.saturating_sub(96));
        let network = Network::new(address, bits).ok_or(remedy)?.first();
        return Err(format!("IPv4 clients count as IPv4: give {network}"));
    }
    let network = match Network::new(address, bits) {
        Some(network) if !mapped => network,
        _ => {
            return Err(
                "an IPv4 address has 32 bits, an IPv6 address 128: give no more".to_owned(),
            );
        }
    };
    if network != network.first() {
        let first = network.first();
        return Err(format!(
            "bits are set behind the first {}: give {first}, or {address} for that host alone",
            bits.unwrap_or(0)
        ));
    }
    Ok(network)
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
    fn networks() {
        for (text, expected) in [
            ("192.168.0.0/24", "192.168.0.0/24"),
            ("192.168.0.7", "192.168.0.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("fe80::1", "fe80::1/128"),
            ("::/0", "::/0"),
            ("::/96", "::/96"),
        ] {
            let network = parse_network(text).unwrap();
            assert_eq!(network.to_string(), expected, "{text}");
        }
        for (text, remedy) in [
            ("", "such as 192.168.0.0/24"),
            ("cache.example", "such as 192.168.0.0/24"),
            ("192.168/16", "such as 192.168.0.0/24"),
            ("192.168.0.0/", "such as 192.168.0.0/24"),
            ("192.168.0.0/255.255.255.0", "such as 192.168.0.0/24"),
            ("192.168.0.0/-1", "such as 192.168.0.0/24"),
            ("[::1]", "such as 192.168.0.0/24"),
            ("fe80::1%eth0", "such as 192.168.0.0/24"),
            ("192.168.0.0/33", "has 32 bits"),
            ("192.168.0.0/256", "has 32 bits"),
            ("192.168.0.0/99999999999999999999", "such as 192.168.0.0/24"),
            ("::/129", "128"),
            (
                "192.168.0.1/24",
                "behind the first 24: give 192.168.0.0/24, or 192.168.0.1",
            ),
            ("10.0.0.1/0", "give 0.0.0.0/0"),
            ("2001:db8::1/32", "give 2001:db8::/32, or 2001:db8::1"),
            ("::ffff:192.168.0.0/120", "give 192.168.0.0/24"),
            ("::ffff:192.168.0.7/120", "give 192.168.0.0/24"),
            ("::ffff:192.168.0.7", "give 192.168.0.7/32"),
            ("::ffff:0:0/96", "give 0.0.0.0/0"),
            ("::ffff:0:0/129", "no more"),
            ("::ffff:0:0/90", "give 0.0.0.0/0"),
        ] {
            let why = parse_network(text).unwrap_err();
            assert!(why.contains(remedy), "{text}: {why}");
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

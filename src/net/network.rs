//! Network: an address, or all that begin with the same bits.
//!
//! Rules: an IPv4 address inside IPv6 (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2) is that IPv4 address; IPv4 and IPv6
//! have no address in common, so that `::/0` is IPv6 alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses (RFC 4632 §3.1, RFC 4291 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many bits count, 0 to 32 or 128.
    bits: u8,
}

impl Network {
    /// The network of `address` and all that share its first `bits`; without them it is that address alone. None
    /// if an address has no so many bits.
    pub fn new(address: IpAddr, bits: Option<u8>) -> Option<Self> {
        let address = address.to_canonical();
        let bits = bits.unwrap_or(width(address));
        (bits <= width(address)).then_some(Self { address, bits })
    }

    /// Whether it holds `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let same_kind = address.is_ipv4() == self.address.is_ipv4();
        same_kind && masked(address, self.bits) == masked(self.address, self.bits)
    }

    /// The same network by its first address, which has no bits set behind the mask.
    pub fn first(&self) -> Self {
        Self {
            address: masked(self.address, self.bits),
            ..*self
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// How many bits such an address has.
fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with all but the first `bits` cleared.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let behind = u32::from(width(address).saturating_sub(bits));
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(behind).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, bits: Option<u8>) -> Network {
        Network::new(address.parse().unwrap(), bits).unwrap()
    }

    #[test]
    fn a_network_holds_what_begins_with_its_bits() {
        for (first, bits, address, expected) in [
            ("192.168.0.0", Some(24), "192.168.0.255", true),
            ("192.168.0.0", Some(24), "192.168.1.0", false),
            ("192.168.0.128", Some(25), "192.168.0.127", false),
            ("10.0.0.0", Some(8), "10.255.255.255", true),
            ("10.0.0.0", Some(7), "11.0.0.1", true),
            ("10.0.0.1", None, "10.0.0.1", true),
            ("10.0.0.1", None, "10.0.0.2", false),
            ("0.0.0.0", Some(0), "255.1.2.3", true),
            ("2001:db8::", Some(32), "2001:db8:ffff::1", true),
            ("2001:db8::", Some(32), "2001:db9::1", false),
            ("2001:db8::", Some(63), "2001:db8:0:1::1", true),
            ("::1", Some(128), "::1", true),
            ("::", Some(0), "2001:db8::1", true),
            // IPv4 inside IPv6 is IPv4, and no other IPv4 is IPv6.
            ("192.168.0.0", Some(24), "::ffff:192.168.0.7", true),
            ("192.168.0.0", Some(24), "::192.168.0.7", false),
            ("::", Some(0), "192.168.0.7", false),
            ("::", Some(0), "::ffff:192.168.0.7", false),
            ("0.0.0.0", Some(0), "2001:db8::1", false),
        ] {
            let network = network(first, bits);
            let address = address.parse().unwrap();
            assert_eq!(network.contains(address), expected, "{network} {address}");
        }
    }

    #[test]
    fn no_address_has_more_bits_than_it_has() {
        for (address, bits, possible) in [
            ("10.0.0.0", 32, true),
            ("10.0.0.0", 33, false),
            ("::", 128, true),
            ("::", 129, false),
            ("::ffff:10.0.0.0", 104, false),
        ] {
            let network = Network::new(address.parse().unwrap(), Some(bits));
            assert_eq!(network.is_some(), possible, "{address}/{bits}");
        }
    }

    #[test]
    fn its_first_address_names_it() {
        for (address, bits, first) in [
            ("192.168.0.7", 24, "192.168.0.0/24"),
            ("192.168.0.7", 32, "192.168.0.7/32"),
            ("192.168.0.7", 0, "0.0.0.0/0"),
            ("2001:db8::7", 33, "2001:db8::/33"),
            ("2001:db8::7", 0, "::/0"),
        ] {
            assert_eq!(network(address, Some(bits)).first().to_string(), first);
        }
    }
}

//! Proxy: what `http_proxy` and `no_proxy` ask for, as they mean it to curl.
//!
//! Rules: an entry of `no_proxy` is `*`, a name with all names below it, or an address or a block of addresses.
//! A port may follow, and then the URL must have that port. Names are not looked up for it: an entry with an
//! address concerns URLs that have an address.

use std::fmt;
use std::net::IpAddr;

use super::connect::Peer;
use crate::http::{Url, UrlError, percent_decode};
use crate::net::Network;

/// The proxy that requests to sources go through, from the environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// The proxy and the value of `Proxy-Authorization`, if it needs one.
    via: Option<(Peer, Option<String>)>,
    /// Hosts that are asked without the proxy: the entries of `no_proxy` in lower case.
    except: Vec<String>,
}

/// Without the password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let via = self.via.as_ref().map(|(peer, _)| peer);
        write!(f, "Proxy {{ via: {via:?}, except: {:?} }}", self.except)
    }
}

impl Proxy {
    /// Reads the values of `http_proxy` and `no_proxy`.
    ///
    /// # Errors
    /// Why `http_proxy` is no usable address.
    pub fn new(http_proxy: Option<&str>, no_proxy: Option<&str>) -> Result<Self, UrlError> {
        let except = no_proxy.unwrap_or_default();
        let except = except.split(|c: char| c == ',' || c.is_whitespace());
        let via = http_proxy
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .map(parse_proxy);
        Ok(Self {
            via: via.transpose()?,
            except: except.map(str::to_ascii_lowercase).collect(),
        })
    }

    /// The proxy for a request to `url`, and the credentials for it.
    pub fn for_url(&self, url: &Url) -> Option<(&Peer, Option<&str>)> {
        let (peer, credentials) = self.via.as_ref()?;
        let straight = self.except.iter().any(|entry| excepts(entry, url));
        (!straight).then_some((peer, credentials.as_deref()))
    }
}

/// Whether an entry of `no_proxy` means the host of `url`.
fn excepts(entry: &str, url: &Url) -> bool {
    let port = format!(":{}", url.port());
    // Only in brackets can a port follow an IPv6 address.
    let entry = match entry.parse::<IpAddr>() {
        Ok(_) => entry,
        Err(_) => entry.strip_suffix(&port).unwrap_or(entry),
    };
    let host = url.host().trim_end_matches('.');
    match host.parse() {
        _ if entry == "*" => true,
        Ok(address) => is_within(address, &entry.replace(['[', ']'], "")),
        Err(_) => {
            let name = entry.trim_start_matches("*.").trim_matches('.');
            !name.is_empty()
                && host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }
    }
}

/// Whether `block`, an address or a network as `ADDRESS/BITS`, holds the address. An IPv4 address mapped into
/// IPv6 counts as IPv4.
fn is_within(address: IpAddr, block: &str) -> bool {
    let (first, bits) = match block.split_once('/') {
        Some((first, bits)) => (first, bits.parse().ok()),
        None => (block, None),
    };
    let network = first
        .parse()
        .ok()
        .and_then(|first| Network::new(first, bits));
    let understood = bits.is_some() || !block.contains('/');
    understood && network.is_some_and(|network| network.contains(address))
}

/// `[http://][user:password@]host[:port][/]`.
fn parse_proxy(value: &str) -> Result<(Peer, Option<String>), UrlError> {
    let rest = match value.split_once("://") {
        Some((scheme, _)) if !scheme.eq_ignore_ascii_case("http") => return Err(UrlError::Scheme),
        Some((_, rest)) => rest,
        None => value,
    };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let url = Url::parse_source(&format!("http://{rest}"))?;
    let credentials = user.map(|user| {
        let plain = percent_decode(user.as_bytes()).unwrap_or_else(|_| user.into());
        format!("Basic {}", base64(&plain))
    });
    Ok(((url.host().to_owned(), url.port()), credentials))
}

/// Base64 (RFC 4648 §4), for Basic authentication (RFC 7617 §2).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
            let digit = DIGITS.get(digit).copied().unwrap_or(b'=');
            out.push(if at <= group.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn no_proxy_is_a_list_of_names_addresses_and_blocks() {
        let proxy = |except| Proxy::new(Some("http://u:p%40@proxy:3128/"), Some(except)).unwrap();
        let url = |text: &str| Url::parse_source(text).unwrap();
        for (except, source, straight) in [
            ("", "http://a.example/", false),
            (",", "http://a.example/", false),
            (".", "http://a.example/", false),
            ("*", "http://a.example/", true),
            ("*", "http://10.0.0.1/", true),
            ("example", "http://a.example/", true),
            (".example", "http://a.example/", true),
            ("*.example", "http://a.example/", true),
            ("example.", "http://a.example/", true),
            ("a.example", "http://a.example./", true),
            ("a.example", "http://a.example/", true),
            ("A.EXAMPLE", "http://a.example/", true),
            ("le", "http://a.example/", false),
            ("b.example", "http://a.example/", false),
            ("x,\ta.example y", "http://a.example/", true),
            ("a.example:8080", "http://a.example:8080/", true),
            ("a.example:8080", "http://a.example/", false),
            ("localhost, 127.0.0.1", "http://127.0.0.1:80/", true),
            ("10.1.2.3:8080", "http://10.1.2.3:8080/", true),
            ("10.1.2.3:8080", "http://10.1.2.3/", false),
            // A name that ends alike is no address, nor the other way round.
            ("2.3", "http://10.1.2.3/", false),
            ("0.0/8", "http://10.0.0.0/", false),
            ("10.0.0.0/8", "http://10.1.2.3/", true),
            ("10.0.0.0/8", "http://11.1.2.3/", false),
            ("10.1.2.3/8", "http://10.9.9.9/", true),
            ("192.168.4.0/22", "http://192.168.7.255/", true),
            ("192.168.4.0/22", "http://192.168.8.0/", false),
            ("10.0.0.1/32", "http://10.0.0.1/", true),
            ("10.0.0.1/32", "http://10.0.0.2/", false),
            ("0.0.0.0/0", "http://8.8.8.8/", true),
            ("0.0.0.0/0", "http://[2001:db8::1]/", false),
            ("0.0.0.0/0", "http://a.example/", false),
            ("10.0.0.0/33", "http://10.0.0.1/", false),
            ("10.0.0.0/", "http://10.0.0.0/", false),
            ("10.0.0.0/x", "http://10.0.0.0/", false),
            ("10.0.0.0/-1", "http://10.0.0.0/", false),
            ("::1", "http://[::1]/", true),
            ("[::1]", "http://[::1]/", true),
            ("[::1]:8080", "http://[::1]:8080/", true),
            ("[::1]:8080", "http://[::1]/", false),
            ("0:0::1", "http://[::1]/", true),
            ("2001:db8::80", "http://[2001:db8::80]/", true),
            ("2001:db8::/32", "http://[2001:db8:ff::1]/", true),
            ("[2001:db8::]/32", "http://[2001:db8:ff::1]/", true),
            ("2001:db8::/32", "http://[2001:db9::1]/", false),
            ("2001:db8:8000::/33", "http://[2001:db8:7fff::1]/", false),
            ("10.0.0.0/8", "http://[::ffff:10.1.2.3]/", true),
            ("::/129", "http://[::1]/", false),
        ] {
            assert_eq!(
                proxy(except).for_url(&url(source)).is_none(),
                straight,
                "{except} {source}"
            );
        }
        let with = proxy("");
        let (peer, credentials) = with.for_url(&url("http://a/")).unwrap();
        assert_eq!(peer, &("proxy".to_owned(), 3128));
        assert_eq!(credentials, Some("Basic dTpwQA=="));
        assert!(!format!("{with:?}").contains("Basic"));
    }

    #[test]
    fn a_proxy_may_lack_its_scheme_but_not_be_https() {
        assert!(Proxy::new(Some("proxy:3128"), None).unwrap().via.is_some());
        assert!(Proxy::new(Some(""), None).unwrap().via.is_none());
        assert!(Proxy::new(Some("https://proxy"), None).is_err());
    }
}

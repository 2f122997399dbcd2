//! Proxy: what `http_proxy`, `https_proxy` and `no_proxy` ask for, as they mean it to curl.
//!
//! Rules: the one is for http URLs, the other for https URLs; both speak plain HTTP to the proxy, the second asks it for
//! a tunnel. An entry of `no_proxy` is `*`, a name with all names below it, or an address or a block of addresses.
//! A port may follow, and then the URL must have that port. Names are not looked up for it: an entry with an
//! address concerns URLs that have an address.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::peer::Peer;
use crate::http::{Url, UrlError, percent_decode};
use crate::net::Network;

/// The proxies that requests to sources go through, from the environment.
#[derive(Debug, Default)]
pub struct Proxy {
    http: Option<Via>,
    https: Option<Via>,
    /// Hosts that are asked without a proxy: the entries of `no_proxy` in lower case.
    except: Vec<String>,
}

/// A proxy, and who we are to it.
#[derive(PartialEq, Eq)]
pub struct Via {
    /// Where it listens.
    pub peer: Peer,
    /// User name and password, if it wants them.
    user: Option<(OsString, OsString)>,
}

/// Without the password.
impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peer.fmt(f)
    }
}

impl Via {
    /// User name and password, if it wants them.
    pub fn user(&self) -> Option<(&OsStr, &OsStr)> {
        let user = self.user.as_ref();
        user.map(|(name, password)| (name.as_os_str(), password.as_os_str()))
    }

    /// The value of `Proxy-Authorization` (RFC 7617 §2), if it wants one.
    pub fn authorization(&self) -> Option<String> {
        let (name, password) = self.user()?;
        let plain = [name.as_bytes(), password.as_bytes()].join(&b':');
        Some(format!("Basic {}", base64(&plain)))
    }
}

impl Proxy {
    /// Reads the values of `http_proxy`, `https_proxy` and `no_proxy`.
    ///
    /// # Errors
    /// Which of the first two is no usable address, and why.
    pub fn new(
        http: Option<&str>,
        https: Option<&str>,
        no_proxy: Option<&str>,
    ) -> Result<Self, (&'static str, UrlError)> {
        let except = no_proxy.unwrap_or_default();
        let except = except.split(|c: char| c == ',' || c.is_whitespace());
        let via = |name, value: Option<&str>| {
            let value = value.map(str::trim).filter(|value| !value.is_empty());
            value
                .map(parse_proxy)
                .transpose()
                .map_err(|why| (name, why))
        };
        Ok(Self {
            http: via("http_proxy", http)?,
            https: via("https_proxy", https)?,
            except: except.map(str::to_ascii_lowercase).collect(),
        })
    }

    /// The proxy for a request to `url`.
    pub fn for_url(&self, url: &Url) -> Option<&Via> {
        let via = match url.is_tls() {
            true => &self.https,
            false => &self.http,
        };
        let straight = || self.except.iter().any(|entry| excepts(entry, url));
        via.as_ref().filter(|_| !straight())
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
fn parse_proxy(value: &str) -> Result<Via, UrlError> {
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
    let plain = |text: &str| {
        let plain = percent_decode(text.as_bytes()).unwrap_or_else(|_| text.into());
        match plain.iter().any(u8::is_ascii_control) {
            true => Err(UrlError::Character),
            false => Ok(OsString::from_vec(plain)),
        }
    };
    let user = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        Some((name, password)) => Some((plain(name)?, plain(password)?)),
        None => None,
    };
    Ok(Via {
        peer: Peer::of(&url),
        user,
    })
}

/// Base64 (RFC 4648 §4).
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
        let proxy =
            |except| Proxy::new(Some("http://u:p%40@proxy:3128/"), None, Some(except)).unwrap();
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
        let via = with.for_url(&url("http://a/")).unwrap();
        assert_eq!((via.peer.host.as_str(), via.peer.port), ("proxy", 3128));
        assert_eq!(via.authorization().as_deref(), Some("Basic dTpwQA=="));
        assert!(!format!("{with:?}").contains("p@"));
    }

    #[test]
    fn each_scheme_has_a_proxy_of_its_own() {
        let proxy = Proxy::new(Some("a:1"), Some("u@b:2"), Some("c")).unwrap();
        let via = |url| proxy.for_url(&Url::parse_source(url).unwrap());
        assert_eq!(via("http://h/").unwrap().peer.host, "a");
        assert_eq!(via("https://h/").unwrap().peer.host, "b");
        let user = via("https://h/").unwrap().user().unwrap();
        assert_eq!(user, (OsStr::new("u"), OsStr::new("")));
        assert!(via("http://c/").is_none() && via("https://c/").is_none());
        let only = Proxy::new(Some("a:1"), None, None).unwrap();
        assert!(
            only.for_url(&Url::parse_source("https://h/").unwrap())
                .is_none()
        );
    }

    #[test]
    fn a_proxy_may_lack_its_scheme_but_not_be_https() {
        let proxy = |value| Proxy::new(Some(value), Some(value), None);
        assert!(proxy("proxy:3128").unwrap().http.is_some());
        assert!(proxy("").unwrap().http.is_none());
        assert_eq!(proxy("https://proxy").unwrap_err().0, "http_proxy");
        // A password is a line.
        assert!(proxy("u:p%0aGET@proxy").is_err() && proxy("u%00:p@proxy").is_err());
        let https = Proxy::new(None, Some("socks5://proxy"), None);
        assert_eq!(https.unwrap_err().0, "https_proxy");
    }
}

//! Proxy: what `http_proxy` and `no_proxy` ask for, as they mean it to curl.

use super::connect::Peer;
use crate::http::{Url, UrlError, percent_decode};

/// The proxy that requests to sources go through, from the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// The proxy itself and its `Proxy-Authorization`, if one is set.
    via: Option<(Peer, Option<String>)>,
    /// Hosts asked straight: suffixes, or `*`.
    except: Vec<String>,
}

impl Proxy {
    /// Reads the values of `http_proxy` and `no_proxy`.
    ///
    /// # Errors
    /// Why `http_proxy` is no usable address.
    pub fn new(http_proxy: Option<&str>, no_proxy: Option<&str>) -> Result<Self, UrlError> {
        let except = no_proxy.unwrap_or_default().split([',', ' ']).map(|entry| {
            entry
                .trim()
                .trim_start_matches("*.")
                .trim_start_matches('.')
                .to_ascii_lowercase()
        });
        let via = http_proxy
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .map(parse_proxy);
        Ok(Self {
            via: via.transpose()?,
            except: except.filter(|entry| !entry.is_empty()).collect(),
        })
    }

    /// The proxy for a request to `url`, and the credentials for it.
    pub fn for_url(&self, url: &Url) -> Option<(&Peer, Option<&str>)> {
        let (peer, credentials) = self.via.as_ref()?;
        let host = url.host();
        let straight = self.except.iter().any(|entry| {
            let entry = entry
                .strip_suffix(&format!(":{}", url.port()))
                .unwrap_or(entry);
            entry == "*"
                || host == entry.trim_matches(['[', ']'])
                || host
                    .strip_suffix(entry)
                    .is_some_and(|rest| rest.ends_with('.'))
        });
        (!straight).then_some((peer, credentials.as_deref()))
    }
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

/// RFC 4648 §4.
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
    fn no_proxy_is_a_list_of_suffixes() {
        let proxy = |except| Proxy::new(Some("http://u:p%40@proxy:3128/"), Some(except)).unwrap();
        let url = |text: &str| Url::parse_source(text).unwrap();
        for (except, source, straight) in [
            ("", "http://a.example/", false),
            ("*", "http://a.example/", true),
            ("example", "http://a.example/", true),
            (".example", "http://a.example/", true),
            ("*.example", "http://a.example/", true),
            ("a.example", "http://a.example/", true),
            ("A.EXAMPLE", "http://a.example/", true),
            ("le", "http://a.example/", false),
            ("a.example:8080", "http://a.example:8080/", true),
            ("a.example:8080", "http://a.example/", false),
            ("localhost, 127.0.0.1", "http://127.0.0.1:80/", true),
            ("::1", "http://[::1]/", true),
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
    }

    #[test]
    fn a_proxy_may_lack_its_scheme_but_not_be_https() {
        assert!(Proxy::new(Some("proxy:3128"), None).unwrap().via.is_some());
        assert!(Proxy::new(Some(""), None).unwrap().via.is_none());
        assert!(Proxy::new(Some("https://proxy"), None).is_err());
    }
}

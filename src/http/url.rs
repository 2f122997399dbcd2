//! URL: the URL of a source, and where its redirects lead (RFC 9110 §4.2.1, RFC 3986 §5).
//!
//! Rules: http and https only, and no way back from https to http. No user info, so that no password reaches a log.
//! Every URL can be sent as it is: its path begins with a slash and has only URL characters.
//!
//! Not here: the target of a client's request (`target`).

use std::fmt::{self, Display, Write};

use super::target::{Authority, ipv6, percent_decode, percent_encode_rest, split_scheme};

/// An absolute http or https URL without user info or fragment.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Url {
    is_tls: bool,
    host: String,
    port: u16,
    path_and_query: String,
}

/// Why a text is not a URL that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlError {
    /// It leads from https to http.
    Downgrade,
    /// It is neither an http nor an https URL.
    Scheme,
    /// It carries a user name or password.
    UserInfo,
    /// The host is missing or invalid.
    Host,
    /// The port is not 1 to 65535.
    Port,
    /// A source has a query.
    Query,
    /// A source has a fragment.
    Fragment,
    /// It holds a space or a control byte.
    Character,
}

impl Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Downgrade => "it leads from https back to http: only TLS shows who answers",
            Self::Scheme => "not an http or https URL: give http://host[:port][/path]",
            Self::UserInfo => {
                "user names and passwords are not sent: leave out the part before the @"
            }
            Self::Host => {
                "no valid host: give a name, an IPv4 address or an IPv6 address in brackets"
            }
            Self::Port => "no valid port: give a number from 1 to 65535, or leave out the colon",
            Self::Query => {
                "a query cannot precede the path of a file: leave out the ? and what follows it"
            }
            Self::Fragment => "a fragment is never sent: leave out the # and what follows it",
            Self::Character => {
                "it holds a space or a control character: write it as a percent-escape"
            }
        })
    }
}

impl std::error::Error for UrlError {}

impl Url {
    /// Reads the prefix of a source, `http://host[:port][/path]` or the same with `https`.
    pub fn parse_source(text: &str) -> Result<Self, UrlError> {
        let (is_tls, rest) = strip_scheme(text.as_bytes())?;
        if text.bytes().any(|byte| matches!(byte, 0..=b' ' | 0x7f)) {
            Err(UrlError::Character)
        } else if rest.contains(&b'#') {
            Err(UrlError::Fragment)
        } else if rest.contains(&b'?') {
            Err(UrlError::Query)
        } else {
            Self::after_scheme(is_tls, rest)
        }
    }

    /// Where a redirect from here leads: the reference resolved against this URL (RFC 3986 §5.2), without its
    /// fragment.
    pub fn join(&self, location: &[u8]) -> Result<Self, UrlError> {
        if location.iter().any(u8::is_ascii_control) {
            return Err(UrlError::Character);
        }
        let reference = location
            .split(|&byte| byte == b'#')
            .next()
            .unwrap_or_default();
        let path_and_query = match reference {
            _ if split_scheme(reference).is_some() => {
                let (is_tls, rest) = strip_scheme(reference)?;
                if self.is_tls && !is_tls {
                    return Err(UrlError::Downgrade);
                }
                return Self::after_scheme(is_tls, rest);
            }
            [b'/', b'/', rest @ ..] => return Self::after_scheme(self.is_tls, rest),
            [] => self.path_and_query.clone(),
            [b'/', ..] => encoded("", reference),
            [b'?', ..] => encoded(self.path(), reference),
            _ => encoded(self.directory(), reference),
        };
        Ok(Self {
            path_and_query,
            ..self.clone()
        })
    }

    /// Reads `host[:port][/path][?query]`.
    fn after_scheme(is_tls: bool, rest: &[u8]) -> Result<Self, UrlError> {
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?'))
            .unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at_checked(end).unwrap_or_default();
        if authority.contains(&b'@') {
            return Err(UrlError::UserInfo);
        }
        let (host, port) = host_and_port(authority)?;
        let port = port.unwrap_or_else(|| default_port(is_tls));
        let root = if path_and_query.starts_with(b"/") {
            ""
        } else {
            "/"
        };
        Ok(Self {
            is_tls,
            host,
            port,
            path_and_query: encoded(root, path_and_query),
        })
    }

    /// Whether TLS is to be spoken: it is an https URL.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The host in lower case; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; unless it was given 80, or 443 of an https URL.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query as they are sent in a request line.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// The path without the query; begins with a slash.
    pub fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or("/")
    }

    /// The path up to its last slash.
    fn directory(&self) -> &str {
        self.path()
            .rfind('/')
            .and_then(|slash| self.path().get(..=slash))
            .unwrap_or("/")
    }

    /// The value of `Host`: the port is left out when it is the scheme's, an IPv6 address is bracketed.
    pub fn authority(&self) -> String {
        let mut authority = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        if self.port != default_port(self.is_tls) {
            // Writing to a String cannot fail.
            let _ = write!(authority, ":{}", self.port);
        }
        authority
    }

    /// Whether it leads to the same server as `other`: one that redirects from http to https stays the same.
    pub fn is_of(&self, other: &Url) -> bool {
        let own = |url: &Url| Some(url.port).filter(|port| *port != default_port(url.is_tls));
        own(self) == own(other) && self.host == other.host
    }

    /// Whether its path is that of `file` and one slash more, escapes decoded: then it is a directory. Host and
    /// query may differ, since a redirect may lead to another host in the same step.
    pub fn is_directory_of(&self, file: &Url) -> bool {
        let decoded = |path: &str| percent_decode(path.as_bytes()).unwrap_or_else(|_| path.into());
        self.path()
            .strip_suffix('/')
            .is_some_and(|path| decoded(path) == decoded(file.path()))
    }

    /// The URL of an encoded path, which may be empty, below this one's path.
    pub fn below(&self, suffix: &str) -> Url {
        let prefix = self.path().trim_end_matches('/');
        Self {
            is_tls: self.is_tls,
            host: self.host.clone(),
            port: self.port,
            path_and_query: [prefix, "/", suffix].concat(),
        }
    }
}

impl Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path_and_query)
    }
}

/// A text that may be a URL with a user name and a password, without what could belong to them, so that it can
/// be shown. A password may have a slash in it, so everything before the last `@` is left out.
pub fn without_user_info(text: &str) -> String {
    let Some((before, rest)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    let scheme = before.split_once("//").map_or("", |(scheme, _)| scheme);
    match scheme {
        "" => format!("...@{rest}"),
        scheme => format!("{scheme}//...@{rest}"),
    }
}

fn default_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}

/// What follows `http://` or `https://`, and whether it is the latter.
fn strip_scheme(text: &[u8]) -> Result<(bool, &[u8]), UrlError> {
    let (scheme, rest) = split_scheme(text).ok_or(UrlError::Scheme)?;
    let is_tls = scheme.eq_ignore_ascii_case(b"https");
    let known = is_tls || scheme.eq_ignore_ascii_case(b"http");
    let rest = rest.strip_prefix(b"//").filter(|_| known);
    rest.map(|rest| (is_tls, rest)).ok_or(UrlError::Scheme)
}

fn host_and_port(authority: &[u8]) -> Result<(String, Option<u16>), UrlError> {
    let colon = match authority.iter().position(|&byte| byte == b']') {
        Some(bracket) => bracket.saturating_add(1),
        None => authority
            .iter()
            .position(|&byte| byte == b':')
            .unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(colon).ok_or(UrlError::Host)?;
    let parsed = Authority::parse(host).ok_or(UrlError::Host)?;
    let host = match parsed.host {
        [b'[', address @ .., b']'] => ipv6(address).ok_or(UrlError::Host)?.to_string(),
        name if is_host_name(name) => String::from_utf8_lossy(name).to_ascii_lowercase(),
        _ => return Err(UrlError::Host),
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let port = Authority::parse(port).and_then(|it| it.port);
    match port {
        None | Some(0) => Err(UrlError::Port),
        port => Ok((host, port)),
    }
}

/// Whether a name is one that a resolver could know. None begins with a dash, which programs take for an option.
fn is_host_name(name: &[u8]) -> bool {
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && !name.starts_with(b"-") && name.iter().all(valid)
}

/// A prefix (encoded, empty or with its first slash) and a reference as one path and query. Bytes that no URL
/// may have are escaped, dot segments removed.
fn encoded(prefix: &str, reference: &[u8]) -> String {
    let mut text = String::with_capacity(prefix.len().saturating_add(reference.len()));
    text.push_str(prefix);
    percent_encode_rest(reference, &mut text);
    match text.split_once('?') {
        Some((path, query)) => format!("{}?{query}", without_dots(path)),
        None => without_dots(&text),
    }
}

/// A path without its `.` and `..` segments (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment == ".." {
            kept.pop();
        }
        match segment {
            // A dot segment at the end names a directory.
            "." | ".." if segments.peek().is_none() => kept.push(""),
            "." | ".." => {}
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests;

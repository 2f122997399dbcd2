//! Source: a mirror, as the command line gives it.
//!
//! Rules: a source with a name serves the paths whose first segment is that name, and is asked without that
//! segment; one without a name serves all others.

use std::fmt;

use crate::http::{Url, UrlError};
use crate::store::RESERVED;

/// A mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The first segment of the paths that it serves; none if it serves the paths that no name has.
    pub name: Option<String>,
    /// What precedes the path of a file.
    pub url: Url,
}

/// Why a text is no source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceError {
    /// What stands before the first `=` cannot be a name.
    Name,
    /// The name is one that no request reaches.
    Reserved,
    /// What follows is no URL of a source.
    Url(UrlError),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => {
                "no valid name: before the = give letters, digits, . _ - or + alone, as in debian=http://mirror.example/debian"
            }
            Self::Reserved => {
                "the name is reserved: give one that does not begin with .package-cache"
            }
            Self::Url(why) => return why.fmt(f),
        })
    }
}

impl Source {
    /// Reads `[NAME=]http://host[:port][/path]`. An equals sign behind `://` belongs to the URL.
    ///
    /// # Errors
    /// What is wrong with the name or the URL.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let (name, url) = match text.split_once('=') {
            Some((name, url)) if !name.contains("://") => (Some(name), url),
            _ => (None, text),
        };
        if let Some(name) = name {
            check_name(name)?;
        }
        Ok(Self {
            name: name.map(str::to_owned),
            url: Url::parse_source(url).map_err(SourceError::Url)?,
        })
    }

    /// The part of an encoded path, which this source serves, that follows its URL.
    pub fn path_of<'a>(&self, path: &'a str) -> &'a str {
        match self.name {
            Some(_) => path.split_once('/').map_or("", |(_, rest)| rest),
            None => path,
        }
    }
}

fn check_name(name: &str) -> Result<(), SourceError> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    // Dots alone name no segment.
    if matches!(name, "" | "." | "..") || !name.bytes().all(valid) {
        Err(SourceError::Name)
    } else if name.as_bytes().starts_with(RESERVED) {
        Err(SourceError::Reserved)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_a_name_or_none() {
        for (text, name, url) in [
            ("http://a.example", None, "http://a.example/"),
            ("http://a.example/x=y", None, "http://a.example/x=y"),
            (
                "debian=http://a.example",
                Some("debian"),
                "http://a.example/",
            ),
            (
                "a.B_c-2+=http://a.example/x=y",
                Some("a.B_c-2+"),
                "http://a.example/x=y",
            ),
            ("...=http://a.example", Some("..."), "http://a.example/"),
            (
                ".package=http://a.example",
                Some(".package"),
                "http://a.example/",
            ),
        ] {
            let source = Source::parse(text).unwrap();
            let parts = (source.name.as_deref(), source.url.to_string());
            assert_eq!(parts, (name, url.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_source_is_refused() {
        for (text, why) in [
            ("=http://a.example", SourceError::Name),
            (".=http://a.example", SourceError::Name),
            ("..=http://a.example", SourceError::Name),
            ("a/b=http://a.example", SourceError::Name),
            ("/=http://a.example", SourceError::Name),
            ("a b=http://a.example", SourceError::Name),
            ("a%2fb=http://a.example", SourceError::Name),
            ("\u{e9}=http://a.example", SourceError::Name),
            (".package-cache=http://a.example", SourceError::Reserved),
            (".package-cache-0=http://a.example", SourceError::Reserved),
            ("debian=", SourceError::Url(UrlError::Scheme)),
            ("debian=a.example", SourceError::Url(UrlError::Scheme)),
            ("debian", SourceError::Url(UrlError::Scheme)),
            ("a=b=http://a.example", SourceError::Url(UrlError::Scheme)),
            ("a=http://a.example/?x", SourceError::Url(UrlError::Query)),
        ] {
            assert_eq!(Source::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_name_is_no_part_of_what_its_source_is_asked() {
        let named = Source::parse("debian=http://a.example/x").unwrap();
        let other = Source::parse("http://a.example/x").unwrap();
        for (path, rest) in [
            ("debian/pool/a%2Bb.deb", "pool/a%2Bb.deb"),
            ("debian/", ""),
            ("debian", ""),
            ("debian/debian/", "debian/"),
        ] {
            assert_eq!(named.path_of(path), rest);
            assert_eq!(other.path_of(path), path);
        }
    }
}

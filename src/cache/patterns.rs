//! Glob: patterns for paths, as `--revalidate` takes them.
//!
//! Rules: `*` matches any run of characters, slashes included; `?` one character; `[...]` one of a set,
//! `[!...]` one outside it; everything else is itself. A pattern is matched against a whole decoded
//! path, with or without the slash before it, so that `*/Packages` matches one at the root as well.
//!
//! Not here: escapes (`[*]` is a star), the sets that have a name (`sets`).

use std::fmt;
use std::ops::RangeInclusive;

/// A pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Glob {
    /// The forms of the pattern. One of them must match the path without its first slash.
    forms: Vec<Form>,
}

/// One form of a pattern.
#[derive(Debug, Clone, PartialEq)]
struct Form {
    tokens: Vec<Token>,
    /// The bytes behind the last token that is no byte. Most paths end otherwise, which is quickly seen.
    end: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Byte(u8),
    /// One character.
    Any,
    /// Any run of characters.
    Run,
    /// One character in the ranges, or outside all of them.
    Set {
        outside: bool,
        ranges: Vec<RangeInclusive<char>>,
    },
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobError {
    /// It is empty.
    Empty,
    /// It names a set that there is none of; those that there are.
    NoSet(String),
    /// A `[` without its `]`.
    OpenSet,
    /// A range that ends before it begins.
    Backwards,
}

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSet(known) => {
                return write!(f, "give one of {known}, or write [@] for the character");
            }
            Self::Empty => "give a pattern such as */layout.conf",
            Self::OpenSet => "close the set with ], or write [[] for the character",
            Self::Backwards => "a range in a set must go upwards, as in [a-z]",
        })
    }
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is empty, or a set in it is not well formed.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        let bare = text.strip_prefix('/').unwrap_or(text);
        let mut forms = vec![Form::parse(bare)?];
        if let Some(rest) = bare.strip_prefix("*/") {
            forms.push(Form::parse(rest)?);
        }
        Ok(Self { forms })
    }

    /// Whether it matches a decoded path, given without its first slash.
    pub fn matches(&self, path: &[u8]) -> bool {
        let mut forms = self.forms.iter();
        forms.any(|form| path.ends_with(&form.end) && matches(&form.tokens, path))
    }
}

impl Form {
    fn parse(text: &str) -> Result<Self, GlobError> {
        let tokens = tokens(text)?;
        let byte = |token: &Token| match token {
            Token::Byte(byte) => Some(*byte),
            _ => None,
        };
        let mut end: Vec<u8> = tokens.iter().rev().map_while(byte).collect();
        end.reverse();
        Ok(Self { tokens, end })
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, GlobError> {
    let mut tokens = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' if tokens.last() == Some(&Token::Run) => {}
            '*' => tokens.push(Token::Run),
            '?' => tokens.push(Token::Any),
            '[' => tokens.push(set(&mut rest)?),
            _ => tokens.extend(c.encode_utf8(&mut [0; 4]).bytes().map(Token::Byte)),
        }
    }
    if tokens.is_empty() {
        return Err(GlobError::Empty);
    }
    Ok(tokens)
}

/// A set, read from after its `[`. A `]` that stands first is a member.
fn set(rest: &mut std::str::Chars<'_>) -> Result<Token, GlobError> {
    let mut ranges = Vec::new();
    let outside = rest.as_str().starts_with(['!', '^']);
    if outside {
        rest.next();
    }
    loop {
        let first = match rest.next() {
            None => return Err(GlobError::OpenSet),
            Some(']') if !ranges.is_empty() => return Ok(Token::Set { outside, ranges }),
            Some(first) => first,
        };
        let mut ahead = rest.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                *rest = ahead;
                last
            }
            _ => first,
        };
        if last < first {
            return Err(GlobError::Backwards);
        }
        ranges.push(first..=last);
    }
}

/// Whether all of `path` matches. On a mismatch only the last `*` takes one character more: an earlier one
/// could not lead to another match. So the time is at most the product of both lengths.
fn matches(tokens: &[Token], path: &[u8]) -> bool {
    let (mut tokens, mut path) = (tokens, path);
    let mut last_run: Option<(&[Token], &[u8])> = None;
    loop {
        match tokens.split_first() {
            Some((Token::Run, rest)) => {
                last_run = Some((rest, path));
                tokens = rest;
                continue;
            }
            Some((token, rest)) => {
                if let Some(behind) = one(token, path) {
                    (tokens, path) = (rest, behind);
                    continue;
                }
            }
            None if path.is_empty() => return true,
            None => {}
        }
        let Some((behind_run, from)) = last_run else {
            return false;
        };
        if from.is_empty() {
            return false;
        }
        let (_, from) = character(from);
        let from = from_first(behind_run, from);
        last_run = Some((behind_run, from));
        (tokens, path) = (behind_run, from);
    }
}

/// `path` from the first place on where `tokens` can begin, if a byte says it: a byte that begins a character is
/// never inside another one.
fn from_first<'a>(tokens: &[Token], path: &'a [u8]) -> &'a [u8] {
    let Some(Token::Byte(first)) = tokens.first() else {
        return path;
    };
    let at = path.iter().position(|byte| byte == first);
    path.get(at.unwrap_or(path.len())..).unwrap_or_default()
}

/// What is left of `path` behind one character that the token matches.
fn one<'a>(token: &Token, path: &'a [u8]) -> Option<&'a [u8]> {
    let (first, behind) = path.split_first()?;
    match token {
        Token::Byte(byte) => (byte == first).then_some(behind),
        Token::Any => Some(character(path).1),
        Token::Set { outside, ranges } => {
            let (c, behind) = character(path);
            let inside = c.is_some_and(|c| ranges.iter().any(|range| range.contains(&c)));
            (inside != *outside).then_some(behind)
        }
        Token::Run => None,
    }
}

/// The first character and what is behind it; a byte that begins none counts as one.
fn character(path: &[u8]) -> (Option<char>, &[u8]) {
    for length in 1..=4 {
        let Some((head, behind)) = path.split_at_checked(length) else {
            break;
        };
        if let Some(c) = std::str::from_utf8(head)
            .ok()
            .and_then(|text| text.chars().next())
        {
            return (Some(c), behind);
        }
    }
    (None, path.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_say() {
        for (pattern, path, expected) in [
            ("*/layout.conf", "distfiles/layout.conf", true),
            ("*/layout.conf", "layout.conf", true),
            ("*/layout.conf", "a/b/layout.conf", true),
            ("*/layout.conf", "distfiles/my-layout.conf", false),
            ("*/layout.conf", "distfiles/layout.conf.bak", false),
            ("/distfiles/layout.conf", "distfiles/layout.conf", true),
            ("distfiles/layout.conf", "distfiles/layout.conf", true),
            ("layout.conf", "distfiles/layout.conf", false),
            ("*", "", true),
            ("*", "a/b", true),
            ("**.db", "core/os/x86_64/core.db", true),
            ("*.db", "core.db.sig", false),
            ("*a*b*c", "xxaxxbxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", true),
            ("a?c", "a\u{e9}c", true),
            ("a?c", "ac", false),
            ("a??c", "a\u{e9}c", false),
            ("*??", "\u{20ac}", false),
            ("*?[!a]", "\u{20ac}", false),
            ("*?b", "\u{20ac}b", true),
            ("*\u{e9}b", "\u{e8}\u{e9}\u{e9}b", true),
            ("*\u{e9}b*", "\u{e9}ab", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[!a-c]x", "dx", true),
            ("[^a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[*]", "*", true),
            ("[*]", "a", false),
            ("[a-]", "-", true),
            ("[\u{e0}-\u{ef}]", "\u{e9}", true),
            ("x]", "x]", true),
            ("*/Packages*", "dists/a/by-hash/SHA256/0aff", false),
        ] {
            let glob = Glob::parse(pattern).unwrap();
            assert_eq!(glob.matches(path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    /// What a pattern of letters, `*` and `?` means, letter by letter.
    fn plainly(pattern: &[u8], path: &[u8]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, _) => path.is_empty(),
            (Some((b'*', rest)), None) => plainly(rest, path),
            (Some((b'*', rest)), Some((_, behind))) => {
                plainly(rest, path) || plainly(pattern, behind)
            }
            (Some((b'?', rest)), Some((_, behind))) => plainly(rest, behind),
            (Some((letter, rest)), Some((first, behind))) => {
                letter == first && plainly(rest, behind)
            }
            (Some(_), None) => false,
        }
    }

    /// Every text of up to `most` of these letters.
    fn texts(letters: &str, most: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut from = 0;
        for _ in 0..most {
            let longer: Vec<_> = all[from..]
                .iter()
                .flat_map(|text| letters.chars().map(move |letter| format!("{text}{letter}")))
                .collect();
            from = all.len();
            all.extend(longer);
        }
        all
    }

    #[test]
    fn short_cuts_change_nothing() {
        let paths = texts("ab", 5);
        for pattern in texts("ab*?", 5).iter().skip(1) {
            let glob = Glob::parse(pattern).unwrap();
            for path in &paths {
                let expected = plainly(pattern.as_bytes(), path.as_bytes());
                assert_eq!(glob.matches(path.as_bytes()), expected, "{pattern} {path}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_count_one_by_one() {
        let glob = Glob::parse("a?[!x]b").unwrap();
        assert!(glob.matches(b"a\xff\xfeb"));
        assert!(!glob.matches(b"a\xffb"));
    }

    #[test]
    fn a_hostile_path_takes_no_longer_than_both_lengths_allow() {
        let glob = Glob::parse(&"*a".repeat(200)).unwrap();
        assert!(!glob.matches(&b"a".repeat(8192).repeat(1)[..199]));
        assert!(!glob.matches(&[b"a".repeat(8191), b"b".to_vec()].concat()));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (pattern, why) in [
            ("", GlobError::Empty),
            ("/", GlobError::Empty),
            ("*/", GlobError::Empty),
            ("[a", GlobError::OpenSet),
            ("[]", GlobError::OpenSet),
            ("[!]", GlobError::OpenSet),
            ("[z-a]", GlobError::Backwards),
        ] {
            assert_eq!(Glob::parse(pattern), Err(why), "{pattern}");
        }
    }
}

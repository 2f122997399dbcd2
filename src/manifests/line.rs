//! Line: one line of a Manifest (GLEP 74).
//!
//! Rules: of all kinds of lines `DIST NAME SIZE (HASH VALUE)...` alone says what a distfile is. Hashes come in any order
//! and number; BLAKE2B counts, and SHA512 where there is none. A line that is odd in any way says nothing.

use std::str;

use crate::digest::{Digest, from_hex};

/// What a line says of a distfile.
#[derive(Debug, PartialEq, Eq)]
pub struct Dist {
    /// Its name, without escapes.
    pub name: Vec<u8>,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

/// The distfile that `line`, without its end, tells of.
pub fn parse(line: &[u8]) -> Option<Dist> {
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    words.next().filter(|kind| *kind == b"DIST")?;
    let name = file_name(words.next()?)?;
    let size = size(words.next()?)?;
    let (mut blake2b, mut sha512) = (None, None);
    while let Some(hash) = words.next() {
        let value = words.next()?;
        match hash {
            b"BLAKE2B" => blake2b = Some(from_hex(value)?),
            b"SHA512" => sha512 = Some(from_hex(value)?),
            _ => {}
        }
    }
    let digest = blake2b.map(Digest::Blake2b);
    Some(Dist {
        name,
        size,
        digest: digest.or(sha512.map(Digest::Sha512))?,
    })
}

/// A length in bytes that a file can have: digits alone, and within what the kernel can count.
fn size(word: &[u8]) -> Option<u64> {
    let digits = word.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(word).ok().filter(|_| digits)?;
    u64::try_from(text.parse::<i64>().ok()?).ok()
}

/// The name of a file that `word` spells.
fn file_name(word: &[u8]) -> Option<Vec<u8>> {
    let name = unescape(word)?;
    let is_file = !matches!(name.as_slice(), b"" | b"." | b"..");
    (is_file && !name.contains(&b'/') && !name.contains(&0)).then_some(name)
}

/// Decodes `\xHH` (up to 7F), `\uHHHH` and `\UHHHHHHHH`, which stand for characters in UTF-8 (GLEP 74, Path and filename
/// encoding); a backslash means nothing else.
fn unescape(word: &[u8]) -> Option<Vec<u8>> {
    let mut parts = word.split(|&byte| byte == b'\\');
    let mut name = parts.next()?.to_vec();
    for part in parts {
        let (kind, rest) = part.split_first()?;
        let (digits, most) = match kind {
            b'x' => (2, 0x7f),
            b'u' => (4, 0xffff),
            b'U' => (8, u32::MAX),
            _ => return None,
        };
        let (code, rest) = rest.split_at_checked(digits)?;
        let bytes = code.iter().try_fold(0_u32, |code, &digit| {
            Some(code << 4 | char::from(digit).to_digit(16)?)
        });
        let character = char::from_u32(bytes.filter(|code| *code <= most)?)?;
        name.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        name.extend_from_slice(rest);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` with `{b}` and `{s}` for a BLAKE2B and a SHA512 value.
    fn line(text: &str) -> Vec<u8> {
        let text = text.replace("{b}", &"b1".repeat(64));
        text.replace("{s}", &"5A".repeat(64)).into_bytes()
    }

    #[test]
    fn lines_that_tell_of_a_distfile() {
        let (b, s) = (Digest::Blake2b([0xb1; 64]), Digest::Sha512([0x5a; 64]));
        for (text, name, size, digest) in [
            (
                "DIST a-1.tar.gz 10 BLAKE2B {b} SHA512 {s}",
                "a-1.tar.gz",
                10,
                b,
            ),
            (
                "DIST a-1.tar.gz 10 SHA512 {s} BLAKE2B {b}",
                "a-1.tar.gz",
                10,
                b,
            ),
            ("DIST a 0 BLAKE2B {b}", "a", 0, b),
            ("DIST a 010 SHA512 {s}", "a", 10, s),
            (
                "DIST a 1 SHA256 00 WHIRLPOOL x SHA512 {s} RMD160 -",
                "a",
                1,
                s,
            ),
            (
                "  DIST\ta  9223372036854775807 SHA512 {s} \r",
                "a",
                i64::MAX as u64,
                s,
            ),
            // Odd names are names.
            ("DIST -a=~+%20&.. 1 BLAKE2B {b}", "-a=~+%20&..", 1, b),
            ("DIST ... 1 BLAKE2B {b}", "...", 1, b),
            ("DIST \\x20a\\x5C\\x62.z 1 BLAKE2B {b}", " a\\b.z", 1, b),
            ("DIST a\\u00e9\\u20AC 1 BLAKE2B {b}", "aé€", 1, b),
            ("DIST é\\U0001f600x 1 BLAKE2B {b}", "é😀x", 1, b),
        ] {
            let expected = Dist {
                name: name.into(),
                size,
                digest,
            };
            assert_eq!(parse(&line(text)), Some(expected), "{text}");
        }
    }

    #[test]
    fn lines_that_say_nothing() {
        for text in [
            // Of other kinds, or not whole.
            "",
            " ",
            "EBUILD a-1.ebuild 10 BLAKE2B {b}",
            "AUX a 10 BLAKE2B {b}",
            "dist a 10 BLAKE2B {b}",
            "DISTa 10 BLAKE2B {b}",
            "-----BEGIN PGP SIGNED MESSAGE-----",
            "DIST",
            "DIST a",
            "DIST a 10",
            // Hashes: none that is known, one without value, wrong digits, wrong length.
            "DIST a 10 SHA256 {b}",
            "DIST a 10 BLAKE2B {b} SHA512",
            "DIST a 10 BLAKE2B",
            "DIST a 10 BLAKE2B {b}0 SHA512 {s}",
            "DIST a 10 BLAKE2B b1 SHA512 {s}",
            "DIST a 10 SHA512 {s}{s}",
            "DIST a 10 BLAKE2B {b} SHA512 x{s}",
            // Sizes.
            "DIST a -1 BLAKE2B {b}",
            "DIST a +1 BLAKE2B {b}",
            "DIST a 1.0 BLAKE2B {b}",
            "DIST a 0x10 BLAKE2B {b}",
            "DIST a 9223372036854775808 BLAKE2B {b}",
            "DIST a 99999999999999999999999 BLAKE2B {b}",
            "DIST a BLAKE2B {b}",
            // Names that are none.
            "DIST . 1 BLAKE2B {b}",
            "DIST .. 1 BLAKE2B {b}",
            "DIST a/b 1 BLAKE2B {b}",
            "DIST /a 1 BLAKE2B {b}",
            "DIST a\\x2fb 1 BLAKE2B {b}",
            "DIST \\u002F 1 BLAKE2B {b}",
            "DIST a\\x00 1 BLAKE2B {b}",
            // Escapes that are none.
            "DIST a\\ 1 BLAKE2B {b}",
            "DIST a\\\\ 1 BLAKE2B {b}",
            "DIST a\\n 1 BLAKE2B {b}",
            "DIST a\\x2 1 BLAKE2B {b}",
            "DIST a\\x80 1 BLAKE2B {b}",
            "DIST a\\x+1 1 BLAKE2B {b}",
            "DIST a\\u20A 1 BLAKE2B {b}",
            "DIST a\\ud800 1 BLAKE2B {b}",
            "DIST a\\U00110000 1 BLAKE2B {b}",
            "DIST a\\UFFFFFFFF 1 BLAKE2B {b}",
            "DIST a\\U0001f60 1 BLAKE2B {b}",
            "DIST a\\X20 1 BLAKE2B {b}",
        ] {
            assert_eq!(parse(&line(text)), None, "{text}");
        }
    }

    #[test]
    fn no_part_and_no_other_byte_makes_it_fail() {
        let line = line("DIST a\\x20\\u20ac\\U0001f600 10 BLAKE2B {b} SHA512 {s}");
        assert!(parse(&line).is_some());
        for end in 0..line.len() {
            let _ = parse(&line[..end]);
            for byte in [0, b' ', b'\\', b'-', 0x7f, 0xff] {
                let mut other = line.clone();
                other[end] = byte;
                let _ = parse(&other);
            }
        }
    }
}

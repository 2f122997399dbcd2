//! Fields: the header section of a message, an ordered list of lines (RFC 9110 §5).
//!
//! Rules: the section is one buffer in the form in which it is sent (`Name: value` CRLF), with the position of
//! each line beside it, so that sending is one copy. Names are compared without regard to case. No value has a
//! control byte other than HTAB, or white space at its ends: in fields that we add they are replaced here (no
//! response splitting), in received ones the parser refuses them.
//!
//! Not here: what a field means.

use std::fmt::{self, Write};

use super::Malformed;

/// A header section: lines of name and value in the order received or added.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    bytes: Vec<u8>,
    lines: Vec<Line>,
}

/// The position of a line: the name from `start` to `colon`, the value from two bytes after it to `end`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Line {
    start: usize,
    colon: usize,
    end: usize,
}

impl Fields {
    /// An empty section.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty section with room for this many bytes and a usual number of lines.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            lines: Vec::with_capacity(12),
        }
    }

    /// Drops every line and keeps the memory.
    #[cfg(test)]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are no lines.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds a line of ours. The name is a token; a control byte in the value becomes a space.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let line = self.begin(name.as_bytes());
        self.bytes.extend_from_slice(value.as_ref());
        self.end(line);
    }

    /// Adds a line of ours with a formatted value, checked as by [`Fields::push`].
    pub fn push_fmt(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let line = self.begin(name.as_bytes());
        // Writing to the buffer cannot fail; a `Display` that fails leaves what it wrote.
        let _ = Unguarded(&mut self.bytes).write_fmt(value);
        self.end(line);
    }

    /// Adds a line of ours with a decimal number. A formatter would take longer than all other lines of a hit.
    pub fn push_number(&mut self, name: &str, number: u64) {
        let line = self.begin(name.as_bytes());
        let (mut digits, mut first, mut rest) = ([0; 20], 20, number);
        for digit in digits.iter_mut().rev() {
            *digit = b'0' | (rest % 10) as u8;
            first -= 1;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.bytes
            .extend_from_slice(digits.get(first..).unwrap_or_default());
        self.close(line);
    }

    /// Adds a line that needs no check: the parser has checked its value, or it is a text of ours.
    pub fn push_checked(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        debug_assert!(value.iter().copied().all(is_value_byte) && trim(value) == value);
        let line = self.begin(name.as_ref());
        self.bytes.extend_from_slice(value);
        self.close(line);
    }

    fn begin(&mut self, name: &[u8]) -> Line {
        debug_assert!(!name.is_empty() && name.iter().copied().all(is_token_byte));
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let colon = self.bytes.len();
        self.bytes.extend_from_slice(b": ");
        Line {
            start,
            colon,
            end: self.bytes.len(),
        }
    }

    /// Ends a line of ours. Bytes that a value must not have become spaces; white space around the value is
    /// removed, since recipients ignore it.
    fn end(&mut self, line: Line) {
        let value = self.bytes.get_mut(line.end..).unwrap_or_default();
        if !value.iter().copied().all(is_value_byte) {
            let amiss = value.iter_mut().filter(|byte| !is_value_byte(**byte));
            amiss.for_each(|byte| *byte = b' ');
        }
        let length = value.len();
        let kept = trim(value);
        if kept.len() < length {
            let kept = kept.to_vec();
            self.bytes.truncate(line.end);
            self.bytes.extend_from_slice(&kept);
        }
        self.close(line);
    }

    fn close(&mut self, mut line: Line) {
        line.end = self.bytes.len();
        self.bytes.extend_from_slice(b"\r\n");
        self.lines.push(line);
    }

    fn name_of(&self, line: &Line) -> &[u8] {
        self.bytes.get(line.start..line.colon).unwrap_or_default()
    }

    fn value_of(&self, line: &Line) -> &[u8] {
        self.bytes
            .get(line.colon.saturating_add(2)..line.end)
            .unwrap_or_default()
    }

    /// Whether the line has that name. Most names differ in length, which is seen before their bytes are looked at:
    /// each request asks for some twenty names.
    fn is_named(&self, line: &Line, name: &str) -> bool {
        line.colon.wrapping_sub(line.start) == name.len()
            && self.name_of(line).eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value of the first line with that name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let line = self.lines.iter().find(|line| self.is_named(line, name));
        line.map(|line| self.value_of(line))
    }

    /// The value of a field that may be there once; two lines are refused with 400.
    pub fn single(&self, name: &str) -> Result<Option<&[u8]>, Malformed> {
        let mut lines = self.lines.iter();
        let Some(line) = lines.find(|line| self.is_named(line, name)) else {
            return Ok(None);
        };
        match lines.any(|line| self.is_named(line, name)) {
            false => Ok(Some(self.value_of(line))),
            true => Err(Malformed::bad_request(
                "a field that may stand once stands twice",
            )),
        }
    }

    /// The values of all lines with that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.lines.iter().filter(|line| self.is_named(line, name));
        lines.map(|line| self.value_of(line))
    }

    /// The members of a list field from all its lines, without empty ones (RFC 9110 §5.6.1).
    pub fn members<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| Members { rest: value })
            .filter(|member| !member.is_empty())
    }

    /// Whether a list field has this token as a member, in any case.
    pub fn has_member(&self, name: &str, token: &str) -> bool {
        self.members(name)
            .any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Every line as name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines
            .iter()
            .map(|line| (self.name_of(line), self.value_of(line)))
    }

    /// The section as it is sent: every line ended by CRLF, without the empty line after it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lossy = |bytes| String::from_utf8_lossy(bytes);
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (lossy(name), lossy(value))))
            .finish()
    }
}

/// A formatter's access to the buffer, without checks.
struct Unguarded<'a>(&'a mut Vec<u8>);

impl Write for Unguarded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// The members of one line of a list field, empty ones included. A comma within a quoted-string (RFC 9110
/// §5.6.4) does not separate.
struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped) = (false, false);
        let comma = self.rest.iter().position(|&byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = quoted,
                b'"' => quoted = !quoted,
                b',' => return !quoted,
                _ => {}
            }
            false
        });
        let (member, rest) = self
            .rest
            .split_at_checked(comma.unwrap_or(self.rest.len()))
            .unwrap_or_default();
        self.rest = rest.get(1..).unwrap_or_default();
        Some(trim(member))
    }
}

/// The text without optional white space (SP, HTAB) at its ends (RFC 9110 §5.6.3).
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Whether a byte may be in a field value: SP, HTAB, visible or above ASCII (RFC 9110 §5.5).
pub(super) const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Whether a byte may be in a token, as names and methods are (RFC 9110 §5.6.2).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    /// A bit for each byte of ASCII, since every byte of every name is looked up.
    const TOKEN: u128 = {
        let mut set = 0;
        let mut byte: u8 = 0;
        while byte < 128 {
            let token = matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'#'..=b'\''
                | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
            set |= (token as u128) << byte;
            byte += 1;
        }
        set
    };
    byte < 128 && TOKEN >> byte & 1 == 1
}

#[cfg(test)]
mod tests;

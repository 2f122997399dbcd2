//! Chunked: the chunked transfer coding (RFC 9112 §7.1).
//!
//! Rules: the decoder looks at each byte once and copies no content: it returns where content is, as a range of
//! the input. Lines end with CRLF and nothing else. Chunk extensions and trailer fields are skipped; both are
//! capped.
//!
//! Not here: reading from a connection.

use std::io::Write;
use std::ops::Range;

use super::Malformed;
use super::fields::is_value_byte;
use super::target::hex;

/// The most bytes of one chunk-size line.
const LINE_CAP: usize = 4 * 1024;
/// The most bytes of the trailer section.
const TRAILER_CAP: usize = 16 * 1024;
/// The most hexadecimal digits of a chunk size: as many as a u64 has.
const DIGITS: usize = 16;

/// The end of a chunked body: the last chunk, and an empty trailer section.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends the line before a chunk of `length` bytes (at least 1); after the chunk comes CRLF.
pub fn chunk_head(length: usize, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{length:x}\r\n");
}

/// Decodes a chunked body, whatever its pieces are.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    state: State,
    /// How many digits of the size, bytes of its line, or bytes of the trailer section there were.
    count: usize,
    /// The size so far; then the bytes of the chunk that are still to come.
    remaining: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Size,
    /// White space between the size and what ends or extends it.
    Padding,
    Extension,
    SizeLf,
    Content,
    ContentCr,
    ContentLf,
    /// At the start of a line of the trailer section.
    Trailer,
    TrailerLine,
    TrailerLf,
    LastLf,
    Done,
}

/// The result of one step through the input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// How many bytes of the input are done with.
    pub consumed: usize,
    /// Where content is in these bytes; empty if there is none.
    pub content: Range<usize>,
}

impl Decoder {
    /// A decoder at the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes up to the end of the first run of content, or else all of the input, but nothing after the end
    /// of the body. It is to be called again with the rest. No byte is consumed only if the input is empty or
    /// the body has ended. After a refusal it refuses everything.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, Malformed> {
        for (position, &byte) in input.iter().enumerate() {
            match self.state {
                State::Content => return Ok(self.content(position, input.len())),
                State::Done => {
                    return Ok(Decoded {
                        consumed: position,
                        content: 0..0,
                    });
                }
                _ => self.state = self.step(byte)?,
            }
        }
        Ok(Decoded {
            consumed: input.len(),
            content: 0..0,
        })
    }

    /// Whether the last chunk and the trailer section are complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The run of content that begins at `start` in an input of this length.
    fn content(&mut self, start: usize, length: usize) -> Decoded {
        let available = length.saturating_sub(start);
        let run = usize::try_from(self.remaining)
            .unwrap_or(usize::MAX)
            .min(available);
        self.remaining = self.remaining.saturating_sub(run as u64);
        if self.remaining == 0 {
            self.state = State::ContentCr;
        }
        let end = start.saturating_add(run);
        Decoded {
            consumed: end,
            content: start..end,
        }
    }

    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        match self.state {
            State::Size => self.size(byte),
            State::Padding => self.padding(byte),
            State::Extension => self.extension(byte),
            State::SizeLf => self.size_lf(byte),
            State::ContentCr => expect(byte, b'\r', State::ContentLf),
            State::ContentLf => self.content_lf(byte),
            State::Trailer => self.trailer(byte),
            State::TrailerLine => self.trailer_line(byte),
            State::TrailerLf => expect(byte, b'\n', State::Trailer),
            State::LastLf => expect(byte, b'\n', State::Done),
            State::Content | State::Done => Ok(self.state),
        }
    }

    fn size(&mut self, byte: u8) -> Result<State, Malformed> {
        match hex(byte) {
            Some(digit) => {
                self.count(DIGITS, "a chunk size of more than 16 digits")?;
                self.remaining = self.remaining << 4 | u64::from(digit);
                Ok(State::Size)
            }
            None if self.count == 0 => Err(Malformed::bad_request("no chunk size")),
            None => match byte {
                b'\r' => Ok(State::SizeLf),
                b';' => Ok(State::Extension),
                // Some old servers pad the size with spaces.
                b' ' | b'\t' => Ok(State::Padding),
                _ => Err(Malformed::bad_request(
                    "a chunk size that is no hexadecimal number",
                )),
            },
        }
    }

    fn padding(&mut self, byte: u8) -> Result<State, Malformed> {
        self.count(LINE_CAP, "a chunk extension over 4 KiB")?;
        match byte {
            b' ' | b'\t' => Ok(State::Padding),
            b'\r' => Ok(State::SizeLf),
            b';' => Ok(State::Extension),
            _ => Err(Malformed::bad_request(
                "a chunk size followed by more than an extension",
            )),
        }
    }

    fn extension(&mut self, byte: u8) -> Result<State, Malformed> {
        self.count(LINE_CAP, "a chunk extension over 4 KiB")?;
        line(byte, State::Extension, State::SizeLf)
    }

    fn size_lf(&mut self, byte: u8) -> Result<State, Malformed> {
        self.count = 0;
        let next = if self.remaining == 0 {
            State::Trailer
        } else {
            State::Content
        };
        expect(byte, b'\n', next)
    }

    fn content_lf(&mut self, byte: u8) -> Result<State, Malformed> {
        expect(byte, b'\n', State::Size)
    }

    fn trailer(&mut self, byte: u8) -> Result<State, Malformed> {
        self.count(TRAILER_CAP, TRAILER_TOO_LONG)?;
        line(byte, State::TrailerLine, State::LastLf)
    }

    fn trailer_line(&mut self, byte: u8) -> Result<State, Malformed> {
        self.count(TRAILER_CAP, TRAILER_TOO_LONG)?;
        line(byte, State::TrailerLine, State::TrailerLf)
    }

    fn count(&mut self, cap: usize, why: &'static str) -> Result<(), Malformed> {
        self.count = self.count.saturating_add(1);
        if self.count > cap {
            Err(Malformed::bad_request(why))
        } else {
            Ok(())
        }
    }
}

const TRAILER_TOO_LONG: &str = "a trailer section over 16 KiB";

/// A byte of a line that is skipped, or the CR that ends it.
fn line(byte: u8, more: State, end: State) -> Result<State, Malformed> {
    match byte {
        b'\r' => Ok(end),
        _ if is_value_byte(byte) => Ok(more),
        _ => Err(Malformed::bad_request(
            "a control byte or a bare line feed in a chunked body",
        )),
    }
}

fn expect(byte: u8, expected: u8, next: State) -> Result<State, Malformed> {
    if byte == expected {
        Ok(next)
    } else {
        Err(Malformed::bad_request(
            "a chunk or a line of a chunked body without CRLF at its end",
        ))
    }
}

#[cfg(test)]
mod tests;

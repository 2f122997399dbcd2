//! The chunked transfer coding (RFC 9112 §7.1).
//!
//! Rules: the decoder looks at each byte once and keeps no content; where content lies it says as a
//! range of the input. Lines end with CRLF and nothing else. Chunk extensions and trailer fields are
//! skipped; both are capped.
//!
//! Not here: reading from a connection.

use std::io::Write;
use std::ops::Range;

use super::Malformed;
use super::fields::is_value_byte;
use super::target::hex;

/// Bytes of one chunk-size line.
const LINE_CAP: usize = 4 * 1024;
/// Bytes of the trailer section.
const TRAILER_CAP: usize = 16 * 1024;
/// Hexadecimal digits of a chunk size: as many as a u64 has.
const DIGITS: usize = 16;

/// The end of a chunked body: the last chunk, and an empty trailer section.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends the line before a chunk of so many bytes (at least 1); CRLF follows the chunk.
pub fn chunk_head(length: usize, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{length:x}\r\n");
}

/// Takes a chunked body apart, however it is cut into reads.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    state: State,
    /// Digits of the size, bytes of its line or bytes of the trailer section so far.
    count: usize,
    /// The size so far, then what is left of the chunk.
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

/// One step through the input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// Where in these bytes content lies; empty if there is none.
    pub content: Range<usize>,
}

impl Decoder {
    /// A decoder at the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes up to the end of the first run of content, or all of them, but none beyond the end of
    /// the body; zero are consumed only of an empty input or at that end. To be called again with the
    /// rest. Refusals are final.
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

    /// True once the last chunk and the trailer section are in.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The run of content that begins at a position of the input.
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

fn expect(byte: u8, wanted: u8, next: State) -> Result<State, Malformed> {
    if byte == wanted {
        Ok(next)
    } else {
        Err(Malformed::bad_request(
            "a chunk or a line of a chunked body without CRLF at its end",
        ))
    }
}

#[cfg(test)]
mod tests;

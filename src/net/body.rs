//! Body: the content of one message, read from its connection until its framing is satisfied.
//!
//! Rules: an end of the stream before the framing is satisfied is an error, never an end of content (RFC 9112
//! §8). Over TLS content that ends with the connection never ends, since the end of that is an error.
//!
//! Not here: which framing a message has (`http::framing`).

use std::io::{self, ErrorKind};

use super::wire::Wire;
use crate::http::Framing;
use crate::http::chunked::Decoder;

/// What is still to come, by the framing.
#[derive(Debug)]
enum Rest {
    Length(u64),
    Chunked(Decoder),
    UntilClose,
    Done,
}

/// What is still to come of one message's content, by its framing (RFC 9112 §6.3).
#[derive(Debug)]
pub struct Body {
    length: Option<u64>,
    rest: Rest,
}

impl Body {
    /// The content that follows a head.
    pub fn new(framing: Framing) -> Self {
        let (length, rest) = match framing {
            Framing::None | Framing::Length(0) => (Some(0), Rest::Done),
            Framing::Length(length) => (Some(length), Rest::Length(length)),
            Framing::Chunked => (None, Rest::Chunked(Decoder::new())),
            Framing::UntilClose => (None, Rest::UntilClose),
        };
        Self { length, rest }
    }

    /// The content that a response to HEAD announces and does not send (RFC 9112 §6.3).
    pub fn announced(framing: Framing) -> Self {
        Self {
            rest: Rest::Done,
            ..Self::new(framing)
        }
    }

    /// Its length in bytes, if the framing tells it beforehand.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// What has come of the content and is still unread, if its length is known. Chunks do not count: what has come
    /// may be half of a chunk size.
    pub fn ahead<'a>(&self, wire: &'a Wire) -> &'a [u8] {
        let ahead = wire.ahead();
        match self.rest {
            Rest::Length(left) if left < ahead.len() as u64 => {
                ahead.get(..left as usize).unwrap_or_default()
            }
            Rest::Length(_) => ahead,
            _ => &[],
        }
    }

    /// Goes on behind what has come.
    pub fn pass(&mut self, wire: &mut Wire) {
        let count = self.ahead(wire).len();
        if let Rest::Length(left) = &mut self.rest {
            wire.consume(count);
            *left = left.saturating_sub(count as u64);
            if *left == 0 {
                self.rest = Rest::Done;
            }
        }
    }

    /// Whether the framing is satisfied.
    pub fn is_done(&self) -> bool {
        matches!(self.rest, Rest::Done)
    }

    /// Whether only the end of the connection ends it.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.rest, Rest::UntilClose)
    }

    /// Reads content from `wire` into `out`; 0 only when the framing is satisfied.
    ///
    /// # Errors
    /// `UnexpectedEof` when the peer closed early, `InvalidData` for a bad chunk, a time-out, or what the
    /// socket says.
    pub fn read(&mut self, wire: &mut Wire, out: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.rest {
            Rest::Done => return Ok(0),
            Rest::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(out.len());
                let read = wire.read(out.get_mut(..most).unwrap_or_default())?;
                *left = left.saturating_sub(read as u64);
                if read == 0 {
                    return Err(cut());
                }
                read
            }
            Rest::UntilClose => wire.read(out)?,
            Rest::Chunked(decoder) => read_chunked(wire, decoder, out)?,
        };
        let done = match &self.rest {
            Rest::Done => true,
            Rest::Length(left) => *left == 0,
            Rest::UntilClose => read == 0,
            Rest::Chunked(decoder) => decoder.is_done(),
        };
        if done {
            self.rest = Rest::Done;
        }
        Ok(read)
    }
}

fn cut() -> io::Error {
    io::Error::new(
        ErrorKind::UnexpectedEof,
        "closed before the end of the content",
    )
}

/// Decodes chunks into `out` until it is full, the body ends, or the next read would wait.
fn read_chunked(wire: &mut Wire, decoder: &mut Decoder, out: &mut [u8]) -> io::Result<usize> {
    let mut written: usize = 0;
    while !decoder.is_done() {
        let space = out.get_mut(written..).unwrap_or_default();
        if space.is_empty() || (written > 0 && wire.ahead().is_empty()) {
            break;
        }
        if wire.ahead().is_empty() && wire.fill()? == 0 {
            return Err(cut());
        }
        // The decoder gets no more input than there is room for its output.
        let input = wire.ahead();
        let input = input.get(..space.len()).unwrap_or(input);
        let step = decoder
            .decode(input)
            .map_err(|bad| io::Error::new(ErrorKind::InvalidData, bad.why))?;
        let content = input.get(step.content.clone()).unwrap_or_default();
        if let Some(space) = space.get_mut(..content.len()) {
            space.copy_from_slice(content);
        }
        written = written.saturating_add(content.len());
        wire.consume(step.consumed);
    }
    Ok(written)
}

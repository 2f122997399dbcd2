//! The wire of a client: answers by their framing, to the byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::client::Order;
use super::file::Witness;
use super::{LIMIT, pause};
use crate::support::Dice;

/// How content is delimited.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Framing {
    /// So many bytes.
    Length(usize),
    /// Chunks.
    Chunked,
    /// All until the close.
    UntilClose,
}

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// The status code.
    pub status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    /// The first field of that name (lower case).
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut same = self.fields.iter().filter(|(key, _)| key == name);
        same.next().map(|(_, value)| value.as_str())
    }

    /// How the content ends.
    pub fn framing(&self, order: &Order) -> Result<Framing, String> {
        match (
            self.field("transfer-encoding"),
            self.field("content-length"),
        ) {
            _ if order.head => Ok(Framing::Length(0)),
            (Some("chunked"), None) if !order.old => Ok(Framing::Chunked),
            (None, Some(length)) => length
                .parse()
                .map(Framing::Length)
                .map_err(|_| length.into()),
            (None, None) => Ok(Framing::UntilClose),
            framing => Err(format!("framing {framing:?}")),
        }
    }

    /// Whether the connection goes on.
    pub fn kept(&self, order: &Order, framing: Framing) -> bool {
        !order.old && framing != Framing::UntilClose && self.field("connection") != Some("close")
    }
}

/// A connection with what was read ahead.
pub struct Wire {
    stream: TcpStream,
    ahead: Vec<u8>,
    /// Whether we left in mid-answer.
    pub left: bool,
}

impl Wire {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Self, String> {
        let stream =
            TcpStream::connect_timeout(&address, LIMIT).map_err(|cause| cause.to_string())?;
        let limited = stream.set_read_timeout(Some(LIMIT));
        limited
            .and(stream.set_write_timeout(Some(LIMIT)))
            .map_err(|cause| cause.to_string())?;
        Ok(Self {
            stream,
            ahead: Vec::new(),
            left: false,
        })
    }

    /// Sends a request.
    pub fn send(&mut self, text: &str) -> Result<(), String> {
        self.stream
            .write_all(text.as_bytes())
            .map_err(|cause| cause.to_string())
    }

    /// Reads once more, `most` bytes; false at the end, also at a hard one where `hard` is told.
    fn fill(&mut self, most: usize, hard: &mut bool) -> Result<bool, String> {
        let mut block = vec![0; most.clamp(1, 1 << 20)];
        match self.stream.read(&mut block) {
            Ok(count) => {
                self.ahead.extend_from_slice(&block[..count]);
                Ok(count > 0)
            }
            Err(cause) if cause.kind() == ErrorKind::ConnectionReset => {
                *hard = true;
                Ok(false)
            }
            Err(cause) => Err(format!("silent for {LIMIT:?}: {cause}")),
        }
    }

    /// A line without its end; none if the connection ends first.
    fn line(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.ahead.drain(..end + 2).take(end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            if !self.fill(4096, &mut false)? {
                return Ok(None);
            }
        }
    }

    /// Reads the head of an answer.
    pub fn head(&mut self) -> Result<Head, String> {
        let first = self.line()?.ok_or("no answer at all")?;
        let status = first
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let status = status.and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("a bad status line: {first:?}"))?;
        let mut fields = Vec::new();
        loop {
            let line = self.line()?.ok_or("a cut head")?;
            if line.is_empty() {
                return Ok(Head { status, fields });
            }
            let (name, value) = line.split_once(": ").ok_or("a bad field")?;
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    /// Reads content and shows it to the witness; whether it came whole.
    pub fn content(
        &mut self,
        framing: Framing,
        order: &Order,
        dice: &mut Dice,
        witness: &mut Witness<'_>,
    ) -> Result<bool, String> {
        let begin = witness.at();
        let mut chunk = 0;
        if order.slow {
            pause(dice.below(1_000));
        }
        loop {
            let came = witness.at() - begin;
            let left = match framing {
                Framing::Length(length) => length - came,
                Framing::UntilClose => usize::MAX,
                Framing::Chunked if chunk > 0 => chunk,
                Framing::Chunked => match self.chunk()? {
                    Some(0) => return Ok(true),
                    Some(size) => {
                        chunk = size;
                        size
                    }
                    None => return Ok(false),
                },
            };
            if left == 0 {
                return Ok(true);
            }
            if order.leaves.is_some_and(|most| came >= most) {
                self.left = true;
                return Ok(false);
            }
            let mut hard = false;
            if order.slow {
                pause(dice.below(40));
            }
            let most = if order.slow {
                1 + dice.up_to((came / 8).max(60_000))
            } else {
                64 << 10
            };
            if self.ahead.is_empty() && !self.fill(most, &mut hard)? {
                return Ok(framing == Framing::UntilClose && !hard);
            }
            let count = left.min(self.ahead.len());
            witness.see(&self.ahead[..count])?;
            self.ahead.drain(..count);
            if chunk > 0 {
                chunk -= count;
                if chunk == 0 && self.line()?.is_none_or(|line| !line.is_empty()) {
                    return Ok(false);
                }
            }
        }
    }

    /// The next chunk's size; none if the connection ends first.
    fn chunk(&mut self) -> Result<Option<usize>, String> {
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        let size = usize::from_str_radix(&line, 16).map_err(|_| format!("chunk {line:?}"))?;
        if size == 0 && self.line()?.as_deref() != Some("") {
            return Ok(None);
        }
        Ok(Some(size))
    }

    /// Reads over a short text; whether it came whole.
    pub fn drain(&mut self, framing: Framing) -> Result<bool, String> {
        let Framing::Length(length) = framing else {
            return Ok(false);
        };
        while self.ahead.len() < length {
            if !self.fill(length, &mut false)? {
                return Ok(false);
            }
        }
        self.ahead.drain(..length);
        Ok(true)
    }

    /// Nothing may follow an answer; a connection that is not kept is closed.
    pub fn is_at_end(&mut self, kept: bool) -> Result<(), String> {
        if !kept && self.ahead.is_empty() {
            self.fill(1, &mut false)?;
        }
        match self.ahead.len() {
            0 => Ok(()),
            count => Err(format!("{count} bytes behind the answer")),
        }
    }
}

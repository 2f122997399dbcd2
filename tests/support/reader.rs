//! Reads answers by their framing, to the byte (RFC 9112 §6). All that reads answers in the tests stands on it.
//!
//! What a promise allows is a value, such as an end that is no clean one; what no promise allows, such as a
//! bad status line or silence, is an error in words.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::Response;

/// How the content of an answer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By its framing.
    Complete,
    /// The connection was closed before the framing was satisfied.
    Cut,
    /// The connection was reset.
    Reset,
}

/// What is left to read of the content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks, and what is left of the one that was begun; `None` before a chunk's size.
    Chunked(Option<u64>),
    /// Everything until the close.
    UntilClose,
    /// Nothing.
    Done(End),
}

impl Framing {
    /// How the content of this answer is delimited; `bare`: it is the answer to a HEAD.
    fn of(response: &Response, bare: bool) -> Result<Self, String> {
        let bare = bare || response.status < 200 || [204, 304].contains(&response.status);
        let coding = response.field("transfer-encoding");
        match (coding, response.field("content-length")) {
            _ if bare => Ok(Self::Done(End::Complete)),
            (Some("chunked"), None) => Ok(Self::Chunked(None)),
            (None, Some(length)) => match length.parse() {
                Ok(length) => Ok(Self::Length(length)),
                Err(_) => Err(format!("a bad length: {length:?}")),
            },
            (None, None) => Ok(Self::UntilClose),
            conflict => Err(format!("framing {conflict:?}")),
        }
    }
}

/// One connection, with what was read ahead.
pub struct Reader {
    stream: TcpStream,
    limit: Duration,
    ahead: Vec<u8>,
    framing: Framing,
}

impl Reader {
    /// Connects; no later wait is longer than `limit`.
    pub fn connect(address: SocketAddr, limit: Duration) -> Result<Self, String> {
        let open = || -> io::Result<TcpStream> {
            let stream = TcpStream::connect_timeout(&address, limit)?;
            stream.set_read_timeout(Some(limit))?;
            stream.set_write_timeout(Some(limit))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        Ok(Self {
            stream: open().map_err(|cause| format!("cannot connect: {cause}"))?,
            limit,
            ahead: Vec::new(),
            framing: Framing::Done(End::Complete),
        })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads the head of an answer; `bare`: no content follows it, whatever its fields say.
    pub fn head(&mut self, bare: bool) -> Result<Response, String> {
        let line = self.line()?.ok_or("no answer at all")?;
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let status = status.and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("a bad status line: {line:?}"))?;
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            let line = line.ok_or_else(|| format!("a cut head: {status} {fields:?}"))?;
            if line.is_empty() {
                break;
            }
            let field = line.split_once(": ");
            let (name, value) = field.ok_or_else(|| format!("a bad field: {line:?}"))?;
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let response = Response::new(status, fields);
        self.framing = Framing::of(&response, bare)?;
        Ok(response)
    }

    /// What is left to read of the content.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Up to `most` bytes of content, none at a chunk's border, or how it ended.
    pub fn some(&mut self, most: usize) -> Result<Result<Vec<u8>, End>, String> {
        let left = match self.framing {
            Framing::Done(end) => return Ok(Err(end)),
            Framing::Length(0) => return Ok(self.done(End::Complete)),
            Framing::Length(left) | Framing::Chunked(Some(left)) => left,
            Framing::UntilClose => u64::MAX,
            Framing::Chunked(None) => return self.next_chunk(),
        };
        if self.ahead.is_empty() {
            match (self.fill(most)?, self.framing) {
                (Ok(()), _) => {}
                (Err(End::Cut), Framing::UntilClose) => return Ok(self.done(End::Complete)),
                (Err(end), _) => return Ok(self.done(end)),
            }
        }
        let length = most.min(self.ahead.len());
        let length = length.min(usize::try_from(left).unwrap_or(usize::MAX));
        let content: Vec<u8> = self.ahead.drain(..length).collect();
        let left = left - length as u64;
        match self.framing {
            Framing::Length(_) => self.framing = Framing::Length(left),
            Framing::Chunked(_) if left == 0 => match self.line()?.as_deref() {
                Some("") => self.framing = Framing::Chunked(None),
                Some(line) => return Err(format!("behind a chunk: {line:?}")),
                None => self.framing = Framing::Done(End::Cut),
            },
            Framing::Chunked(_) => self.framing = Framing::Chunked(Some(left)),
            Framing::UntilClose | Framing::Done(_) => {}
        }
        Ok(Ok(content))
    }

    /// Reads the rest of the content, and how it ended.
    pub fn rest(&mut self) -> Result<(Vec<u8>, End), String> {
        let mut content = Vec::new();
        loop {
            match self.some(1 << 16)? {
                Ok(more) => content.extend(more),
                Err(end) => return Ok((content, end)),
            }
        }
    }

    /// How many bytes there are behind an answer; where there are none yet and `wait` says so, waits for
    /// one or for the close.
    pub fn behind(&mut self, wait: bool) -> Result<usize, String> {
        if wait && self.ahead.is_empty() {
            let _ = self.fill(1)?;
        }
        Ok(self.ahead.len())
    }

    /// Says that nothing more will be sent.
    pub fn close_writing(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Waits for the close; `None` when anything comes before.
    pub fn wait_closed(&mut self) -> Result<Option<End>, String> {
        Ok(self.fill(1 << 16)?.err())
    }

    /// Reads a chunk's size; the last one ends the content.
    fn next_chunk(&mut self) -> Result<Result<Vec<u8>, End>, String> {
        let Some(line) = self.line()? else {
            return Ok(self.done(End::Cut));
        };
        let size = u64::from_str_radix(&line, 16).map_err(|_| format!("chunk {line:?}"))?;
        if size > 0 {
            self.framing = Framing::Chunked(Some(size));
            return Ok(Ok(Vec::new()));
        }
        let whole = self.line()?.as_deref() == Some("");
        Ok(self.done(if whole { End::Complete } else { End::Cut }))
    }

    fn done(&mut self, end: End) -> Result<Vec<u8>, End> {
        self.framing = Framing::Done(end);
        Err(end)
    }

    /// A line without its CRLF; none when the connection ends first.
    fn line(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.ahead.drain(..end + 2).take(end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            if self.fill(4096)?.is_err() {
                return Ok(None);
            }
        }
    }

    /// Reads once more, at most `most` bytes, so that a slow client leaves the rest in the socket.
    fn fill(&mut self, most: usize) -> Result<Result<(), End>, String> {
        let mut block = vec![0; most.clamp(1, 1 << 20)];
        loop {
            match self.stream.read(&mut block) {
                Ok(0) => return Ok(Err(End::Cut)),
                Ok(length) => {
                    self.ahead.extend_from_slice(&block[..length]);
                    return Ok(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return Ok(Err(End::Reset));
                }
                // A child of another test has ended: a read with a time limit is not resumed by itself.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(format!("nothing came for {:?}: {error}", self.limit));
                }
            }
        }
    }
}

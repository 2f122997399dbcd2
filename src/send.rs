//! Sending an answer's content, from a file, a transfer or memory.
//!
//! Rules: a small body leaves in one write with its head; a failure of the content is told apart from
//! one of the client, for only the first is a broken promise; a reader whose range lies far ahead of its transfer, or that
//! the transfer has left behind, gets the rest from a source on its own, with proof that it is the same file.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use crate::answer::Content;
use crate::download::{Follower, Ready};
use crate::http::chunked;
use crate::limits::{limits, ms};
use crate::log;
use crate::origin::Response;
use crate::outlet::Outlet;
use crate::upstream::FetchError;

/// A body up to this many bytes leaves in one write with its head.
const SMALL: u64 = 32 * 1024;

/// Asks a source for a part of a transfer's content, for a reader that the transfer does not serve.
pub type Direct<'a> = &'a dyn Fn(&Follower, Range<u64>) -> Option<Response>;

/// Why an answer was not sent whole.
#[derive(Debug)]
pub enum SendError {
    /// The client has gone, or takes nothing.
    Client(io::Error),
    /// The content broke off.
    Content(FetchError),
}

impl From<io::Error> for SendError {
    fn from(cause: io::Error) -> Self {
        Self::Client(cause)
    }
}

/// Sends what is in `out` and the content behind it.
///
/// # Errors
/// When the client has gone or the content broke off; what was sent then ends short of its promise.
pub fn send_content(
    outlet: &mut Outlet<'_>,
    out: &mut Vec<u8>,
    content: Content,
    direct: Direct<'_>,
) -> Result<(), SendError> {
    match content {
        Content::Empty => outlet.send(out)?,
        Content::Text(text) => {
            out.extend_from_slice(text.as_bytes());
            outlet.send(out)?;
        }
        Content::File { file, part } if part.end.saturating_sub(part.start) <= SMALL => {
            let head = out.len();
            let length = usize::try_from(part.end.saturating_sub(part.start)).unwrap_or(0);
            out.resize(head.saturating_add(length), 0);
            let space = out.get_mut(head..).unwrap_or_default();
            file.read_exact_at(space, part.start).map_err(of_file)?;
            outlet.send(out)?;
        }
        Content::File { file, part } => {
            outlet.send(out)?;
            outlet.send_file(&file, part).map_err(of_file)?;
        }
        Content::Follow { follower, part } => {
            outlet.send(out)?;
            let follower = &follower;
            Reading {
                outlet,
                follower,
                direct,
                detours: 0,
            }
            .part(part)?;
        }
        Content::Stream { follower, chunked } => {
            outlet.send(out)?;
            let follower = &follower;
            Reading {
                outlet,
                follower,
                direct,
                detours: 0,
            }
            .stream(chunked)?;
        }
    }
    Ok(())
}

/// An end of the file before the end of the answer is no fault of the client's.
fn of_file(cause: io::Error) -> SendError {
    if cause.kind() != ErrorKind::UnexpectedEof {
        return SendError::Client(cause);
    }
    log::error!(
        "a file of the cache became shorter while it was sent: replace files, never rewrite them"
    );
    SendError::Content(FetchError::Broken)
}

/// A reader of a transfer, and its way around it.
struct Reading<'a, 'o> {
    outlet: &'a mut Outlet<'o>,
    follower: &'a Follower,
    direct: Direct<'a>,
    /// How often it went around the transfer, or could not.
    detours: u64,
}

impl Reading<'_, '_> {
    /// Sends a part of the content, whose length is known.
    fn part(&mut self, part: Range<u64>) -> Result<(), SendError> {
        let mut at = part.start;
        let mut since = Instant::now();
        while at < part.end {
            let count = match self
                .follower
                .ready(at, ms(limits().look_ms))
                .map_err(SendError::Content)?
            {
                // The content was announced longer than it is.
                Ready::End => return Err(SendError::Content(FetchError::Broken)),
                Ready::Later { received } => {
                    self.look()?;
                    if received >= at || since.elapsed() < ms(limits().far_ms) {
                        continue;
                    }
                    since = Instant::now();
                    self.around(at..part.end)?
                }
                Ready::Gone => match self.around(at..part.end)? {
                    0 if self.detours >= limits().attempts => {
                        return Err(SendError::Content(FetchError::Broken));
                    }
                    count => count,
                },
                ready => self.send(&ready, at, part.end.saturating_sub(at))?,
            };
            at = at.saturating_add(count);
        }
        Ok(())
    }

    /// Sends all of the content, whose length is unknown.
    fn stream(&mut self, in_chunks: bool) -> Result<(), SendError> {
        let mut at: u64 = 0;
        loop {
            let ready = self
                .follower
                .ready(at, ms(limits().look_ms))
                .map_err(SendError::Content)?;
            let count = match &ready {
                Ready::End => break,
                Ready::Gone => return Err(SendError::Content(FetchError::Broken)),
                Ready::Later { .. } => {
                    self.look()?;
                    continue;
                }
                ready => ready.count(at),
            };
            if in_chunks {
                let mut frame = Vec::new();
                chunked::chunk_head(usize::try_from(count).unwrap_or(usize::MAX), &mut frame);
                self.outlet.send(&frame)?;
            }
            self.send(&ready, at, count)?;
            if in_chunks {
                self.outlet.send(b"\r\n")?;
            }
            at = at.saturating_add(count);
        }
        if in_chunks {
            self.outlet.send(chunked::LAST_CHUNK)?;
        }
        Ok(())
    }

    /// Sends what is ready, `most` bytes of it; how many.
    fn send(&mut self, ready: &Ready, at: u64, most: u64) -> Result<u64, SendError> {
        let count = ready.count(at).min(most);
        match (ready, self.follower.file()) {
            (Ready::File(_), Some(file)) => {
                self.outlet.send_file(file, at..at.saturating_add(count))?;
            }
            (Ready::Bytes(bytes), _) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                self.outlet.send(bytes.get(..count).unwrap_or(bytes))?;
            }
            _ => return Err(SendError::Content(FetchError::Broken)),
        }
        Ok(count)
    }

    /// A client that has closed its side does not hold a place that another transfer waits for; it may
    /// still read.
    fn look(&mut self) -> Result<(), SendError> {
        let slot = self.outlet.slot();
        if slot.is_evicted() {
            return Err(SendError::Client(ErrorKind::ConnectionAborted.into()));
        }
        if slot.client_closed() {
            self.follower.forsake();
        }
        Ok(())
    }

    /// Asks a source for the rest of the part on this client's behalf alone; how many bytes that gave.
    fn around(&mut self, part: Range<u64>) -> Result<u64, SendError> {
        if self.detours >= limits().attempts {
            return Ok(0);
        }
        self.detours = self.detours.saturating_add(1);
        let Some(mut response) = (self.direct)(self.follower, part.clone()) else {
            return Ok(0);
        };
        let mut block = vec![0; SMALL as usize];
        let mut at = part.start;
        while at < part.end {
            // A source may send more than its range: that would pass for the next answer.
            let most = usize::try_from(part.end.saturating_sub(at)).unwrap_or(usize::MAX);
            let most = most.min(block.len());
            let count = match response.read(block.get_mut(..most).unwrap_or_default()) {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            self.outlet.send(block.get(..count).unwrap_or_default())?;
            at = at.saturating_add(count as u64);
        }
        Ok(at.saturating_sub(part.start))
    }
}

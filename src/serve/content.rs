//! Content: what follows a response's head, and sending it from memory, a file or a transfer.
//!
//! Rules: small content is sent in one write with its head. A stored file that ends early is not the client's
//! fault.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use super::relay::Relay;
use super::sender::{SendError, Sender};
use crate::cache::Cache;
use crate::log;
use crate::transfer::{Reader, Ready};
use crate::upstream::Failure;

/// Content of up to this many bytes is sent in one write with its head.
const SMALL: u64 = 32 * 1024;

/// The content of a response.
#[derive(Debug)]
pub enum Content {
    /// None.
    Empty,
    /// A text of ours.
    Text(String),
    /// A part of a file of the cache.
    File {
        /// The open file.
        file: File,
        /// Which of its bytes.
        part: Range<u64>,
    },
    /// A part of a transfer's content.
    Part {
        /// Reads it.
        reader: Reader,
        /// Which of its bytes.
        part: Range<u64>,
    },
    /// All of a transfer's content, whose length is unknown.
    Stream {
        /// Reads it.
        reader: Reader,
        /// Whether it is sent in chunks; if not, the close ends it.
        chunked: bool,
    },
}

impl Content {
    /// Whether it is sent in one write with its head, without a wait for a transfer.
    pub fn is_small(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.len() as u64 <= SMALL,
            Self::File { part, .. } => is_small(part),
            Self::Part { .. } | Self::Stream { .. } => false,
        }
    }

    /// How many bytes of it may be sent in one write with the head; that much room is made.
    pub fn expected(&self) -> usize {
        match self {
            Self::File { part, .. } | Self::Part { part, .. } if is_small(part) => {
                usize::try_from(part.end.saturating_sub(part.start)).unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Sends the head, which is in `out`, and the content.
    ///
    /// # Errors
    /// When the client has gone or the content broke off; then what was sent is shorter than promised.
    pub fn send(
        self,
        out: &mut Vec<u8>,
        sender: &mut Sender<'_>,
        cache: &Arc<Cache>,
    ) -> Result<(), SendError> {
        let small = self.is_small();
        match self {
            Self::Empty => sender.send(out)?,
            Self::Text(text) if small => {
                out.extend_from_slice(text.as_bytes());
                sender.send(out)?;
            }
            // A second copy, for as long as a slow client takes, would be many with many clients.
            Self::Text(text) => {
                sender.send(out)?;
                sender.send(text.as_bytes())?;
            }
            Self::File { file, part } if small => {
                append(out, &file, &part)?;
                sender.send(out)?;
            }
            Self::File { file, part } => {
                sender.send(out)?;
                sender.send_file(&file, part).map_err(of_file)?;
            }
            Self::Part { reader, part } => {
                if is_small(&part)
                    && let Some(file) = stored(&reader, &part)
                {
                    append(out, file, &part)?;
                    // All of it is read: the transfer need not wait for a slow client.
                    drop(reader);
                    return Ok(sender.send(out)?);
                }
                sender.send(out)?;
                Relay::new(sender, &reader, cache, part.start).part(part)?;
            }
            Self::Stream { reader, chunked } => {
                sender.send(out)?;
                Relay::new(sender, &reader, cache, 0).stream(chunked)?;
            }
        }
        Ok(())
    }
}

/// Whether a part of a file is sent in one write with the head.
fn is_small(part: &Range<u64>) -> bool {
    part.end.saturating_sub(part.start) <= SMALL
}

/// Appends a part of a file to `out`.
fn append(out: &mut Vec<u8>, file: &File, part: &Range<u64>) -> Result<(), SendError> {
    let head = out.len();
    let length = usize::try_from(part.end.saturating_sub(part.start)).unwrap_or(0);
    out.resize(head.saturating_add(length), 0);
    let space = out.get_mut(head..).unwrap_or_default();
    file.read_exact_at(space, part.start).map_err(of_file)
}

/// The file that a transfer writes, if all of the part is in it already.
fn stored<'a>(reader: &'a Reader, part: &Range<u64>) -> Option<&'a Arc<File>> {
    match reader.ready(part.start, Duration::ZERO) {
        Ok(Ready::File(to)) if to >= part.end => reader.file(),
        _ => None,
    }
}

/// What an error of sending a file means: if the file ended early, it was changed in place, and that is not the
/// client's fault.
fn of_file(cause: io::Error) -> SendError {
    if cause.kind() != ErrorKind::UnexpectedEof {
        return SendError::Client(cause);
    }
    log::error!(
        "a file of the cache became shorter while it was sent: replace files, never rewrite them"
    );
    SendError::Content(Failure::Broken)
}

//! Sending an answer's content, from a file, a transfer or memory.
//!
//! Rules: a small body leaves in one write with its head; a failure of the content is told apart from
//! one of the client, for only the first is a broken promise.

use std::io;
use std::os::unix::fs::FileExt;

use crate::answer::Content;
use crate::download::{Follower, Ready};
use crate::http::chunked;
use crate::outlet::Outlet;
use crate::upstream::FetchError;

/// A body up to this many bytes leaves in one write with its head.
const SMALL: u64 = 32 * 1024;

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
            file.read_exact_at(out.get_mut(head..).unwrap_or_default(), part.start)?;
            outlet.send(out)?;
        }
        Content::File { file, part } => {
            outlet.send(out)?;
            outlet.send_file(&file, part)?;
        }
        Content::Follow { follower, part } => {
            outlet.send(out)?;
            follow(outlet, &follower, part.start, part.end, false)?;
        }
        Content::Stream { follower, chunked } => {
            outlet.send(out)?;
            follow(outlet, &follower, 0, u64::MAX, chunked)?;
            if chunked {
                outlet.send(chunked::LAST_CHUNK)?;
            }
        }
    }
    Ok(())
}

/// Sends a transfer's bytes as they come, as far as `end` or its own.
fn follow(
    outlet: &mut Outlet<'_>,
    follower: &Follower,
    start: u64,
    end: u64,
    in_chunks: bool,
) -> Result<(), SendError> {
    /// Progress is told to the transfer after so many bytes at the latest.
    const PIECE: u64 = 256 * 1024;
    let mut at = start;
    while at < end {
        let ready = follower.ready(at).map_err(SendError::Content)?;
        let count = match &ready {
            Ready::File(to) => to.saturating_sub(at).min(PIECE),
            Ready::Bytes(bytes) => bytes.len() as u64,
            Ready::End => break,
        }
        .min(end.saturating_sub(at));
        let mut frame = Vec::new();
        if in_chunks {
            chunked::chunk_head(usize::try_from(count).unwrap_or(usize::MAX), &mut frame);
            outlet.send(&frame)?;
        }
        match (&ready, follower.file()) {
            (Ready::File(_), Some(file)) => outlet.send_file(file, at..at.saturating_add(count))?,
            (Ready::Bytes(bytes), _) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                outlet.send(bytes.get(..count).unwrap_or(bytes))?;
            }
            _ => return Err(SendError::Content(FetchError::Broken)),
        }
        if in_chunks {
            outlet.send(b"\r\n")?;
        }
        at = at.saturating_add(count);
    }
    // The content may have been announced longer than it was.
    if end != u64::MAX && at < end {
        return Err(SendError::Content(FetchError::Broken));
    }
    Ok(())
}

//! Sending an answer's content, from a file, a transfer or memory.
//!
//! Rules: a small body leaves in one write with its head; a file that ends early is no fault of the
//! client's.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::{Content, is_small};
use crate::download::{Follower, Ready};
use crate::log;
use crate::outlet::Outlet;
use crate::reading::{Direct, Reading, SendError};
use crate::upstream::FetchError;

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
    let small = content.is_small();
    match content {
        Content::Empty => outlet.send(out)?,
        Content::Text(text) => {
            out.extend_from_slice(text.as_bytes());
            outlet.send(out)?;
        }
        Content::File { file, part } if small => {
            append(out, &file, &part)?;
            outlet.send(out)?;
        }
        Content::File { file, part } => {
            outlet.send(out)?;
            outlet.send_file(&file, part).map_err(of_file)?;
        }
        Content::Follow { follower, part } => {
            if is_small(&part)
                && let Some(file) = stored(&follower, &part)
            {
                append(out, file, &part)?;
                // It needs nothing more: the transfer is not to wait for a slow one.
                drop(follower);
                return Ok(outlet.send(out)?);
            }
            outlet.send(out)?;
            Reading::new(outlet, &follower, direct, part.start).part(part)?;
        }
        Content::Stream { follower, chunked } => {
            outlet.send(out)?;
            Reading::new(outlet, &follower, direct, 0).stream(chunked)?;
        }
    }
    Ok(())
}

/// Reads a part of a file behind what is in `out`.
fn append(out: &mut Vec<u8>, file: &File, part: &Range<u64>) -> Result<(), SendError> {
    let head = out.len();
    let length = usize::try_from(part.end.saturating_sub(part.start)).unwrap_or(0);
    out.resize(head.saturating_add(length), 0);
    let space = out.get_mut(head..).unwrap_or_default();
    file.read_exact_at(space, part.start).map_err(of_file)
}

/// The file that a transfer fills, if it has all of the part already.
fn stored<'a>(follower: &'a Follower, part: &Range<u64>) -> Option<&'a Arc<File>> {
    match follower.ready(part.start, Duration::ZERO) {
        Ok(Ready::File(to)) if to >= part.end => follower.file(),
        _ => None,
    }
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

//! Relay: sends a transfer's content to one client, and fetches the rest around the transfer where that cannot
//! serve the client.
//!
//! Rules: a failure of the content and one of the client are told apart, since only the first is a broken
//! promise. A reader whose range lies far ahead of its transfer, or that the transfer has left behind, gets the
//! rest from a source on its own, with proof that it is the same file: no response has bytes of two.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant;

use super::sender::{SendError, Sender};
use crate::cache::Cache;
use crate::http::chunked;
use crate::log;
use crate::net::clients::Look;
use crate::sys::limits::{limits, ms};
use crate::transfer::{Reader, Ready};
use crate::upstream::Failure;

/// One client's reader of a transfer, and what was sent of it.
pub struct Relay<'a, 's> {
    sender: &'a mut Sender<'s>,
    reader: &'a Reader,
    cache: &'a Arc<Cache>,
    /// How many times it went around the transfer, or tried to.
    detours: u64,
    /// The offset of the first byte that the client gets.
    start: u64,
    /// The last bytes sent, up to `overlap_bytes`, if they did not come from the transfer's file.
    tail: Vec<u8>,
    /// Whether the last bytes sent came around the transfer.
    strayed: bool,
}

impl<'a, 's> Relay<'a, 's> {
    /// Sends what `reader` reads from `start` on.
    pub fn new(
        sender: &'a mut Sender<'s>,
        reader: &'a Reader,
        cache: &'a Arc<Cache>,
        start: u64,
    ) -> Self {
        Self {
            sender,
            reader,
            cache,
            detours: 0,
            start,
            tail: Vec::new(),
            strayed: false,
        }
    }

    /// Sends a part of the content, whose length is known.
    ///
    /// # Errors
    /// When the client has gone or the content broke off.
    pub fn part(&mut self, part: Range<u64>) -> Result<(), SendError> {
        let mut at = part.start;
        let mut since = Instant::now();
        while at < part.end {
            let count = match self
                .reader
                .ready(at, ms(limits().look_ms))
                .map_err(SendError::Content)?
            {
                // The content is shorter than announced.
                Ready::End => return Err(SendError::Content(Failure::Broken)),
                Ready::Later { received } => {
                    self.look(self.reader)?;
                    if received >= at || since.elapsed() < ms(limits().far_ms) {
                        continue;
                    }
                    since = Instant::now();
                    self.around(at..part.end, Instant::now() + ms(limits().look_ms))?
                }
                Ready::Gone => self.must_go_around(at..part.end)?,
                // What the transfer has must continue what came around it.
                Ready::File(_) if self.strayed && !self.joins(at) => {
                    return Err(SendError::Content(Failure::Broken));
                }
                Ready::Bytes(_) if self.strayed => self.must_go_around(at..part.end)?,
                ready => self.send(&ready, at, part.end.saturating_sub(at))?,
            };
            at = at.saturating_add(count);
        }
        Ok(())
    }

    /// Sends all of the content, whose length is unknown.
    ///
    /// # Errors
    /// As [`Relay::part`].
    pub fn stream(&mut self, in_chunks: bool) -> Result<(), SendError> {
        let mut at: u64 = 0;
        loop {
            let ready = self
                .reader
                .ready(at, ms(limits().look_ms))
                .map_err(SendError::Content)?;
            let count = match &ready {
                Ready::End => break,
                Ready::Gone => return Err(SendError::Content(Failure::Broken)),
                Ready::Later { .. } => {
                    self.look(self.reader)?;
                    continue;
                }
                ready => ready.count(at),
            };
            if in_chunks {
                let mut frame = Vec::new();
                chunked::chunk_head(usize::try_from(count).unwrap_or(usize::MAX), &mut frame);
                self.frame(&frame)?;
            }
            self.send(&ready, at, count)?;
            if in_chunks {
                self.frame(b"\r\n")?;
            }
            at = at.saturating_add(count);
        }
        if in_chunks {
            self.frame(chunked::LAST_CHUNK)?;
        }
        Ok(())
    }

    /// Sends what is ready from `at` on, `most` bytes at most; how many.
    fn send(&mut self, ready: &Ready, at: u64, most: u64) -> Result<u64, SendError> {
        let count = ready.count(at).min(most);
        match (ready, self.reader.file()) {
            (Ready::File(_), Some(file)) => {
                let (mut from, end) = (at, at.saturating_add(count));
                while from < end {
                    let taken = self.sender.send_file_some(file, from..end)?;
                    from = from.saturating_add(taken as u64);
                    self.reader.took(self.sender.moved());
                }
                self.tail.clear();
                self.strayed = false;
            }
            (Ready::Bytes(bytes), _) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                let bytes = bytes.get(..count).unwrap_or(bytes);
                self.give(bytes, self.reader)?;
                self.remember(bytes);
            }
            _ => return Err(SendError::Content(Failure::Broken)),
        }
        Ok(count)
    }

    /// Sends what frames chunks and is no content.
    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.sender.sent();
        let given = self.give(bytes, self.reader);
        self.sender.framed(sent);
        given
    }

    /// Sends bytes, and notes with `reader` each time the client has taken some.
    fn give(&mut self, mut bytes: &[u8], reader: &Reader) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.sender.send_some(bytes)?;
            reader.took(self.sender.moved());
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Looks at the client. For one that has closed its side the transfer does not keep its turn; such a client
    /// may still read.
    fn look(&mut self, reader: &Reader) -> Result<(), SendError> {
        match self.sender.client().look() {
            Look::There => {}
            Look::Closed => reader.forsake(),
            Look::Evicted => {
                return Err(SendError::Client(ErrorKind::ConnectionAborted.into()));
            }
        }
        Ok(())
    }

    /// Goes around a transfer that cannot serve this reader any more.
    fn must_go_around(&mut self, part: Range<u64>) -> Result<u64, SendError> {
        match self.around(part, Instant::now() + ms(limits().turn_ms))? {
            0 if self.detours >= limits().attempts => Err(SendError::Content(Failure::Broken)),
            count => Ok(count),
        }
    }

    /// Has the rest of the part fetched for this client alone; how many bytes came. A turn for that is awaited
    /// until `deadline`.
    fn around(&mut self, part: Range<u64>, deadline: Instant) -> Result<u64, SendError> {
        if self.detours >= limits().attempts {
            return Ok(0);
        }
        let attempt = self.detours;
        self.detours = attempt.saturating_add(1);
        let Some(overlap) = self.overlap(part.start) else {
            return Ok(0);
        };
        log::debug!(
            "{}: a reader goes around the transfer at byte {}",
            self.reader.request().path,
            part.start
        );
        self.reader.go_around();
        let (cache, client) = (self.cache, self.sender.client());
        let rest = part.clone();
        let started = cache.part(self.reader, rest, overlap, attempt, deadline, client);
        let Some(reader) = started else {
            return Ok(0);
        };
        if reader.await_head(client, None).is_err() {
            self.look(self.reader)?;
            return Ok(0);
        }
        let mut at = part.start;
        while at < part.end && !self.reader.is_refuted() {
            match reader.ready(at.saturating_sub(part.start), ms(limits().look_ms)) {
                Ok(Ready::Bytes(bytes)) => {
                    self.give(&bytes, &reader)?;
                    self.remember(&bytes);
                    self.strayed = true;
                    at = at.saturating_add(bytes.len() as u64);
                }
                Ok(Ready::Later { .. }) => self.look(&reader)?,
                _ => break,
            }
        }
        Ok(at.saturating_sub(part.start))
    }

    /// The last bytes sent before `at`, up to `overlap_bytes`: a source must send them again as proof.
    fn overlap(&self, at: u64) -> Option<Vec<u8>> {
        let sent = at.saturating_sub(self.start).min(limits().overlap_bytes);
        let mut overlap = vec![0; usize::try_from(sent).ok()?];
        let from_file = overlap.len().saturating_sub(self.tail.len());
        let (file_part, tail_part) = overlap.split_at_mut_checked(from_file)?;
        if !file_part.is_empty() {
            let file = self.reader.file()?;
            file.read_exact_at(file_part, at.saturating_sub(sent))
                .ok()?;
        }
        let skip = self.tail.len().saturating_sub(tail_part.len());
        tail_part.copy_from_slice(self.tail.get(skip..)?);
        Some(overlap)
    }

    /// Whether the bytes before `at` in the transfer's file are those that were sent last.
    fn joins(&self, at: u64) -> bool {
        let mut same = vec![0; self.tail.len()];
        let start = at.saturating_sub(self.tail.len() as u64);
        let read = self
            .reader
            .file()
            .map(|file| file.read_exact_at(&mut same, start));
        matches!(read, Some(Ok(()))) && same == self.tail
    }

    fn remember(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let most = usize::try_from(limits().overlap_bytes).unwrap_or(usize::MAX);
        self.tail.drain(..self.tail.len().saturating_sub(most));
    }
}

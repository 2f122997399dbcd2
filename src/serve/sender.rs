//! Sender: sends one response to one client, for as long as the client takes something.
//!
//! Rules: a client that takes no byte for `send_ms` is given up; a slow one never is. What it took is measured
//! by what its kernel has acknowledged, since a large send buffer may stay full for minutes while a slow reader
//! drains it.
//!
//! Theory: the leader's sockets do not block, so when a send buffer is full it gives up the lead. From then on
//! a write blocks for up to the time-out that the socket inherited from its listener, and then looks at the
//! client.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Once;
use std::time::{Duration, Instant};

use super::lead::Lead;
use crate::cache::Ending;
use crate::log;
use crate::net::clients::Client;
use crate::net::{Activity, timed_out};
use crate::sys::limits::{limits, ms};
use crate::sys::{calls, errno};
use crate::upstream::Failure;

/// The least and the most bytes for one sendfile(2). After a small piece a slow reader's progress shows soon;
/// large pieces cost a fast one few calls. The kernel's time-out starts again after each 64 KiB, so that a call
/// may last half a second for each: the largest piece still takes less than `stuck_ms`.
const SEND_PIECE: Range<usize> = 16 * 1024..1024 * 1024;

/// The bytes for the first sendfile(2), and for one copy where sendfile(2) does not work; also the most for an
/// unframed response, whose sendfile(2) nobody interrupts when it is evicted.
const FIRST_PIECE: usize = 128 * 1024;

/// Why a response was not sent whole.
#[derive(Debug)]
pub enum SendError {
    /// The client has gone, takes nothing, or was evicted.
    Client(io::Error),
    /// The content broke off.
    Content(Failure),
}

impl From<io::Error> for SendError {
    fn from(cause: io::Error) -> Self {
        Self::Client(cause)
    }
}

/// The sending side of a connection, for one response.
pub struct Sender<'a> {
    client: &'a Client,
    lead: &'a mut Lead,
    /// What `Clients` is told: a response, framed or not.
    activity: Activity,
    /// Bytes that the kernel has taken for this response.
    sent: u64,
    /// How many of them frame chunks.
    framing: u64,
    /// When the response began, and how long its first byte took.
    begun: Instant,
    first_byte: Option<Duration>,
    /// How many of them the client had acknowledged at the last look; `i64::MIN` before the first.
    acknowledged: i64,
    moved: Instant,
    piece: usize,
    /// What is to be done when the response was sent.
    ending: Ending,
}

impl<'a> Sender<'a> {
    /// Sends a response of the kind `activity` to `client` from `now` on. Another thread does what is `ending`, if this
    /// one has to wait for the client.
    pub fn new(
        client: &'a Client,
        lead: &'a mut Lead,
        activity: Activity,
        now: Instant,
        ending: Ending,
    ) -> Self {
        Self {
            client,
            lead,
            activity,
            sent: 0,
            framing: 0,
            begun: now,
            first_byte: None,
            acknowledged: i64::MIN,
            moved: now,
            piece: FIRST_PIECE,
            ending,
        }
    }

    /// When the client last took something.
    pub fn moved(&self) -> Instant {
        self.moved
    }

    /// Bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// What is still to be done when the response was sent.
    pub fn ending(self) -> Ending {
        self.ending
    }

    /// How many of them frame chunks.
    pub fn framing(&self) -> u64 {
        self.framing
    }

    /// How long the first byte took since the response began, if it was sent.
    pub fn first_byte(&self) -> Option<Duration> {
        self.first_byte
    }

    /// Notes that all that was sent since so many bytes were `sent` frames chunks.
    pub fn framed(&mut self, sent: u64) {
        let framing = self.sent.saturating_sub(sent);
        self.framing = self.framing.saturating_add(framing);
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// When the client has gone or takes nothing.
    pub fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.send_some(bytes)?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Sends as much of `bytes` as the client takes within one time-out; how many, perhaps none.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream().write(bytes) {
            Ok(count) => self.progress(count).map(|()| count),
            Err(cause) => self.endure(cause).map(|()| 0),
        }
    }

    /// Sends a part of a file.
    ///
    /// # Errors
    /// As [`Sender::send`]; `UnexpectedEof` when the file ends before the part does.
    pub fn send_file(&mut self, file: &File, part: Range<u64>) -> io::Result<()> {
        // Where the two ends run on two cores, sendfile(2) cuts small segments, which cost both of them nearly twice as
        // much.
        let _ = calls::set(self.stream().as_fd(), calls::CORK, true);
        let sent = self.send_pieces(file, part);
        let _ = calls::set(self.stream().as_fd(), calls::CORK, false);
        sent
    }

    fn send_pieces(&mut self, file: &File, part: Range<u64>) -> io::Result<()> {
        let mut at = part.start;
        while at < part.end {
            let count = self.send_file_some(file, at..part.end)?;
            at = at.saturating_add(count as u64);
        }
        Ok(())
    }

    /// Sends as much of a part of a file as the client takes within one time-out; how many, perhaps none.
    ///
    /// # Errors
    /// As [`Sender::send_file`].
    pub fn send_file_some(&mut self, file: &File, part: Range<u64>) -> io::Result<usize> {
        let at = part.start;
        let left = usize::try_from(part.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let begun = Instant::now();
        let most = left.min(self.piece);
        match calls::send_file(self.stream().as_fd(), file.as_fd(), at, most) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.pace(begun.elapsed());
                self.progress(count).map(|()| count)
            }
            // The file system cannot splice, or a sandbox forbids the call.
            Err(cause) if errno::is_unsupported(&cause) => {
                static SAID: Once = Once::new();
                SAID.call_once(|| log::notice!("sendfile: {cause}; files are read and written"));
                self.copy(file, at, left)
            }
            Err(cause) => self.endure(cause).map(|()| 0),
        }
    }

    /// The client that it sends to.
    pub fn client(&self) -> &Client {
        self.client
    }

    fn stream(&self) -> &TcpStream {
        self.client.stream()
    }

    fn copy(&mut self, file: &File, at: u64, most: usize) -> io::Result<usize> {
        let mut block = vec![0; most.min(FIRST_PIECE)];
        let count = file.read_at(&mut block, at)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.send_some(block.get(..count).unwrap_or_default())
    }

    fn pace(&mut self, took: Duration) {
        self.piece = if took > Duration::from_millis(500) {
            SEND_PIECE.start
        } else {
            let most = match self.activity {
                Activity::Unframed => FIRST_PIECE,
                _ => SEND_PIECE.end,
            };
            self.piece.saturating_mul(2).min(most)
        };
    }

    fn progress(&mut self, count: usize) -> io::Result<()> {
        self.sent = self.sent.saturating_add(count as u64);
        self.moved = Instant::now();
        if self.first_byte.is_none() {
            self.first_byte = Some(self.moved.saturating_duration_since(self.begun));
        }
        self.hold(count)
    }

    /// Notes `count` more bytes sent, for `Clients`; an error if the client was evicted.
    fn hold(&self, count: usize) -> io::Result<()> {
        if self.client.sent(count, self.activity, self.moved) {
            Ok(())
        } else {
            Err(io::Error::new(
                ErrorKind::ConnectionAborted,
                "it makes room for another connection",
            ))
        }
    }

    /// Endures an error that was only a time-out, as long as the client has taken something within `send_ms`.
    fn endure(&mut self, cause: io::Error) -> io::Result<()> {
        if cause.kind() == ErrorKind::Interrupted {
            return Ok(());
        }
        if !timed_out(&cause) {
            return Err(cause);
        }
        std::mem::take(&mut self.ending).hand_over();
        if self.client.is_evicted() {
            return self.hold(0);
        }
        if self.lead.leads() {
            return self.lead.give_up(self.client.stream());
        }
        let waiting = i64::try_from(calls::unsent(self.stream().as_fd())?).unwrap_or(i64::MAX);
        let acknowledged = i64::try_from(self.sent)
            .unwrap_or(i64::MAX)
            .saturating_sub(waiting);
        if acknowledged > self.acknowledged {
            // The first look has nothing to compare with: the clock runs from the last byte sent.
            if self.acknowledged != i64::MIN {
                self.moved = Instant::now();
                self.hold(0)?;
            }
            self.acknowledged = acknowledged;
        }
        if self.moved.elapsed() >= ms(limits().send_ms) {
            return Err(io::Error::new(
                ErrorKind::TimedOut,
                "the client takes nothing",
            ));
        }
        Ok(())
    }
}

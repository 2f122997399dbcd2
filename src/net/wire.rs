//! Wire: one connection, with the bytes read ahead on it.
//!
//! Rules: every wait has a limit. A connection over TLS is one end of a socket pair, and the helper at the other end
//! (`tls`) goes with it; there the end of the stream is an error, since nothing proves that it is the source's. Bytes that arrived after a head or a content are kept for the next read: a
//! pipelined request, or the first bytes of a content. No buffer grows beyond its cap.
//!
//! Not here: what the bytes mean (`http`), where a content ends (`body`), when to connect or close.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::tls::Helper;
use crate::http::{Malformed, Parsed};
use crate::sys::calls;

/// How much is read ahead at a time, in bytes.
const AHEAD: usize = 16 * 1024;

/// How much is read first from a client, in bytes. Most request heads are shorter, and each idle connection
/// keeps a buffer of this size.
const FIRST_OF_CLIENT: usize = 1024;

/// Why no head could be read.
#[derive(Debug)]
pub enum HeadError {
    /// The peer closed before the first byte.
    Closed,
    /// The peer closed in the middle of the head.
    Cut,
    /// The head did not arrive in time; `begun` tells whether any byte of it did.
    Timeout {
        /// Whether a byte of the head had arrived.
        begun: bool,
    },
    /// The head breaks the grammar or a cap.
    Malformed(Malformed),
    /// The connection broke.
    Io(io::Error),
}

/// A connection and the bytes read ahead on it.
#[derive(Debug)]
pub struct Wire {
    stream: Arc<TcpStream>,
    /// What speaks TLS at its other end.
    helper: Option<Box<Helper>>,
    buffer: Vec<u8>,
    /// Where the unread bytes lie in `buffer`; what is behind them is free.
    unread: Range<usize>,
    /// How much the first read into an empty buffer takes, in bytes.
    first: usize,
    /// How long the next read may wait; zero: as long as the socket says.
    patience: Duration,
    /// The read time-out that the socket has now; zero: not set yet.
    timeout: Duration,
    /// The write time-out, likewise.
    send_patience: Duration,
}

impl Wire {
    /// A client's connection.
    pub fn of_client(stream: Arc<TcpStream>) -> Self {
        Self::new(stream, None, FIRST_OF_CLIENT)
    }

    /// A source's connection, over TLS if a helper speaks it. The first read is large, so that a small file comes
    /// with its head.
    pub fn of_source(stream: TcpStream, helper: Option<Helper>) -> Self {
        Self::new(Arc::new(stream), helper, 2 * AHEAD)
    }

    fn new(stream: Arc<TcpStream>, helper: Option<Helper>, first: usize) -> Self {
        Self {
            stream,
            helper: helper.map(Box::new),
            buffer: Vec::new(),
            unread: 0..0,
            first,
            patience: Duration::ZERO,
            timeout: Duration::ZERO,
            send_patience: Duration::ZERO,
        }
    }

    /// The connection itself.
    pub fn stream(&self) -> &Arc<TcpStream> {
        &self.stream
    }

    /// Whether TLS is spoken on it.
    pub fn is_tls(&self) -> bool {
        self.helper.is_some()
    }

    /// Whether nothing is known to be missing before the peer can answer: a connection over TCP is made, and over TLS
    /// the peer has proved who it is.
    pub fn is_made(&mut self) -> bool {
        let mut helper = self.helper.iter_mut();
        helper.all(|helper| helper.has_proved())
    }

    /// The address that it leads to.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.helper {
            Some(helper) => Some(helper.address()),
            None => self.stream.peer_addr().ok(),
        }
    }

    /// The bytes that were read and not used yet.
    pub fn ahead(&self) -> &[u8] {
        self.buffer.get(self.unread.clone()).unwrap_or_default()
    }

    /// Marks `count` bytes of [`Wire::ahead`] as used.
    pub fn consume(&mut self, count: usize) {
        let start = self.unread.start.saturating_add(count);
        self.unread.start = start.min(self.unread.end);
        if self.unread.is_empty() {
            self.unread = 0..0;
        }
    }

    /// Frees a grown buffer that is empty: an idle connection keeps one for its first read.
    pub fn release(&mut self) {
        if self.unread.is_empty() && self.buffer.len() > self.first {
            self.buffer = Vec::new();
        }
    }

    /// Sets how long the reads that follow may wait, at least 1 ms. The socket is told when one of them has to
    /// ask it: what has come ahead needs no wait.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience.max(Duration::from_millis(1));
    }

    /// Tells the socket of the patience. A time-out that is up to a twentieth longer will do, since telling is a
    /// system call.
    fn apply_patience(&mut self) -> io::Result<()> {
        let patience = self.patience;
        let most = patience.saturating_add(patience / 20);
        if !patience.is_zero() && !(patience..=most).contains(&self.timeout) {
            self.stream.set_read_timeout(Some(patience))?;
            self.timeout = patience;
        }
        Ok(())
    }

    /// Sets the write time-out. Setting the same one again costs no system call.
    pub fn set_send_patience(&mut self, patience: Duration) -> io::Result<()> {
        if patience != self.send_patience {
            self.stream.set_write_timeout(Some(patience))?;
            self.send_patience = patience;
        }
        Ok(())
    }

    /// Reads more ahead; 0 at the end of the stream.
    pub fn fill(&mut self) -> io::Result<usize> {
        self.apply_patience()?;
        if self.unread.start > 0 {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        let held = self.unread.end;
        // Most heads fit into the first read; what is longer is read in larger pieces.
        let room = if held == 0 { self.first } else { AHEAD };
        let whole = held.saturating_add(room);
        if self.buffer.len() < whole {
            self.buffer.resize(whole, 0);
        }
        let space = self.buffer.get_mut(held..).unwrap_or_default();
        let read = read_once(&self.stream, space);
        let count = self.came(read)?;
        self.unread.end = held.saturating_add(count);
        Ok(count)
    }

    /// The head at the beginning of what was read, if all of it is there.
    pub fn head_ahead<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> Result<Parsed<T>, Malformed>,
    ) -> Option<Result<T, Malformed>> {
        match parse(self.ahead()) {
            Ok(Parsed::Partial) => None,
            Ok(Parsed::Complete(head, used)) => {
                self.consume(used);
                Some(Ok(head))
            }
            Err(malformed) => Some(Err(malformed)),
        }
    }

    /// Reads one message head, all of which must have come by `deadline`.
    pub fn head<T>(
        &mut self,
        deadline: Instant,
        parse: impl Fn(&[u8]) -> Result<Parsed<T>, Malformed>,
    ) -> Result<T, HeadError> {
        loop {
            if !self.ahead().is_empty()
                && let Some(head) = self.head_ahead(&parse)
            {
                return head.map_err(HeadError::Malformed);
            }
            let begun = !self.ahead().is_empty();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(HeadError::Timeout { begun });
            }
            self.set_patience(left);
            match self.fill() {
                Ok(0) if begun => return Err(HeadError::Cut),
                Ok(0) => return Err(HeadError::Closed),
                Ok(_) => {}
                Err(cause) if timed_out(&cause) => return Err(HeadError::Timeout { begun }),
                Err(cause) if begun && cause.kind() == ErrorKind::ConnectionReset => {
                    return Err(HeadError::Cut);
                }
                Err(cause) => return Err(HeadError::Io(cause)),
            }
        }
    }

    /// Reads into `out`, from what was read ahead or else from the socket; 0 at the end of the stream.
    pub fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ahead().is_empty() {
            self.apply_patience()?;
            let read = read_once(&self.stream, out);
            return self.came(read);
        }
        let count = self.ahead().read(out)?;
        self.consume(count);
        Ok(count)
    }

    /// What a read gave. Over TLS the end is an error, with the helper's last words as the reason.
    fn came(&mut self, read: io::Result<usize>) -> io::Result<usize> {
        match (&mut self.helper, read) {
            (Some(helper), Ok(0)) => Err(helper.end()),
            (Some(helper), Err(cause)) if !timed_out(&cause) => Err(helper.end()),
            (_, read) => read,
        }
    }

    /// Writes all of `bytes`.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        (&*self.stream).write_all(bytes)
    }
}

/// One read, which is tried again after a signal (EINTR).
fn read_once(mut stream: &TcpStream, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(space) {
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// What a peer has sent that is still unread in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// Nothing.
    Nothing,
    /// Some bytes.
    Bytes,
    /// The end: the peer has closed its side, or the connection broke.
    End,
}

/// Looks what has arrived on a connection, without waiting and without reading it.
pub fn pending(stream: &TcpStream) -> Pending {
    match calls::peek(stream.as_fd()) {
        Ok(1..) => Pending::Bytes,
        Err(cause) if cause.kind() == ErrorKind::WouldBlock => Pending::Nothing,
        _ => Pending::End,
    }
}

/// Whether an error is that of a read or write time-out, which std reports as either kind.
pub fn timed_out(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

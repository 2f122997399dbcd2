//! A tally: what the clients of one daemon counted, to be compared with what the daemon shows.
//!
//! Theory: a daemon counts the bytes that its kernel has taken, a client those that it has read. They are the same where
//! an answer was whole, and where a plain close cut it, for then everything is delivered before the close. Where the
//! client left, or a reset took away what it had not read yet, up to the rest of the content may have been taken unread.
//! An answer is counted before its connection ends. So once no connection is open but the one that asks, every answer
//! is counted, and nothing changes any more but by the question itself.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::pause;
use crate::support::{End, Json, Reader, Response};

/// What the clients of one daemon counted.
pub struct Tally {
    address: SocketAddr,
    /// Answers whose head was read.
    answers: AtomicU64,
    /// Bytes of content that were read.
    read: AtomicU64,
    /// The most bytes of content that the kernel may have taken and nobody has read.
    unread: AtomicU64,
}

impl Tally {
    /// Nothing yet, of the daemon that listens at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            answers: AtomicU64::new(0),
            read: AtomicU64::new(0),
            unread: AtomicU64::new(0),
        }
    }

    /// Where the daemon listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts an answer of which so many bytes of content were read. `end`: how they ended; none if the client left
    /// before. Content whose length is not announced has at most `longest` bytes.
    pub fn count(&self, head: &Response, read: usize, end: Option<End>, longest: usize) {
        let announced = head.field("content-length").map(str::parse);
        let all = announced.map_or(longest, |length| length.unwrap());
        let unread = match end {
            Some(End::Complete | End::Cut) => 0,
            Some(End::Reset) | None => all.saturating_sub(read),
        };
        self.answers.fetch_add(1, Ordering::SeqCst);
        self.read.fetch_add(read as u64, Ordering::SeqCst);
        self.unread.fetch_add(unread as u64, Ordering::SeqCst);
    }

    /// Compares it with what the daemon shows, once all its other clients have gone; that takes up to `limit`.
    pub fn compare(&self, limit: Duration) -> Result<(), String> {
        let begun = Instant::now();
        let mut reader = Reader::connect(self.address, limit)?;
        loop {
            let [answers, read, unread] = [&self.answers, &self.read, &self.unread]
                .map(|counted| counted.load(Ordering::SeqCst));
            let shown = self.ask(&mut reader)?;
            let open = shown.number("connections.open");
            if open == 1 {
                let [requests, sent] = ["requests", "sent_bytes"].map(|of| sum(&shown, of));
                let fits = requests == answers && (read..=read + unread).contains(&sent);
                let counted = format!("{answers} answers with {read} to {} bytes", read + unread);
                return fits.then_some(()).ok_or(format!(
                    "clients counted {counted}, shown are {requests} with {sent}: {shown:?}"
                ));
            }
            if begun.elapsed() > limit {
                return Err(format!("{open} connections are open for {limit:?}"));
            }
            pause(5);
        }
    }

    /// What the daemon shows, in an answer that is counted too.
    fn ask(&self, reader: &mut Reader) -> Result<Json, String> {
        let request = b"GET /.package-cache/status.json HTTP/1.1\r\nHost: cache.example\r\n\r\n";
        reader.send(request).map_err(|cause| cause.to_string())?;
        let head = reader.head(false)?;
        let (content, end) = reader.rest()?;
        self.count(&head, content.len(), Some(end), 0);
        match (head.status, end) {
            (200, End::Complete) => Ok(Json::parse(&String::from_utf8_lossy(&content))),
            _ => Err(format!("no status: {head:?}, {end:?}")),
        }
    }
}

/// The sum of all that an object counts.
fn sum(shown: &Json, of: &str) -> u64 {
    let kinds = shown.keys(of).into_iter();
    kinds
        .map(|kind| shown.number(&format!("{of}.{kind}")))
        .sum()
}

//! Lead: one thread serves all connections of a poller and waits for none of them; a thread that must wait for
//! one connection serves that one alone.
//!
//! # Theory
//!
//! One thread at a time leads a poller. It accepts, waits for any connection to send something, and serves it
//! itself, so that a hit costs no change of threads. The leader waits for nothing else, since all other
//! connections would wait with it. Before each of these waits it gives up the lead:
//!
//! | before this wait | where |
//! |---|---|
//! | for a source, a transfer or a turn | `question::respond`, between `Cache::stored` and `Cache::fetch` |
//! | for a client that does not take what is sent | `Sender::endure`; large content gives the lead up beforehand |
//! | for the rest of a head, of a request's content | `Connection::read_head`, `close` |
//!
//! Then another thread leads, and this one goes on with its one connection, whose reads and writes block from
//! here on. Afterwards the connection goes back to the poller, and the thread serves again elsewhere or ends.
//!
//! * **The lead is given up once.** The [`Lead`] is handed down by `&mut`, so only the thread that has it can
//!   give it up, and each function that has it can see whether it may wait.
//! * **The connection leaves the poller's set before the next leader starts.** Otherwise two threads would read
//!   from the same socket.
//! * **If no thread can be had**, the lead and the connection stay with this thread, and the client gets 503
//!   (`Failure::Busy`). This thread waits up to `TRIES` times `PAUSE` for the thread of an evicted connection, while
//!   all others wait with it: so only once in `SHORTAGE`, and a crowd of misses does not stop the hits.
//! * **A thread stays with its connection** while its requests need waits, and while there are few connections
//!   at all: those are served fastest by a thread each.
//!
//! Not here: what the leader does (`poller`).

use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::LastDate;
use crate::net::Threads;
use crate::net::clients::Clients;
use crate::sys::calls::Poll;
use crate::sys::lock::lock;

/// How many times a thread is tried to be had before the client gets 503.
const TRIES: u32 = 20;

/// Between two tries: how long the thread of an evicted connection may need to become free.
const PAUSE: Duration = Duration::from_millis(5);

/// For so long after no thread could be had the leader does not wait for one.
const SHORTAGE: Duration = Duration::from_secs(1);

/// Up to this many connections each may keep a thread.
const FEW: usize = 4;

/// What the threads that lead one poller share.
pub struct Post {
    set: Poll,
    clients: Arc<Clients>,
    threads: Arc<Threads>,
    /// When no thread could be had although one was waited for.
    short: Mutex<Option<Instant>>,
    /// What a new leader does: the poller's loop.
    take_up: Box<dyn Fn(&mut Lead) + Send + Sync>,
}

impl Post {
    /// A post whose leader waits for the sockets of `set` and runs `take_up`; no thread leads yet.
    pub fn new(
        set: Poll,
        clients: &Arc<Clients>,
        threads: &Arc<Threads>,
        take_up: Box<dyn Fn(&mut Lead) + Send + Sync>,
    ) -> Arc<Self> {
        Arc::new(Self {
            set,
            clients: Arc::clone(clients),
            threads: Arc::clone(threads),
            short: Mutex::default(),
            take_up,
        })
    }

    /// Has a thread lead.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn fill(self: &Arc<Self>) -> io::Result<()> {
        let mut lead = Lead {
            post: Arc::clone(self),
            leads: true,
            waited: false,
            buffer: Vec::new(),
            date: LastDate::default(),
        };
        self.threads.run(Box::new(move || {
            (Arc::clone(&lead.post).take_up)(&mut lead)
        }))
    }
}

/// One thread's part: it leads until it gives up the lead.
pub struct Lead {
    post: Arc<Post>,
    leads: bool,
    /// Whether the last request needed a wait; then the next one of this client may need one too.
    waited: bool,
    /// The buffer for the head of a response and small content behind it; it serves one response after the
    /// other.
    pub buffer: Vec<u8>,
    /// The text of the Date of its last response.
    pub date: LastDate,
}

impl Lead {
    /// Whether this thread leads, and so must not wait.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// The sockets that the leader waits for.
    pub fn set(&self) -> &Poll {
        &self.post.set
    }

    /// To be called before a wait for the connection `stream`. If this thread leads, another one does from here
    /// on, and reads and writes of the connection block.
    ///
    /// # Errors
    /// When no thread could be had, although connections were evicted for it; this thread still leads.
    pub fn give_up(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.waited = true;
        if !self.leads {
            return Ok(());
        }
        let short = *lock(&self.post.short);
        if short.is_some_and(|at| at.elapsed() < SHORTAGE) {
            return self.pass_on(stream, 1);
        }
        let passed = self.pass_on(stream, TRIES);
        if passed.is_err() {
            *lock(&self.post.short) = Some(Instant::now());
        }
        passed
    }

    /// Whether this thread awaits the next request of `stream` itself, which is one of `connections`. No
    /// connection is evicted for that.
    pub fn stays_with(&mut self, stream: &TcpStream, connections: usize) -> bool {
        let waited = std::mem::take(&mut self.waited);
        match self.leads {
            true => connections <= FEW && self.pass_on(stream, 1).is_ok(),
            false => connections <= FEW || waited,
        }
    }

    /// Passes the lead on. A thread is tried to be had `tries` times, and a connection evicted between two
    /// tries.
    fn pass_on(&mut self, stream: &TcpStream, tries: u32) -> io::Result<()> {
        let polled = self.set().remove(stream.as_fd()).is_ok();
        stream.set_nonblocking(false)?;
        let mut tried = 0;
        loop {
            let Err(cause) = self.post.fill() else {
                self.leads = false;
                return Ok(());
            };
            tried += 1;
            if tried < tries && self.post.clients.free_thread() {
                thread::sleep(PAUSE);
                continue;
            }
            stream.set_nonblocking(true)?;
            if polled {
                self.set().add(stream.as_fd(), false)?;
            }
            return Err(cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn socket() -> TcpStream {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap()
    }

    /// A thread that leads; the next one has nothing to do.
    fn lead() -> Lead {
        let (clients, threads) = (Clients::new(1), Threads::new("test"));
        let post = Post::new(Poll::new().unwrap(), &clients, &threads, Box::new(|_| {}));
        Lead {
            post,
            leads: true,
            waited: false,
            buffer: Vec::new(),
            date: LastDate::default(),
        }
    }

    #[test]
    fn the_leader_stays_with_one_of_few() {
        let mut lead = lead();
        assert!(!lead.stays_with(&socket(), FEW + 1) && lead.leads());
        assert!(lead.stays_with(&socket(), FEW) && !lead.leads());
    }

    #[test]
    fn a_thread_alone_stays_with_one_of_many_while_requests_need_waits() {
        let mut lead = lead();
        lead.give_up(&socket()).unwrap();
        assert!(!lead.leads() && lead.stays_with(&socket(), FEW + 1));
        assert!(!lead.stays_with(&socket(), FEW + 1));
    }
}

//! Lead: which thread serves all connections of a poller, and which serves one of them alone.
//!
//! # Theory
//!
//! One thread at a time leads a poller. It accepts, waits for any connection to send something, and serves
//! that itself, so that a hit costs no change of threads. A thread that leads waits for nothing else:
//!
//! | before this wait | where |
//! |---|---|
//! | for a source, a transfer or a turn | `Connection::respond`, between `Cache::stored` and `Cache::fetch` |
//! | for a client that does not take what is sent | `Sender::endure`; large content gives the lead up beforehand |
//! | for the rest of a head, of a request's content | `Connection::read_head`, `close` |
//!
//! it gives up the lead: another thread takes it, and this one goes on with its one connection, whose reads and
//! writes wait from here on. Afterwards the connection goes back to the poller, and the thread ends or serves
//! again elsewhere.
//!
//! * **The lead is given up once.** The value is handed down by `&mut`, so only the thread that has it can give it
//!   up, and whoever holds a [`Lead`] knows whether it may wait.
//! * **The connection leaves the poller's set before the next leader starts.** Otherwise two threads would serve
//!   the same bytes.
//! * **Without a thread to be had nobody is left waiting:** the lead stays here, the connection stays with it,
//!   and the client is told to come again.
//! * **A thread keeps its connection while that needs waits, and while there are few connections at all:** those
//!   are served fastest by a thread each.
//!
//! Not here: what the leader does (`poller`).

use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::net::Threads;
use crate::net::clients::Clients;
use crate::sys::calls::Poll;

/// How often a thread is asked for before a client is turned away.
const TRIES: u32 = 20;

/// How long a thread that was evicted may need to become free.
const PAUSE: Duration = Duration::from_millis(5);

/// So many connections are few.
const FEW: usize = 4;

/// What the threads that lead one poller share.
pub struct Post {
    set: Poll,
    clients: Arc<Clients>,
    threads: Arc<Threads>,
    /// What a thread does that takes up the lead: the poller's loop.
    take_up: Box<dyn Fn(&mut Lead) + Send + Sync>,
}

impl Post {
    /// A post whose leader waits for the sockets of `set` and does what `take_up` says; nobody leads yet.
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
            take_up,
        })
    }

    /// Lets a thread lead.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn fill(self: &Arc<Self>) -> io::Result<()> {
        let mut lead = Lead {
            post: Arc::clone(self),
            leads: true,
            waited: false,
            buffer: Vec::new(),
        };
        self.threads.run(Box::new(move || {
            (Arc::clone(&lead.post).take_up)(&mut lead)
        }))
    }
}

/// A thread's part: it leads, or did so until it gave up the lead.
pub struct Lead {
    post: Arc<Post>,
    leads: bool,
    /// Whether the last request needed a wait.
    waited: bool,
    /// For the head of a response and small content behind it, one response after the other.
    pub buffer: Vec<u8>,
}

impl Lead {
    /// Whether this thread leads, and so may not wait.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// The sockets that the leader waits for.
    pub fn set(&self) -> &Poll {
        &self.post.set
    }

    /// Before a wait on behalf of the connection `stream`: another thread leads if this one did, and reads and
    /// writes of the connection wait from here on.
    ///
    /// # Errors
    /// When no thread can be had even after others were evicted for it; this one still leads.
    pub fn give_up(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.waited = true;
        self.pass_on(stream, TRIES)
    }

    /// Whether this thread is to await the next request of `stream` alone, which is one of so many `connections`.
    /// Nobody is evicted to serve it faster.
    pub fn stays_with(&mut self, stream: &TcpStream, connections: usize) -> bool {
        let waited = std::mem::take(&mut self.waited);
        match self.leads {
            true => connections <= FEW && self.pass_on(stream, 1).is_ok(),
            false => connections <= FEW || waited,
        }
    }

    /// Passes the lead on; for a thread it tries so often, and has a connection evicted between two tries.
    fn pass_on(&mut self, stream: &TcpStream, tries: u32) -> io::Result<()> {
        if !self.leads {
            return Ok(());
        }
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

//! Poller: accepting, and the client connections that wait for their next request or for their end.
//!
//! # Theory
//!
//! There are several pollers. Each has the listening sockets and a share of the connections. Its epoll set
//! holds the listeners and the connections that wait; `waiting` holds the state of these connections by
//! descriptor. One thread at a time leads a poller (`lead` says how that changes hands).
//!
//! * **A connection is either in the set and in `waiting`, or with a thread.** The leader takes it out of
//!   `waiting` before it serves it. A thread that brings it back adds it to the set under the lock of
//!   `waiting`; otherwise the leader could get an event for it before it is there, and lose it.
//! * **The number of a descriptor is used again** as soon as its connection is closed. A closed socket leaves
//!   the set by itself, and an event for a number that is not in `waiting` is ignored.
//! * **The listeners are in every poller's set, exclusively** (EPOLLEXCLUSIVE): one connect wakes one leader.
//!   While an accepted connection waits for a place, or after accept(2) has failed, they leave the set for a
//!   moment, and the kernel's backlog keeps the connects. No connection is evicted before there is one to take
//!   its place.
//! * **A client that `--allow` does not name is refused on the accepted socket** (`access`), before a place is
//!   reserved: no connection is evicted for it.
//! * **A panic costs one connection**: it unwinds to the loop, and the connection is dropped on the way.
//!
//! The lock of `waiting` is held for accesses to the table and for epoll_ctl(2) alone.
//!
//! Not here: what a connection does (`connection`), who makes room at the limit (`net::clients`).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::access::Access;
use super::connection::Connection;
use super::lead::{Lead, Post};
use crate::cache::Cache;
use crate::log;
use crate::net::clients::Clients;
use crate::net::{Threads, timed_out};
use crate::sys::calls::Poll;
use crate::sys::errno;
use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;

/// How long accepting pauses after the first error of accept(2), and at least while there is no place.
const PAUSE: Duration = Duration::from_millis(5);
const SHORTEST: Duration = Duration::from_millis(1);

/// The longest pause after errors of accept(2); it doubles from `PAUSE` on.
const LONGEST: Duration = Duration::from_secs(1);

/// How often silent connections are looked for, in a fraction of `idle_ms`.
const LOOKS: u32 = 30;

/// A share of the connections, and all listeners.
#[derive(Debug)]
pub struct Poller {
    listeners: Arc<[TcpListener]>,
    cache: Arc<Cache>,
    clients: Arc<Clients>,
    access: Arc<Access>,
    shows_status: bool,
    state: Mutex<State>,
}

/// Only the leader changes it, except that other threads bring connections back.
#[derive(Debug)]
struct State {
    /// By descriptor.
    waiting: Vec<Option<Box<Connection>>>,
    /// The connection that was accepted last, if it waits for a place.
    newcomer: Option<(TcpStream, IpAddr)>,
    /// Until when nobody is accepted.
    resume: Option<Instant>,
    /// For how long after the last error of accept(2); zero since it worked.
    pause: Duration,
    /// When the silent ones were last looked for.
    looked: Instant,
}

impl Poller {
    /// Starts a poller and a thread that leads it.
    ///
    /// # Errors
    /// When a socket cannot be polled or no thread can be had.
    pub fn start(
        listeners: &Arc<[TcpListener]>,
        cache: &Arc<Cache>,
        clients: &Arc<Clients>,
        access: &Arc<Access>,
        threads: &Arc<Threads>,
        shows_status: bool,
    ) -> io::Result<()> {
        let poller = Self {
            listeners: Arc::clone(listeners),
            cache: Arc::clone(cache),
            clients: Arc::clone(clients),
            access: Arc::clone(access),
            shows_status,
            state: Mutex::new(State {
                waiting: Vec::new(),
                newcomer: None,
                resume: None,
                pause: Duration::ZERO,
                looked: Instant::now(),
            }),
        };
        let set = Poll::new()?;
        poller.listen(&set)?;
        let take_up = Box::new(move |lead: &mut Lead| poller.lead(lead));
        Post::new(set, clients, threads, take_up).fill()
    }

    fn listen(&self, set: &Poll) -> io::Result<()> {
        let mut listeners = self.listeners.iter();
        listeners.try_for_each(|listener| match set.add(listener.as_fd(), true) {
            // An earlier try failed after it had added this one.
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(()),
            added => added,
        })
    }

    /// The leader's loop, until this thread gives up the lead.
    fn lead(&self, lead: &mut Lead) {
        while lead.leads() {
            self.close_silent();
            if unwinds(|| self.admit_newcomer(lead)) || !lead.leads() {
                continue;
            }
            match lead.set().wait(self.tick(lead)) {
                Ok(ready) => {
                    for socket in ready {
                        unwinds(|| self.attend(socket, lead));
                        if !lead.leads() {
                            return;
                        }
                    }
                }
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => {
                    log::error!("cannot wait for requests: {cause}");
                    thread::sleep(LONGEST);
                }
            }
        }
    }

    /// How long epoll_wait(2) may take, in milliseconds; -1 (no limit) while there are no connections.
    fn tick(&self, lead: &Lead) -> i32 {
        let mut state = lock(&self.state);
        let wait = match state.resume {
            Some(at) if at > Instant::now() => (at - Instant::now()).max(SHORTEST),
            Some(_) if state.newcomer.is_some() => Duration::ZERO,
            Some(_) if self.listen(lead.set()).is_ok() => {
                state.resume = None;
                Duration::ZERO
            }
            Some(_) => PAUSE,
            None if self.clients.open() == 0 && !self.access.lingers() => return -1,
            None => ms(limits().idle_ms) / LOOKS,
        };
        i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)
    }

    /// Serves the connection whose socket can be read, or accepts one.
    fn attend(&self, socket: RawFd, lead: &mut Lead) {
        let known = usize::try_from(socket)
            .ok()
            .and_then(|at| lock(&self.state).waiting.get_mut(at)?.take());
        if let Some(connection) = known {
            return self.serve(connection, true, lead);
        }
        let mut listeners = self.listeners.iter();
        if let Some(listener) = listeners.find(|listener| listener.as_raw_fd() == socket) {
            self.accept(listener, lead);
        }
    }

    fn accept(&self, listener: &TcpListener, lead: &mut Lead) {
        // The listeners were shut down: accepting would be an error that nobody wants to read of.
        if self.clients.stopping() {
            return self.rest(LONGEST, lead);
        }
        // Of several listeners that had somebody at once, the connection of the first one may wait for a place.
        if lock(&self.state).newcomer.is_some() {
            return;
        }
        let accepted = listener.accept().and_then(|(stream, client)| {
            stream.set_nonblocking(true)?;
            Ok((stream, client.ip()))
        });
        match accepted {
            Ok(newcomer) => {
                lock(&self.state).pause = Duration::ZERO;
                match self.access.allows(newcomer.1) {
                    true => self.admit(newcomer, lead),
                    false => {
                        let (stream, client) = newcomer;
                        let refused = self.access.refuse(stream, client, self.cache.via());
                        self.cache.stats().answered(&refused);
                    }
                }
            }
            Err(cause) => self.back_off(&cause, lead),
        }
    }

    /// Serves a new connection. If there is no place it waits for one, and no other is accepted meanwhile.
    fn admit(&self, newcomer: (TcpStream, IpAddr), lead: &mut Lead) {
        match self.clients.reserve() {
            Ok(place) => {
                let (stream, address) = newcomer;
                let client = Clients::admit(place, Arc::new(stream), address);
                let (cache, shows_status) = (Arc::clone(&self.cache), self.shows_status);
                cache.stats().connections.add(1);
                let connection = Connection::new(cache, client, address, shows_status);
                self.serve(Box::new(connection), false, lead);
            }
            Err(pause) => {
                lock(&self.state).newcomer = Some(newcomer);
                self.rest(pause, lead);
            }
        }
    }

    /// Tries again to find a place for the connection that waits for one, when the time for that has come.
    fn admit_newcomer(&self, lead: &mut Lead) {
        let mut state = lock(&self.state);
        if state.resume.is_none_or(|at| at <= Instant::now())
            && let Some(newcomer) = state.newcomer.take()
        {
            drop(state);
            self.admit(newcomer, lead);
        }
    }

    /// After an error of accept(2): pauses, each time longer, and evicts a connection if no descriptor is left.
    fn back_off(&self, cause: &io::Error, lead: &Lead) {
        if timed_out(cause) || cause.kind() == ErrorKind::ConnectionAborted {
            return;
        }
        if errno::is_out_of_descriptors(cause) {
            self.clients.make_room();
        }
        let mut state = lock(&self.state);
        if state.pause.is_zero() {
            log::warning!("cannot accept: {cause}; going on");
        }
        state.pause = (state.pause * 2).clamp(PAUSE, LONGEST);
        let pause = state.pause;
        drop(state);
        self.rest(pause, lead);
    }

    /// Takes the listeners out of the set for `pause`.
    fn rest(&self, pause: Duration, lead: &Lead) {
        for listener in self.listeners.iter() {
            let _ = lead.set().remove(listener.as_fd());
        }
        lock(&self.state).resume = Some(Instant::now() + pause);
    }

    /// Serves a connection until it waits again; `polled` says whether it is in the set.
    fn serve(&self, connection: Box<Connection>, polled: bool, lead: &mut Lead) {
        if let Some(connection) = connection.serve(lead) {
            self.keep(connection, polled && lead.leads(), lead);
        }
    }

    /// Puts a connection into `waiting`, and into the set unless it is `polled`.
    fn keep(&self, connection: Box<Connection>, polled: bool, lead: &Lead) {
        let stream = Arc::clone(connection.stream());
        let Ok(at) = usize::try_from(stream.as_raw_fd()) else {
            return;
        };
        if !lead.leads() && stream.set_nonblocking(true).is_err() {
            return;
        }
        // Under the lock, so that the leader finds it in `waiting` when the set reports it.
        let mut state = lock(&self.state);
        if !polled && let Err(cause) = lead.set().add(stream.as_fd(), false) {
            log::error!("cannot wait for a client: {cause}; its connection is closed");
            return;
        }
        if state.waiting.len() <= at {
            state.waiting.resize_with(at.saturating_add(1), || None);
        }
        if let Some(entry) = state.waiting.get_mut(at) {
            *entry = Some(connection);
        }
    }

    /// Closes the connections that have been silent for too long; does nothing if it last looked a moment ago.
    fn close_silent(&self) {
        let (now, idle) = (Instant::now(), ms(limits().idle_ms));
        let mut state = lock(&self.state);
        if now.saturating_duration_since(state.looked) < idle / LOOKS {
            return;
        }
        state.looked = now;
        let silent = |connection: &mut Box<Connection>| connection.is_silent(now);
        let waiting = state.waiting.iter_mut();
        let over: Vec<_> = waiting.filter_map(|entry| entry.take_if(silent)).collect();
        drop(state);
        drop(over);
        self.access.close_old(now);
    }
}

/// Runs what concerns one connection; whether it panicked, which costs that connection alone.
fn unwinds(share: impl FnOnce()) -> bool {
    let panicked = catch_unwind(AssertUnwindSafe(share)).is_err();
    if panicked {
        log::error!("a thread panicked; its connection was closed");
    }
    panicked
}

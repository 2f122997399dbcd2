//! Poller: the client connections that wait for their next request, and the threads that serve them.
//!
//! Rules: one thread at a time leads a poller: it accepts connections, waits for any of them to send something and
//! serves that itself, so that a hit costs no change of threads, however many connections wait. Before it
//! waits for anything else it stands aside and another thread leads; it keeps its one connection while
//! that has more to do. Who is out of places or descriptors accepts nobody for a moment. A panic costs
//! one connection.
//!
//! Not here: what a connection does (`connection`), who makes room at the limit (`slots`).

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::cache::Cache;
use crate::connection::Connection;
use crate::lead::{self, Why};
use crate::limits::{limits, ms};
use crate::lock::lock;
use crate::log;
use crate::slots::Slots;
use crate::sys::{OUT_OF_DESCRIPTORS, Poll};
use crate::wire::timed_out;
use crate::workers::Workers;

/// How long nobody is accepted when there is no place.
const PAUSE: Duration = Duration::from_millis(5);

/// How long at most after errors of accept(2).
const LONGEST: Duration = Duration::from_secs(1);

/// How often silent connections are looked for in the time that one may be silent.
const SWEEPS: u32 = 30;

/// How often a thread is asked for before a client is turned away.
const TRIES: u32 = 20;

/// Some of the connections, and all listeners.
#[derive(Debug)]
pub struct Poller {
    set: Poll,
    listeners: Arc<[TcpListener]>,
    cache: Arc<Cache>,
    slots: Arc<Slots>,
    workers: Arc<Workers>,
    state: Mutex<State>,
}

/// What only the leader changes, but for connections that come back.
#[derive(Debug)]
struct State {
    /// By descriptor.
    waiting: Vec<Option<Box<Connection>>>,
    /// Until when nobody is accepted.
    resume: Option<Instant>,
    /// For how long after the last error of accept(2); zero since it worked.
    pause: Duration,
    /// When the silent ones were last looked for.
    swept: Instant,
}

impl Poller {
    /// Begins to serve.
    ///
    /// # Errors
    /// When a socket cannot be polled or no thread can be had.
    pub fn start(
        listeners: &Arc<[TcpListener]>,
        cache: &Arc<Cache>,
        slots: &Arc<Slots>,
        workers: &Arc<Workers>,
    ) -> io::Result<()> {
        let poller = Arc::new(Self {
            set: Poll::new()?,
            listeners: Arc::clone(listeners),
            cache: Arc::clone(cache),
            slots: Arc::clone(slots),
            workers: Arc::clone(workers),
            state: Mutex::new(State {
                waiting: Vec::new(),
                resume: None,
                pause: Duration::ZERO,
                swept: Instant::now(),
            }),
        });
        poller.listen()?;
        let leader = Arc::clone(&poller);
        workers.run(Box::new(move || leader.lead()))
    }

    fn listen(&self) -> io::Result<()> {
        let mut listeners = self.listeners.iter();
        listeners.try_for_each(|listener| match self.set.add(listener.as_fd(), true) {
            // Left from a try that ended half way.
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(()),
            added => added,
        })
    }

    /// Leads until this thread stands aside.
    fn lead(self: Arc<Self>) {
        let poller = Arc::clone(&self);
        lead::take_up(Rc::new(move |stream, why| poller.pass_on(stream, why)));
        while lead::leads() {
            self.sweep();
            match self.set.wait(self.tick()) {
                Ok(ready) => {
                    for socket in ready {
                        if catch_unwind(AssertUnwindSafe(|| self.attend(socket))).is_err() {
                            log::error!("a thread panicked; its connection was closed");
                        }
                        if !lead::leads() {
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

    /// How long to wait, in milliseconds; -1 while nobody is there.
    fn tick(&self) -> i32 {
        let resume = lock(&self.state).resume;
        let wait = match resume.map(|at| at.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) if self.listen().is_ok() => {
                lock(&self.state).resume = None;
                Duration::ZERO
            }
            Some(left) => left.max(PAUSE),
            None if self.slots.taken() == 0 => return -1,
            None => ms(limits().idle_ms) / SWEEPS,
        };
        i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)
    }

    /// Serves what a socket has.
    fn attend(self: &Arc<Self>, socket: RawFd) {
        let known = usize::try_from(socket)
            .ok()
            .and_then(|at| lock(&self.state).waiting.get_mut(at)?.take());
        if let Some(connection) = known {
            return self.serve(connection, true);
        }
        let mut listeners = self.listeners.iter();
        if let Some(listener) = listeners.find(|listener| listener.as_raw_fd() == socket) {
            self.accept(listener);
        }
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        if !self.slots.may_admit() {
            return self.rest(if self.slots.stopping() {
                LONGEST
            } else {
                PAUSE
            });
        }
        let accepted = listener.accept().and_then(|(stream, client)| {
            stream.set_nonblocking(true)?;
            Ok((stream, client))
        });
        let (stream, client) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) => return self.back_off(&cause),
        };
        lock(&self.state).pause = Duration::ZERO;
        let seat = self.slots.admit(Arc::new(stream));
        let connection = Connection::new(Arc::clone(&self.cache), seat, client.ip());
        self.serve(Box::new(connection), false);
    }

    /// After an accept error: frees a descriptor if they are out, and waits a little longer each time.
    fn back_off(&self, cause: &io::Error) {
        if timed_out(cause) || cause.kind() == ErrorKind::ConnectionAborted {
            return;
        }
        let out_of_descriptors = cause
            .raw_os_error()
            .is_some_and(|code| OUT_OF_DESCRIPTORS.contains(&code));
        if out_of_descriptors {
            self.slots.make_room();
        }
        let mut state = lock(&self.state);
        if state.pause.is_zero() {
            log::warning!("cannot accept: {cause}; going on");
        }
        state.pause = (state.pause * 2).clamp(PAUSE, LONGEST);
        let pause = state.pause;
        drop(state);
        self.rest(pause);
    }

    /// Accepts nobody for a while.
    fn rest(&self, pause: Duration) {
        for listener in self.listeners.iter() {
            let _ = self.set.remove(listener.as_fd());
        }
        lock(&self.state).resume = Some(Instant::now() + pause);
    }

    /// Serves a connection until it waits again; `polled` tells whether the set has it.
    fn serve(self: &Arc<Self>, connection: Box<Connection>, polled: bool) {
        if let Some(connection) = connection.serve() {
            self.keep(connection, polled && lead::leads());
        }
    }

    /// Keeps a connection until it sends something.
    fn keep(&self, connection: Box<Connection>, polled: bool) {
        let stream = Arc::clone(connection.stream());
        let Ok(at) = usize::try_from(stream.as_raw_fd()) else {
            return;
        };
        if !lead::leads() && stream.set_nonblocking(true).is_err() {
            return;
        }
        // Under the lock: whoever leads takes it only when the set has it.
        let mut state = lock(&self.state);
        if !polled && let Err(cause) = self.set.add(stream.as_fd(), false) {
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

    /// Lets another thread lead; `stream` is left to this one.
    fn pass_on(self: &Arc<Self>, stream: &TcpStream, why: Why) -> io::Result<()> {
        let polled = self.set.remove(stream.as_fd()).is_ok();
        stream.set_nonblocking(false)?;
        let mut tries = 0;
        loop {
            let leader = Arc::clone(self);
            let Err(cause) = self.workers.run(Box::new(move || leader.lead())) else {
                return Ok(());
            };
            if why == Why::Wait {
                tries += 1;
                if tries < TRIES && self.slots.free_thread() {
                    thread::sleep(PAUSE);
                    continue;
                }
            }
            stream.set_nonblocking(true)?;
            if polled {
                self.set.add(stream.as_fd(), false)?;
            }
            return Err(cause);
        }
    }

    /// Now and then, closes the connections that have been silent for too long.
    fn sweep(&self) {
        let (now, idle) = (Instant::now(), ms(limits().idle_ms));
        let mut state = lock(&self.state);
        if now.saturating_duration_since(state.swept) < idle / SWEEPS {
            return;
        }
        state.swept = now;
        let silent = |connection: &mut Box<Connection>| {
            now.saturating_duration_since(connection.waits_since()) >= idle
        };
        let waiting = state.waiting.iter_mut();
        let over: Vec<_> = waiting.filter_map(|entry| entry.take_if(silent)).collect();
        drop(state);
        drop(over);
    }
}

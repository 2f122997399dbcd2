//! Exchange: the connection on which a transfer speaks to a source, so that other threads can end that in every
//! phase.
//!
//! Rules: the connection in use is noted here from the moment it is open until it is kept for another request.
//! Giving up shuts it down, so that a thread that reads or writes it returns at once. Two waits are not
//! interrupted: name lookup, which the resolver bounds, and a connect, which `connect_ms` bounds. A request that
//! was sent by one thread is left here for another one to go on with.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::begun::Begun;
use super::error::Error;
use crate::sys::lock::lock;

/// The number of no source.
const NOBODY: usize = usize::MAX;

/// One transfer's exchanges with sources, on one connection at a time.
#[derive(Debug)]
pub struct Exchange {
    state: Mutex<State>,
    /// The number of the source that was last asked.
    source: AtomicUsize,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            source: AtomicUsize::new(NOBODY),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    stream: Option<Arc<TcpStream>>,
    begun: Option<Begun>,
    refused: Option<Error>,
    given_up: bool,
    broken_off: bool,
}

impl Exchange {
    /// The source of that number is asked.
    pub fn asks(&self, number: usize) {
        self.source.store(number, Ordering::Relaxed);
    }

    /// The number of the source that was last asked.
    pub fn source(&self) -> Option<usize> {
        let number = self.source.load(Ordering::Relaxed);
        (number != NOBODY).then_some(number)
    }

    /// From here on it uses `stream`, which is shut down if the exchange was given up meanwhile.
    pub fn goes_by(&self, stream: &Arc<TcpStream>) {
        let mut state = lock(&self.state);
        if state.given_up {
            let _ = stream.shutdown(Shutdown::Both);
        }
        state.stream = Some(Arc::clone(stream));
        state.broken_off = false;
    }

    /// The connection is not in use any more: another request may get it, and giving up leaves it alone.
    pub fn let_go(&self) {
        let mut state = lock(&self.state);
        state.stream = None;
        let begun = state.begun.take();
        drop(state);
        drop(begun);
    }

    /// Leaves a request that was sent to the source last asked for whoever goes on with it.
    pub fn leave(&self, begun: Begun) {
        lock(&self.state).begun = Some(begun);
    }

    /// The request that was left.
    pub fn take(&self) -> Option<Begun> {
        lock(&self.state).begun.take()
    }

    /// The response to a request that was begun is of no use, and why.
    pub fn refuse(&self, cause: Error) {
        lock(&self.state).refused = Some(cause);
    }

    /// Why it is of no use; said once.
    pub fn refused(&self) -> Option<Error> {
        lock(&self.state).refused.take()
    }

    /// The source that a request was sent to, if nobody has gone on with that yet.
    pub fn begun(&self) -> Option<usize> {
        let state = lock(&self.state);
        let left = state.begun.is_some() || state.refused.is_some();
        self.source().filter(|_| left)
    }

    /// Gives the exchange up: its connection is shut down, and it gets no other one.
    pub fn give_up(&self) {
        let mut state = lock(&self.state);
        state.given_up = true;
        if let Some(stream) = &state.stream {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Shuts the present connection down; the transfer may go on by another one.
    pub fn break_off(&self) {
        let mut state = lock(&self.state);
        if let Some(stream) = &state.stream {
            let _ = stream.shutdown(Shutdown::Both);
            state.broken_off = true;
        }
    }

    /// Whether the last connection was broken off: then its end is not the end of the content.
    pub fn is_broken_off(&self) -> bool {
        lock(&self.state).broken_off
    }

    /// Whether it was given up.
    pub fn is_given_up(&self) -> bool {
        lock(&self.state).given_up
    }
}

//! Exchange: the connection on which a transfer speaks to a source, so that other threads can end that in every
//! phase.
//!
//! Rules: the connection in use is noted here from the moment it is open until it is kept for another request.
//! Giving up shuts it down, so that a thread that reads or writes it returns at once. Two waits are not
//! interrupted: name lookup, which the resolver bounds, and a connect, which `connect_ms` bounds.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};

use crate::sys::lock::lock;

/// One transfer's exchanges with sources, on one connection at a time.
#[derive(Debug, Default)]
pub struct Exchange {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stream: Option<Arc<TcpStream>>,
    given_up: bool,
    broken_off: bool,
}

impl Exchange {
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
        lock(&self.state).stream = None;
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

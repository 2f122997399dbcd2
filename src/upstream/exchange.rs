//! Exchange: what a transfer has going with a source, so that others can end it in every phase.
//!
//! Rules: the connection in use is always known here, from the moment it is open until it is kept for
//! another request; giving up shuts it down, so that whoever reads or writes it returns at once. Not
//! interrupted are the look-up of a name, which the resolver bounds, and a connect, which `connect_ms` bounds.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};

use crate::sys::lock::lock;

/// One transfer's dealings with sources, one connection at a time.
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
    /// From here on it goes by `stream`.
    pub fn goes_by(&self, stream: &Arc<TcpStream>) {
        let mut state = lock(&self.state);
        if state.given_up {
            let _ = stream.shutdown(Shutdown::Both);
        }
        state.stream = Some(Arc::clone(stream));
        state.broken_off = false;
    }

    /// The connection is not in use any more: another request may get it.
    pub fn let_go(&self) {
        lock(&self.state).stream = None;
    }

    /// Ends it, in whatever phase it is.
    pub fn give_up(&self) {
        let mut state = lock(&self.state);
        state.given_up = true;
        if let Some(stream) = &state.stream {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Ends what goes by the present connection; it may go on by another one.
    pub fn break_off(&self) {
        let mut state = lock(&self.state);
        if let Some(stream) = &state.stream {
            let _ = stream.shutdown(Shutdown::Both);
            state.broken_off = true;
        }
    }

    /// Whether the last connection was broken off by us: its end says nothing.
    pub fn is_broken_off(&self) -> bool {
        lock(&self.state).broken_off
    }

    /// Whether nobody wants it any more.
    pub fn is_given_up(&self) -> bool {
        lock(&self.state).given_up
    }
}

//! Lead: whether this thread serves all connections that have something to say, or one of them alone.
//!
//! Rules: a thread that leads waits for nothing but the next request of anyone; before any other wait it
//! stands aside for another thread. A thread alone goes on with its connection while requests need
//! waits, and while there are few connections at all: those are served fastest by a thread each.
//!
//! Not here: how the lead is passed on (`poller`).

use std::cell::{Cell, RefCell};
use std::io;
use std::net::TcpStream;
use std::rc::Rc;

/// Lets another thread lead and leaves the connection given to this one.
pub type PassOn = Rc<dyn Fn(&TcpStream) -> io::Result<()>>;

/// So many connections are few.
const FEW: usize = 4;

thread_local! {
    static LEAD: RefCell<Option<PassOn>> = const { RefCell::new(None) };
    /// Whether the last request needed a wait.
    static WAITED: Cell<bool> = const { Cell::new(false) };
}

/// From here on this thread leads.
pub fn take_up(pass_on: PassOn) {
    LEAD.set(Some(pass_on));
}

/// Whether this thread leads.
pub fn leads() -> bool {
    LEAD.with_borrow(Option::is_some)
}

/// Before a wait on behalf of the connection `stream`: another thread leads if this one did, and reads and
/// writes of the connection wait from here on.
///
/// # Errors
/// When no thread can be had; this one still leads.
pub fn stand_aside(stream: &TcpStream) -> io::Result<()> {
    WAITED.set(true);
    let Some(pass_on) = LEAD.take() else {
        return Ok(());
    };
    let passed = pass_on(stream);
    if passed.is_err() {
        take_up(pass_on);
    }
    passed
}

/// Whether this thread is to await the next request of `stream` alone, which is one of so many `connections`.
pub fn stays_with(stream: &TcpStream, connections: usize) -> bool {
    let waited = WAITED.replace(false);
    match leads() {
        true => connections <= FEW && stand_aside(stream).is_ok(),
        false => connections <= FEW || waited,
    }
}

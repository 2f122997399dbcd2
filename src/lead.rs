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
pub type PassOn = Rc<dyn Fn(&TcpStream, Why) -> io::Result<()>>;

/// Why another thread is to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// This one has to wait.
    Wait,
    /// It serves its connection faster alone; nobody is to make room for that.
    Speed,
}

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
    leave(stream, Why::Wait)
}

fn leave(stream: &TcpStream, why: Why) -> io::Result<()> {
    let Some(pass_on) = LEAD.take() else {
        return Ok(());
    };
    let passed = pass_on(stream, why);
    if passed.is_err() {
        take_up(pass_on);
    }
    passed
}

/// Whether this thread is to await the next request of `stream` alone, which is one of so many `connections`.
pub fn stays_with(stream: &TcpStream, connections: usize) -> bool {
    let waited = WAITED.replace(false);
    match leads() {
        true => connections <= FEW && leave(stream, Why::Speed).is_ok(),
        false => connections <= FEW || waited,
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

    /// Leads from here on; threads are to be had for one reason alone.
    fn lead_with_threads_for(reason: Why) {
        take_up(Rc::new(move |_, why| match why == reason {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }));
    }

    #[test]
    fn the_leader_stays_with_one_of_few_if_a_thread_is_to_be_had() {
        lead_with_threads_for(Why::Wait);
        assert!(!stays_with(&socket(), 1) && leads());
        lead_with_threads_for(Why::Speed);
        assert!(!stays_with(&socket(), FEW + 1) && leads());
        assert!(stays_with(&socket(), FEW) && !leads());
    }

    #[test]
    fn a_thread_alone_stays_with_one_of_many_while_requests_need_waits() {
        lead_with_threads_for(Why::Speed);
        assert!(stand_aside(&socket()).is_err() && leads());
        lead_with_threads_for(Why::Wait);
        stand_aside(&socket()).unwrap();
        assert!(!leads() && stays_with(&socket(), FEW + 1));
        assert!(!stays_with(&socket(), FEW + 1));
    }
}

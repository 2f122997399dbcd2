//! Connector: connections to sources, straight or through a proxy, new or kept.
//!
//! Rules: connecting takes `connect_ms` in all, divided among a host's addresses, the one that
//! answered last first; a kept connection is used at most `kept_ms` after its last use and closed
//! then even if nobody asks.
//!
//! Not here: requests and responses (`client`), whether through a proxy (`proxy`), which source to ask (`upstream`).

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;
use crate::net::{Pending, Wire, pending};
use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;

/// Where a connection goes: a host name or address literal, and a port.
pub type Peer = (String, u16);

/// Hosts whose last good address is remembered; redirects can lead to any number of them.
const REMEMBERED: usize = 64;

/// Makes connections and keeps those that can serve again.
#[derive(Debug, Default)]
pub struct Connector {
    answered: Mutex<HashMap<Peer, SocketAddr>>,
    kept: Arc<Mutex<Pool>>,
}

#[derive(Debug, Default)]
struct Pool {
    wires: Vec<Kept>,
    /// Whether a thread is there that closes the old ones.
    closer: bool,
}

#[derive(Debug)]
struct Kept {
    peer: Peer,
    wire: Wire,
    until: Instant,
}

impl Connector {
    /// A kept connection to `peer`, the one used last.
    pub fn reuse(&self, peer: &Peer) -> Option<Wire> {
        let now = Instant::now();
        let usable = |kept: &Kept| kept.peer == *peer && kept.until > now;
        loop {
            let mut pool = lock(&self.kept);
            let at = pool.wires.iter().rposition(usable)?;
            let wire = pool.wires.remove(at).wire;
            drop(pool);
            // Bytes that nobody asked for must not pass for the next answer.
            if pending(wire.stream()) == Pending::Nothing {
                return Some(wire);
            }
        }
    }

    /// A new connection to `peer`.
    ///
    /// # Errors
    /// After `connect_ms` at the latest, the look-up of the name apart.
    pub fn connect(&self, peer: &Peer) -> Result<Wire, Error> {
        let (host, port) = peer;
        let mut addresses: Vec<SocketAddr> = (host.as_str(), *port)
            .to_socket_addrs()
            .map_err(Error::Resolve)?
            .collect();
        if let Some(last) = lock(&self.answered).get(peer)
            && let Some(at) = addresses.iter().position(|address| address == last)
        {
            // The others stay in the order of the resolver.
            addresses.get_mut(..=at).unwrap_or_default().rotate_right(1);
        }
        let deadline = Instant::now() + ms(limits().connect_ms);
        let mut error = None;
        for (at, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let still = u32::try_from(addresses.len().saturating_sub(at)).unwrap_or(u32::MAX);
            let share = left
                .checked_div(still)
                .unwrap_or(left)
                .max(Duration::from_millis(1));
            match TcpStream::connect_timeout(address, share) {
                Ok(stream) => {
                    self.remember(peer, *address);
                    let _ = stream.set_nodelay(true);
                    return Ok(Wire::of_source(Arc::new(stream)));
                }
                Err(cause) if cause.kind() == ErrorKind::TimedOut => {
                    error = error.or_else(|| Some(timeout()));
                }
                Err(cause) => error = Some(Error::Connect(cause)),
            }
        }
        let nothing = || Error::Resolve(io::Error::other("the name has no address"));
        Err(error.unwrap_or_else(nothing))
    }

    /// Keeps a connection whose last answer was read to its end.
    pub fn keep(&self, peer: Peer, mut wire: Wire) {
        wire.release();
        let until = Instant::now() + ms(limits().kept_ms);
        let mut pool = lock(&self.kept);
        if u64::try_from(pool.wires.len()).is_ok_and(|count| count < limits().kept) {
            pool.wires.push(Kept { peer, wire, until });
        }
        if !pool.closer {
            let kept = Arc::clone(&self.kept);
            // Without a thread they close when the next request finds them too old.
            let closer = thread::Builder::new()
                .name("close-kept".into())
                .stack_size(64 * 1024);
            pool.closer = closer.spawn(move || close_old(&kept)).is_ok();
        }
    }

    fn remember(&self, peer: &Peer, address: SocketAddr) {
        let mut answered = lock(&self.answered);
        if answered.len() >= REMEMBERED && !answered.contains_key(peer) {
            answered.clear();
        }
        answered.insert(peer.clone(), address);
    }
}

fn timeout() -> Error {
    Error::Connect(io::Error::new(
        ErrorKind::TimedOut,
        "no answer to the connect",
    ))
}

/// Closes kept connections as they grow old; ends when none is left.
fn close_old(kept: &Mutex<Pool>) {
    loop {
        let mut pool = lock(kept);
        let now = Instant::now();
        pool.wires.retain(|kept| kept.until > now);
        let Some(next) = pool.wires.iter().map(|kept| kept.until).min() else {
            pool.closer = false;
            return;
        };
        drop(pool);
        thread::sleep(next.saturating_duration_since(now));
    }
}

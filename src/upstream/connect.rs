//! Connector: connections to sources, straight or through a proxy, new or kept.
//!
//! Rules: the address of a host that gave the last usable response is tried first. A kept connection serves for
//! at most `kept_ms` after its last use, and is closed then even if no request comes.
//!
//! Not here: how long to try, requests and responses (`client`), whether through a proxy (`proxy`), which
//! source to ask (`upstream`).

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
use crate::sys::thread::start;

/// Where a connection goes: a host name or address literal, and a port.
pub type Peer = (String, u16);

/// How many hosts have their last good address remembered; redirects can lead to any number of hosts.
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
    /// Whether a thread runs that closes the old ones.
    closer: bool,
}

#[derive(Debug)]
struct Kept {
    peer: Peer,
    wire: Wire,
    until: Instant,
}

impl Connector {
    /// The kept connection to `peer` that was used last, if there is one.
    pub fn reuse(&self, peer: &Peer) -> Option<Wire> {
        let now = Instant::now();
        let usable = |kept: &Kept| kept.peer == *peer && kept.until > now;
        loop {
            let mut pool = lock(&self.kept);
            let at = pool.wires.iter().rposition(usable)?;
            let wire = pool.wires.remove(at).wire;
            drop(pool);
            // Bytes that came unasked must not pass for the next response.
            if pending(wire.stream()) == Pending::Nothing {
                return Some(wire);
            }
        }
    }

    /// Closes all kept connections to `peer`, since one of them turned out to be dead.
    pub fn distrust(&self, peer: &Peer) {
        lock(&self.kept).wires.retain(|kept| kept.peer != *peer);
    }

    /// The addresses of `peer` in the order in which they are tried. Only the system's resolver limits how long
    /// the lookup takes.
    ///
    /// # Errors
    /// When the name has none.
    pub fn addresses(&self, peer: &Peer) -> Result<Vec<SocketAddr>, Error> {
        let (host, port) = peer;
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in resolve(host, *port).map_err(Error::Resolve)? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if let Some(last) = lock(&self.answered).get(peer)
            && let Some(at) = addresses.iter().position(|address| address == last)
        {
            // The others stay in the order of the resolver.
            addresses.get_mut(..=at).unwrap_or_default().rotate_right(1);
        }
        match addresses.is_empty() {
            true => Err(Error::Resolve(io::Error::other("the name has no address"))),
            false => Ok(addresses),
        }
    }

    /// A new connection to one address; it takes `patience` at most.
    ///
    /// # Errors
    /// When there is none.
    pub fn connect(&self, address: SocketAddr, patience: Duration) -> Result<Wire, Error> {
        let patience = patience.max(Duration::from_millis(1));
        let stream = TcpStream::connect_timeout(&address, patience).map_err(|cause| {
            Error::Connect(match cause.kind() {
                ErrorKind::TimedOut => {
                    io::Error::new(ErrorKind::TimedOut, "no answer to the connect")
                }
                _ => cause,
            })
        })?;
        let _ = stream.set_nodelay(true);
        Ok(Wire::of_source(Arc::new(stream)))
    }

    /// Keeps a connection whose last response was read to its end.
    pub fn keep(&self, peer: Peer, mut wire: Wire) {
        wire.release();
        let until = Instant::now() + ms(limits().kept_ms);
        let mut pool = lock(&self.kept);
        if u64::try_from(pool.wires.len()).is_ok_and(|count| count < limits().kept) {
            pool.wires.push(Kept { peer, wire, until });
        }
        if !pool.closer {
            let kept = Arc::clone(&self.kept);
            // If no thread can be had, an old connection is closed when the next request finds it.
            pool.closer = start("close-kept", Box::new(move || close_old(&kept))).is_ok();
        }
    }

    /// Notes that this address of `peer` gave a usable response.
    pub fn remember(&self, peer: &Peer, address: SocketAddr) {
        let mut answered = lock(&self.answered);
        if answered.get(peer) == Some(&address) {
            return;
        }
        if answered.len() >= REMEMBERED && !answered.contains_key(peer) {
            answered.clear();
        }
        answered.insert(peer.clone(), address);
    }
}

/// The addresses of a host, as the resolver names them. In debug builds the environment variable
/// `PACKAGE_CACHE_HOSTS` (`a.example=127.0.0.2+127.0.0.1`) names those of one host: few machines have a name with
/// two addresses that a test could use.
fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    #[cfg(debug_assertions)]
    if let Ok(known) = std::env::var("PACKAGE_CACHE_HOSTS")
        && let Some((name, addresses)) = known.split_once('=')
        && name == host
    {
        let addresses = addresses.split('+').filter_map(|it| it.parse().ok());
        return Ok(addresses.map(|ip| SocketAddr::new(ip, port)).collect());
    }
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Closes each kept connection when it is `kept_ms` old; ends when none is left.
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

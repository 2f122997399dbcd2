//! Connector: connections to sources, straight or through a proxy, new or kept, plain or over TLS.
//!
//! Rules: the address of a host that gave the last usable response is tried first. A kept connection serves for
//! at most `kept_ms` after its last use, and is closed then even if no request comes. Over TLS each connection needs a
//! place among the helpers (`net::tls`). A request that finds none free takes that of a kept connection, the oldest
//! first; if all are in use, it waits for a place, or for a connection to its own source, as long as it would wait for a head.
//!
//! Not here: how long to try, requests and responses (`client`), whether through a proxy (`proxy`), which
//! source to ask (`upstream`).

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;
use super::exchange::Exchange;
use super::peer::Peer;
use super::proxy::Via;
use crate::http::Url;
use crate::net::tls::{Helper, Helpers, Place, Target};
use crate::net::{Pending, Wire, pending};
use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;
use crate::sys::thread::start;

/// The way to a server.
#[derive(Debug)]
pub struct Route<'a> {
    /// Whom a connection leads to.
    pub peer: Peer,
    /// The proxy that it goes through.
    pub via: Option<&'a Via>,
}

impl<'a> Route<'a> {
    /// The way to the server of `url`, through a proxy if there is one for it.
    pub fn to(url: &Url, via: Option<&'a Via>) -> Self {
        let peer = match via {
            Some(via) if !url.is_tls() => via.peer.clone(),
            _ => Peer::of(url),
        };
        Self { peer, via }
    }
}

/// How many hosts have their last good address remembered; redirects can lead to any number of hosts.
const REMEMBERED: usize = 64;

/// Makes connections and keeps those that can serve again.
#[derive(Debug, Default)]
pub struct Connector {
    /// The address of each peer that gave the last usable response, the oldest first.
    answered: Mutex<Vec<(Peer, SocketAddr)>>,
    kept: Arc<Mutex<Pool>>,
    helpers: Arc<Helpers>,
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
    /// Starts its helpers in places of `helpers`.
    pub fn new(helpers: Arc<Helpers>) -> Self {
        Self {
            helpers,
            ..Self::default()
        }
    }

    /// A kept connection for `route`, unless it must be `fresh`. None stands for leave to make a new one, and then for
    /// a connection over TLS there is a `place` for its helper. Only that is waited for: for `patience` and `turn_ms`
    /// at most, and no longer than until `exchange` is given up.
    ///
    /// # Errors
    /// When no place became free.
    pub fn turn(
        &self,
        route: &Route<'_>,
        fresh: bool,
        exchange: &Exchange,
        patience: Duration,
        place: &mut Option<Place>,
    ) -> Result<Option<Wire>, Error> {
        let deadline = Instant::now() + patience.min(ms(limits().turn_ms));
        loop {
            let seen = self.helpers.changes();
            if !fresh && let Some(wire) = self.reuse(&route.peer) {
                return Ok(Some(wire));
            }
            if !route.peer.is_tls || place.is_some() {
                return Ok(None);
            }
            *place = self.helpers.reserve();
            if place.is_some() || self.close_idle(1) > 0 {
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || exchange.is_given_up() {
                let why = "all helpers are busy";
                return Err(Error::Helper(io::Error::new(ErrorKind::TimedOut, why)));
            }
            self.helpers.wait(seen, left.min(ms(limits().look_ms)));
        }
    }

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

    /// Closes the kept connections over TLS that are oldest, `most` of them; how many it closed.
    fn close_idle(&self, most: usize) -> usize {
        let old = take(&mut lock(&self.kept), most, &|kept| kept.peer.is_tls);
        old.len()
    }

    /// Closes all kept connections to `peer`, since one of them turned out to be dead.
    pub fn distrust(&self, peer: &Peer) {
        let is_theirs = |kept: &Kept| kept.peer == *peer;
        let dead = take(&mut lock(&self.kept), usize::MAX, &is_theirs);
        drop(dead);
    }

    /// The addresses to connect to on `route`, in the order in which they are tried. Only the system's resolver limits
    /// how long the lookup takes.
    ///
    /// # Errors
    /// When the name has none.
    pub fn addresses(&self, route: &Route<'_>) -> Result<Vec<SocketAddr>, Error> {
        let near = route.via.map_or(&route.peer, |via| &via.peer);
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in resolve(&near.host, near.port).map_err(Error::Resolve)? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let answered = lock(&self.answered);
        let last = answered.iter().find(|(peer, _)| *peer == route.peer);
        if let Some((_, last)) = last
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

    /// A new connection to one address; it takes `patience` at most. With a place, a helper makes it and speaks TLS on
    /// it: then it can be used at once, and what keeps it from being made shows later.
    ///
    /// # Errors
    /// When there is none.
    pub fn connect(
        &self,
        route: &Route<'_>,
        address: SocketAddr,
        patience: Duration,
        place: Option<Place>,
    ) -> Result<Wire, Error> {
        if let Some(place) = place {
            let target = Target {
                host: &route.peer.host,
                port: route.peer.port,
                address,
                by_proxy: route.via.is_some(),
                user: route.via.and_then(Via::user),
            };
            let (stream, helper) = Helper::start(place, &target).map_err(Error::Helper)?;
            return Ok(Wire::of_source(stream, Some(helper)));
        }
        let patience = patience.max(Duration::from_millis(1));
        let stream = TcpStream::connect_timeout(&address, patience).map_err(|cause| {
            Error::Connect(match cause.kind() {
                ErrorKind::TimedOut => no_answer(),
                _ => cause,
            })
        })?;
        let _ = stream.set_nodelay(true);
        Ok(Wire::of_source(stream, None))
    }

    /// Keeps a connection whose last response was read to its end. Of those over TLS only some are kept.
    pub fn keep(&self, peer: Peer, mut wire: Wire) {
        wire.release();
        let until = Instant::now() + ms(limits().kept_ms);
        let is_tls = peer.is_tls;
        let mut pool = lock(&self.kept);
        if u64::try_from(pool.wires.len()).is_ok_and(|count| count < limits().kept) {
            pool.wires.push(Kept { peer, wire, until });
        }
        if !pool.closer {
            let kept = Arc::clone(&self.kept);
            // If no thread can be had, an old connection is closed when the next request finds it.
            pool.closer = start("close-kept", Box::new(move || close_old(&kept))).is_ok();
        }
        let idle = pool.wires.iter().filter(|kept| kept.peer.is_tls).count();
        drop(pool);
        if is_tls {
            let most = usize::try_from(limits().idle_helpers).unwrap_or(usize::MAX);
            self.close_idle(idle.saturating_sub(most));
            self.helpers.note_change();
        }
    }

    /// Notes that this address of `peer` gave a usable response.
    pub fn remember(&self, peer: &Peer, address: SocketAddr) {
        let mut answered = lock(&self.answered);
        if let Some((_, last)) = answered.iter_mut().find(|(other, _)| other == peer) {
            *last = address;
            return;
        }
        if answered.len() >= REMEMBERED {
            answered.remove(0);
        }
        answered.push((peer.clone(), address));
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

/// That a connect was not answered in time.
pub fn no_answer() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no answer to the connect")
}

/// Takes the oldest of certain connections out of the pool, `most` of them. They are to be dropped when its lock is free,
/// for then their helpers are reaped.
fn take(pool: &mut Pool, most: usize, which: &dyn Fn(&Kept) -> bool) -> Vec<Kept> {
    let taken = pool.wires.extract_if(.., |kept| which(kept));
    taken.take(most).collect()
}

/// Closes each kept connection when it is `kept_ms` old, or within `kept_look_ms` after its source has closed it; ends
/// when none is left. So a helper that has ended is reaped soon.
fn close_old(kept: &Mutex<Pool>) {
    loop {
        let mut pool = lock(kept);
        let now = Instant::now();
        let is_old =
            |kept: &mut Kept| kept.until <= now || pending(kept.wire.stream()) != Pending::Nothing;
        let old: Vec<Kept> = pool.wires.extract_if(.., is_old).collect();
        let Some(next) = pool.wires.iter().map(|kept| kept.until).min() else {
            pool.closer = false;
            drop(pool);
            return;
        };
        drop(pool);
        drop(old);
        let left = next.saturating_duration_since(now);
        thread::sleep(left.min(ms(limits().kept_look_ms)));
    }
}

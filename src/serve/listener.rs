//! Listener: the listening sockets.
//!
//! Rules: `bind` finds out what is wrong, `start` starts the pollers, `stop` ends accepting; running responses
//! go on.
//!
//! Not here: who accepts (`poller`), who makes room at the limit (`net::clients`).

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use super::access::Access;
use super::poller::Poller;
use crate::cache::Cache;
use crate::log;
use crate::net::Threads;
use crate::net::clients::Clients;
use crate::sys::calls;
use crate::sys::limits::{limits, ms};

/// How many connections the kernel completes ahead of accept(2).
const BACKLOG: i32 = 4096;

/// The most pollers.
const POLLERS: i32 = 16;

/// The listening sockets.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
}

impl Listener {
    /// Binds every address of `host`. With port 0 the first address chooses and the others take the same.
    ///
    /// # Errors
    /// What cannot be bound, with the remedy; an address family that the host lacks is a warning while
    /// one address binds.
    pub fn bind(host: &str, port: u16) -> Result<Self, String> {
        let addresses = resolve(host, port)?;
        // On another address the port that the first one got may be taken.
        let mut last = String::new();
        for _ in 0..if port == 0 { 10 } else { 1 } {
            match bind_all(&addresses) {
                Ok(sockets) => return Ok(Self { sockets }),
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    /// The addresses that were bound, with their ports.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Starts the pollers.
    ///
    /// # Errors
    /// When a socket cannot be prepared or no thread can be had.
    pub fn start(
        &self,
        cache: &Arc<Cache>,
        clients: &Arc<Clients>,
        access: &Arc<Access>,
        shows_status: bool,
    ) -> io::Result<()> {
        self.sockets.iter().try_for_each(prepare)?;
        let threads = Threads::new("client");
        let clones = self.sockets.iter().map(TcpListener::try_clone);
        let listeners = clones.collect::<io::Result<Arc<[_]>>>()?;
        // One poller for each processor, but at least two, so that a slow disk does not hold up all
        // connections.
        for _ in 0..calls::get_nprocs().clamp(2, POLLERS) {
            Poller::start(&listeners, cache, clients, access, &threads, shows_status)?;
        }
        threads.stand_by();
        Ok(())
    }

    /// Ends accepting: shutdown(2) wakes every poller that waits for a listener.
    pub fn stop(self) {
        for listener in self.sockets {
            let _ = TcpStream::from(OwnedFd::from(listener)).shutdown(Shutdown::Both);
        }
    }
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let literal = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let addresses = (literal, port).to_socket_addrs().map_err(|cause| {
        format!("cannot resolve --host {host}: {cause}; name a host or an address of this machine")
    })?;
    Ok(to_bind(addresses.collect(), is_v6_only()))
}

/// Whether a socket on `::` takes no IPv4 connections on this host (ipv6(7)); so it is also where there is no
/// IPv6 at all.
fn is_v6_only() -> bool {
    match fs::read_to_string("/proc/sys/net/ipv6/bindv6only") {
        Ok(setting) => setting.trim() == "1",
        Err(_) => Path::new("/proc/sys/net").exists(),
    }
}

/// Which addresses to bind of those that a name has, IPv4 first, each once. `::` stands for every address of
/// the host: where its socket takes no IPv4 (`v6_only`), 0.0.0.0 is bound beside it. An address that another
/// one covers is left out, since its port would be taken.
fn to_bind(addresses: Vec<SocketAddr>, v6_only: bool) -> Vec<SocketAddr> {
    let every = |address: &&SocketAddr| address.ip().is_unspecified();
    let port = addresses.first().map_or(0, SocketAddr::port);
    let (six, mut four): (Vec<_>, Vec<_>) = addresses.iter().partition(|it| it.is_ipv6());
    let every_six = addresses.iter().filter(every).any(SocketAddr::is_ipv6);
    if every_six && v6_only {
        four.push((Ipv4Addr::UNSPECIFIED, port).into());
    }
    let addresses = [four, six].concat();
    let every_four = addresses.iter().filter(every).any(SocketAddr::is_ipv4);
    let mut kept: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        let is_covered = match address {
            SocketAddr::V4(_) if every_six && !v6_only => true,
            SocketAddr::V4(_) => every_four && !address.ip().is_unspecified(),
            SocketAddr::V6(_) => every_six && !address.ip().is_unspecified(),
        };
        if !is_covered && !kept.contains(&address) {
            kept.push(address);
        }
    }
    kept
}

fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut lacking = Vec::new();
    for address in addresses {
        let mut address = *address;
        if let Some(first) = listeners.first().and_then(|first| first.local_addr().ok()) {
            address.set_port(first.port());
        }
        match TcpListener::bind(address) {
            Ok(listener) => listeners.push(listener),
            Err(cause) if is_lacking(&cause) => lacking.push((address, cause)),
            Err(cause) => return Err(describe(address, &cause)),
        }
    }
    for (address, cause) in &lacking {
        if listeners.is_empty() {
            return Err(describe(*address, cause));
        }
        log::warning!("not listening on {address}: {cause}");
    }
    Ok(listeners)
}

/// Whether the host lacks the address family or the address.
fn is_lacking(cause: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    cause.kind() == ErrorKind::AddrNotAvailable || cause.raw_os_error() == Some(EAFNOSUPPORT)
}

fn describe(address: SocketAddr, cause: &io::Error) -> String {
    let remedy = match cause.kind() {
        ErrorKind::AddrInUse => "choose another --port, or stop what listens there",
        ErrorKind::PermissionDenied => "choose a --port from 1024 on",
        _ => "choose another --host or --port",
    };
    format!("cannot listen on {address}: {cause}; {remedy}")
}

/// Sets what accepted sockets inherit, so that it costs no system calls for each of them.
fn prepare(listener: &TcpListener) -> io::Result<()> {
    // std listens with a backlog of 128, which a burst of connects would overflow.
    calls::set_backlog(listener.as_fd(), BACKLOG)?;
    listener.set_nonblocking(true)?;
    let socket = TcpStream::from(OwnedFd::from(listener.try_clone()?));
    socket.set_nodelay(true)?;
    // A blocked send returns this often to see whether its client has taken something or was evicted: several
    // times within each limit.
    let look = (limits().send_ms / 30).min(limits().ring_ms / 5);
    let look = look.min(limits().send_look_ms);
    socket.set_write_timeout(Some(ms(look)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_bound_once_and_all_of_the_host_if_asked() {
        for (given, v6_only, expected) in [
            (
                ["127.0.0.1:80"].as_slice(),
                false,
                ["127.0.0.1:80"].as_slice(),
            ),
            (
                &["[::1]:80", "127.0.0.1:80"],
                false,
                &["127.0.0.1:80", "[::1]:80"],
            ),
            // What a name of several lines in a hosts file gives.
            (
                &["127.0.0.1:80", "127.0.0.2:80", "127.0.0.1:80"],
                false,
                &["127.0.0.1:80", "127.0.0.2:80"],
            ),
            (
                &["[::1]:0", "127.0.0.1:0", "[::1]:0"],
                true,
                &["127.0.0.1:0", "[::1]:0"],
            ),
            (&["[::]:80"], false, &["[::]:80"]),
            (&["[::]:80"], true, &["0.0.0.0:80", "[::]:80"]),
            (&["[::]:0", "0.0.0.0:0"], false, &["[::]:0"]),
            (&["0.0.0.0:0", "[::]:0"], true, &["0.0.0.0:0", "[::]:0"]),
            (
                &["[::]:80", "127.0.0.1:80", "[::1]:80"],
                false,
                &["[::]:80"],
            ),
            (
                &["0.0.0.0:80", "[::1]:80"],
                true,
                &["0.0.0.0:80", "[::1]:80"],
            ),
            (&["0.0.0.0:80", "10.0.0.1:80"], false, &["0.0.0.0:80"]),
        ] {
            let parse = |text: &&str| text.parse().unwrap();
            let expected: Vec<SocketAddr> = expected.iter().map(parse).collect();
            let bound = to_bind(given.iter().map(parse).collect(), v6_only);
            assert_eq!(bound, expected, "{given:?} {v6_only}");
        }
    }
}

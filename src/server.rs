//! Server: the listening sockets and the threads that accept.
//!
//! Rules: several threads block in accept on one listener; the one that accepts serves that connection
//! itself and the last idle one starts another first, so that no connection waits for a thread to
//! start. Accept errors back off and go on. A panic costs one connection.
//!
//! Not here: what a connection does (`connection`), who makes room at the limit (`slots`).

use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::cache::Cache;
use crate::connection::Connection;
use crate::limits::{limits, ms};
use crate::log;
use crate::slots::Slots;
use crate::sys;
use crate::wire::Wire;

/// Connections that the kernel completes while all threads are busy.
const BACKLOG: i32 = 4096;

/// A thread's stack: what a connection needs, not what a program might.
const STACK: usize = 256 * 1024;

/// Threads that may block in accept on one listener; a busier moment makes more, a quieter one lets them go.
const SPARE: usize = 16;

/// The bound sockets.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
}

impl Server {
    /// Binds every address of `host`. With port 0 the first address chooses and the others take the same.
    ///
    /// # Errors
    /// What cannot be bound, with the remedy; an address family that the host lacks is a warning while
    /// one address binds.
    pub fn bind(host: &str, port: u16) -> Result<Self, String> {
        let addresses = resolve(host, port)?;
        // Another program may hold the port that the first address chose.
        let mut last = String::new();
        for _ in 0..if port == 0 { 10 } else { 1 } {
            match bind_all(&addresses) {
                Ok(listeners) => return Ok(Self { listeners }),
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    /// The addresses really bound.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Starts to serve.
    ///
    /// # Errors
    /// When a socket cannot be prepared or no thread can be had.
    pub fn start(&self, cache: &Arc<Cache>, slots: &Arc<Slots>) -> io::Result<()> {
        for listener in &self.listeners {
            prepare(listener)?;
            let acceptor = Acceptor {
                listener: listener.try_clone()?,
                cache: Arc::clone(cache),
                slots: Arc::clone(slots),
                idle: AtomicUsize::new(0),
            };
            Arc::new(acceptor).spawn()?;
        }
        Ok(())
    }

    /// Takes no more connections: wakes every thread that is blocked in accept.
    pub fn stop(self) {
        for listener in self.listeners {
            let _ = TcpStream::from(OwnedFd::from(listener)).shutdown(Shutdown::Both);
        }
    }
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let literal = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let mut addresses: Vec<SocketAddr> = (literal, port)
        .to_socket_addrs()
        .map_err(|cause| {
            format!(
                "cannot resolve --host {host}: {cause}; name a host or an address of this machine"
            )
        })?
        .collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
    Ok(addresses)
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

/// Whether the host has no such address family or address.
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

/// What accepted sockets inherit from their listener costs no call of their own.
fn prepare(listener: &TcpListener) -> io::Result<()> {
    // std listens with a backlog of 128; a burst of connects would be refused.
    sys::listen(listener.as_fd(), BACKLOG)?;
    let socket = TcpStream::from(OwnedFd::from(listener.try_clone()?));
    socket.set_nodelay(true)?;
    // A send looks this often whether its client took something: some times within each patience.
    let look = (limits().send_ms / 30).min(limits().ring_ms / 5);
    socket.set_write_timeout(Some(ms(look)))
}

/// The threads of one listener.
#[derive(Debug)]
struct Acceptor {
    listener: TcpListener,
    cache: Arc<Cache>,
    slots: Arc<Slots>,
    /// Threads blocked in accept, or on their way there.
    idle: AtomicUsize,
}

impl Acceptor {
    fn spawn(self: &Arc<Self>) -> io::Result<()> {
        self.idle.fetch_add(1, Ordering::Relaxed);
        let acceptor = Arc::clone(self);
        let thread = thread::Builder::new()
            .name("client".into())
            .stack_size(STACK);
        let spawned = thread.spawn(move || acceptor.run());
        if spawned.is_err() {
            self.idle.fetch_sub(1, Ordering::Relaxed);
        }
        spawned.map(drop)
    }

    fn run(self: &Arc<Self>) {
        let mut pause = Duration::ZERO;
        while !self.slots.stopping() {
            match self.listener.accept() {
                Ok((stream, client)) => {
                    pause = Duration::ZERO;
                    if !self.take(stream, client) {
                        return;
                    }
                }
                Err(cause) => {
                    if self.slots.stopping() {
                        return;
                    }
                    pause = self.back_off(&cause, pause);
                }
            }
        }
    }

    /// Serves a connection; false if this thread is not needed any more.
    fn take(self: &Arc<Self>, stream: TcpStream, client: SocketAddr) -> bool {
        let stream = Arc::new(stream);
        let Some(seat) = self.slots.admit(Arc::clone(&stream)) else {
            return false;
        };
        if self.idle.fetch_sub(1, Ordering::Relaxed) == 1 {
            while let Err(cause) = self.spawn() {
                // Nobody else accepts: rather one connection less than none more.
                log::error!("cannot start a thread: {cause}; raise the limit on processes");
                if !self.slots.make_room() {
                    self.idle.fetch_add(1, Ordering::Relaxed);
                    decline(&stream);
                    return true;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        let connection = Connection::new(&self.cache, Wire::of_client(stream), &seat, client.ip());
        if catch_unwind(AssertUnwindSafe(|| connection.serve())).is_err() {
            log::error!(
                "a request of {} made a thread panic; its connection was closed",
                client.ip()
            );
        }
        drop(seat);
        if self.idle.fetch_add(1, Ordering::Relaxed) >= SPARE {
            self.idle.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// After an accept error: frees a descriptor if they are out, and waits a little longer each time.
    fn back_off(&self, cause: &io::Error, pause: Duration) -> Duration {
        if matches!(
            cause.kind(),
            ErrorKind::ConnectionAborted | ErrorKind::Interrupted
        ) {
            return pause;
        }
        let out_of_descriptors = cause
            .raw_os_error()
            .is_some_and(|code| sys::OUT_OF_DESCRIPTORS.contains(&code));
        if pause.is_zero() {
            log::warning!("cannot accept: {cause}; going on");
        }
        if out_of_descriptors {
            self.slots.make_room();
        }
        let pause = (pause * 2).clamp(Duration::from_millis(5), Duration::from_secs(1));
        thread::sleep(pause);
        pause
    }
}

/// Says that there is no thread for a connection, as far as that can be said without waiting.
fn decline(stream: &TcpStream) {
    let _ = stream.set_nonblocking(true);
    let _ = io::Write::write(
        &mut &*stream,
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
}

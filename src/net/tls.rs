//! TLS: `openssl s_client`, which speaks it at the far end of a connection to a source.
//!
//! The helper has one end of a socket pair as its input and output. The other end is the connection, which serves as
//! one over TCP does; what the helper says on its third descriptor comes by a second pair. It ends when the source
//! closes, when it fails, and when our end is closed, be it by our own death; after a kill -9 in a handshake not before
//! the source has done its part of that.
//!
//! Rules: the certificate and the name in it are always checked. No shell is in between, and of a source or redirect
//! only host and port reach the arguments. A helper has a place among `helpers`, from before it is started until it
//! is reaped. Whoever takes its `Child` out of the table, the connection that ends or the stop of the program, kills
//! and reaps it, and the stop waits for whoever is at it; SIGKILL, since it inherits the blocked signals: so a signal
//! for all of us, from the terminal or the service manager, leaves it to finish its content in the time of grace.
//! Reaping waits for nothing but the kernel.
//!
//! Not here: which connections are kept and who waits for a place (`upstream::connect`), the time for a handshake
//! (`upstream::call`).

mod words;

use std::env;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::limits::limits;
use crate::sys::lock::{Bell, lock};

/// What is said where the program that speaks TLS is missing.
pub const MISSING: &str = "openssl, which speaks TLS, is not in PATH: install it";

/// About how much of what a helper says is kept, in bytes.
const SAID: usize = 4096;

/// How long the stop waits for helpers that others start or reap.
const STOP: Duration = Duration::from_secs(1);

/// The longest password that a helper takes, in bytes: it would send the rest of a longer one to the source.
const PASSWORD_MOST: usize = 1022;

/// Whom a helper connects to, and whom it must find there.
#[derive(Debug)]
pub struct Target<'a> {
    /// The name or address that the certificate must be for.
    pub host: &'a str,
    /// The port of that host.
    pub port: u16,
    /// Where to connect: an address of the host, or of the proxy.
    pub address: SocketAddr,
    /// Whether that is a proxy, which is asked for a tunnel to the host.
    pub by_proxy: bool,
    /// User name and password for the proxy, each of one line.
    pub user: Option<(&'a OsStr, &'a OsStr)>,
}

/// Whether there is a program that speaks TLS.
pub fn is_available() -> bool {
    program().is_some()
}

/// The program that speaks TLS: looked for each time, since it may be installed later.
fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let dirs = env::split_paths(&path).filter(|dir| dir.is_absolute());
    let mut files = dirs.map(|dir| dir.join("openssl"));
    files.find(|file| {
        let metadata = file.metadata();
        metadata.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    })
}

/// The helpers that run.
#[derive(Debug, Default)]
pub struct Helpers {
    state: Mutex<State>,
    changed: Bell,
}

#[derive(Debug, Default)]
struct State {
    /// Places taken.
    taken: u64,
    running: Vec<Child>,
    /// How many are being started or reaped now, and so are not in the table: the stop waits for them.
    apart: u64,
    /// How often a place was given back or a connection kept, so that no change is missed.
    changes: u64,
    /// The program ends: no helper is started any more.
    stopped: bool,
}

/// A place among the helpers; given back when dropped.
#[derive(Debug)]
pub struct Place(Arc<Helpers>);

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.0.state).taken -= 1;
        self.0.note_change();
    }
}

impl Helpers {
    /// A place, if one is free.
    pub fn reserve(self: &Arc<Self>) -> Option<Place> {
        let mut state = lock(&self.state);
        let free = state.taken < limits().helpers;
        state.taken += u64::from(free);
        free.then(|| Place(Arc::clone(self)))
    }

    /// How many changes there have been; for [`Helpers::wait`].
    pub fn changes(&self) -> u64 {
        lock(&self.state).changes
    }

    /// Notes that somebody who waits may find what he waits for.
    pub fn note_change(&self) {
        lock(&self.state).changes += 1;
        self.changed.ring();
    }

    /// Waits for a change after those that were `seen`, for `patience` at most.
    pub fn wait(&self, seen: u64, patience: Duration) {
        let state = lock(&self.state);
        if state.changes == seen {
            drop(self.changed.wait(state, patience));
        }
    }

    /// Kills and reaps all helpers, since the program ends. Those that others start or reap just now are waited for,
    /// `STOP` at most: the program's end would leave them.
    pub fn stop(&self) {
        let deadline = Instant::now() + STOP;
        let mut state = lock(&self.state);
        state.stopped = true;
        loop {
            let running = std::mem::take(&mut state.running);
            let left = deadline.saturating_duration_since(Instant::now());
            if running.is_empty() && (state.apart == 0 || left.is_zero()) {
                return;
            }
            if running.is_empty() {
                state = self.changed.wait(state, left);
                continue;
            }
            drop(state);
            for mut child in running {
                let _ = reap(&mut child);
            }
            state = lock(&self.state);
        }
    }

    /// Starts a child and notes it as running; none after the stop.
    fn spawn(&self, command: &mut Command) -> io::Result<u32> {
        let mut state = lock(&self.state);
        if state.stopped {
            return Err(ErrorKind::Interrupted.into());
        }
        state.apart += 1;
        drop(state);
        let child = command.spawn();
        let mut state = lock(&self.state);
        state.apart -= 1;
        let id = child.map(|child| {
            let id = child.id();
            state.running.push(child);
            id
        });
        self.changed.ring();
        id
    }

    /// Takes a child out of the table, and ends it.
    fn end(&self, id: u32) -> Option<ExitStatus> {
        let mut state = lock(&self.state);
        let at = state.running.iter().position(|child| child.id() == id)?;
        let mut child = state.running.swap_remove(at);
        state.apart += 1;
        drop(state);
        let status = reap(&mut child);
        lock(&self.state).apart -= 1;
        self.changed.ring();
        status.ok()
    }
}

/// Kills a child and takes its exit status, which is its own if it had ended before.
fn reap(child: &mut Child) -> io::Result<ExitStatus> {
    let _ = child.kill();
    child.wait()
}

/// A helper that runs; killed and reaped when dropped.
#[derive(Debug)]
pub struct Helper {
    /// Its process, until that is reaped: the system gives the number to another one then.
    id: Option<u32>,
    words: UnixStream,
    said: Vec<u8>,
    address: SocketAddr,
    place: Place,
}

impl Helper {
    /// Starts a helper. What is sent on the connection before its handshake is done goes out after it.
    ///
    /// # Errors
    /// When the program is missing or cannot be started, or a host or a password cannot be given to it.
    pub fn start(place: Place, target: &Target<'_>) -> io::Result<(TcpStream, Self)> {
        let program = program().ok_or_else(|| io::Error::new(ErrorKind::NotFound, MISSING))?;
        check(target)?;
        let (ours, theirs) = UnixStream::pair()?;
        let (words, mouth) = UnixStream::pair()?;
        words.set_nonblocking(true)?;
        let mut command = command(program, target);
        command
            .stdin(OwnedFd::from(theirs.try_clone()?))
            .stdout(OwnedFd::from(theirs))
            .stderr(OwnedFd::from(mouth));
        let id = place.0.spawn(&mut command).map_err(|cause| {
            // Without the path: it would be shown to everybody who sees the status page.
            io::Error::new(cause.kind(), format!("cannot start openssl: {cause}"))
        })?;
        // It has copies of the ends that are the helper's: they must not outlive it.
        drop(command);
        let helper = Self {
            id: Some(id),
            words,
            said: Vec::new(),
            address: target.address,
            place,
        };
        let mut stream = TcpStream::from(OwnedFd::from(ours));
        if let Some((_, password)) = target.user {
            // If it has failed already, the first read tells why.
            let _ = stream.write_all(&[password.as_bytes(), b"\n"].concat());
        }
        Ok((stream, helper))
    }

    /// The address that it was told to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it has proved the source's certificate, which is nearly the end of the handshake. It says so of each
    /// certificate in the chain.
    pub fn has_proved(&mut self) -> bool {
        self.listen();
        words::is_proof(&self.said)
    }

    /// Ends it, since its connection has ended; why that was, by its last words.
    pub fn end(&mut self) -> io::Error {
        // Ended by the stop of the program: that is no failure of the source, and the process is about to exit.
        while lock(&self.place.0.state).stopped {
            thread::park();
        }
        let status = self.reap();
        self.listen();
        words::cause(&self.said).unwrap_or_else(|| {
            let status = status.map_or_else(String::new, |status| format!(" ({status})"));
            let why = format!("openssl ended without a word{status}");
            io::Error::new(ErrorKind::ConnectionReset, why)
        })
    }

    fn reap(&mut self) -> Option<ExitStatus> {
        let id = self.id.take()?;
        self.place.0.end(id)
    }

    /// Takes in what it has said meanwhile.
    fn listen(&mut self) {
        let mut more = [0; SAID];
        if self.said.len() < SAID
            && let Ok(count) = (&self.words).read(&mut more)
        {
            self.said.extend(more.get(..count).unwrap_or_default());
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.reap();
    }
}

/// Whether a target can be given to a helper.
fn check(target: &Target<'_>) -> io::Result<()> {
    let why = match target.user {
        _ if !is_host(target.host) => "no valid host",
        Some((_, password)) if password.len() > PASSWORD_MOST => {
            "the proxy's password is too long for openssl"
        }
        _ => return Ok(()),
    };
    Err(io::Error::new(ErrorKind::InvalidInput, why))
}

/// Whether a host can be an argument: nothing takes it for an option or for more than a host. A name with a dot first
/// would stand for all names that end so.
fn is_host(host: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
    host.bytes().all(valid) && !host.starts_with(['-', '.']) && !host.is_empty()
}

fn command(program: PathBuf, target: &Target<'_>) -> Command {
    let Target { host, port, .. } = *target;
    let address = target.address.to_string();
    let far = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    // A dot at the end is the resolver's, not the certificate's.
    let name = host.strip_suffix('.').unwrap_or(host);
    // The trust store is the system's, or what SSL_CERT_FILE and SSL_CERT_DIR name. `-quiet` stands first: it keeps
    // `-verify` from talking. Before 1.1.1 `-verify_return_error` alone checks nothing, hence both. `-no_ign_eof`
    // undoes what `-quiet` implies: it ends at the end of its input, and without `-nocommands` it would then look for
    // commands in that.
    let mut words = vec!["s_client", "-quiet", "-no_ign_eof", "-nocommands"];
    words.extend_from_slice(&["-verify", "100", "-verify_return_error"]);
    match host.parse::<IpAddr>() {
        Ok(_) => words.extend_from_slice(&["-noservername", "-verify_ip", host]),
        Err(_) => words.extend_from_slice(&["-servername", name, "-verify_hostname", name]),
    }
    match target.by_proxy {
        true => words.extend_from_slice(&["-connect", &far, "-proxy", &address]),
        false => words.extend_from_slice(&["-connect", &address]),
    }
    let mut command = Command::new(program);
    command.args(words);
    if let Some((user, _)) = target.user {
        // Everybody can see arguments: the password comes as the first line of its input.
        command.arg("-proxy_user").arg(user);
        command.arg("-proxy_pass").arg("stdin");
    }
    command
}

#[cfg(test)]
mod tests;

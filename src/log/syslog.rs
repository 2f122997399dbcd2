//! Syslog: datagrams to `/dev/log`, in the form of syslog(3) without its time stamp.
//!
//! Rules: sending does not block. After an error there is one new connection and one more attempt. What still
//! fails is counted, and reported when a datagram gets through again.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use super::stderr::print;
use super::{Level, cut, stamped};

/// Facility daemon, in the upper bits of a priority (RFC 5424 §6.2.1).
const DAEMON: u8 = 3 << 3;
/// The bytes of message that are tried when the socket takes no longer datagram.
const SHORT: usize = 1024;
/// EMSGSIZE, for which std has no name.
const EMSGSIZE: i32 = 90;

/// A connection to the syslog daemon, if there is one.
pub struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    dropped: u64,
}

impl Syslog {
    /// Connects to `/dev/log`. If that fails, stderr says so, and each event tries again.
    pub fn start() -> Self {
        let mut syslog = Self::at(dev_log());
        if let Err(error) = syslog.reconnect() {
            let remedy = "log lines are dropped until a syslog daemon listens there";
            let path = syslog.path.display();
            print(stamped(
                Level::Warning,
                format_args!("{path}: {error}: {remedy}"),
            ));
        }
        syslog
    }

    /// Not yet connected to the socket at `path`.
    pub fn at(path: PathBuf) -> Self {
        Self {
            path,
            socket: None,
            dropped: 0,
        }
    }

    /// Sends one message, after a report on those that were dropped before it.
    pub fn send(&mut self, level: Level, message: &str) {
        if self.dropped > 0 {
            let report = format!(
                "{} log lines dropped, syslog did not take them",
                self.dropped
            );
            if self.deliver(Level::Warning, &report).is_err() {
                self.dropped += 1;
                return;
            }
        }
        self.dropped = u64::from(self.deliver(level, message).is_err());
    }

    fn deliver(&mut self, level: Level, message: &str) -> io::Result<()> {
        let too_long = |error: &io::Error| error.raw_os_error() == Some(EMSGSIZE);
        let mut outcome = self.attempt(level, message);
        // If the daemon is only slow, or the message too long, a new socket does not help.
        let in_vain = |error: &io::Error| error.kind() == ErrorKind::WouldBlock || too_long(error);
        if outcome.as_ref().is_err_and(|error| !in_vain(error)) {
            self.reconnect()?;
            outcome = self.attempt(level, message);
        }
        if outcome.as_ref().is_err_and(too_long) {
            outcome = self.attempt(level, cut(message, SHORT));
        }
        outcome
    }

    fn attempt(&self, level: Level, message: &str) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(ErrorKind::NotConnected)?;
        let priority = DAEMON | severity(level);
        let pid = std::process::id();
        socket
            .send(format!("<{priority}>package-cache[{pid}]: {message}").as_bytes())
            .map(|_| ())
    }

    fn reconnect(&mut self) -> io::Result<()> {
        self.socket = None;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.path)?;
        self.socket = Some(socket);
        Ok(())
    }
}

fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warning => 4,
        Level::Notice => 5,
        Level::Info => 6,
        Level::Debug => 7,
    }
}

/// `/dev/log`; in debug builds the environment variable `PACKAGE_CACHE_DEV_LOG` names another.
fn dev_log() -> PathBuf {
    #[cfg(debug_assertions)]
    if let Some(path) = std::env::var_os("PACKAGE_CACHE_DEV_LOG") {
        return PathBuf::from(path);
    }
    PathBuf::from("/dev/log")
}

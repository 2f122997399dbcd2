//! The log.

/// On stderr, also where nobody reads it.
mod stderr;
/// On a syslog socket.
mod syslog;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use crate::support::program::UNSET;
use crate::support::{CacheDir, PROGRAM};

/// A daemon whose stderr is left to the test; `Drop` kills it.
struct Running(Child);

impl Running {
    fn start(cache: &CacheDir, args: &[&str], dev_log: &str) -> Self {
        let mut command = Command::new(PROGRAM);
        for name in UNSET {
            command.env_remove(name);
        }
        command
            .args(["--host=127.0.0.1", "--port=0", "--cache"])
            .arg(cache.path())
            .args(args);
        command
            .env("PACKAGE_CACHE_DEV_LOG", dev_log)
            .stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Reads the readiness line, byte by byte, and nothing after it.
    fn address(&mut self) -> String {
        let stderr = self.0.stderr.as_mut().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(1, stderr.by_ref())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .split("http://")
            .nth(1)
            .unwrap_or_else(|| panic!("{line:?}"));
        address.trim_end().trim_end_matches('/').to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

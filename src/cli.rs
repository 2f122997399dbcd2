//! The command line: an argument list in, a Command out.
//!
//! Rules: options may repeat, the last one wins (`--source` and `--revalidate` collect); `--help` and
//! `--version` win over whatever follows them; an error is one line that names the value and the remedy.
//!
//! Not here: the environment, files, name lookup. That a value works is found out where it is used.

use std::ffi::OsString;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::glob::Glob;
use crate::http::Url;

mod argument;
mod cull;
mod usage;
mod value;

use argument::{Long, read};
pub use usage::{cull_usage, usage, version};

/// The cache directory when none is given; this path alone is created 0700 and checked for its owner.
pub const DEFAULT_CACHE: &str = "/tmp/package-cache";

/// What the program is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Serve clients.
    Serve(Options),
    /// Validate what serving needs, create nothing.
    Check(Options),
    /// Trim a cache.
    Cull(crate::cull::Options),
    /// Print [`usage()`].
    Help,
    /// Print [`cull_usage()`].
    CullHelp,
    /// Print [`version()`].
    Version,
}

/// What the options say, defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The mirrors, in the order given.
    pub sources: Vec<Url>,
    /// The cache directory.
    pub cache: PathBuf,
    /// The name or address to listen on, an IPv6 address without brackets.
    pub host: String,
    /// The port to listen on; 0 picks a free one.
    pub port: u16,
    /// How often `--verbose` was given.
    pub verbosity: u8,
    /// Whether to log to `/dev/log` instead of stderr.
    pub syslog: bool,
    /// Paths whose files change at the sources.
    pub revalidate: Vec<Glob>,
    /// The longest silence tolerated from a source, 1 to 86,400 s.
    pub timeout: Duration,
    /// Bytes to leave free on the cache's file system; none: 1 % of it or 256 MiB, the smaller.
    pub min_free: Option<u64>,
    /// Client connections served at once, 1 to 10,000.
    pub max_connections: usize,
}

impl Options {
    /// Whether the cache directory is the default one, however spelt.
    pub fn cache_is_default(&self) -> bool {
        is_default_cache(&self.cache)
    }
}

/// Whether `cache` is the default cache directory, however spelt.
pub fn is_default_cache(cache: &Path) -> bool {
    let mut plain = PathBuf::new();
    for component in cache.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            _ => plain.push(component),
        }
    }
    plain == Path::new(DEFAULT_CACHE)
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            cache: PathBuf::from(DEFAULT_CACHE),
            host: String::from("localhost"),
            port: 4000,
            verbosity: 0,
            syslog: false,
            revalidate: Vec::new(),
            timeout: Duration::from_secs(30),
            min_free: None,
            max_connections: 1024,
        }
    }
}

/// Why the arguments are no command: one line that names the value and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// The command that `args`, without the program name, ask for.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut args = args.into_iter().peekable();
    if args.next_if(|first| first == "cull").is_some() {
        return cull::parse(&mut args);
    }
    let mut options = Options::default();
    let mut check = false;
    let other = read(&mut args, &usage::SERVE, &mut |long| {
        match long.name() {
            "check" => check = long.flag(true)?,
            "help" => return long.flag(Some(Command::Help)),
            "version" => return long.flag(Some(Command::Version)),
            _ => options.set(long)?,
        }
        Ok(None)
    })?;
    Ok(match other {
        Some(command) => command,
        None if check => Command::Check(options),
        None => Command::Serve(options),
    })
}

impl Options {
    fn set(&mut self, long: &mut Long<'_>) -> Result<(), UsageError> {
        match long.name() {
            "source" => self.sources.push(long.source()?),
            "cache" => self.cache = PathBuf::from(long.value()?),
            "host" => self.host = long.host()?,
            "port" => self.port = long.number(0..=u16::MAX)?,
            "verbose" => self.verbosity = long.flag(self.verbosity.saturating_add(1))?,
            "syslog" => self.syslog = long.flag(true)?,
            "revalidate" => self.revalidate.push(long.glob()?),
            "timeout" => self.timeout = Duration::from_secs(long.number(1..=86_400)?),
            "min-free" => self.min_free = Some(long.size()?),
            "max-connections" => self.max_connections = long.number(1..=10_000)?,
            _ => return Err(long.unknown()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Cli: an argument list becomes a Command.
//!
//! Rules: an option may be repeated, and the last one counts (`--source`, `--revalidate`, `--manifests` and
//! `--allow` collect).
//! `--help` and `--version` win over all that follows them. An error is one line that names the value and the
//! remedy.
//!
//! Not here: the environment, files, name lookup. Whether a value works is found out where it is used (`serve`,
//! `cull`).

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::log::{Level, Sink};
use crate::store::MinFree;
use crate::{cull, serve, status, verify};
use parser::{Long, read};

mod cull_options;
mod help;
mod parser;
mod status_options;
mod value;
mod verify_options;

/// What the program is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Serve clients.
    Serve(serve::Options),
    /// Check what serving needs, without creating anything.
    Check(serve::Options),
    /// Trim a cache.
    Cull(cull::Options),
    /// Show what a running server does.
    Status(status::Options),
    /// Prove a cache.
    Verify(verify::Options),
    /// Print a text, help or version.
    Print(String),
}

/// Why the arguments are not a command: one line that names the value and the remedy.
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
        return cull_options::parse(&mut args);
    }
    if args.next_if(|first| first == "status").is_some() {
        return status_options::parse(&mut args);
    }
    if args.next_if(|first| first == "verify").is_some() {
        return verify_options::parse(&mut args);
    }
    let mut options = serve::Options::default();
    let mut check = false;
    let other = read(&mut args, &help::SERVE, &mut |long| {
        match long.name() {
            "check" => check = long.flag(true)?,
            "help" => return long.flag(Some(Command::Print(help::SERVE.text()))),
            "version" => return long.flag(Some(Command::Print(help::version()))),
            _ => set(&mut options, long)?,
        }
        Ok(None)
    })?;
    Ok(match other {
        Some(command) => command,
        None if check => Command::Check(options),
        None => Command::Serve(options),
    })
}

/// Takes one option.
fn set(options: &mut serve::Options, long: &mut Long<'_>) -> Result<(), UsageError> {
    match long.name() {
        "source" => options.sources.push(long.source()?),
        "cache" => options.cache = PathBuf::from(long.value()?),
        "host" => options.host = long.host()?,
        "port" => options.port = long.number(0..=u16::MAX)?,
        "verbose" => options.level = long.flag(more(options.level))?,
        "syslog" => options.sink = long.flag(Sink::Syslog)?,
        "revalidate" => options.revalidate.extend(long.globs()?),
        "manifests" => options.manifests.push(PathBuf::from(long.value()?)),
        "timeout" => options.timeout = Duration::from_secs(long.number(1..=86_400)?),
        "min-free" => options.min_free = MinFree::Bytes(long.size()?),
        "no-status" => options.status = long.flag(false)?,
        "max-connections" => options.max_connections = long.number(1..=10_000)?,
        "allow" => options.allow.push(long.network()?),
        _ => return Err(long.unknown()),
    }
    Ok(())
}

/// The level that one more `--verbose` gives.
fn more(level: Level) -> Level {
    match level {
        Level::Notice => Level::Info,
        _ => Level::Debug,
    }
}

#[cfg(test)]
mod tests;

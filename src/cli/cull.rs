//! The options of `package-cache cull`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::argument::{Long, read};
use super::{Command, DEFAULT_CACHE, UsageError, usage};

/// What the options of `cull` say, defaults filled in; at least one bound is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cull {
    /// The cache directory.
    pub cache: PathBuf,
    /// The bound on the time since the last use of a file.
    pub unused_for: Option<Duration>,
    /// The bound on the bytes that all files occupy.
    pub max_size: Option<u64>,
    /// The bound on the bytes free on the cache's file system.
    pub min_free: Option<u64>,
    /// Whether to remove nothing and say what would be removed.
    pub dry_run: bool,
    /// Whether to name each file removed.
    pub verbose: bool,
}

/// The command that the arguments after `cull` ask for.
pub fn parse(args: &mut dyn Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut options = Cull {
        cache: PathBuf::from(DEFAULT_CACHE),
        unused_for: None,
        max_size: None,
        min_free: None,
        dry_run: false,
        verbose: false,
    };
    let other = read(args, &usage::CULL, &mut |long| {
        if long.name() == "help" {
            return long.flag(Some(Command::CullHelp));
        }
        options.set(long).map(|()| None)
    })?;
    if let Some(command) = other {
        return Ok(command);
    }
    if options.unused_for.is_none() && options.max_size.is_none() && options.min_free.is_none() {
        return Err(UsageError(String::from(
            "cull: no bound is given: give --unused-for, --max-size or --min-free",
        )));
    }
    Ok(Command::Cull(options))
}

impl Cull {
    fn set(&mut self, long: &mut Long<'_>) -> Result<(), UsageError> {
        match long.name() {
            "cache" => self.cache = PathBuf::from(long.value()?),
            "unused-for" => self.unused_for = Some(long.age()?),
            "max-size" => self.max_size = Some(long.size()?),
            "min-free" => self.min_free = Some(long.size()?),
            "dry-run" => self.dry_run = long.flag(true)?,
            "verbose" => self.verbose = long.flag(true)?,
            _ => return Err(long.unknown()),
        }
        Ok(())
    }
}

//! The command line: an argument list in, a Command out.
//!
//! Rules: options may repeat, the last one wins (`--source` and `--revalidate` collect); `--help` and
//! `--version` win over whatever follows them; an error is one line that names the value and the remedy.
//!
//! Not here: the environment, files, name lookup. That a value works is found out where it is used.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::glob::Glob;
use crate::http::Url;

mod usage;

pub use usage::{usage, version};

/// The cache directory when none is given; this path alone is created 0700 and checked for its owner.
pub const DEFAULT_CACHE: &str = "/tmp/package-cache";

/// What the program is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Serve clients.
    Serve(Options),
    /// Validate what serving needs, create nothing.
    Check(Options),
    /// Print [`usage()`].
    Help,
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
        self.cache == Path::new(DEFAULT_CACHE)
    }
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
    let mut rest = args.into_iter();
    let mut options = Options::default();
    let mut check = false;
    while let Some(arg) = rest.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            break;
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            match options.set_long(&mut Long::new(long, &mut rest))? {
                Effect::Set => {}
                Effect::Check => check = true,
                Effect::Stop(command) => return Ok(command),
            }
        } else if let Some(letters) = bytes.strip_prefix(b"-").filter(|rest| !rest.is_empty()) {
            for letter in letters {
                match letter {
                    b'v' => options.verbosity = options.verbosity.saturating_add(1),
                    b'h' => return Ok(Command::Help),
                    _ => return Err(unknown(&arg)),
                }
            }
        } else {
            return Err(unexpected(&arg));
        }
    }
    match rest.next() {
        Some(arg) => Err(unexpected(&arg)),
        None if check => Ok(Command::Check(options)),
        None => Ok(Command::Serve(options)),
    }
}

/// What a long option leads to.
enum Effect {
    Set,
    Check,
    Stop(Command),
}

impl Options {
    fn set_long(&mut self, long: &mut Long<'_>) -> Result<Effect, UsageError> {
        match long.name.as_str() {
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
            "check" => return long.flag(Effect::Check),
            "help" => return long.flag(Effect::Stop(Command::Help)),
            "version" => return long.flag(Effect::Stop(Command::Version)),
            _ => return Err(unknown(OsStr::new(&format!("--{}", long.name)))),
        }
        Ok(Effect::Set)
    }
}

/// A long option as it was given, and the arguments after it, where its value may be.
struct Long<'a> {
    name: String,
    inline: Option<OsString>,
    rest: &'a mut dyn Iterator<Item = OsString>,
}

impl<'a> Long<'a> {
    /// From an argument without its two hyphens.
    fn new(long: &[u8], rest: &'a mut dyn Iterator<Item = OsString>) -> Self {
        let mut parts = long.splitn(2, |&byte| byte == b'=');
        let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let inline = parts
            .next()
            .map(|value| OsStr::from_bytes(value).to_owned());
        Self { name, inline, rest }
    }

    /// `outcome`, if no value was given.
    fn flag<T>(&self, outcome: T) -> Result<T, UsageError> {
        match &self.inline {
            None => Ok(outcome),
            Some(value) => Err(self.refuse(value, "it takes no value")),
        }
    }

    fn value(&mut self) -> Result<OsString, UsageError> {
        let name = &self.name;
        let value = match self.inline.take() {
            Some(value) => value,
            None => match self.rest.next() {
                // An unset variable in a script, `--cache $DIR --port 80`, would eat an option.
                Some(next) if next.len() > 1 && next.as_bytes().starts_with(b"-") => {
                    let next = shown(&next);
                    return Err(UsageError(format!(
                        "--{name} has no value before {next}: write --{name}={next} if it is one"
                    )));
                }
                next => next.unwrap_or_default(),
            },
        };
        if value.is_empty() {
            return Err(UsageError(format!(
                "--{name} has no value: see package-cache --help"
            )));
        }
        Ok(value)
    }

    fn text(&mut self) -> Result<String, UsageError> {
        self.value()?
            .into_string()
            .map_err(|value| self.refuse(&value, "it is not UTF-8"))
    }

    fn source(&mut self) -> Result<Url, UsageError> {
        let text = self.text()?;
        Url::parse_source(&text).map_err(|error| self.refuse(&text, &error.to_string()))
    }

    fn glob(&mut self) -> Result<Glob, UsageError> {
        let text = self.text()?;
        Glob::parse(&text).map_err(|error| self.refuse(&text, &error.to_string()))
    }

    fn host(&mut self) -> Result<String, UsageError> {
        let text = self.text()?;
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(&text);
        let name = |c: char| !c.is_control() && !c.is_whitespace() && !"/:[]@".contains(c);
        let (address, zone) = bare.split_once('%').unwrap_or((bare, ""));
        let ipv6 = address.parse::<Ipv6Addr>().is_ok() && zone.chars().all(name);
        if ipv6 || text.chars().all(name) {
            return Ok(bare.to_owned());
        }
        Err(self.refuse(
            &text,
            "give a name or an address alone, the port with --port",
        ))
    }

    fn number<T>(&mut self, range: RangeInclusive<T>) -> Result<T, UsageError>
    where
        T: TryFrom<u64> + PartialOrd + fmt::Display,
    {
        let text = self.text()?;
        let number = integer(&text).and_then(|number| T::try_from(number).ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                self.refuse(
                    &text,
                    &format!("give a whole number from {least} to {most}"),
                )
            })
    }

    fn size(&mut self) -> Result<u64, UsageError> {
        let text = self.text()?;
        let remedy = "give whole bytes, or a number with K, M, G or T such as 256M";
        parse_size(&text).ok_or_else(|| self.refuse(&text, remedy))
    }

    fn refuse(&self, value: impl AsRef<OsStr>, remedy: &str) -> UsageError {
        UsageError(format!(
            "--{}={}: {remedy}",
            self.name,
            shown(value.as_ref())
        ))
    }
}

/// Bytes from a whole number with an optional suffix K, M, G or T, a power of 1024; `B` or `iB` may
/// follow, case does not matter.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.strip_prefix(digits)?.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    integer(digits)?.checked_mul(unit)
}

/// Decimal digits alone: no sign, no space.
fn integer(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

fn unexpected(arg: &OsStr) -> UsageError {
    UsageError(format!(
        "{}: unexpected argument: see package-cache --help",
        shown(arg)
    ))
}

fn unknown(arg: &OsStr) -> UsageError {
    let mut text = format!("{}: unknown option: ", shown(arg));
    let _ = match usage::nearest(&arg.to_string_lossy()) {
        Some(option) => write!(text, "did you mean {option}"),
        None => write!(text, "see package-cache --help"),
    };
    UsageError(text)
}

/// A value fit for one line of a message.
fn shown(value: &OsStr) -> String {
    let mut out = String::new();
    for c in value.to_string_lossy().chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests;

//! Parser: reads arguments one after the other, and the values of options.
//!
//! Not here: which options there are (`cli::set`, `cull_options`), their texts (`help`).

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::help::Usage;
use super::value::{integer, parse_age, parse_network, parse_size, shown};
use super::{Command, UsageError};
use crate::cache::Glob;
use crate::http::without_user_info;
use crate::net::Network;
use crate::upstream::Source;

/// Calls `set` with each option, until it returns a command. A letter is given by its long name.
///
/// # Errors
/// For an unknown option, an argument that is no option, and what `set` refuses.
pub fn read(
    args: &mut dyn Iterator<Item = OsString>,
    usage: &'static Usage,
    set: &mut dyn FnMut(&mut Long<'_>) -> Result<Option<Command>, UsageError>,
) -> Result<Option<Command>, UsageError> {
    while let Some(arg) = args.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            break;
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            if let Some(command) = set(&mut Long::new(long, usage, args))? {
                return Ok(Some(command));
            }
        } else if let Some(letters) = bytes.strip_prefix(b"-").filter(|rest| !rest.is_empty()) {
            for letter in letters {
                let name = usage.long(*letter).ok_or_else(|| unknown(&arg, usage))?;
                if let Some(command) = set(&mut Long::new(name.as_bytes(), usage, args))? {
                    return Ok(Some(command));
                }
            }
        } else {
            return Err(unexpected(&arg, usage));
        }
    }
    match args.next() {
        Some(arg) => Err(unexpected(&arg, usage)),
        None => Ok(None),
    }
}

/// A long option as it was given, and the arguments after it, where its value may be.
pub struct Long<'a> {
    name: String,
    usage: &'static Usage,
    inline: Option<OsString>,
    rest: &'a mut dyn Iterator<Item = OsString>,
}

impl<'a> Long<'a> {
    /// From an argument without its two hyphens.
    fn new(
        long: &[u8],
        usage: &'static Usage,
        rest: &'a mut dyn Iterator<Item = OsString>,
    ) -> Self {
        let mut parts = long.splitn(2, |&byte| byte == b'=');
        let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let inline = parts
            .next()
            .map(|value| OsStr::from_bytes(value).to_owned());
        Self {
            name,
            usage,
            inline,
            rest,
        }
    }

    /// Its name, without hyphens.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The error that there is no such option.
    pub fn unknown(&self) -> UsageError {
        unknown(OsStr::new(&format!("--{}", self.name)), self.usage)
    }

    /// Returns `outcome`, if the option has no value.
    pub fn flag<T>(&self, outcome: T) -> Result<T, UsageError> {
        match &self.inline {
            None => Ok(outcome),
            Some(value) => Err(self.refuse(value, "it takes no value")),
        }
    }

    /// Its value, which must not be empty.
    pub fn value(&mut self) -> Result<OsString, UsageError> {
        let name = &self.name;
        let value = match self.inline.take() {
            Some(value) => value,
            None => match self.rest.next() {
                // With an unset variable in a script, `--cache $DIR --port 80`, the next option would be the
                // value.
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
                "--{name} has no value: see {} --help",
                self.usage.program
            )));
        }
        Ok(value)
    }

    fn text(&mut self) -> Result<String, UsageError> {
        self.value()?
            .into_string()
            .map_err(|value| self.refuse(&value, "it is not UTF-8"))
    }

    /// Its value as a source.
    pub fn source(&mut self) -> Result<Source, UsageError> {
        let text = self.text()?;
        Source::parse(&text)
            .map_err(|error| self.refuse(without_user_info(&text), &error.to_string()))
    }

    /// Its value as a pattern of paths, or as the name of a set of them.
    pub fn globs(&mut self) -> Result<Vec<Glob>, UsageError> {
        let text = self.text()?;
        Glob::parse_or_set(&text).map_err(|error| self.refuse(&text, &error.to_string()))
    }

    /// Its value as a name or an address to listen on, without brackets.
    pub fn host(&mut self) -> Result<String, UsageError> {
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

    /// Its value as a whole number in `range`.
    pub fn number<T>(&mut self, range: RangeInclusive<T>) -> Result<T, UsageError>
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

    /// Its value in bytes.
    pub fn size(&mut self) -> Result<u64, UsageError> {
        let text = self.text()?;
        let remedy = "give whole bytes, or a number with K, M, G or T such as 256M";
        parse_size(&text).ok_or_else(|| self.refuse(&text, remedy))
    }

    /// Its value as an address or a network.
    pub fn network(&mut self) -> Result<Network, UsageError> {
        let text = self.text()?;
        parse_network(&text).map_err(|remedy| self.refuse(&text, &remedy))
    }

    /// Its value as a time.
    pub fn age(&mut self) -> Result<Duration, UsageError> {
        let text = self.text()?;
        let remedy = "give a whole number with h, d, w or y such as 180d";
        parse_age(&text).ok_or_else(|| self.refuse(&text, remedy))
    }

    fn refuse(&self, value: impl AsRef<OsStr>, remedy: &str) -> UsageError {
        UsageError(format!(
            "--{}={}: {remedy}",
            self.name,
            shown(value.as_ref())
        ))
    }
}

fn unexpected(arg: &OsStr, usage: &Usage) -> UsageError {
    let mut text = format!("{}: unexpected argument: ", shown(arg));
    let commands = usage.commands();
    let word = !arg.is_empty() && !arg.as_encoded_bytes().starts_with(b"-");
    if word && !commands.is_empty() {
        let _ = write!(text, "a command ({commands}) is the first word: ");
    }
    let _ = write!(text, "see {} --help", usage.program);
    UsageError(text)
}

fn unknown(arg: &OsStr, usage: &Usage) -> UsageError {
    let mut text = format!("{}: unknown option: ", shown(arg));
    let _ = match usage.nearest(&arg.to_string_lossy()) {
        Some(option) => write!(text, "did you mean {option}?"),
        None => write!(text, "see {} --help", usage.program),
    };
    UsageError(text)
}

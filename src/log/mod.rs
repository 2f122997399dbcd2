//! Log: events by level, one line each, to stderr or to syslog.
//!
//! Rules: an event never blocks, panics or is split. Lines for stderr go through a bounded buffer that one
//! thread writes out, so that a stuck pipe stops no other thread. The syslog socket does not block. What does
//! not fit is dropped, counted and reported. Control characters become `\xNN` here, so that no client can forge
//! a line, and a line is cut at 8 KiB. Before `init` nothing is written.
//!
//! Beside it stands the console of the commands that run to their end.
//!
//! Not here: what an access line says, and the quoting of its fields.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use crate::http::HttpDate;
use crate::sys::lock::lock;

mod console;
mod stderr;
mod syslog;

pub use console::{Bytes, Console, counted, write_out};
use stderr::Stderr;
use syslog::Syslog;

/// The longest line, in bytes; the rest is cut.
const LINE_MOST: usize = 8 * 1024;
/// How long `flush` waits for stderr.
const FLUSH: Duration = Duration::from_secs(1);

/// How important an event is, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// The program or its cache does not work.
    Error = 1,
    /// Something failed and was got around.
    Warning,
    /// Said at default verbosity: start, stop.
    Notice,
    /// Said with `-v`: access lines.
    Info,
    /// Said with `-vv`.
    Debug,
}

/// Where events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// One line each, with the time in front.
    Stderr,
    /// One datagram each to `/dev/log`.
    Syslog,
}

enum Output {
    Stderr(Stderr),
    Syslog(Mutex<Syslog>),
}

/// The least important level that is written; 0 before `init`: none.
static MOST: AtomicU8 = AtomicU8::new(0);
static OUTPUT: OnceLock<Output> = OnceLock::new();

/// Events by level, access lines left out.
static WRITTEN: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];

/// Starts the log, with the least important level to write. Panics are logged as errors.
///
/// A second call changes the level alone.
pub fn init(most: Level, sink: Sink) {
    OUTPUT.get_or_init(|| match sink {
        Sink::Stderr => Output::Stderr(Stderr::start()),
        Sink::Syslog => Output::Syslog(Mutex::new(Syslog::start())),
    });
    MOST.store(most as u8, Ordering::Relaxed);
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("no message");
        match panic.location() {
            Some(place) => write(Level::Error, format_args!("panic at {place}: {text}")),
            None => write(Level::Error, format_args!("panic: {text}")),
        }
    }));
}

/// Whether events of this level are written.
pub fn enabled(level: Level) -> bool {
    level as u8 <= MOST.load(Ordering::Relaxed)
}

/// Writes one event, if its level is enabled.
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    if !enabled(level) {
        return;
    }
    if let Some(written) = WRITTEN.get(usize::from(level as u8).saturating_sub(1)) {
        written.fetch_add(1, Ordering::Relaxed);
    }
    match OUTPUT.get() {
        Some(Output::Stderr(stderr)) => stderr.put(stamped(level, message)),
        Some(Output::Syslog(syslog)) => send(syslog, level, message),
        None => {}
    }
}

/// How many events were written, by level, worst first; access lines are none.
pub fn written() -> [u64; 5] {
    WRITTEN
        .each_ref()
        .map(|written| written.load(Ordering::Relaxed))
}

/// Writes one access line, if `Info` is enabled. On stderr it has no time in front, as log analysers read it.
pub fn access(line: fmt::Arguments<'_>) {
    if !enabled(Level::Info) {
        return;
    }
    match OUTPUT.get() {
        Some(Output::Stderr(stderr)) => stderr.put(clean(line)),
        Some(Output::Syslog(syslog)) => send(syslog, Level::Info, line),
        None => {}
    }
}

/// Writes one error to syslog, when the log was not started.
pub fn to_syslog(why: &str) {
    init(Level::Notice, Sink::Syslog);
    write(Level::Error, format_args!("{why}"));
}

/// Waits, for one second at most, until stderr has taken what was written before.
pub fn flush() {
    if let Some(Output::Stderr(stderr)) = OUTPUT.get() {
        stderr.drain(FLUSH);
    }
}

/// Writes an event of the level named, if it is enabled; takes what `format!` takes.
macro_rules! event {
    ($level:ident, $($arg:tt)*) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::write($crate::log::Level::$level, format_args!($($arg)*));
        }
    };
}
macro_rules! error { ($($arg:tt)*) => { $crate::log::event!(Error, $($arg)*) }; }
macro_rules! warning { ($($arg:tt)*) => { $crate::log::event!(Warning, $($arg)*) }; }
macro_rules! notice { ($($arg:tt)*) => { $crate::log::event!(Notice, $($arg)*) }; }
macro_rules! info { ($($arg:tt)*) => { $crate::log::event!(Info, $($arg)*) }; }
macro_rules! debug { ($($arg:tt)*) => { $crate::log::event!(Debug, $($arg)*) }; }
pub(crate) use {debug, error, event, info, notice, warning};

/// Formats before it locks: what is formatted may panic, which is logged too, and would wait for the lock for
/// ever.
fn send(syslog: &Mutex<Syslog>, level: Level, message: fmt::Arguments<'_>) {
    let text = clean(message);
    lock(syslog).send(level, &text);
}

/// The line of an event for stderr: time, the level where it says something, message.
fn stamped(level: Level, message: fmt::Arguments<'_>) -> String {
    let word = match level {
        Level::Error => "error: ",
        Level::Warning => "warning: ",
        Level::Notice | Level::Info => "",
        Level::Debug => "debug: ",
    };
    let now = HttpDate::of(SystemTime::now());
    clean(format_args!("{} {word}{message}", now.rfc3339()))
}

/// The text of a message with control characters as `\xNN`, cut at a character after 8 KiB.
fn clean(message: fmt::Arguments<'_>) -> String {
    let mut line = Line(String::with_capacity(256));
    // The only error is a full line.
    let _ = line.write_fmt(message);
    line.0
}

struct Line(String);

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !text.contains(char::is_control) {
            return self.add(text);
        }
        for character in text.chars() {
            if character.is_control() {
                self.add(&format!("\\x{:02x}", u32::from(character)))?;
            } else {
                self.add(character.encode_utf8(&mut [0; 4]))?;
            }
        }
        Ok(())
    }
}

impl Line {
    fn add(&mut self, text: &str) -> fmt::Result {
        let room = LINE_MOST.saturating_sub(self.0.len());
        self.0.push_str(cut(text, room));
        if text.len() > room {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

/// The longest beginning of `text` that has at most `most` bytes and ends between characters.
fn cut(text: &str, most: usize) -> &str {
    let mut ends = (0..=most.min(text.len())).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests;

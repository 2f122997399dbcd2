//! Status: `package-cache status`, which shows what a running server does.
//!
//! Rules: the server lays the text out, and this asks for it in the width and with the bars that the terminal has;
//! when none answers, that is one line and exit status 1; while it watches, each picture is one write over the last.
//!
//! Not here: what the text says (`serve::status`).

mod ask;
mod terminal;

use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::Duration;

use crate::log;
use crate::sys::calls;
use crate::sys::thread::start;
use terminal::Terminal;

/// What the command line says, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The name or address of the server, an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether to print JSON instead of text.
    pub json: bool,
    /// How long to wait between two pictures; none: there is one.
    pub watch: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: String::from("localhost"),
            port: 4000,
            json: false,
            watch: None,
        }
    }
}

/// Prints what a server says of itself, once or until a signal comes.
///
/// # Errors
/// That none answers, with the remedy; that standard output cannot be written.
pub fn status(options: &Options) -> Result<(), String> {
    let first = picture(options)?;
    let shown = match options.watch {
        None => log::write_out(first.as_bytes()).map(drop),
        Some(pause) => {
            end_on_signal()?;
            watch(options, pause, first)
        }
    };
    shown.map_err(|cause| format!("cannot write the status: {cause}"))
}

/// One picture.
fn picture(options: &Options) -> Result<String, String> {
    let target = match options.json {
        true => "/.package-cache/status.json".to_owned(),
        false => {
            let terminal = Terminal::of_stdout();
            let bars = if terminal.blocks { "blocks" } else { "ascii" };
            format!("/?columns={}&bars={bars}", terminal.columns)
        }
    };
    ask::ask(&options.host, options.port, &target)
}

/// Shows one picture after the other until nobody reads them; a server that is gone for a moment is asked again.
fn watch(options: &Options, pause: Duration, first: String) -> io::Result<()> {
    let redraws = io::stdout().is_terminal() && !options.json;
    let mut text = first;
    loop {
        let shown = match redraws {
            true => terminal::over_the_last(&text, Terminal::of_stdout().rows),
            false => text,
        };
        if !log::write_out(shown.as_bytes())? {
            return Ok(());
        }
        thread::sleep(pause);
        text = match picture(options) {
            Ok(next) if redraws || options.json => next,
            // Where nothing is drawn over, a line parts it from the last one.
            Ok(next) => format!("\n{next}"),
            Err(why) if options.json => {
                // No JSON: whoever parses that must not find it there.
                let _ = writeln!(io::stderr(), "package-cache: {why}");
                String::new()
            }
            Err(why) => format!("{why}\n"),
        };
    }
}

/// Ends the program with exit status 0 at Ctrl-C.
fn end_on_signal() -> Result<(), String> {
    let blocked = calls::block_signals();
    blocked.map_err(|cause| format!("cannot block signals: {cause}"))?;
    let waiter = || {
        calls::wait_signal();
        // Held until the end, so that no picture is cut.
        let mut out = io::stdout().lock();
        let _ = out.write_all(b"\n").and_then(|()| out.flush());
        std::process::exit(0);
    };
    start("signal", Box::new(waiter)).map_err(|cause| format!("cannot wait for signals: {cause}"))
}

//! package-cache: a caching HTTP proxy for package downloads that streams while it stores.
//!
//! `main` maps arguments to an exit status. README.md beside this file is the map of the program.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::print_stdout
    )
)]

mod cache;
mod cli;
mod cull;
mod digest;
mod http;
mod log;
mod manifests;
mod net;
mod serve;
mod stats;
mod status;
mod store;
mod sys;
mod transfer;
mod upstream;
mod verify;

use std::env;
use std::io::Write;
use std::process::ExitCode;

use crate::cli::Command;

fn main() -> ExitCode {
    match cli::parse(env::args_os().skip(1)) {
        Ok(Command::Print(text)) => print(&text),
        Ok(Command::Serve(options)) => end(serve::serve(&options).map(|()| true)),
        Ok(Command::Check(options)) => end(serve::check(&options).map(|()| true)),
        Ok(Command::Cull(options)) => end(cull::cull(&options)),
        Ok(Command::Status(options)) => end(status::status(&options).map(|()| true)),
        Ok(Command::Verify(options)) => end(verify::verify(&options)),
        Err(usage) => {
            // Nobody reads the stderr of a service.
            if env::args_os().any(|arg| arg == "--syslog") {
                log::to_syslog(&usage.to_string());
            }
            complain(&usage.to_string());
            ExitCode::from(2)
        }
    }
}

/// The exit status of a command: 0 if all is well, 1 if not, or if it cannot run.
fn end(result: Result<bool, String>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

/// Prints to stdout. That nobody reads it is not an error; a full disk is.
fn print(text: &str) -> ExitCode {
    let text = format!("{}\n", text.trim_end());
    let printed = log::write_out(text.as_bytes());
    end(printed
        .map(|_| true)
        .map_err(|cause| format!("cannot print: {cause}")))
}

fn complain(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "package-cache: {why}");
}

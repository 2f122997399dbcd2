//! The built program, run to its end.

use std::time::Duration;

use assert_cmd::Command;

/// The built program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_package-cache");

/// Variables of the environment that no test inherits.
pub const UNSET: [&str; 9] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "no_proxy",
    "NO_PROXY",
    "PACKAGE_CACHE_LIMITS",
];

/// The program to be run with these arguments.
pub fn program(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    for name in UNSET {
        command.env_remove(name);
    }
    command.args(args);
    command
}

/// Runs a command to its end: exit status, standard output, standard error.
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> (i32, String, String) {
    let output = command.timeout(limit).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code();
    let code = code.unwrap_or_else(|| panic!("no end within {limit:?}: {}", output.status));
    (code, text(output.stdout), text(output.stderr))
}

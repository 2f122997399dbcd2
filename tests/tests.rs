//! Black-box tests: the built program between a scripted origin and a raw client, over loopback.
//!
//! The folders are those of `src`: a promise is tested once, in the folder of the code that keeps it.
//!
//! Rules: no sleep, no fixed port, a time limit on every wait (`support::LIMIT`). A `Gate` in the
//! origin's script holds a transfer where a test wants it; requests seen by the origin are the proof
//! of what was asked. Limits of the program are lowered through `PACKAGE_CACHE_LIMITS`. What two
//! modules need stands in `support`. A helper that asserts or waits says so in its name.
//!
//! Not here: tables of the pure modules (syntax, dates, ranges), which stand beside their code, and
//! the program with the real things around it, in `system/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

/// What a request is answered with from cache, transfer or source; files that change; turns.
mod cache;
/// The command line: help, usage errors, start-up failures, `--check`.
mod cli;
/// `package-cache cull`: what goes, what is spared, where it is refused.
mod cull;
/// The order of the rooms in src, and where unsafe code may stand.
mod house;
/// `make install`, the service scripts and their settings, the ebuilds, the completion.
mod install;
/// The log on stderr and syslog, also one that nobody reads.
mod log;
/// What a server does with Manifests, and the two names of distfiles.
mod manifests;
/// Connections, heads, preconditions and ranges: everything between a client and what was found.
mod serve;
/// What the program tells of itself: every counter, the pages, `package-cache status`.
mod status;
/// The cache directory: names, times, partial files, what a kill leaves behind.
mod store;
/// Seeded random transfers and changing files, and what must hold of every answer.
mod storm;
/// The origin, the daemon, the client, the cache directory, and all else that modules share.
mod support;
/// One transfer and its readers: how it begins, ends, breaks and goes on; what is not stored.
mod transfer;
/// Sources: what they are asked, in which order, over which connections, and when they fail.
mod upstream;
/// `package-cache verify`: what is proved, what is said of it, what it removes.
mod verify;

//! Black-box tests: the built program between a scripted origin and a raw client, over loopback.
//!
//! Rules: no sleep, no fixed port, a time limit on every wait (`support::LIMIT`). A `Gate` in the
//! origin's script holds a transfer where a test wants it; requests seen by the origin are the proof
//! of what was asked. Limits of the program are lowered through `PACKAGE_CACHE_LIMITS`.
//!
//! Not here: tables of the pure modules (syntax, dates, ranges), which stand beside their code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

/// The scripted origin, the daemon under test, the raw client, the cache directory.
mod support;

/// Miss then hit, Last-Modified kept, HEAD, types, a cache that was there before.
mod basic;
/// A storm of files that change, and what must hold of every answer.
mod changes;
/// The command line: help, usage errors, start-up failures, `--check`.
mod cli;
/// What the conformance suite of HTTP caches asks of ranges, conditions and the rest.
mod compliance;
/// Preconditions and ranges, on stored files.
mod conditional;
/// Keep-alive, pipelining, request bodies, limits of a connection.
mod connection;
/// A source that dies in mid-body: going on with proof, or not at all.
mod continuing;
/// Kills, restarts, leftovers, two processes on one directory, stopping.
mod crash;
/// Trimming a cache by age, size and free space; what is spared.
mod cull;
/// Directories that are never culled, whoever asks for it.
mod cull_refused;
/// Sources that fail: the next one is asked, and the log says why.
mod failover;
/// How a body ends: known and unknown lengths, chunks, cut bodies.
mod framing;
/// Requests that no honest client sends.
mod hostile;
/// The order of the rooms in src, and where unsafe code may stand.
mod house;
/// Preconditions, ranges and HEAD on a file that is just being received.
mod in_flight;
/// `make install` into a directory of its own.
mod install;
/// Readers that do not keep up with a body that cannot be stored.
mod left_behind;
/// Access lines, warnings, syslog, a log that nobody reads.
mod log;
/// Some three hundred malformed and odd requests, beside what nginx answers to them.
mod malformed;
/// From path to file name to upstream target: escapes, spaces, long names.
mod names;
/// The service scripts, the settings they ship with, the ebuilds, the completion.
mod packaging;
/// Many connections, few threads: who waits, who is held up, who is closed.
mod poller;
/// Checks of stored files: caches on the way, entity tags, clocks that stand still, mirrors that lag.
mod real_checks;
/// What real clients ask and real sources answer: dots, scopes, codings, redirectors, indexes by name.
mod real_sources;
/// Sources that send us elsewhere.
mod redirect;
/// Bodies that are relayed and not stored: listings, refused or impossible places, no room.
mod relay;
/// The cache directory is removed while the program runs, and made again.
mod removed;
/// Connections to a source that serve again, and those that must not.
mod reuse;
/// Files that change at their source: asked about before they are served.
mod revalidate;
/// The same with sources that lie, hands that meddle, and crowds that wait.
mod revalidate_lies;
/// Random transfers with everything that can go wrong, and what must hold whatever goes wrong.
mod storm;
/// One transfer, many readers: first bytes, joiners, leavers.
mod streaming;
/// How many transfers run at a time, and which gives way.
mod turns;
/// What a source is asked: path, fields, Via, proxies.
mod upstream;
/// In which order sources are asked, and which status remains when all fail.
mod verdict;

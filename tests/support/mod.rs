//! What the tests stand on. Every wait ends after [`LIMIT`] with a panic that says what was missing.

/// Strict readers of JSON, metrics and HTML.
mod check;
/// A raw client, and an answer.
mod client;
/// What the tests of `cull` share.
pub mod cull;
/// The program as a daemon, with its log.
mod daemon;
/// Numbers from a seed.
mod dice;
/// The cache directory, looked at from outside.
mod dir;
/// Counts.
mod figures;
/// A source that does what a test tells it.
mod origin;
/// The program, run to its end.
pub mod program;
/// Reads answers by their framing.
mod reader;
/// Origin, cache and daemon in one.
mod rig;
/// What an origin does in answer to a request.
mod script;
/// Listens, accepts, reads requests: for the origin and for the sources of the storms.
mod server;
/// TLS before an origin, and what stands in place of `openssl`.
mod tls;
/// What the tests of `verify` share.
pub mod verify;

pub use check::{Json, html, metrics};
pub use client::{Client, Response, keep_crawling};
pub use daemon::{Daemon, Setup};
pub use dice::{Dice, mix};
pub use dir::{CacheDir, KEPT, LEFTOVER};
pub use figures::Figures;
pub use origin::Origin;
pub use program::PROGRAM;
pub use reader::{End, Framing, Reader};
pub use rig::{INDEX, Rig, TWENTY, assert_goes_on_after};
pub use script::{
    Gate, Script, Step, at, close_delimited, gated, halves, head, held, held_at, missing, modified,
    ok, part, reply, unchanged,
};
pub use server::{Exchange, Recorded, Server};
pub use tls::{Certificate, Fake, Front};

use std::thread;
use std::time::{Duration, Instant};

/// The longest that anything in a test may take.
pub const LIMIT: Duration = Duration::from_secs(10);

/// The Last-Modified of everything that an origin serves, unless a script says otherwise.
pub const MODIFIED: &str = "Wed, 21 Oct 2015 07:28:00 GMT";

/// `MODIFIED` in seconds since the epoch.
pub const MODIFIED_UNIX: u64 = 1_445_412_480;

/// A day before `MODIFIED`.
pub const EARLIER: &str = "Tue, 20 Oct 2015 07:28:00 GMT";

/// A day after it.
pub const LATER: &str = "Thu, 22 Oct 2015 07:28:00 GMT";

/// A source at which nobody listens.
pub const REFUSED: &str = "http://127.0.0.1:1";

/// `length` bytes without any pattern, the same in every run.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(length)
    .collect()
}

/// Waits for a condition that nothing announces, such as a name that appears after the last reader
/// has gone.
#[track_caller]
pub fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    assert!(
        wait_within(LIMIT, holds),
        "waited {LIMIT:?} in vain until {what}"
    );
}

/// Waits for a condition; false if it does not hold in time.
pub fn wait_within(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > limit {
            return false;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    true
}

//! What the tests stand on. Every wait ends after [`LIMIT`] with a panic that says what was missing.

mod client;
mod daemon;
mod dice;
mod dir;
mod origin;

pub use client::{Client, End, Response};
pub use daemon::{Daemon, PROGRAM, Setup};
pub use dice::{Dice, mix};
pub use dir::CacheDir;
pub use origin::{Gate, Origin, Recorded, Script, Step, close_delimited, head, ok, reply};

use std::thread;
use std::time::{Duration, Instant};

/// The longest that anything in a test may take.
pub const LIMIT: Duration = Duration::from_secs(10);

/// The Last-Modified of everything that an origin serves, unless a script says otherwise.
pub const MODIFIED: &str = "Wed, 21 Oct 2015 07:28:00 GMT";

/// `MODIFIED` in seconds since the epoch.
pub const MODIFIED_UNIX: u64 = 1_445_412_480;

/// A source at which nobody listens.
pub const REFUSED: &str = "http://127.0.0.1:1";

/// One origin, one empty cache, one daemon between them and the client.
pub struct Rig {
    /// The daemon, stopped before its origin and its cache go.
    pub daemon: Daemon,
    /// Its only source.
    pub origin: Origin,
    /// Its cache directory.
    pub cache: CacheDir,
}

impl Rig {
    /// A rig with the defaults.
    pub fn start() -> Self {
        Self::with(|setup| setup)
    }

    /// A rig whose daemon is started with more than the defaults.
    pub fn with(more: impl FnOnce(Setup) -> Setup) -> Self {
        let (origin, cache) = (Origin::start(), CacheDir::new());
        let daemon = more(Daemon::on(&cache).source(origin.url())).start();
        Self {
            daemon,
            origin,
            cache,
        }
    }
}

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
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < LIMIT,
            "waited {LIMIT:?} in vain until {what}"
        );
        thread::park_timeout(Duration::from_millis(1));
    }
}

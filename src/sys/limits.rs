//! Every limit of the program, in one place.
//!
//! Rules: every wait has a limit and every buffer a cap, and each is named here. Release builds know
//! only the defaults below; debug builds read `PACKAGE_CACHE_LIMITS` (`idle_ms=1000,transfers=4`), so
//! that a test of a limit need not wait for it. Times are in milliseconds, sizes in bytes.
//!
//! Not here: what the command line sets (`--timeout`, `--min-free`, `--max-connections`).

use std::sync::OnceLock;
use std::time::Duration;

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $default:expr;)*) => {
        /// The limits in force, read once.
        #[derive(Debug, Clone)]
        pub struct Limits { $($(#[$doc])* pub $name: u64,)* }

        impl Default for Limits {
            fn default() -> Self { Self { $($name: $default,)* } }
        }

        #[cfg(debug_assertions)]
        impl Limits {
            /// Sets one limit by name; false if there is none of that name.
            fn set(&mut self, name: &str, value: u64) -> bool {
                match name { $(stringify!($name) => self.$name = value,)* _ => return false }
                true
            }
        }
    };
}

limits! {
    /// A request head must be whole this long after its first byte.
    head_ms = 10_000;
    /// A kept connection may be silent this long between requests.
    idle_ms = 60_000;
    /// A thread that served one connection alone awaits its next request for this long.
    stay_ms = 100;
    /// A client that takes no byte for this long is dropped.
    send_ms = 60_000;
    /// An answer without progress for this long may make room for a new connection.
    stuck_ms = 10_000;
    /// An answer slower than `crawl_bytes` a second over this long may make room, if nothing else can.
    crawl_ms = 10_000;
    /// See `crawl_ms`.
    crawl_bytes = 64 * 1024;
    /// A source that gives less a second over `crawl_ms` is left for another one, if others wait for a turn.
    drip_bytes = 100;
    /// A thread that sends looks this often whether its client was evicted.
    send_look_ms = 500;
    /// How long the end of an answered connection is awaited, so that the answer is read before a reset; as the
    /// poller looks for silent ones, up to a thirtieth of `idle_ms` longer.
    linger_ms = 2_000;
    /// A request body up to this size is read and dropped to keep the connection.
    drain_bytes = 64 * 1024;
    /// Connecting to one source takes this long at most, all its addresses together.
    connect_ms = 5_000;
    /// While another source is left, this much silence before the head is enough to go on.
    patience_ms = 5_000;
    /// A source that is silent to somebody for this long is asked last by others.
    suspect_ms = 500;
    /// One that is silent to somebody for this long is not asked for what another source lacks.
    silent_ms = 2_000;
    /// A kept connection to a source that is silent for this long is taken for dead.
    kept_answer_ms = 2_000;
    /// A source that could not be reached or timed out goes to the end of the order for this long.
    demote_ms = 30_000;
    /// A connection to a source is kept this long for the next request.
    kept_ms = 15_000;
    /// Connections to sources kept at a time.
    kept = 32;
    /// Content that nobody wants, of an error or a redirect, is read up to this size to keep the connection.
    discard_bytes = 16 * 1024;
    /// And for this long at most.
    discard_ms = 100;
    /// Redirects followed for one request to a source.
    redirects = 5;
    /// Transfers at a time, unsynced ones included.
    transfers = 128;
    /// A thread without a transfer waits this long for another one.
    worker_ms = 2_000;
    /// A miss waits this long for its turn among the transfers.
    turn_ms = 60_000;
    /// While it waits, it looks this often whether a transfer has lost its readers.
    turn_look_ms = 100;
    /// A body of unknown length is stored up to this size.
    unknown_bytes = 4 << 30;
    /// A broken body is asked for again so often, as long as that gains less than `gain_bytes`.
    attempts = 8;
    /// See `attempts`.
    gain_bytes = 1 << 20;
    /// Between two rounds in which no source went on, doubled each time.
    pause_ms = 50;
    /// This much of what was received is fetched again as proof that it is the same file.
    overlap_bytes = 64 * 1024;
    /// A client's thread that waits for a transfer or a turn looks this often whether it was evicted.
    look_ms = 100;
    /// And this often whether its client is still there.
    peek_ms = 500;
    /// A file is tried to be opened for this long while no descriptor is left.
    busy_ms = 1_000;
    /// What a check of a stored file found serves everyone for this long.
    share_ms = 10_000;
    /// A stored file is served as it is when a check of it has found nothing for this long.
    stale_ms = 5_000;
    /// What a body that cannot be stored may be ahead of its slowest reader.
    ring_bytes = 1 << 20;
    /// A proof takes this long at most, however much of a response has to be skipped for it.
    proof_ms = 30_000;
    /// A reader of a body that cannot be stored is detached after taking nothing for this long.
    ring_ms = 10_000;
    /// A range that a transfer does not reach within this time is asked for on its own.
    far_ms = 10_000;
    /// At a stop, running answers have this long to finish.
    grace_ms = 10_000;
    /// Via entries of other caches that a request may carry.
    via_hops = 8;
}

/// The limits in force.
pub fn limits() -> &'static Limits {
    static LIMITS: OnceLock<Limits> = OnceLock::new();
    LIMITS.get_or_init(|| {
        #[allow(unused_mut)]
        let mut limits = Limits::default();
        #[cfg(debug_assertions)]
        for (name, value) in std::env::var("PACKAGE_CACHE_LIMITS")
            .iter()
            .flat_map(|list| list.split(','))
            .filter_map(|entry| entry.split_once('='))
        {
            let known = value
                .trim()
                .parse()
                .is_ok_and(|value| limits.set(name.trim(), value));
            debug_assert!(
                known,
                "PACKAGE_CACHE_LIMITS: no such limit or value: {name}={value}"
            );
        }
        limits
    })
}

/// A limit in milliseconds as a duration.
pub const fn ms(limit: u64) -> Duration {
    Duration::from_millis(limit)
}

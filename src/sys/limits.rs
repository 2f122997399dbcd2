//! Limits: every limit of the program, in one place.
//!
//! Rules: every wait has a limit and every buffer a cap, and each is named here. Times end in `_ms`
//! (milliseconds), sizes in `_bytes`; the others are counts. Release builds have the defaults below. Debug
//! builds read `PACKAGE_CACHE_LIMITS` (`idle_ms=1000,transfers=4`), so that a test of a limit need not wait for
//! it.
//!
//! Not here: what the command line sets (`--timeout`, `--min-free`, `--max-connections`).

use std::time::Duration;

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $default:expr;)*) => {
        /// The limits by name.
        #[derive(Debug)]
        pub struct Limits { $($(#[$doc])* pub $name: u64,)* }

        impl Limits {
            const DEFAULT: Self = Self { $($name: $default,)* };
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
    /// A thread that stays with one connection awaits its next request for this long.
    stay_ms = 100;
    /// A client that takes no byte for this long is dropped.
    send_ms = 60_000;
    /// A response without progress for this long may be evicted.
    stuck_ms = 10_000;
    /// A response slower than `crawl_bytes` a second over this long may be evicted, if nothing else can be.
    crawl_ms = 10_000;
    /// See `crawl_ms`.
    crawl_bytes = 64 * 1024;
    /// A source that gives less a second over `crawl_ms` is left for another one, if others wait for a turn.
    drip_bytes = 100;
    /// A blocked send looks this often whether its client was evicted.
    send_look_ms = 500;
    /// After the last response the client's end is awaited for this long, so that it can read the response
    /// before a reset. The poller may look up to a thirtieth of `idle_ms` later.
    linger_ms = 2_000;
    /// The content of a request is read and dropped up to this size, to keep the connection.
    drain_bytes = 64 * 1024;
    /// Connecting to one source takes this long at most, all its addresses together.
    connect_ms = 5_000;
    /// While another source is left, this much silence before the head is enough to go on to it.
    patience_ms = 5_000;
    /// A source that has been silent to a running request for this long is asked last by others.
    suspect_ms = 500;
    /// One that has been silent for this long is not asked for what another source lacks.
    silent_ms = 2_000;
    /// A kept connection to a source that is silent for this long counts as dead.
    kept_answer_ms = 2_000;
    /// A source that could not be reached or timed out goes to the end of the order for this long.
    demote_ms = 30_000;
    /// A connection to a source is kept for another request for this long.
    kept_ms = 15_000;
    /// The most connections to sources that are kept.
    kept = 32;
    /// The most helpers that speak TLS, each on a connection to a source.
    helpers = 32;
    /// The most of them whose connections are kept.
    idle_helpers = 4;
    /// A kept connection is looked at this often, whether its source has closed it.
    kept_look_ms = 1_000;
    /// Content of an error or a redirect is read up to this size, to keep the connection.
    discard_bytes = 16 * 1024;
    /// And for up to this long.
    discard_ms = 100;
    /// Redirects that are followed for one request to a source.
    redirects = 5;
    /// Transfers at a time, those that are being synced included.
    transfers = 128;
    /// An idle thread of a pool waits for this long before it ends.
    worker_ms = 2_000;
    /// A miss waits this long for its turn among the transfers.
    turn_ms = 60_000;
    /// While it waits, it looks this often whether a transfer has lost its readers.
    turn_look_ms = 100;
    /// Content of unknown length is stored up to this size.
    unknown_bytes = 4 << 30;
    /// How many times broken content is asked for again, as long as all of them gain less than `gain_bytes`.
    attempts = 8;
    /// See `attempts`.
    gain_bytes = 1 << 20;
    /// The pause after a round in which no source continued the content; it doubles each time.
    pause_ms = 50;
    /// This many of the last bytes received are fetched again, as proof that it is the same file.
    overlap_bytes = 64 * 1024;
    /// A client's thread that waits for a transfer or a turn looks this often whether it was evicted.
    look_ms = 100;
    /// And this often whether its client has closed its side.
    peek_ms = 500;
    /// Opening a stored file is tried for this long while no descriptor is left.
    busy_ms = 1_000;
    /// What the validation of a stored file found holds for all requests for this long.
    share_ms = 10_000;
    /// A stored file is served stale when its validation takes longer than this.
    stale_ms = 5_000;
    /// How far content that cannot be stored may be ahead of its slowest reader.
    ring_bytes = 1 << 20;
    /// This many of the last bytes of content whose digest is known are shown once it is right.
    unproved_bytes = 64 * 1024;
    /// How often a server looks whether a sync has changed the Manifests.
    follow_ms = 30_000;
    /// The Manifests that have changed are read at most this often on behalf of a client.
    again_ms = 5_000;
    /// A client waits at most this long for the index of the Manifests.
    index_ms = 30_000;
    /// A source that gave wrong content is asked last for that file for this long.
    wrong_ms = 3_600_000;
    /// A proof takes at most this long, however much of a response is skipped for it.
    proof_ms = 30_000;
    /// A reader of content that cannot be stored is left behind when it takes nothing for this long.
    ring_ms = 10_000;
    /// A range that a transfer does not reach within this time is fetched on its own.
    far_ms = 10_000;
    /// At a stop running responses have this long to finish.
    grace_ms = 10_000;
    /// And then partials have this long to be kept.
    keep_ms = 5_000;
    /// A partial of at least this size is kept at a stop.
    partial_bytes = 1 << 20;
    /// And swept this long after it was kept.
    partial_ms = 7 * 24 * 60 * 60 * 1000;
    /// Via entries of other package-caches that a request may carry.
    via_hops = 8;
}

/// The limits in force: constants, so that the compiler knows them where they count.
#[cfg(not(debug_assertions))]
pub const fn limits() -> &'static Limits {
    &Limits::DEFAULT
}

/// The limits in force.
#[cfg(debug_assertions)]
pub fn limits() -> &'static Limits {
    static LIMITS: std::sync::OnceLock<Limits> = std::sync::OnceLock::new();
    LIMITS.get_or_init(|| {
        let mut limits = Limits::DEFAULT;
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

//! Storms: seeded random work through a daemon or two, and what must hold of every answer, whatever the dice say.
//!
//! `PACKAGE_CACHE_SEED=N` repeats a storm, `PACKAGE_CACHE_ROUNDS=N` makes it last. Pauses are short and part of
//! the storm: nothing is taken for true because time has passed.

use std::env;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

/// Files that change while bursts of clients ask for them.
mod changes;
/// What clients counted, beside what is shown.
mod tally;
/// Transfers with everything that can go wrong.
mod transfers;
/// Sources that lie about files whose names prove them.
mod verified;

/// The seed of a storm and how many rounds it has, from the environment or else from the clock and this
/// default; they are printed.
fn seed_and_rounds(name: &str, rounds: u64) -> (u64, u64) {
    let number = |variable: &str, default| match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text}")),
        Err(_) => default,
    };
    let now = UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let seed = number("PACKAGE_CACHE_SEED", now % 1_000_000_000);
    let rounds = number("PACKAGE_CACHE_ROUNDS", rounds);
    eprintln!("{name}: PACKAGE_CACHE_SEED={seed} PACKAGE_CACHE_ROUNDS={rounds}");
    (seed, rounds)
}

/// Part of the storm: a client or source that takes its time.
fn pause(milliseconds: u64) {
    thread::park_timeout(Duration::from_millis(milliseconds));
}

//! Lock: taking a mutex, and waiting for a change of what it guards.
//!
//! Rules: a panic while a lock is held does not poison it for others. src/README.md has the order of all locks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Takes a lock, even if a thread panicked while it held it: under our locks there are assignments only, which
/// leave nothing half done.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the threads that wait for a change of what a mutex guards. If none waits, ringing makes no system
/// call.
#[derive(Debug, Default)]
pub struct Bell {
    condition: Condvar,
    /// How many threads wait; increased under the mutex, so that a change after that rings.
    waiting: AtomicUsize,
}

impl Bell {
    /// Waits for a ring, for `patience` at most. It may also return for no reason: the caller looks again.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>, patience: Duration) -> MutexGuard<'a, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waited = self.condition.wait_timeout(guard, patience);
        let guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Wakes all waiting threads; to be called after a change under the mutex.
    pub fn ring(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.condition.notify_all();
        }
    }
}

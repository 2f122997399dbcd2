//! Taking locks, and being told of changes of what they guard.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Takes a lock. A panic while it was held does not matter: what is done under our locks is assignments.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells those who wait that what a lock guards has changed; nothing is called when nobody waits.
#[derive(Debug, Default)]
pub struct Bell {
    condition: Condvar,
    /// Changed under the lock only.
    waiting: AtomicUsize,
}

impl Bell {
    /// Waits to be told, but not longer than `patience`.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>, patience: Duration) -> MutexGuard<'a, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waited = self.condition.wait_timeout(guard, patience);
        let guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Tells everybody, after a change under the lock.
    pub fn ring(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.condition.notify_all();
        }
    }
}

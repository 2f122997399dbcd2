//! Locking without the fear of poison.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose sections are plain assignments: poison says nothing there.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

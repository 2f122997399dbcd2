//! Threads: a pool whose threads take one task after the other.
//!
//! Rules: a task never waits for another one. If no thread is idle, one is started. Idle threads end after
//! `worker_ms`, except one, since starting a thread takes as long as a near source takes to respond.
//!
//! Not here: how many tasks there may be (`net::clients`, `cache::in_flight`).

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::log;
use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;
use crate::sys::thread::{Task, start};

/// A pool of threads.
pub struct Threads {
    /// The name of each of its threads.
    name: &'static str,
    state: Mutex<State>,
    /// Notified of each new task.
    told: Condvar,
    /// Whether the last start of a thread failed: one error in the log for a series of failures.
    failing: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Tasks for idle threads, never more than there are idle threads.
    tasks: Vec<Task>,
    /// Threads that wait for a task.
    idle: usize,
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}

impl Threads {
    /// No threads yet.
    pub fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            state: Mutex::default(),
            told: Condvar::new(),
            failing: AtomicBool::new(false),
        })
    }

    /// Starts a thread, so that the first task finds one.
    pub fn stand_by(self: &Arc<Self>) {
        let _ = self.run(Box::new(|| {}));
    }

    /// Runs `task` on a thread of its own. A panic in it ends that thread.
    ///
    /// # Errors
    /// When no thread can be had; the task is dropped.
    pub fn run(self: &Arc<Self>, task: Task) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.idle > state.tasks.len() {
            state.tasks.push(task);
            drop(state);
            self.told.notify_one();
            return Ok(());
        }
        drop(state);
        let threads = Arc::clone(self);
        let started = start(self.name, Box::new(move || threads.work(task)));
        let failing = self.failing.swap(started.is_err(), Ordering::Relaxed);
        if let Err(cause) = &started
            && !failing
        {
            log::error!("cannot start a thread: {cause}; raise the limit on processes");
        }
        started
    }

    fn work(&self, mut task: Task) {
        loop {
            task();
            match self.next() {
                Some(next) => task = next,
                None => return,
            }
        }
    }

    /// The next task; none after `worker_ms` without one, unless this is the only idle thread.
    fn next(&self) -> Option<Task> {
        let deadline = Instant::now() + ms(limits().worker_ms);
        let mut state = lock(&self.state);
        state.idle += 1;
        loop {
            let task = state.tasks.pop();
            let left = deadline.saturating_duration_since(Instant::now());
            let others = state.idle > 1;
            if task.is_some() || (others && left.is_zero()) {
                state.idle -= 1;
                return task;
            }
            let patience = if others { left } else { Duration::MAX };
            let waited = self.told.wait_timeout(state, patience);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn tasks_run_side_by_side_and_threads_serve_again() {
        let threads = Threads::new("test");
        threads.stand_by();
        let wait_for = |idle| {
            while lock(&threads.state).idle < idle {
                thread::yield_now();
            }
        };
        wait_for(1);
        let (done, results) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        // The first waits for the second: on one thread they would wait for ever.
        let first = done.clone();
        let waits = move || {
            let _ = gate.recv_timeout(LIMIT);
            let _ = first.send(thread::current().id());
        };
        threads.run(Box::new(waits)).unwrap();
        let opens = move || {
            let _ = go.send(());
        };
        threads.run(Box::new(opens)).unwrap();
        let mut ids = vec![results.recv_timeout(LIMIT).unwrap()];
        wait_for(2);
        for _ in 0..20 {
            let done = done.clone();
            let tell = move || {
                let _ = done.send(thread::current().id());
            };
            threads.run(Box::new(tell)).unwrap();
            ids.push(results.recv_timeout(LIMIT).unwrap());
            wait_for(2);
        }
        ids.sort_by_key(|id| format!("{id:?}"));
        ids.dedup();
        assert!(ids.len() <= 2, "{ids:?}");
    }
}

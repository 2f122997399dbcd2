//! Lines on their way to stderr: a bounded buffer, and the thread that alone writes it out.
//!
//! Rules: lines leave whole and in order; those that do not fit are dropped and counted; a closed
//! stderr is ignored, since there is no one to tell.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Level, stamped};
use crate::sys::lock::lock;

/// Lines that wait for stderr, in bytes.
const WAITING_MOST: usize = 512 * 1024;

/// The way to stderr; without a queue, when no thread can be had, it is written on the spot.
pub struct Stderr {
    queue: Option<Arc<Queue>>,
}

impl Stderr {
    /// Starts the thread.
    pub fn start() -> Self {
        let queue = Arc::new(Queue::default());
        let source = Arc::clone(&queue);
        let writer = move || {
            let mut lines = Vec::new();
            loop {
                source.take(&mut lines);
                let _ = io::stderr().write_all(&lines);
            }
        };
        let started = thread::Builder::new().name("log".into()).spawn(writer);
        Self {
            queue: started.is_ok().then_some(queue),
        }
    }

    /// Writes a line, soon.
    pub fn put(&self, line: String) {
        match &self.queue {
            Some(queue) => queue.push(&line),
            None => print(line),
        }
    }

    /// Waits until everything is written out, or for `most`.
    pub fn drain(&self, most: Duration) {
        if let Some(queue) = &self.queue {
            queue.drain(most);
        }
    }
}

/// Writes a line at once.
pub fn print(mut line: String) {
    line.push('\n');
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Lines that wait for the thread.
#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    /// Lines came, or were written out.
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    /// The thread writes what it took.
    writing: bool,
}

impl Queue {
    /// Adds a line, or counts it as dropped.
    pub fn push(&self, line: &str) {
        let mut waiting = lock(&self.waiting);
        if waiting.lines.len().saturating_add(line.len()) >= WAITING_MOST {
            waiting.dropped = waiting.dropped.saturating_add(1);
            return;
        }
        waiting.lines.extend_from_slice(line.as_bytes());
        waiting.lines.push(b'\n');
        let idle = !waiting.writing;
        drop(waiting);
        if idle {
            self.changed.notify_all();
        }
    }

    /// Waits for lines and puts them in the place of `lines`, which the caller has written.
    pub fn take(&self, lines: &mut Vec<u8>) {
        lines.clear();
        let mut waiting = lock(&self.waiting);
        waiting.writing = false;
        self.changed.notify_all();
        while waiting.lines.is_empty() {
            waiting = self
                .changed
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        waiting.writing = true;
        mem::swap(&mut waiting.lines, lines);
        let dropped = mem::take(&mut waiting.dropped);
        drop(waiting);
        if dropped > 0 {
            let report = format!("{dropped} log lines dropped, stderr was too slow");
            let line = stamped(Level::Warning, format_args!("{report}"));
            lines.extend_from_slice(line.as_bytes());
            lines.push(b'\n');
        }
    }

    /// Waits until everything is written out, or for `most`.
    pub fn drain(&self, most: Duration) {
        let busy = |waiting: &mut Waiting| !waiting.lines.is_empty() || waiting.writing;
        drop(
            self.changed
                .wait_timeout_while(lock(&self.waiting), most, busy),
        );
    }
}

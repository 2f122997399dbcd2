//! Stderr: a bounded buffer of lines, and the one thread that writes them out.
//!
//! Rules: lines are written whole and in order. Those that do not fit are dropped and counted. Errors of stderr
//! are ignored, since there is nowhere to report them.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{Level, stamped};
use crate::sys::lock::lock;
use crate::sys::thread;

/// The size of the buffer, in bytes.
const WAITING_MOST: usize = 512 * 1024;

/// The output to stderr. Without a queue, if no thread could be had, lines are written at once.
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
        let started = thread::start("log", Box::new(writer));
        Self {
            queue: started.is_ok().then_some(queue),
        }
    }

    /// Queues a line to be written.
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

/// The lines that wait for the thread.
#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    /// Notified when lines come, and when they were written.
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    /// Whether the thread is writing what it took.
    writing: bool,
}

impl Queue {
    /// Adds a line, or counts it as dropped.
    pub fn push(&self, line: &str) {
        let mut waiting = lock(&self.waiting);
        if waiting.lines.len().saturating_add(line.len()) >= WAITING_MOST {
            waiting.dropped += 1;
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

    /// Waits for lines, and exchanges them for `lines`, which the caller has written.
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

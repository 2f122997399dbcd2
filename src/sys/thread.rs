//! Thread: starting one.
//!
//! Rules: what a thread runs is boxed, since std would otherwise make all that starts a thread anew for each of them.

use std::io;
use std::thread::Builder;

/// What a thread runs.
pub type Task = Box<dyn FnOnce() + Send>;

/// The stack of a thread, in bytes: nothing that any of them runs is recursive.
const STACK: usize = 256 * 1024;

/// Starts a thread of this name, of 15 bytes at most. A panic in it ends that thread alone.
///
/// # Errors
/// When no thread can be had; the task is dropped.
pub fn start(name: &str, task: Task) -> io::Result<()> {
    let thread = Builder::new().name(name.into()).stack_size(STACK);
    thread.spawn(task).map(drop)
}

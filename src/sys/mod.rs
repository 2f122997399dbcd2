//! Sys: system calls and error numbers that the standard library lacks, the limits of the program, its threads and its locks.
//!
//! Not here: anything of HTTP, of the cache or of a connection.

pub mod calls;
pub mod errno;
pub mod limits;
pub mod lock;
pub mod thread;

//! Sys: what the standard library lacks, and what every room needs of it.
//!
//! Not here: anything of HTTP, of the cache or of a connection.

pub mod calls;
pub mod limits;
pub mod lock;

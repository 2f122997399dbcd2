//! Net: connections, threads, and who may have them.
//!
//! Not here: what is said on a connection.

mod body;
pub mod clients;
mod entry;
mod network;
mod table;
mod threads;
mod wire;

pub use body::Body;
pub use entry::Activity;
pub use network::Network;
pub use threads::Threads;
pub use wire::{HeadError, Pending, Wire, pending, timed_out};

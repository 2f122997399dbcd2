//! Net: buffered connections, TLS on them, content by its framing, a pool of threads, and the table of client connections.
//!
//! Not here: what is sent and received (`serve`, `upstream`), the syntax (`http`).

mod body;
pub mod clients;
mod entry;
mod network;
mod table;
mod threads;
pub mod tls;
mod wire;

pub use body::Body;
pub use entry::Activity;
pub use network::Network;
pub use threads::Threads;
pub use wire::{HeadError, Pending, Wire, pending, timed_out};

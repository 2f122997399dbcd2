//! HTTP: its syntax and semantics as values, without I/O.
//!
//! Rules: functions are pure. Nothing here opens a socket or a file, starts a thread, reads a clock or logs; a
//! time that is needed is an argument. What a peer sends becomes a value or is [`Malformed`]; it never causes a
//! panic.
//!
//! Not here: reading a message from a connection (`net`), the choice of a response (`serve`).

mod age;
pub mod cache_control;
mod cache_status;
pub mod chunked;
mod content_coding;
mod date;
mod fields;
pub mod framing;
pub mod media_type;
mod message;
#[cfg(test)]
mod mutation_tests;
mod parse;
pub mod precondition;
pub mod range;
mod status;
mod target;
mod url;
pub mod via;

pub use age::age;
pub use cache_status::{CacheStatus, Forward, Word};
pub use content_coding::{Coded, coded};
pub use date::{HttpDate, LastDate};
pub use fields::Fields;
pub use framing::Framing;
pub use message::{Method, RequestHead, ResponseHead, Version};
pub use parse::{Caps, Parsed, asks_for_head, parse_request, parse_response};
pub use status::{Malformed, StatusCode};
pub use target::{Target, decimal, percent_decode, percent_encode, percent_encode_rest};
pub use url::{Url, UrlError, without_user_info};

//! Sources.

/// Connections to a source that serve again, and those that must not.
mod connect;
/// Sources that fail: the next one is asked, and the log says why.
mod failover;
/// In which order sources are asked, and which status remains when all fail.
mod order;
/// Sources that send us elsewhere.
mod redirect;
/// What a source is asked: path, fields, Via, proxies.
mod request;

//! Sources.

/// A source whose host has several addresses.
mod addresses;
/// Connections to a source that serve again, and those that must not.
mod connect;
/// What is the file that was asked for: listings, documents, empty archives, codings.
mod content;
/// Sources that fail: the next one is asked, and the log says why.
mod failover;
/// Sources with a name: which paths they serve, and what they are asked.
mod names;
/// In which order sources are asked, and which status remains when all fail.
mod order;
/// Proxies of the environment, and what is asked without them.
mod proxy;
/// Sources that send us elsewhere.
mod redirect;
/// What a source is asked: path, fields, Via.
mod request;
/// Sources that are silent, drip, or die without a word: who waits for them, and for how long.
mod silent;
/// Sources that have failed: when they are asked again.
mod standing;
/// Sources over TLS: who is trusted, what is said of who is not, and what becomes of the helpers.
mod tls;

use crate::support::Recorded;

/// The fields that every request to a source carries; `Connection` says only how long it lasts.
const FIELDS: [&str; 4] = ["accept-encoding", "host", "user-agent", "via"];

fn field_names(request: &Recorded) -> Vec<&str> {
    let mut names: Vec<_> = request
        .fields
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.retain(|name| *name != "connection");
    names.sort_unstable();
    names
}

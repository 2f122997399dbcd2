//! Where the snapshot's gauges come from: who knows each of them.

use crate::cache::Cache;
use crate::log;
use crate::net::clients::Client;
use crate::stats::{Connections, Snapshot};

/// What there is to see now, for an answer to `client`.
pub fn take(cache: &Cache, client: &Client) -> Snapshot {
    let connections = Connections {
        open: client.connections(),
        limit: client.most(),
    };
    let mut snapshot = Snapshot::of(cache.stats(), connections, cache.space(), log::written());
    snapshot.transfers = cache.transfers();
    snapshot
}

//! What a request is answered with from cache, transfer or source.

/// What a client wants confirmed, and the caches on the way to the source.
mod confirm;
/// Files that change at their source: asked about before they are served.
mod revalidate;
/// The same with sources that lie, hands that meddle, and crowds that wait.
mod revalidate_lies;
/// Miss then hit, a cache that was there before.
mod stored;
/// How many transfers run at a time, and which gives way.
mod turns;

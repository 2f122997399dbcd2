//! One transfer and its readers.

/// Requests on a kept connection: who asks begins, and goes on alone if all of the answer comes at once.
mod begun;
/// Content that must be proved, from sources that fail in other ways as well.
mod doubted;
/// How a body ends: known and unknown lengths, chunks, cut bodies.
mod framing;
/// What a stop leaves of a transfer, and how the next process goes on with it.
mod kept;
/// What proves that the rest is of the same file, behind redirectors too, and what does not.
mod proof;
/// One transfer, many readers: first bytes, joiners, leavers.
mod reader;
/// A source that dies in mid-body: going on with proof, or not at all.
mod resume;
/// Readers that do not keep up with a body that cannot be stored.
mod ring;
/// Bodies that are relayed and not stored: listings, refused or impossible places, no room.
mod unstored;
/// Content that must be proved: what is shown of it, and when.
mod verified;

//! Everything between a client and what was found for it.

/// What the conformance suite of HTTP caches asks of ranges, conditions and the rest.
mod compliance;
/// Preconditions and ranges, on stored files.
mod conditional;
/// Keep-alive, pipelining, request bodies, limits of a connection.
mod connection;
/// Requests that no honest client sends.
mod hostile;
/// Some three hundred malformed and odd requests, beside what nginx answers to them.
mod malformed;
/// Many connections, few threads: who waits, who is held up, who is closed.
mod poller;
/// Preconditions, ranges and HEAD on a file that is just being received.
mod relay;

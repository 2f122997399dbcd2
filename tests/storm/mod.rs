//! Storms: seeded random work through a daemon or two, and what must hold of every answer.

/// A storm of files that change.
mod changes;
/// Random transfers with everything that can go wrong.
mod transfers;

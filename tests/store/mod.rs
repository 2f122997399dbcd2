//! The cache directory.

/// Kills, restarts, leftovers, two processes on one directory, stopping.
mod partial;
/// From path to file name to upstream target: escapes, spaces, long names.
mod path;
/// The cache directory is removed while the program runs, and made again.
mod removed;

//! The cache directory.

/// Room that stays free, links of the administrator, wrong clocks, places that hold no cache.
mod disk;
/// The times of a stored file, and what is announced of them.
mod modified;
/// Kills, leftovers, two processes on one directory.
mod partial;
/// From path to file name to upstream target: escapes, spaces, long names.
mod path;
/// The cache directory is removed while the program runs, and made again.
mod removed;

//! File: one name of a file in the cache, as a scan saw it, and what became of it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

/// One name of a file, and the file as it was seen. The order is that in which they go: by the first fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// The time of last use; none of a dead partial.
    pub used: Option<SystemTime>,
    /// Its device and its inode.
    pub identity: (u64, u64),
    /// Bytes that it takes on disk.
    pub size: u64,
    /// How many names it has, in the cache and elsewhere.
    pub links: u64,
    /// Its directory, an index of `Scan::dirs`.
    pub dir: usize,
    /// Where its name begins in `Scan::names`.
    pub name: usize,
}

impl File {
    /// A file of the cache, or a dead partial, with this metadata.
    pub fn new(metadata: &Metadata, is_partial: bool) -> Self {
        Self {
            used: metadata.accessed().ok().filter(|_| !is_partial),
            size: metadata.blocks().saturating_mul(512),
            identity: (metadata.dev(), metadata.ino()),
            links: metadata.nlink(),
            ..Self::default()
        }
    }

    /// Whether both are names of one file.
    pub fn is_same(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

/// What became of a file that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It was removed, or would be in a dry run.
    Removed,
    /// Another process has removed it.
    Vanished,
    /// It stays: it was used or replaced since it was seen.
    Spared,
}

//! A look at the whole cache: what is in it, and which files were not used for longest.
//!
//! Rules: only regular files count, under their own names; a file's size is the room it takes on
//! disk, as du has it; a file with several names counts once. However many files there are, only
//! so many of them are remembered (`limits`); when all of these are dealt with, the next survey has the next ones.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::fs::{DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cull::guard;
use crate::cull::report::Report;
use crate::sweep::{self, Visited};

/// A file as it was seen; they sort by last use, the least recent first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The time of last use.
    pub used: SystemTime,
    /// Where it is.
    pub path: Box<Path>,
    /// Bytes that it takes on disk.
    pub size: u64,
    /// Device and inode.
    pub identity: (u64, u64),
    /// Whether it has more than one name.
    pub linked: bool,
}

impl Candidate {
    /// The file at `path`, last used at `used`.
    pub fn new(path: PathBuf, used: SystemTime, metadata: &Metadata) -> Self {
        Self {
            used,
            path: path.into_boxed_path(),
            size: size(metadata),
            identity: identity(metadata),
            linked: metadata.nlink() > 1,
        }
    }

    /// The order of removal.
    fn order(&self) -> (SystemTime, &Path) {
        (self.used, &self.path)
    }

    /// Whether `metadata` is that of the same file, not used since.
    pub fn is_still(&self, metadata: &Metadata) -> bool {
        metadata.is_file()
            && identity(metadata) == self.identity
            && metadata.accessed().is_ok_and(|used| used == self.used)
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Bytes that a file takes on disk.
pub fn size(metadata: &Metadata) -> u64 {
    metadata.blocks().saturating_mul(512)
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The names of a file that has several.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// Those in the cache.
    pub here: u64,
    /// Whether it has others.
    pub elsewhere: bool,
}

/// What is in the cache.
#[derive(Debug, Default)]
pub struct Census {
    /// Names of files.
    pub files: u64,
    /// Bytes that they take on disk.
    pub bytes: u64,
    /// Files with several names, by device and inode.
    pub names: HashMap<(u64, u64), Names>,
    /// Partials, running and dead.
    pub partials: Vec<PathBuf>,
    /// What could not be looked into, and why.
    pub closed: Vec<(PathBuf, io::Error)>,
    /// Bytes that would be free on each device if all files were removed.
    freed: HashMap<u64, u64>,
}

impl Census {
    /// Bytes that would be free on the device if all files were removed.
    pub fn freed(&self, device: u64) -> u64 {
        self.freed.get(&device).copied().unwrap_or_default()
    }

    fn count(&mut self, metadata: &Metadata) {
        self.files = self.files.saturating_add(1);
        let mut first = true;
        let mut last = true;
        if metadata.nlink() > 1 {
            let names = self.names.entry(identity(metadata)).or_insert(Names {
                here: 0,
                elsewhere: true,
            });
            first = names.here == 0;
            names.here = names.here.saturating_add(1);
            last = names.here == metadata.nlink();
            names.elsewhere = !last;
        }
        if first {
            self.bytes = self.bytes.saturating_add(size(metadata));
        }
        if last {
            let freed = self.freed.entry(metadata.dev()).or_default();
            *freed = freed.saturating_add(size(metadata));
        }
    }
}

/// The files not used for longest, as many as are remembered.
#[derive(Debug)]
pub struct Oldest {
    heap: BinaryHeap<Candidate>,
    /// How many at most.
    most: usize,
    /// Those up to this one were dealt with.
    after: Option<Candidate>,
    /// Those used at this time or later are not wanted.
    before: Option<SystemTime>,
}

impl Oldest {
    /// At most `most` files that sort behind `after` and were last used before `before`.
    pub fn new(most: usize, after: Option<Candidate>, before: Option<SystemTime>) -> Self {
        Self {
            heap: BinaryHeap::new(),
            most,
            after,
            before,
        }
    }

    /// Considers a file.
    fn offer(&mut self, entry: &DirEntry, metadata: &Metadata) -> io::Result<()> {
        let used = metadata.accessed()?;
        let full = self.heap.len() >= self.most;
        // Most files end here, without a path.
        if self.before.is_some_and(|before| used >= before)
            || full && self.heap.peek().is_some_and(|newest| newest.used < used)
        {
            return Ok(());
        }
        let file = Candidate::new(entry.path(), used, metadata);
        let after = self.after.as_ref();
        if after.is_some_and(|after| file.order() <= after.order()) {
            return Ok(());
        }
        if !full {
            self.heap.push(file);
        } else if let Some(mut newest) = self.heap.peek_mut()
            && file < *newest
        {
            *newest = file;
        }
        Ok(())
    }

    /// Whether there may be more.
    pub fn is_full(&self) -> bool {
        self.heap.len() >= self.most
    }

    /// The files, the least recently used first.
    pub fn into_sorted(self) -> Vec<Candidate> {
        self.heap.into_sorted_vec()
    }
}

/// Looks at every file below `root`; `report` tells whoever waits.
pub fn survey(root: &Path, oldest: &mut Oldest, report: &mut Report) -> Census {
    let mut census = Census::default();
    let mut entries: u64 = 0;
    sweep::walk(root, &guard::admit, &mut |found| match found {
        Visited::Entry(entry) => {
            entries = entries.saturating_add(1);
            report.progress("looking", entries);
            match look(entry, &mut census, oldest) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    census.closed.push((entry.path(), cause));
                }
                _ => {}
            }
        }
        Visited::Closed(path, cause) => census.closed.push((path.to_path_buf(), cause)),
    });
    census
}

fn look(entry: &DirEntry, census: &mut Census, oldest: &mut Oldest) -> io::Result<()> {
    if sweep::is_partial(&entry.file_name()) {
        census.partials.push(entry.path());
        return Ok(());
    }
    // Of the entry itself: a link is not followed.
    let metadata = entry.metadata()?;
    if metadata.is_file() {
        census.count(&metadata);
        oldest.offer(entry, &metadata)?;
    }
    Ok(())
}

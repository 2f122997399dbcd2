//! Cull: `package-cache cull` removes files from a cache until its bounds hold.
//!
//! A run is four steps: `scan` looks at the whole cache once, `bounds` chooses file by file what goes, `remove`
//! removes it, `report` says what was done. `store::Guard` keeps it out of directories that are not caches.
//!
//! Rules: the least recently used files go first. Only regular files go, never a link or what a link points to.
//! A file is looked at again before it goes, and stays if it was used or replaced. Running transfers are left
//! alone; dead partials go, and so do directories that this run emptied. What another process has removed
//! meanwhile is no error. Nothing is kept between two runs.
//!
//! Memory: while the run lasts each file takes 64 bytes and its name, each directory its path. With 1,000,000
//! files in 1,000 directories and names of 32 bytes that was 95 MiB.
//!
//! Not here: the sweep of partials when the server starts (`store::walk`).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::log::Bytes;
use crate::store::Guard;
use crate::sys::calls;

mod bounds;
mod file;
mod remove;
mod report;
mod scan;

use bounds::Bounds;
use report::Report;
use scan::Scan;

/// What is culled, and until when; at least one bound is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The cache directory.
    pub cache: PathBuf,
    /// The bound on the time since the last use of a file.
    pub unused_for: Option<Duration>,
    /// The bound on the bytes that all files occupy.
    pub max_size: Option<u64>,
    /// The bound on the bytes free on the cache's file system.
    pub min_free: Option<u64>,
    /// Whether to remove nothing and only say what would be removed.
    pub dry_run: bool,
    /// Whether to name each file removed.
    pub verbose: bool,
}

/// Trims a cache. False if a bound does not hold or something failed, which stderr says.
///
/// # Errors
/// Why nothing could be done.
pub fn cull(options: &Options) -> Result<bool, String> {
    let (root, guard) = Guard::open(&options.cache)
        .map_err(|cause| format!("cannot cull {}: {cause}", options.cache.display()))?;
    let mut report = Report::new(options.dry_run, options.verbose);
    let scan = Scan::of(&root, &guard, &mut report);
    let age = options.unused_for;
    let before = age.and_then(|age| SystemTime::now().checked_sub(age));
    let mut bounds = Bounds::new(&scan.files, before, options.max_size);
    if let Some(least) = options.min_free {
        // Asked before anything is removed: what a removal frees is counted once, in the bounds.
        let (device, free) = room(&root)?;
        if let Err(most) = bounds.ask(least.saturating_sub(free), device, &scan.files) {
            report.console.complain(&format!(
                "--min-free={}: {} are free, and all files of the cache would free {} more; none is removed for it: make room elsewhere or lower --min-free",
                Bytes(least), Bytes(free), Bytes(most)
            ));
        }
    }
    remove::files(&scan, &mut bounds, &mut report, options.dry_run);
    let fine = holds(options, &root, &bounds, &mut report);
    report.summary(scan.files.len(), bounds.size);
    Ok(fine)
}

/// The device of the cache directory, and the bytes that are free on it.
fn room(root: &Path) -> Result<(u64, u64), String> {
    fs::metadata(root)
        .and_then(|of| calls::space(root).map(|(free, _)| (of.dev(), free)))
        .map_err(|cause| format!("cannot tell the free space: {cause}"))
}

/// Whether every bound holds and nothing failed; reports what does not.
fn holds(options: &Options, root: &Path, bounds: &Bounds, report: &mut Report) -> bool {
    let mut fine = !report.console.complained();
    if let Some(most) = options.max_size.filter(|_| bounds.is_too_large()) {
        fine = false;
        report.console.say(&format!(
            "--max-size={}: {} are left, in files that were used meanwhile or could not be removed",
            Bytes(most),
            Bytes(bounds.size)
        ));
    }
    if bounds.shortage > 0 {
        fine = false;
        report.console.say(&format!(
            "--min-free: {} too little was freed, files were used meanwhile or could not be removed",
            Bytes(bounds.shortage)
        ));
    }
    if fine
        && !options.dry_run
        && let Some(least) = options.min_free
        && let Ok((free, _)) = calls::space(root)
        && free < least
    {
        report.console.say(&format!(
            "--min-free={}: {} are free so far; files in use, snapshots or other programs hold the rest, or the file system needs a while",
            Bytes(least), Bytes(free)
        ));
    }
    fine
}

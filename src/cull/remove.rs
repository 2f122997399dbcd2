//! Removing one thing: a file, a dead partial, the directories that this emptied.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::cull::survey::{self, Candidate};
use crate::sweep;

/// What became of a file that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is gone, or would be.
    Removed,
    /// Another process was faster.
    Vanished,
    /// It stays: it was used or replaced since it was seen.
    Spared,
}

/// Removes a file if it is still as it was seen. A use between the look and the removal is not
/// noticed: its reader has the file open and gets it whole, the next one fetches it anew.
///
/// # Errors
/// What the file system says.
pub fn file(file: &Candidate, dry_run: bool) -> io::Result<Outcome> {
    let removed = fs::symlink_metadata(&file.path).and_then(|metadata| {
        if !file.is_still(&metadata) {
            return Ok(Outcome::Spared);
        }
        if !dry_run {
            fs::remove_file(&file.path)?;
        }
        Ok(Outcome::Removed)
    });
    match removed {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Outcome::Vanished),
        outcome => outcome,
    }
}

/// Removes a partial under its lock, if no process holds it; the bytes that it took on disk.
///
/// # Errors
/// What the file system says.
pub fn partial(path: &Path, dry_run: bool) -> io::Result<Option<u64>> {
    let removed = sweep::lock_dead(path).and_then(|dead| {
        let Some(locked) = dead else { return Ok(None) };
        if !dry_run {
            fs::remove_file(path)?;
        }
        locked.metadata().map(|of| Some(survey::size(&of)))
    });
    match removed {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        size => size,
    }
}

/// Removes the directories of these removed files, and those above them up to `root`, as far as they
/// are empty now.
///
/// A transfer that is about to use one makes it again. A link to a directory stays.
pub fn emptied<'a>(root: &Path, removed: impl Iterator<Item = &'a Path>) {
    let dirs: BTreeSet<_> = removed.filter_map(Path::parent).collect();
    for dir in dirs {
        let mut at = dir;
        while at != root && fs::remove_dir(at).is_ok() {
            at = at.parent().unwrap_or(root);
        }
    }
}

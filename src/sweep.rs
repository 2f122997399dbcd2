//! Walking the cache directory, and sweeping what killed processes left in it.
//!
//! Rules: a linked directory is entered once (by device and inode); a partial is unlinked only under
//! its lock, so that a living process keeps its own; a link or what it points to is never removed.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cache_path::RESERVED;
use crate::log;

/// Calls `visit` with the path of every entry below `root` that is not a directory.
pub fn walk(root: &Path, visit: &mut dyn FnMut(&Path)) {
    let mut entered = HashSet::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(dir) = left.pop() {
        let entries = fs::metadata(&dir).and_then(|of| {
            let new = entered.insert((of.dev(), of.ino()));
            if new {
                fs::read_dir(&dir).map(Some)
            } else {
                Ok(None)
            }
        });
        match entries {
            Ok(None) => {}
            Ok(Some(entries)) => visit_entries(entries, &mut left, visit),
            // A transfer that failed may have removed it.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => log::warning!("cannot read the directory {}: {cause}", dir.display()),
        }
    }
}

fn visit_entries(entries: fs::ReadDir, left: &mut Vec<PathBuf>, visit: &mut dyn FnMut(&Path)) {
    for entry in entries.flatten() {
        let path = entry.path();
        let linked_dir = |of: fs::FileType| of.is_symlink() && path.is_dir();
        match entry.file_type() {
            Ok(of) if of.is_dir() || linked_dir(of) => left.push(path),
            _ => visit(&path),
        }
    }
}

/// Unlinks the partials below `root` that no living process has locked; how many.
pub fn sweep(root: &Path) -> usize {
    let mut swept: usize = 0;
    walk(root, &mut |path| {
        if is_partial(path) && remove_dead(path).unwrap_or(false) {
            swept = swept.saturating_add(1);
        }
    });
    swept
}

/// Whether the name is one that partials bear.
pub fn is_partial(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.as_bytes();
        let random = name
            .strip_prefix(RESERVED)
            .and_then(|rest| rest.strip_prefix(b"-"))
            .and_then(|rest| rest.strip_suffix(b".part"));
        random.is_some_and(|hex| {
            hex.len() == 16
                && hex
                    .iter()
                    .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        })
    })
}

/// Unlinks one partial under its lock; false while a process holds it.
fn remove_dead(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(false);
    }
    let file = File::open(path)?;
    if file.try_lock().is_err() {
        return Ok(false);
    }
    fs::remove_file(path)?;
    Ok(true)
}

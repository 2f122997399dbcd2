//! Walking the cache directory, and sweeping what killed processes left in it.
//!
//! Rules: a linked directory is entered once (by device and inode); a partial is unlinked only under
//! its lock, so that a living process keeps its own; a link or what it points to is never removed;
//! what root alone may enter is passed over in silence, except as root.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::path::RESERVED;
use crate::log;
use crate::sys::calls;

/// What a walk comes upon.
#[derive(Debug)]
pub enum Visited<'a> {
    /// A directory that was entered; its entries follow before the next one.
    Directory(&'a Path),
    /// An entry that is not a directory, nor a link to one.
    Entry(&'a DirEntry),
    /// A path that cannot be read, or may not be entered, and why.
    Closed(&'a Path, io::Error),
}

/// Calls `visit` with all that is below `root`, in no order; `admit` may refuse a directory.
pub fn walk(
    root: &Path,
    admit: &dyn Fn(&Path, &Metadata) -> io::Result<()>,
    visit: &mut dyn FnMut(Visited<'_>),
) {
    let mut entered = HashSet::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(dir) = left.pop() {
        let entries = fs::metadata(&dir).and_then(|of| {
            let identity = (of.dev(), of.ino());
            if entered.contains(&identity) {
                return Ok(None);
            }
            // Not before: what is refused under one name may be admitted under another.
            admit(&dir, &of)?;
            entered.insert(identity);
            match open(&dir) {
                Err(cause) if dir != root && is_roots_alone(&of, &cause) => Ok(None),
                opened => opened.map(Some),
            }
        });
        match entries {
            Ok(None) => {}
            Ok(Some(entries)) => {
                visit(Visited::Directory(&dir));
                visit_entries(&dir, entries, &mut left, visit);
            }
            // A transfer that failed may have removed it.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => visit(Visited::Closed(&dir, cause)),
        }
    }
}

/// The entries of a directory that this process may both read and enter.
fn open(dir: &Path) -> io::Result<fs::ReadDir> {
    fs::metadata(dir.join("."))?;
    fs::read_dir(dir)
}

/// Whether a directory could not be opened because it is root's (`lost+found`, `.snapshots`): the user
/// whom the cache belongs to never stored anything there.
fn is_roots_alone(of: &Metadata, cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::PermissionDenied && of.uid() == 0 && calls::geteuid() != 0
}

fn visit_entries(
    dir: &Path,
    entries: fs::ReadDir,
    left: &mut Vec<PathBuf>,
    visit: &mut dyn FnMut(Visited<'_>),
) {
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(cause) => {
                visit(Visited::Closed(dir, cause));
                continue;
            }
        };
        let linked_dir = |of: fs::FileType| of.is_symlink() && entry.path().is_dir();
        match entry.file_type() {
            Ok(of) if of.is_dir() || linked_dir(of) => left.push(entry.path()),
            _ => visit(Visited::Entry(&entry)),
        }
    }
}

/// Unlinks the partials below `root` that no living process has locked; how many.
pub fn sweep(root: &Path) -> usize {
    let mut swept: usize = 0;
    walk(root, &|_, _| Ok(()), &mut |visited| match visited {
        Visited::Directory(_) => {}
        Visited::Entry(entry) => {
            if is_partial(&entry.file_name()) && remove_dead(&entry.path()).unwrap_or(false) {
                swept = swept.saturating_add(1);
            }
        }
        Visited::Closed(dir, cause) => {
            log::warning!("cannot read the directory {}: {cause}", dir.display());
        }
    });
    swept
}

/// Whether the name is one that partials bear.
pub fn is_partial(name: &OsStr) -> bool {
    let random = name
        .as_bytes()
        .strip_prefix(RESERVED)
        .and_then(|rest| rest.strip_prefix(b"-"))
        .and_then(|rest| rest.strip_suffix(b".part"));
    random.is_some_and(|hex| {
        hex.len() == 16
            && hex
                .iter()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Unlinks one partial under its lock; false while a process holds it.
///
/// # Errors
/// What the file system says.
pub fn remove_dead(path: &Path) -> io::Result<bool> {
    let Some(_locked) = lock_dead(path)? else {
        return Ok(false);
    };
    fs::remove_file(path)?;
    Ok(true)
}

/// A partial that no living process holds, open and locked.
///
/// # Errors
/// What the file system says.
pub fn lock_dead(path: &Path) -> io::Result<Option<File>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(None);
    }
    let file = File::open(path)?;
    Ok(file.try_lock().is_ok().then_some(file))
}

//! Partial: a file being received, from its first byte to its name.
//!
//! Rules: it lies in the directory of its final name under a reserved name, so that the rename is
//! atomic on every mount layout; it is locked, so that a sweeper knows it lives; dropped unpublished
//! it goes, and so do the directories that were made for it.

use std::collections::HashSet;
use std::fs::{self, File, FileTimes, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{CachePath, Modified};
use crate::http::HttpDate;
use crate::sys::lock::lock;

/// The partials of this process.
#[derive(Debug, Default)]
pub struct Partials {
    live: Mutex<HashSet<PathBuf>>,
    /// Where their names come from.
    random: RandomState,
}

impl Partials {
    /// Unlinks them all: the last act before the process exits.
    pub fn abandon(&self) {
        for path in lock(&self.live).drain() {
            let _ = fs::remove_file(path);
        }
    }
}

/// A file being received. Dropped unpublished, it is unlinked, and so are the directories made for it.
#[derive(Debug)]
pub struct Partial {
    partials: Arc<Partials>,
    file: Arc<File>,
    /// Its present name; none once it has the final one.
    path: Option<PathBuf>,
    target: PathBuf,
    made: Vec<PathBuf>,
    modified: Modified,
}

impl Partial {
    /// Makes the directories of `path` and a locked partial in the last of them, with the time that the
    /// published file will have.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(
        partials: &Arc<Partials>,
        root: &Path,
        path: &CachePath,
        last_modified: Option<HttpDate>,
    ) -> io::Result<Self> {
        let target = root.join(path.as_path());
        let parent = target.parent().unwrap_or(root).to_path_buf();
        // Another transfer's failure may remove a directory between its making and its use.
        let mut last = ErrorKind::NotFound.into();
        for _ in 0..8 {
            let made = make_directories(root, &parent)?;
            match create_locked(partials, &parent) {
                Ok((file, partial)) => {
                    let partial = Self {
                        partials: Arc::clone(partials),
                        file: Arc::new(file),
                        path: Some(partial),
                        target,
                        made,
                        modified: Modified::default(),
                    };
                    return partial.stamp(last_modified);
                }
                Err(cause) => {
                    remove_directories(&made);
                    if cause.kind() != ErrorKind::NotFound {
                        return Err(cause);
                    }
                    last = cause;
                }
            }
        }
        Err(last)
    }

    /// The open file, for its writer and its readers.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The time the published file will have, as the file system could keep it.
    pub fn modified(&self) -> Modified {
        self.modified
    }

    /// Sets the time (the source's, or a marked now) and reads back what was kept.
    fn stamp(mut self, last_modified: Option<HttpDate>) -> io::Result<Self> {
        let now = SystemTime::now();
        let source = last_modified
            .and_then(|date| u64::try_from(date.unix()).ok())
            .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
            .filter(|time| *time <= now);
        let time = source.unwrap_or_else(|| mark(now));
        self.file.set_modified(time)?;
        self.modified = Modified::of(&self.file.metadata()?);
        Ok(self)
    }

    /// Makes the content durable, then visible under its name.
    ///
    /// # Errors
    /// What the file system says; the partial is gone then.
    pub fn publish(mut self) -> io::Result<()> {
        let time = self.modified.time();
        self.file.set_times(
            FileTimes::new()
                .set_modified(time)
                .set_accessed(SystemTime::now()),
        )?;
        // With its time: a file whose time was lost would pass for one of an unknown age.
        self.file.sync_all()?;
        if let Some(path) = &self.path {
            fs::rename(path, &self.target)?;
            lock(&self.partials.live).remove(path);
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            lock(&self.partials.live).remove(path);
            let _ = fs::remove_file(path);
            remove_directories(&self.made);
        }
    }
}

/// Makes a new partial and locks it. A sweeper that was faster has it locked or unlinked: then another.
fn create_locked(partials: &Partials, parent: &Path) -> io::Result<(File, PathBuf)> {
    for _ in 0..8 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let random = partials.random.hash_one((now, std::process::id(), parent));
        let path = parent.join(format!(".package-cache-{random:016x}.part"));
        let file = match OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
        {
            Ok(file) => file,
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => continue,
            Err(cause) => return Err(cause),
        };
        match file.try_lock() {
            Ok(()) if file.metadata()?.nlink() == 1 => {
                lock(&partials.live).insert(path.clone());
                return Ok((file, path));
            }
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(cause)) => {
                let _ = fs::remove_file(&path);
                return Err(cause);
            }
        }
    }
    Err(io::Error::other("no partial could be locked"))
}

/// `now` with a nanosecond part that is not zero.
fn mark(now: SystemTime) -> SystemTime {
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) if since.subsec_nanos() == 0 => {
            now.checked_add(Duration::from_nanos(1)).unwrap_or(now)
        }
        _ => now,
    }
}

/// Makes the missing directories from `root` down to `parent`; those made, outermost first.
fn make_directories(root: &Path, parent: &Path) -> io::Result<Vec<PathBuf>> {
    let mut missing: Vec<PathBuf> = parent
        .ancestors()
        .take_while(|dir| *dir != root && dir.starts_with(root) && !dir.is_dir())
        .map(Path::to_path_buf)
        .collect();
    missing.reverse();
    let mut made = Vec::new();
    for dir in missing {
        match fs::create_dir(&dir) {
            Ok(()) => made.push(dir),
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
            Err(cause) => {
                remove_directories(&made);
                return Err(cause);
            }
        }
    }
    Ok(made)
}

/// Removes directories that we made, innermost first, as far as they are empty.
fn remove_directories(made: &[PathBuf]) {
    for dir in made.iter().rev() {
        let _ = fs::remove_dir(dir);
    }
}

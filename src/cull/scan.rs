//! Scan: one look at the whole cache, at which files it has and when each was last used.
//!
//! Rules: only regular files count, under their own names. The size of a file is the space that it takes on
//! disk, as in du(1). A partial counts when no process has it locked, and then goes before all files; one that was
//! kept at a stop counts as a file until it is old. The path
//! of a directory is kept once, and names are kept one after the other; the head of `cull` says what a file
//! takes.

use std::collections::BinaryHeap;
use std::ffi::OsStr;
use std::fs::{DirEntry, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::file::File;
use super::report::Report;
use crate::log::counted;
use crate::store::Guard;
use crate::store::walk::{self, Visited};

/// What is in the cache.
#[derive(Debug, Default)]
pub struct Scan {
    /// Dead partials, then every name of a file, the least recently used first; the names of one file
    /// are side by side.
    pub files: Vec<File>,
    /// The directories that were entered, the cache itself first.
    pub dirs: Vec<PathBuf>,
    /// The names of `files` in their directories, each ended by a NUL.
    names: Vec<u8>,
}

impl Scan {
    /// Looks at everything below `root` that `guard` admits; reports what cannot be looked at.
    pub fn of(root: &Path, guard: &Guard, report: &mut Report) -> Self {
        let mut scan = Self::default();
        let mut entries = 0;
        let admit = |dir: &Path, metadata: &Metadata| guard.admit(dir, metadata);
        walk::walk(root, &admit, &mut |visited| match visited {
            Visited::Directory(dir) => scan.dirs.push(dir.to_path_buf()),
            Visited::Entry(entry) => {
                entries += 1;
                report
                    .console
                    .progress(format_args!("looking: {}", counted(entries)));
                match scan.look(entry) {
                    // Another process has removed it.
                    Err(cause) if cause.kind() == ErrorKind::NotFound => {}
                    Err(cause) => report.console.failed("look into", &entry.path(), &cause),
                    Ok(()) => {}
                }
            }
            Visited::Closed(path, cause) => report.console.failed("look into", path, &cause),
        });
        scan.files = BinaryHeap::from(scan.files).into_sorted_vec();
        scan
    }

    /// Notes an entry of the directory that was entered last.
    fn look(&mut self, entry: &DirEntry) -> io::Result<()> {
        let name = entry.file_name();
        // The metadata of the entry itself: a link is not followed.
        let metadata = entry.metadata()?;
        let expired = walk::is_kept(&name) && walk::left_to_keep(&metadata).is_none();
        let is_partial = walk::is_partial(&name) || expired;
        let running = is_partial && walk::lock_dead(&entry.path())?.is_none();
        if running || !metadata.is_file() {
            return Ok(());
        }
        self.files.push(File {
            dir: self.dirs.len().saturating_sub(1),
            name: self.names.len(),
            ..File::new(&metadata, is_partial)
        });
        self.names.extend_from_slice(name.as_bytes());
        self.names.push(0);
        Ok(())
    }

    /// Where a file is.
    pub fn path(&self, file: &File) -> PathBuf {
        let dir = self.dirs.get(file.dir).map(PathBuf::as_path);
        let name = self.names.get(file.name..).unwrap_or_default();
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        dir.unwrap_or(Path::new("")).join(OsStr::from_bytes(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_small_as_the_head_of_cull_says() {
        assert_eq!(size_of::<File>(), 64);
    }
}

//! Store: the cache directory.
//!
//! Rules: a name appears only when its content is complete, by an atomic rename in one directory; a
//! partial bears a reserved name, is locked by its process, and is unlinked when dropped; only
//! "no such file" is a miss; one open file gives length, time and bytes, so that they agree.
//!
//! Not here: a file being received (`partial`), what a killed process left (`walk`), which content is stored
//! (`transfer::fetch`).

mod freshness;
mod modified;
mod partial;
mod path;
pub mod walk;

use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::http::HttpDate;
use crate::log;
use crate::sys::calls;
use partial::Partials;

pub use freshness::{Freshness, Given, Validation};
pub use modified::Modified;
pub use partial::Partial;
pub use path::{CachePath, Place};

/// The cache directory when none is given; this path alone is created 0700 and checked for its owner.
pub const DEFAULT_ROOT: &str = "/tmp/package-cache";

/// A complete file of the cache, open.
#[derive(Debug)]
pub struct Stored {
    /// The open file: replaced or removed, it still gives these bytes.
    pub file: File,
    /// Its length in bytes.
    pub length: u64,
    /// Its time.
    pub modified: Modified,
}

impl Stored {
    /// Its strong entity tag.
    pub fn etag(&self) -> String {
        self.modified.etag(self.length)
    }
}

/// What the cache directory has at a path.
#[derive(Debug)]
pub enum Lookup {
    /// A file.
    Hit(Stored),
    /// Nothing.
    Miss,
    /// A directory.
    Directory,
    /// No descriptor is left to open it with.
    Busy(io::Error),
    /// Something that cannot be served, and cannot be replaced either.
    Unusable(io::Error),
}

/// The free space that storing leaves alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MinFree {
    /// 1 % of the file system or 256 MiB, the smaller.
    Default,
    /// So many bytes.
    Bytes(u64),
}

/// The cache directory.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    min_free: MinFree,
    partials: Arc<Partials>,
    freshness: Freshness,
    /// Whether storing failed the last time: one error in the log, not one per file.
    failing: AtomicBool,
}

impl Store {
    /// Opens the cache directory, making it when it is missing.
    ///
    /// # Errors
    /// When it cannot be made, or is no directory, or `private` and not safely ours.
    pub fn open(root: &Path, private: bool, min_free: MinFree) -> io::Result<Self> {
        if !root.is_dir() {
            let mut builder = DirBuilder::new();
            builder
                .recursive(!private)
                .mode(if private { 0o700 } else { 0o777 });
            match builder.create(root) {
                Err(cause) if cause.kind() != ErrorKind::AlreadyExists => return Err(cause),
                _ => {}
            }
        }
        check_root(root, private)?;
        Ok(Self {
            root: root.to_path_buf(),
            min_free,
            partials: Arc::default(),
            freshness: Freshness::default(),
            failing: AtomicBool::new(false),
        })
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file of `path` is.
    fn place(&self, path: &CachePath) -> PathBuf {
        let length = self
            .root
            .as_os_str()
            .len()
            .saturating_add(path.as_bytes().len());
        let mut place = PathBuf::with_capacity(length.saturating_add(1));
        place.push(&self.root);
        place.push(path.as_path());
        place
    }

    /// Opens what is at `path`.
    pub fn find(&self, path: &CachePath) -> Lookup {
        // O_NONBLOCK: opening a FIFO must not wait for its writer.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(calls::O_NONBLOCK)
            .open(self.place(path))
            .and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        match opened {
            Ok((file, metadata)) if metadata.is_file() => {
                touch(&file, &metadata);
                Lookup::Hit(Stored {
                    file,
                    length: metadata.len(),
                    modified: Modified::of(&metadata),
                })
            }
            Ok((_, metadata)) if metadata.is_dir() => Lookup::Directory,
            Ok(_) => Lookup::Unusable(io::Error::other("not a regular file")),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Lookup::Miss,
            Err(cause)
                if cause
                    .raw_os_error()
                    .is_some_and(|code| calls::OUT_OF_DESCRIPTORS.contains(&code)) =>
            {
                Lookup::Busy(cause)
            }
            Err(cause) => Lookup::Unusable(cause),
        }
    }

    /// Begins to store `path`: makes its directories and a locked partial in the last of them.
    ///
    /// # Errors
    /// When the cache cannot be written or `length` bytes would leave too little free space. The
    /// first of a series of failures is logged here.
    pub fn begin(
        &self,
        path: &CachePath,
        length: Option<u64>,
        last_modified: Option<HttpDate>,
    ) -> io::Result<Partial> {
        let begun = self
            .check_space(length.unwrap_or(0))
            .and_then(|()| Partial::create(&self.partials, &self.root, path, last_modified));
        match &begun {
            Ok(_) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    log::notice!("storing again in {}", self.root.display());
                }
            }
            Err(cause) => self.failed(path, cause),
        }
        begun
    }

    /// Logs that `path` could not be stored, once in a series of failures.
    pub fn failed(&self, path: &CachePath, cause: &io::Error) {
        let root = self.root.display();
        if self.failing.swap(true, Ordering::Relaxed) {
            log::debug!("cannot store {root}/{path}: {cause}");
        } else {
            log::error!(
                "cannot store {root}/{path}: {cause}; clients are served, nothing is stored until this is mended"
            );
        }
    }

    /// What this process knows of its files beside what the file system keeps.
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// Unlinks every partial of this process: the last act before it exits.
    pub fn abandon(&self) {
        self.partials.abandon();
    }

    /// Whether `length` more bytes leave the free space that is to be left.
    ///
    /// # Errors
    /// When they do not, or nobody knows.
    pub fn check_space(&self, length: u64) -> io::Result<()> {
        let (free, total) = calls::space(&self.root)?;
        let least = match self.min_free {
            MinFree::Default => (total / 100).min(256 << 20),
            MinFree::Bytes(bytes) => bytes,
        };
        if free < least.saturating_add(length) {
            return Err(io::Error::new(
                ErrorKind::StorageFull,
                format!("{length} bytes would leave less than {least} free (--min-free)"),
            ));
        }
        Ok(())
    }
}

/// Keeps the time of last use right on `noatime` and `relatime` mounts; a file not ours is left alone.
fn touch(file: &File, metadata: &fs::Metadata) {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let now = SystemTime::now();
    if metadata
        .accessed()
        .is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > DAY))
    {
        let _ = file.set_times(FileTimes::new().set_accessed(now));
    }
}

/// Whether `root` is the default cache directory, however spelt.
pub fn is_default_root(root: &Path) -> bool {
    root == Path::new(DEFAULT_ROOT)
}

/// Whether `root` can be the cache directory. `private`: the default path, in a directory that
/// everybody may write, is taken only when nobody else can have laid it there.
pub fn check_root(root: &Path, private: bool) -> io::Result<()> {
    let metadata = if private {
        fs::symlink_metadata(root)?
    } else {
        fs::metadata(root)?
    };
    if !metadata.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    if private && (metadata.uid() != calls::geteuid() || metadata.mode() & 0o022 != 0) {
        return Err(io::Error::new(
            ErrorKind::PermissionDenied,
            "it belongs to another user, or others may write to it",
        ));
    }
    Ok(())
}

/// Whether files can be made in `dir`, by one that never gets a name. A file system that knows no
/// such files is given the benefit of the doubt.
///
/// # Errors
/// Why they cannot.
pub fn check_writable(dir: &Path) -> io::Result<()> {
    let nameless = OpenOptions::new()
        .write(true)
        .custom_flags(calls::O_TMPFILE)
        .open(dir);
    match nameless {
        Err(cause)
            if matches!(
                cause.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotFound
            ) =>
        {
            Err(cause)
        }
        _ => Ok(()),
    }
}

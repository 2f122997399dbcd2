//! Store: the cache directory.
//!
//! Rules: a name appears only when its content is complete, by an atomic rename within one directory. A partial
//! has a reserved name, is locked by its process, and is unlinked when it is dropped. Only "no such file" is a
//! miss. Length, time and bytes come from one open file, so that they agree.
//!
//! Not here: a file being received (`partial`), where it will lie (`target`), whether there is room (`room`),
//! what a killed process left (`walk`), which content is stored (`transfer::request`).

mod freshness;
mod guard;
pub mod layout;
mod modified;
mod partial;
mod path;
mod room;
mod root;
mod syncs;
mod target;
mod times;
pub mod walk;

use std::fmt;
use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::http::HttpDate;
use crate::log;
use crate::stats::{Space, Stats};
use crate::sys::{calls, errno};
use partial::Partials;
use room::Rooms;
use times::Times;

pub use freshness::{Freshness, Given, Validation};
pub use guard::Guard;
pub use modified::Modified;
pub use partial::{Kept, Partial, Whole};
pub use path::{CachePath, Place, RESERVED};
pub use room::MinFree;
pub use root::{DEFAULT_ROOT, check_root, check_writable, is_default_root, itself};

/// A complete file of the cache, open.
#[derive(Debug)]
pub struct Stored {
    /// The open file: replaced or removed, it still gives these bytes.
    pub file: File,
    /// Its length in bytes.
    pub length: u64,
    /// Its modification time.
    pub modified: Modified,
}

impl Stored {
    /// Its strong entity tag, with quotes.
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
    /// No descriptor is left to open it (EMFILE, ENFILE).
    Busy(io::Error),
    /// Something that can be neither served nor replaced.
    Unusable(io::Error),
}

/// The cache directory.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    rooms: Arc<Rooms>,
    partials: Arc<Partials>,
    freshness: Freshness,
    /// Whether storing failed the last time, so that a series of failures is one error in the log.
    failing: AtomicBool,
    /// Whether the process stops, so that partials are kept.
    stopping: AtomicBool,
    stats: Arc<Stats>,
}

impl Store {
    /// Opens the cache directory, and makes it if it is missing; `stats` counts what cannot be stored.
    ///
    /// # Errors
    /// When it cannot be made or is no directory, or it is `private` and may be another user's.
    pub fn open(
        root: &Path,
        private: bool,
        min_free: MinFree,
        stats: Arc<Stats>,
    ) -> io::Result<Self> {
        let root = &itself(root);
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
            rooms: Rooms::new(min_free),
            partials: Arc::default(),
            freshness: Freshness::default(),
            failing: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            stats,
        })
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The name of the file of `path`.
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
            Err(cause) if errno::is_out_of_descriptors(&cause) => Lookup::Busy(cause),
            Err(cause) => Lookup::Unusable(cause),
        }
    }

    /// Begins to store `path`: makes its directories, and a locked partial in the last of them. `date` is the
    /// Date of the source's response.
    ///
    /// # Errors
    /// When the cache cannot be written, or `length` bytes would leave too little free space. The first of a
    /// series of failures is logged here.
    pub fn begin(
        &self,
        path: &CachePath,
        length: Option<u64>,
        last_modified: Option<HttpDate>,
        date: Option<HttpDate>,
    ) -> io::Result<Partial> {
        let times = Times::new(last_modified, date, SystemTime::now());
        let begun = Partial::create(self, path, length, times);
        if let Err(cause) = &begun {
            self.failed(path, cause);
        }
        begun
    }

    /// Begins to store `path` of which all the `content` is there; whether it `replaces` a file. Else as
    /// [`Store::begin`].
    ///
    /// # Errors
    /// Those of [`Store::begin`].
    pub fn write(
        &self,
        path: &CachePath,
        content: &[u8],
        replaces: bool,
        last_modified: Option<HttpDate>,
        date: Option<HttpDate>,
    ) -> io::Result<Partial> {
        let times = Times::new(last_modified, date, SystemTime::now());
        let named = || Partial::with(self, path, content, times);
        let stored = match replaces {
            true => named(),
            // What does not work in this way is tried, and may be refused, in the usual one.
            false => Partial::nameless(self, path, content, times).or_else(|_| named()),
        };
        if let Err(cause) = &stored {
            self.failed(path, cause);
        }
        stored
    }

    /// Notes that a file was stored completely, which ends a series of failures. That one was begun does not
    /// end it, since a disk may fail at the first byte or at the last.
    pub fn succeeded(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            log::notice!("storing again in {}", self.root.display());
        }
    }

    /// Logs that `path` could not be stored, once in a series of failures.
    pub fn failed(&self, path: &CachePath, cause: &io::Error) {
        self.stats.store_failures.add(1);
        let root = self.root.display();
        if self.begins_to_fail(format_args!("{root}/{path}"), cause) {
            // The path on this host is the log's alone.
            let why = format!("cannot be stored: {}", cause.kind());
            self.stats.failed(&path.encoded(), &why);
        }
    }

    /// Logs that nothing can be stored, if that is so, before the first miss finds it out. This may wait for the
    /// file system.
    pub fn try_out(&self) {
        if let Err(cause) = check_writable(&self.root) {
            self.begins_to_fail(format_args!("in {}", self.root.display()), &cause);
        }
    }

    /// Logs that `what` cannot be stored; whether a series of failures begins with it.
    fn begins_to_fail(&self, what: fmt::Arguments, cause: &io::Error) -> bool {
        let begins = !self.failing.swap(true, Ordering::Relaxed);
        if begins {
            log::error!(
                "cannot store {what}: {cause}; clients are served, nothing is stored until this is mended"
            );
        } else {
            log::debug!("cannot store {what}: {cause}");
        }
        begins
    }

    /// What there is to see of the directory; this may wait for its file system.
    pub fn space(&self) -> Space {
        Space {
            free: self.rooms.space(&self.root),
            storing: !self.failing.load(Ordering::Relaxed),
        }
    }

    /// What this process knows of stored files beside what the file system keeps.
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// The process stops: from here on partials are kept, if they are worth it.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether this process has partials.
    pub fn has_partials(&self) -> bool {
        self.partials.any()
    }

    /// Unlinks all partials of this process, just before it exits.
    pub fn abandon(&self) {
        self.partials.abandon();
    }
}

/// Sets the time of last use (atime) where mounts with `noatime` or `relatime` do not. A file that is not ours
/// is left alone.
fn touch(file: &File, metadata: &fs::Metadata) {
    let now = SystemTime::now();
    if metadata.accessed().is_ok_and(|at| is_untrue(at, now)) {
        let _ = file.set_times(FileTimes::new().set_accessed(now));
    }
}

/// Whether the time of last use must be set at `now`: it is over a day ago or in the future. It is left alone
/// by a clock that cannot be right.
fn is_untrue(used: SystemTime, now: SystemTime) -> bool {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    times::is_possible(now) && now.duration_since(used).map_or(true, |age| age > DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_use_is_set_when_it_is_old_or_to_come() {
        const NOW: u64 = 1_760_000_000;
        const DAY: u64 = 86_400;
        for (used, now, untrue) in [
            (NOW, NOW, false),
            (NOW - DAY, NOW, false),
            (NOW - DAY - 1, NOW, true),
            (NOW + 1, NOW, true),
            // A clock in 1970 knows no better time.
            (NOW, 5, false),
            (0, DAY + 5, false),
        ] {
            let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(is_untrue(at(used), at(now)), untrue, "{used} {now}");
        }
    }
}

//! Partial: a file being received, from its first byte to its name.
//!
//! Rules: it lies in the directory of its final name, so that the rename is atomic whatever is mounted where.
//! It has a reserved name, which no request reaches, and is locked, so that a sweeper knows that it is in use.
//! Dropped unpublished it is unlinked, and so are the directories that were made for it.
//!
//! Content that is there from the beginning needs none of that: its file has no name until it gets its final one, so
//! it is gone if the process is. That takes half of the time. Where the file system has no such files, or the name
//! is taken (a file that is replaced, a link), it goes the usual way: it is copied at the end.

mod kept;

use std::fs::{self, File, FileTimes, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::room::Room;
use super::syncs::Syncs;
use super::target::{Target, remove_directories};
use super::times::Times;
use super::{CachePath, Modified, Store};
use crate::log;
use crate::sys::lock::lock;
use crate::sys::{calls, errno};

pub use kept::{Kept, Whole};

/// The partials of this process.
#[derive(Debug, Default)]
pub struct Partials {
    /// Few: no more than transfers run.
    live: Mutex<Vec<PathBuf>>,
    syncs: Syncs,
    /// The source of their random names.
    random: RandomState,
}

impl Partials {
    /// Whether any of them has neither its name nor gone.
    pub fn any(&self) -> bool {
        !lock(&self.live).is_empty()
    }

    /// A new reserved name in `dir`.
    fn free_name(&self, dir: &Path) -> PathBuf {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seed = (now.unwrap_or_default(), std::process::id(), dir);
        let random = self.random.hash_one(seed);
        reserved(dir, random, "part")
    }

    /// The partial of that name is none any more.
    fn ends(&self, path: &Path) {
        lock(&self.live).retain(|live| live.as_os_str() != path.as_os_str());
    }

    /// Unlinks them all, just before the process exits.
    pub fn abandon(&self) {
        for path in lock(&self.live).drain(..) {
            let _ = fs::remove_file(path);
        }
    }
}

/// A file being received. Dropped unpublished, it is unlinked, and so are the directories made for it.
#[derive(Debug)]
pub struct Partial {
    partials: Arc<Partials>,
    file: Arc<File>,
    /// Its present name; none once it has its final one, or if it has none before that.
    path: Option<PathBuf>,
    target: PathBuf,
    device: u64,
    made: Vec<PathBuf>,
    /// What is reserved for what is still to be written.
    room: Option<Room>,
    times: Times,
    /// The modification time that it has already, if the file system lets us set it.
    modified: Option<Modified>,
}

impl Partial {
    /// Reserves room for `length` bytes, makes the directories of `path`, and makes a locked partial in the
    /// last of them, with the modification time of the published file.
    ///
    /// # Errors
    /// What the file system says, or that there is no room.
    pub fn create(
        store: &Store,
        path: &CachePath,
        length: Option<u64>,
        times: Times,
    ) -> io::Result<Self> {
        // Another transfer that fails may remove a directory between its making and its use: then all is tried
        // again.
        let mut last = ErrorKind::NotFound.into();
        for _ in 0..8 {
            let begun = Target::of(&store.root, path).and_then(|target| {
                let room = Room::reserve(&store.rooms, &target.nearest, target.device, length)?;
                Self::create_at(&store.partials, target, room, times)
            });
            match begun {
                Err(cause) if cause.kind() == ErrorKind::NotFound => last = cause,
                begun => return begun,
            }
        }
        Err(last)
    }

    fn create_at(
        partials: &Arc<Partials>,
        target: Target,
        room: Room,
        times: Times,
    ) -> io::Result<Self> {
        let made = target.make_directories()?;
        let (file, path) =
            create_locked(partials, &target.dir).inspect_err(|_| remove_directories(&made))?;
        let mut partial = Self {
            partials: Arc::clone(partials),
            file: Arc::new(file),
            path: Some(path),
            target: target.file,
            device: target.device,
            made,
            room: Some(room),
            times,
            modified: None,
        };
        partial.set_time()?;
        Ok(partial)
    }

    /// Gives it the modification time of the published file, and reads back what the file system keeps of that.
    fn set_time(&mut self) -> io::Result<()> {
        match self.file.set_modified(self.times.modified) {
            Ok(()) => self.modified = Some(Modified::of(&self.file.metadata()?)),
            Err(cause) => say_timeless(&self.target, &cause),
        }
        Ok(())
    }

    /// The same with all of its content.
    ///
    /// # Errors
    /// As [`Partial::create`].
    pub fn with(store: &Store, path: &CachePath, content: &[u8], times: Times) -> io::Result<Self> {
        let length = content.len() as u64;
        let mut partial = Self::create(store, path, Some(length), times)?;
        partial.file.write_all_at(content, 0)?;
        partial.wrote(length)?;
        Ok(partial)
    }

    /// A partial without a name that has all of its content and its times.
    ///
    /// # Errors
    /// What the file system says, such as that it has no files without a name; or that there is no room.
    pub fn nameless(
        store: &Store,
        path: &CachePath,
        content: &[u8],
        times: Times,
    ) -> io::Result<Self> {
        let target = store.place(path);
        let dir = target.parent().unwrap_or(&store.root);
        let (file, made) = match open_nameless(dir) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => {
                let made = Target::of(&store.root, path)?.make_directories()?;
                let file = open_nameless(dir).inspect_err(|_| remove_directories(&made))?;
                (file, made)
            }
            opened => (opened?, Vec::new()),
        };
        let mut partial = Self {
            partials: Arc::clone(&store.partials),
            file: Arc::new(file),
            path: None,
            target,
            device: 0,
            made,
            room: None,
            times,
            modified: None,
        };
        partial.file.write_all_at(content, 0)?;
        partial.file.set_times(times.all())?;
        let metadata = partial.file.metadata()?;
        partial.modified = Some(Modified::of(&metadata));
        partial.device = metadata.dev();
        let dir = partial.target.parent().unwrap_or(&store.root);
        let length = content.len() as u64;
        store.rooms.admit(dir, partial.device, length)?;
        Ok(partial)
    }

    /// The open file, for its writer and its readers.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The modification time of the published file, as the file system keeps it; none where it lets us set
    /// none.
    pub fn modified(&self) -> Option<Modified> {
        self.modified
    }

    /// Notes that `bytes` more bytes were written.
    ///
    /// # Errors
    /// When there is no room for more.
    pub fn wrote(&mut self, bytes: u64) -> io::Result<()> {
        let room = self.room.as_mut();
        room.map_or(Ok(()), |room| room.wrote(bytes))
    }

    /// Whether its sync will be quick, as far as one can tell.
    pub fn syncs_quickly(&self) -> bool {
        self.partials.syncs.are_quick(self.device)
    }

    /// Sets the file's times and syncs it to disk. Returns its modification time.
    ///
    /// # Errors
    /// What the file system says.
    pub fn seal(&mut self) -> io::Result<Modified> {
        // The content came after the times, unless all of it was there at the beginning.
        if let (Some(modified), Some(_)) = (self.modified, &self.path) {
            let times = FileTimes::new()
                .set_modified(modified.time())
                .set_accessed(self.times.used(SystemTime::now()));
            self.file.set_times(times)?;
        }
        let begun = Instant::now();
        // The time is synced too: it is part of the entity tag, and says what Last-Modified was.
        match self.file.sync_all() {
            Err(cause) if errno::is_unsupported(&cause) => say_unsynced(&self.target, &cause),
            synced => synced?,
        }
        self.partials.syncs.note(self.device, begun.elapsed());
        match self.modified {
            Some(modified) => Ok(modified),
            None => Ok(Modified::of(&self.file.metadata()?)),
        }
    }

    /// Gives the sealed file of `path` its final name.
    ///
    /// # Errors
    /// What the file system says; the partial is gone then.
    pub fn publish(mut self, store: &Store, path: &CachePath) -> io::Result<()> {
        if let Some(present) = &self.path {
            fs::rename(present, &self.target)?;
            self.partials.ends(present);
            self.path = None;
        } else {
            let linked = calls::link(self.file.as_fd(), &self.target);
            linked.or_else(|_| self.publish_copy(store, path))?;
        }
        self.made.clear();
        Ok(())
    }

    /// Publishes a copy in the usual way, since the name is taken, or the directory was removed meanwhile.
    fn publish_copy(&self, store: &Store, path: &CachePath) -> io::Result<()> {
        let mut content = Vec::new();
        (&*self.file).read_to_end(&mut content)?;
        let mut copy = Self::with(store, path, &content, self.times)?;
        copy.seal()?;
        copy.publish(store, path)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            self.partials.ends(path);
            let _ = fs::remove_file(path);
        }
        remove_directories(&self.made);
    }
}

/// A reserved name in `dir`.
fn reserved(dir: &Path, number: u64, end: &str) -> PathBuf {
    dir.join(format!(".package-cache-{number:016x}.{end}"))
}

/// Makes a file without a name in `dir`.
fn open_nameless(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(calls::O_TMPFILE).open(dir)
}

/// Checks that files can be made in `dir`, by making one under a reserved name and unlinking it.
///
/// # Errors
/// Why it cannot.
pub fn check_creatable(dir: &Path) -> io::Result<()> {
    match create_locked(&Partials::default(), dir) {
        Ok((_, path)) => fs::remove_file(path),
        // The directory exists, so it is the file that cannot be made.
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            Err(io::Error::other("no file can be made there"))
        }
        Err(cause) => Err(cause),
    }
}

/// Makes a new partial and locks it. If a sweeper was faster and has locked or unlinked it, another one is
/// made.
fn create_locked(partials: &Partials, parent: &Path) -> io::Result<(File, PathBuf)> {
    for _ in 0..8 {
        let path = partials.free_name(parent);
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
        let locked = file.try_lock();
        if let Err(TryLockError::Error(cause)) = &locked {
            say_lockless(parent, cause);
        }
        if is_ours(&locked, file.metadata()?.nlink()) {
            lock(&partials.live).push(path.clone());
            return Ok((file, path));
        }
    }
    Err(io::Error::other("no partial could be locked"))
}

/// Whether a new partial is ours, after the attempt to lock it. Where there are no locks it is, since sweepers
/// leave a young partial alone.
fn is_ours(locked: &Result<(), TryLockError>, links: u64) -> bool {
    !matches!(locked, Err(TryLockError::WouldBlock)) && links > 0
}

fn say_lockless(dir: &Path, cause: &io::Error) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let dir = dir.display();
        log::notice!(
            "no locks in {dir}: {cause}; what a killed transfer leaves there is swept after a day"
        );
    });
}

fn say_timeless(file: &Path, cause: &io::Error) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let dir = file.parent().unwrap_or(file).display();
        log::notice!("times cannot be set in {dir}: {cause}; files there are as old as their copy");
    });
}

fn say_unsynced(file: &Path, cause: &io::Error) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let file = file.display();
        log::notice!("{file} cannot be synced: {cause}; a power failure may spoil what is new");
    });
}

#[cfg(test)]
mod tests;

//! Walk: goes through the cache directory, and sweeps what killed processes left in it.
//!
//! Rules: a directory is entered once (by device and inode), by a name without links if it has one, since by another
//! name its files may be others: distfiles are told by their directory's. A partial is unlinked only under its lock,
//! so that a running process keeps its own; where there are no locks, only when it is old. One that was kept at a stop
//! goes `partial_ms` later, as its change time tells. A link, or what it points to, is never removed. A directory that
//! only root may enter is skipped without a word, except as root.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, File, Metadata, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::path::RESERVED;
use super::{target, times};
use crate::log;
use crate::sys::calls;
use crate::sys::limits::{limits, ms};

/// Where there are no locks, a partial that changed less than this long ago counts as in use: no source may be
/// silent for longer (`--timeout`).
const YOUNG: Duration = Duration::from_secs(24 * 60 * 60);

/// What a walk finds.
#[derive(Debug)]
pub enum Visited<'a> {
    /// A directory that was entered; its entries follow before the next one.
    Directory(&'a Path),
    /// An entry that is not a directory, nor a link to one.
    Entry(&'a DirEntry),
    /// A path that cannot be read, or may not be entered, and why.
    Closed(&'a Path, io::Error),
}

/// Calls `visit` with everything below `root`, in no order. `admit` may refuse to enter a directory.
pub fn walk(
    root: &Path,
    admit: &dyn Fn(&Path, &Metadata) -> io::Result<()>,
    visit: &mut dyn FnMut(Visited<'_>),
) {
    let mut entered = HashSet::new();
    let mut left = Left {
        real: vec![root.to_path_buf()],
        linked: Vec::new(),
    };
    while let Some(dir) = left.real.pop().or_else(|| left.linked.pop()) {
        let entries = fs::metadata(&dir).and_then(|of| {
            let identity = (of.dev(), of.ino());
            if entered.contains(&identity) {
                return Ok(None);
            }
            // Entered only after `admit`: what is refused by one name may be admitted by another.
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

/// The directories that are still to be entered.
struct Left {
    real: Vec<PathBuf>,
    /// Links, which come when all others were entered.
    linked: Vec<PathBuf>,
}

/// The entries of a directory, if this process may both read and enter it.
fn open(dir: &Path) -> io::Result<fs::ReadDir> {
    fs::metadata(dir.join("."))?;
    fs::read_dir(dir)
}

/// Whether a directory could not be opened because it is root's (`lost+found`, `.snapshots`). The user of the
/// cache has never stored anything there.
fn is_roots_alone(of: &Metadata, cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::PermissionDenied && of.uid() == 0 && calls::geteuid() != 0
}

fn visit_entries(
    dir: &Path,
    entries: fs::ReadDir,
    left: &mut Left,
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
            Ok(of) if of.is_dir() => left.real.push(entry.path()),
            Ok(of) if linked_dir(of) => left.linked.push(entry.path()),
            _ => visit(Visited::Entry(&entry)),
        }
    }
}

/// What a sweep has done.
#[derive(Debug, Default)]
pub struct Swept {
    /// How many partials it has unlinked.
    pub count: usize,
    /// When the first of those that were kept may go; none if there are none.
    pub next: Option<Duration>,
}

/// Unlinks the partials below `root`, and beside the files that links below `root` lead to, that no running
/// process has locked or kept lately.
pub fn sweep(root: &Path) -> Swept {
    let mut swept = Swept::default();
    let mut beside = HashSet::new();
    walk(root, &|_, _| Ok(()), &mut |visited| match visited {
        Visited::Directory(_) => {}
        Visited::Entry(entry) => {
            swept.entry(entry);
            // The partial for the file that a link leads to lies beside that file.
            if entry.file_type().is_ok_and(|of| of.is_symlink())
                && let Ok(Some(file)) = target::follow(&entry.path())
                && let Some(dir) = file.parent()
                && let Ok(of) = fs::metadata(dir)
                && beside.insert((of.dev(), of.ino()))
                && let Ok(entries) = fs::read_dir(dir)
            {
                entries.flatten().for_each(|entry| swept.entry(&entry));
            }
        }
        Visited::Closed(dir, cause) => {
            log::warning!("cannot read the directory {}: {cause}", dir.display());
        }
    });
    swept
}

impl Swept {
    /// Unlinks an entry if it is a partial that may go.
    fn entry(&mut self, entry: &DirEntry) {
        let name = entry.file_name();
        if is_kept(&name)
            && let Ok(metadata) = entry.metadata()
            && let Some(left) = left_to_keep(&metadata)
        {
            self.next = Some(self.next.map_or(left, |next| next.min(left)));
        } else if (is_partial(&name) || is_kept(&name))
            && remove_dead(&entry.path()).unwrap_or(false)
        {
            self.count += 1;
        }
    }
}

/// Whether a name is that of a partial in use.
pub fn is_partial(name: &OsStr) -> bool {
    is_reserved(name, b".part")
}

/// Whether a name is that of a partial that was kept at a stop.
pub fn is_kept(name: &OsStr) -> bool {
    is_reserved(name, b".kept")
}

/// Whether a name is a reserved one of a partial with this end.
fn is_reserved(name: &OsStr, end: &[u8]) -> bool {
    let hex = name
        .as_bytes()
        .strip_prefix(RESERVED)
        .and_then(|rest| rest.strip_prefix(b"-"))
        .and_then(|rest| rest.strip_suffix(end));
    let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    hex.is_some_and(|hex| hex.len() == 16 && hex.iter().all(is_digit))
}

/// How long a partial that was kept still stays; none if it may go. A clock that cannot be right tells nothing.
pub fn left_to_keep(of: &Metadata) -> Option<Duration> {
    let (now, changed) = (SystemTime::now(), changed(of));
    let apart = now.duration_since(changed);
    let apart = match times::is_possible(now) {
        true => apart.unwrap_or_else(|ahead| ahead.duration()),
        false => Duration::ZERO,
    };
    let left = ms(limits().partial_ms).checked_sub(apart);
    left.filter(|left| !left.is_zero())
}

/// Unlinks one partial under its lock; false if a process has it locked.
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

/// The file of a partial that no running process uses, locked; none if one does.
///
/// # Errors
/// What the file system says.
pub fn lock_dead(path: &Path) -> io::Result<Option<File>> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let file = File::open(path)?;
    let dead = is_dead(&file.try_lock(), changed(&metadata), SystemTime::now());
    Ok(dead.then_some(file))
}

/// Whether no running process uses a partial that last changed at `changed`, after the attempt to lock it.
fn is_dead(locked: &Result<(), TryLockError>, changed: SystemTime, now: SystemTime) -> bool {
    match locked {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => {
            let apart = now.duration_since(changed);
            apart.unwrap_or_else(|ahead| ahead.duration()) >= YOUNG
        }
    }
}

/// When a file last changed (ctime). Its mtime is the source's.
fn changed(of: &Metadata) -> SystemTime {
    let seconds = Duration::from_secs(u64::try_from(of.ctime()).unwrap_or_default());
    UNIX_EPOCH.checked_add(seconds).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_no_locks_a_young_partial_lives() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let now = at(1_760_000_000);
        let (young, old) = (now - YOUNG / 2, now - YOUNG);
        // ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL.
        for code in [37, 38, 95, 22] {
            let none = || Err(TryLockError::Error(io::Error::from_raw_os_error(code)));
            assert!(!is_dead(&none(), young, now) && !is_dead(&none(), now, now));
            assert!(is_dead(&none(), old, now), "{code}");
            // A little ahead is another host's clock, much is a wrong one.
            assert!(!is_dead(&none(), now + YOUNG / 2, now));
            assert!(is_dead(&none(), now + YOUNG, now));
        }
        for changed in [young, old] {
            assert!(is_dead(&Ok(()), changed, now));
            assert!(!is_dead(&Err(TryLockError::WouldBlock), changed, now));
        }
    }
}

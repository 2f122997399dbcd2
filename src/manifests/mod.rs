//! Manifests: what files must be, by the Manifests of ebuild repositories and by their own names.
//!
//! Rules: the `DIST` lines of every `CATEGORY/PACKAGE/Manifest` count; directories that begin with a dot do not, since
//! a sync puts there what nobody has checked yet. A name in several Manifests may be any of them. What cannot be read
//! is an error: half of the Manifests would call good files wrong. A server says so, and goes on with what it knew as well.
//!
//! Memory: an entry is 96 bytes whatever its name, since its name is kept as a hash, and the entries are sorted in one block:
//! 9.2 MiB for 100,000, and as much again while a server reads them anew. For each Manifest 16 bytes say whether it has
//! changed. The block has room for [`ROOM`] entries from the beginning, most of which is never used and costs nothing: the C
//! library gives a block of over 32 MiB back to the system when it is freed, and may keep a smaller one.
//!
//! Not here: what happens to a file that is wrong.

use std::collections::{BinaryHeap, HashMap};
use std::fs::{self, File, Metadata};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io::{self, ErrorKind, Read};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::digest::Digest;
use crate::sys::calls;

mod expectation;
mod expected;
mod line;
mod live;
mod proof;

pub use expectation::Expectation;
pub use expected::{Expected, expected, is_distfile};
pub use live::Live;
pub use proof::Proof;

/// The most bytes that a Manifest may have; the largest known are of 2 MiB.
const MOST: u64 = 64 << 20;

/// How many entries a block has room for at least: 33 MiB.
const ROOM: usize = (33 << 20) / size_of::<Entry>();

/// One thing that a distfile may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    name: Name,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

/// What each Manifest was when it was read: the hash of its path, and its stamp.
type Stamps = HashMap<u64, u64>;

/// What changes with a file: its inode, length and times, as a hash.
fn stamp(metadata: &Metadata) -> u64 {
    hash_of(&(
        (metadata.dev(), metadata.ino(), metadata.len()),
        (metadata.mtime(), metadata.mtime_nsec()),
        (metadata.ctime(), metadata.ctime_nsec()),
    ))
}

fn hash_of(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

const NO_MANIFEST: &str = "no CATEGORY/PACKAGE/Manifest is in it";

fn unusable(dir: &Path, why: &str) -> String {
    format!(
        "--manifests={}: {why}; name an ebuild repository that can be read, such as /var/db/repos/gentoo",
        dir.display()
    )
}

/// Whether each of `dirs` is an ebuild repository, found out by its first Manifest.
///
/// # Errors
/// Which one is not, or why it cannot be read, and the remedy.
pub fn check(dirs: &[PathBuf]) -> Result<(), String> {
    let has_manifest = |dir: &PathBuf| -> io::Result<bool> {
        for category in directories(&fs::canonicalize(dir)?)? {
            let packages = directories(&category)?;
            if packages
                .iter()
                .any(|package| package.join("Manifest").is_file())
            {
                return Ok(true);
            }
        }
        Ok(false)
    };
    dirs.iter().try_for_each(|dir| match has_manifest(dir) {
        Ok(true) => Ok(()),
        Ok(false) => Err(unusable(dir, NO_MANIFEST)),
        Err(cause) => Err(unusable(dir, &cause.to_string())),
    })
}

/// Two hashes of a name, whose keys nobody outside this process knows: no two names share both. Each hit on a distfile
/// makes them, so they must be cheap.
type Name = [u64; 2];

/// What all distfiles may be, by their names.
#[derive(Debug, Default)]
pub struct Index {
    /// In order and each once, but for those that `add` brought since the last `sort`.
    entries: Vec<Entry>,
}

impl Index {
    /// Reads the Manifests of the repositories `dirs`. Links to them are followed now, once.
    ///
    /// # Errors
    /// Which directory is no ebuild repository with Manifests, or what cannot be read, and the remedy.
    pub fn build(dirs: &[PathBuf]) -> Result<Self, String> {
        let mut index = Self::default();
        index.read(dirs, &mut Stamps::default())?;
        Ok(index)
    }

    /// Adds what the Manifests of the repositories `dirs` say that are not as `stamps` knows them.
    ///
    /// # Errors
    /// What is wrong with the first repository that cannot be read; the others were read.
    fn read(&mut self, dirs: &[PathBuf], stamps: &mut Stamps) -> Result<(), String> {
        let mut result = Ok(());
        for dir in dirs {
            // A sync may put another directory behind a link while we read; this one stays whole.
            let root = fs::canonicalize(dir);
            let read = root.and_then(|root| self.read_repository(&root, stamps));
            let why = match read {
                Ok(0) => String::from(NO_MANIFEST),
                Ok(_) => continue,
                Err(cause) => cause.to_string(),
            };
            result = result.and_then(|()| Err(unusable(dir, &why)));
        }
        self.sort();
        result
    }

    /// This index and what `more` has.
    fn with(&self, more: Self) -> Self {
        let count = self.entries.len().saturating_add(more.entries.len());
        let mut entries = Vec::with_capacity(count.max(ROOM));
        entries.extend_from_slice(&self.entries);
        entries.extend(more.entries);
        let mut index = Self { entries };
        index.sort();
        index
    }

    /// How many things it lists.
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All that the distfile `name` may be; nothing if no Manifest lists it.
    pub fn find(&self, name: &[u8]) -> &[Entry] {
        if self.entries.is_empty() {
            return &[];
        }
        let name = hashed(name);
        let from = self.entries.partition_point(|entry| entry.name < name);
        let rest = self.entries.get(from..).unwrap_or_default();
        let count = rest.partition_point(|entry| entry.name == name);
        rest.get(..count).unwrap_or_default()
    }

    /// Adds what the Manifests below `root` say that are not as `stamps` knows them; how many there are.
    fn read_repository(&mut self, root: &Path, stamps: &mut Stamps) -> io::Result<usize> {
        let mut manifests = 0;
        let mut text = Vec::new();
        for category in directories(root)? {
            for package in directories(&category)? {
                let path = package.join("Manifest");
                let metadata = match fs::metadata(&path) {
                    Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
                    metadata => metadata.map_err(|cause| with_path(&path, &cause))?,
                };
                if !metadata.is_file() {
                    continue;
                }
                manifests += 1;
                let (hash, now) = (hash_of(&path), stamp(&metadata));
                if stamps.get(&hash) == Some(&now) {
                    continue;
                }
                text.clear();
                let read = read_file(&path, &mut text);
                if !read.map_err(|cause| with_path(&path, &cause))? {
                    continue;
                }
                // A Manifest that is replaced meanwhile has another stamp, and is read again at the next look.
                stamps.insert(hash, now);
                for line in text.split(|&byte| byte == b'\n') {
                    if let Some(dist) = line::parse(line) {
                        self.add(Entry {
                            name: hashed(&dist.name),
                            size: dist.size,
                            digest: dist.digest,
                        });
                    }
                }
            }
        }
        Ok(manifests)
    }

    fn add(&mut self, entry: Entry) {
        if self.entries.len() == self.entries.capacity() {
            // Most names are listed for each version of a package: often this alone makes room.
            self.sort();
            let quarter = self.entries.len() / 4;
            self.entries.reserve_exact(quarter.max(ROOM));
        }
        self.entries.push(entry);
    }

    fn sort(&mut self) {
        self.entries = BinaryHeap::from(mem::take(&mut self.entries)).into_sorted_vec();
        self.entries.dedup();
    }
}

fn hashed(name: &[u8]) -> Name {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
    KEYS.each_ref().map(|key| key.hash_one(name))
}

/// The directories in `dir`, and links to such, but for those whose names begin with a dot and the one that belongs to the
/// file system.
fn directories(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(dir) {
        // A sync has removed it meanwhile.
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(|cause| with_path(dir, &cause))?,
    };
    for entry in entries {
        let entry = entry.map_err(|cause| with_path(dir, &cause))?;
        let linked_dir = |of: fs::FileType| of.is_symlink() && entry.path().is_dir();
        let of = entry.file_type()?;
        let name = entry.file_name();
        let passed_over = name.as_bytes().starts_with(b".") || name == "lost+found";
        if !passed_over && (of.is_dir() || linked_dir(of)) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Reads the file at `path` to its end; whether there is one.
fn read_file(path: &Path, text: &mut Vec<u8>) -> io::Result<bool> {
    // O_NONBLOCK: opening a FIFO must not wait for its writer.
    let opened = File::options()
        .read(true)
        .custom_flags(calls::O_NONBLOCK)
        .open(path);
    let file = match opened {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Ok(false);
    }
    file.take(MOST + 1).read_to_end(text)?;
    if text.len() as u64 > MOST {
        return Err(io::Error::other("too large for a Manifest"));
    }
    Ok(true)
}

fn with_path(path: &Path, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))
}

#[cfg(test)]
mod tests;

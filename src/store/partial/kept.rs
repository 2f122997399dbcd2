//! Kept: a partial that a stop leaves for the next process, which goes on where it ended.
//!
//! Rules: its name follows from the path, by a digest, since a path may be longer than a name. Behind the bytes that
//! came it has a trailer: what a source must show to go on. All of it is synced before it gets its name. Who takes one
//! locks it and gives it the name of an ordinary partial, so that no other process takes it too, and so that a kill
//! leaves an ordinary leftover. The trailer goes when the first byte of the rest is there to come. What is not a file of
//! ours alone, under this one name, is left where it is.
//!
//! Not here: the proof (`transfer::kept`), how long one is kept (`walk`).

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Partial, Room, Target, Times, reserved};
use crate::digest::Digest;
use crate::http::HttpDate;
use crate::log;
use crate::store::{CachePath, Given, Store};
use crate::sys::calls;
use crate::sys::limits::limits;
use crate::sys::lock::lock;

/// The end of a trailer; the number tells its form.
const MARK: &[u8; 8] = b"\nkept 1\n";

/// The end of a trailer with the length of what comes before it, in bytes.
const END: u64 = 4 + MARK.len() as u64;

/// The longest trailer that is read, in bytes; an entity tag is never longer than a head.
const LONGEST: u32 = 64 * 1024;

/// What a source must show to go on with a kept partial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The length of the whole file in bytes.
    pub length: u64,
    /// Its Last-Modified.
    pub last_modified: HttpDate,
    /// Which server gave what is kept, and the entity tag there.
    pub given: Given,
}

/// A kept partial that this process has taken.
#[derive(Debug)]
pub struct Kept {
    partial: Partial,
    /// How many bytes of the file it has.
    pub received: u64,
    /// What the whole file is.
    pub whole: Whole,
}

impl Store {
    /// Keeps `partial`, which has the first `received` bytes of `path`, for the next process, if this one stops and it
    /// is worth it.
    pub fn keep(&self, path: &CachePath, partial: Partial, received: u64, whole: &Whole) {
        if !self.is_stopping() || received < limits().partial_bytes {
            return;
        }
        match partial.keep(path, received, whole) {
            Ok(()) => log::notice!(
                "kept {received} of {} bytes of {path} for the next start",
                whole.length
            ),
            Err(cause) => log::warning!("cannot keep {received} bytes of {path}: {cause}"),
        }
    }

    /// Whether something was kept for `path`.
    pub fn has_kept(&self, path: &CachePath) -> bool {
        Target::of(&self.root, path)
            .is_ok_and(|target| name(&target.dir, path).symlink_metadata().is_ok())
    }

    /// Takes the partial that was kept for `path`, if there is one that can be gone on with.
    pub fn take_kept(&self, path: &CachePath) -> Option<Kept> {
        match take(self, path) {
            Ok(kept) => kept,
            // What is wrong with the directory is said when the file is begun in the usual way.
            Err(cause) => {
                log::debug!("cannot go on with what was kept of {path}: {cause}");
                None
            }
        }
    }
}

impl Kept {
    /// The bytes that it has from `first` on.
    ///
    /// # Errors
    /// What the file system says.
    pub fn tail(&self, first: u64) -> io::Result<Vec<u8>> {
        let length = self.received.saturating_sub(first);
        let mut tail = vec![0; usize::try_from(length).unwrap_or_default()];
        self.partial.file.read_exact_at(&mut tail, first)?;
        Ok(tail)
    }

    /// The partial, to be gone on with.
    ///
    /// # Errors
    /// What the file system says; nothing is kept then.
    pub fn go_on(mut self) -> io::Result<Partial> {
        self.partial.file.set_len(self.received)?;
        self.partial.set_time()?;
        Ok(self.partial)
    }

    /// Keeps it as it was, for another request for `path`.
    pub fn put_back(self, path: &CachePath) {
        if let Err(cause) = self.partial.rename_kept(path) {
            log::warning!("cannot keep {} bytes of {path}: {cause}", self.received);
        }
    }
}

impl Partial {
    /// Keeps its first `received` bytes for `path`.
    fn keep(mut self, path: &CachePath, received: u64, whole: &Whole) -> io::Result<()> {
        self.file.set_len(received)?;
        self.file.write_all_at(&trailer(whole), received)?;
        self.seal()?;
        self.rename_kept(path)
    }

    fn rename_kept(mut self, path: &CachePath) -> io::Result<()> {
        let present = self.path.as_ref().ok_or(ErrorKind::NotFound)?;
        let dir = self.target.parent().unwrap_or(Path::new("/"));
        fs::rename(present, name(dir, path))?;
        self.partials.ends(present);
        self.path = None;
        Ok(())
    }
}

/// The name under which a partial of `path` is kept, in the directory `dir` of the file. Should two paths ever have
/// the same, the proof tells them apart.
fn name(dir: &Path, path: &CachePath) -> PathBuf {
    let [a, b, c, d, e, f, g, h, ..] = Digest::blake2b(path.as_bytes());
    reserved(dir, u64::from_be_bytes([a, b, c, d, e, f, g, h]), "kept")
}

fn take(store: &Store, path: &CachePath) -> io::Result<Option<Kept>> {
    let target = Target::of(&store.root, path)?;
    let name = name(&target.dir, path);
    let seen = match fs::symlink_metadata(&name) {
        Ok(seen) => seen,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause),
    };
    if !is_ours(&seen) {
        return Err(io::Error::other("it is no file of ours alone"));
    }
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true);
    let file = options.custom_flags(calls::O_NONBLOCK).open(&name)?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Ok(None);
    }
    let metadata = file.metadata()?;
    if !is_same(&metadata, &seen) {
        return Ok(None);
    }
    let (received, whole) = read_trailer(&file, metadata.len())?;
    let rest = whole.length.saturating_sub(received);
    let room = Room::reserve(&store.rooms, &target.dir, target.device, Some(rest))?;
    let present = store.partials.free_name(&target.dir);
    fs::rename(&name, &present)?;
    lock(&store.partials.live).push(present.clone());
    let partial = Partial {
        partials: store.partials.clone(),
        file: file.into(),
        path: Some(present.clone()),
        target: target.file,
        device: target.device,
        made: Vec::new(),
        room: Some(room),
        times: Times::again(metadata.modified()?, SystemTime::now()),
        modified: None,
    };
    // Where there are no locks another process may have taken it and kept a new one meanwhile.
    match is_same(&fs::symlink_metadata(&present)?, &seen) {
        true => Ok(Some(Kept {
            partial,
            received,
            whole,
        })),
        false => Ok(None),
    }
}

/// Whether a file belongs to the user of this process and has no other name, by which somebody else might write it.
fn is_ours(of: &Metadata) -> bool {
    of.is_file() && of.uid() == calls::geteuid() && of.nlink() == 1
}

fn is_same(now: &Metadata, seen: &Metadata) -> bool {
    is_ours(now) && (now.dev(), now.ino()) == (seen.dev(), seen.ino())
}

/// What follows the bytes of a kept partial: the length of the whole, its Last-Modified in seconds since the epoch, the
/// server and the entity tag with a space between them; then the length of all that, and the mark. Numbers are big-endian.
fn trailer(whole: &Whole) -> Vec<u8> {
    let Given { server, etag } = &whole.given;
    let (length, modified) = (whole.length, whole.last_modified.unix());
    let etag = etag.as_deref().unwrap_or_default();
    let (length, modified) = (length.to_be_bytes(), modified.to_be_bytes());
    let mut trailer = [&length, &modified, server.as_bytes(), b" ", etag].concat();
    let length = u32::try_from(trailer.len()).unwrap_or(u32::MAX);
    trailer.extend_from_slice(&length.to_be_bytes());
    trailer.extend_from_slice(MARK);
    trailer
}

/// How many bytes come before the trailer of a kept partial of `size` bytes, and what that says.
fn read_trailer(file: &File, size: u64) -> io::Result<(u64, Whole)> {
    let spoilt = || io::Error::other("it is spoilt");
    let at = size.checked_sub(END).ok_or_else(spoilt)?;
    let mut end = [0; END as usize];
    file.read_exact_at(&mut end, at)?;
    let (length, mark) = end.split_first_chunk().ok_or_else(spoilt)?;
    let length = u32::from_be_bytes(*length);
    let received = at.checked_sub(length.into()).ok_or_else(spoilt)?;
    if mark != MARK || length > LONGEST {
        return Err(spoilt());
    }
    let mut text = vec![0; length as usize];
    file.read_exact_at(&mut text, received)?;
    let whole = parse(&text).filter(|whole| (1..=whole.length).contains(&received));
    Ok((received, whole.ok_or_else(spoilt)?))
}

fn parse(text: &[u8]) -> Option<Whole> {
    let (length, text) = text.split_first_chunk()?;
    let (modified, text) = text.split_first_chunk()?;
    let space = text.iter().position(|&byte| byte == b' ')?;
    let (server, etag) = (text.get(..space)?, text.get(space + 1..)?);
    Some(Whole {
        length: u64::from_be_bytes(*length),
        last_modified: HttpDate::from_unix(i64::from_be_bytes(*modified)),
        given: Given {
            server: String::from_utf8(server.to_vec()).ok()?,
            etag: (!etag.is_empty()).then(|| etag.to_vec()),
        },
    })
}

#[cfg(test)]
mod tests;

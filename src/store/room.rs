//! Room: the free space that stays, and what running transfers have reserved of the rest.
//!
//! Rules: a transfer reserves what it is to write, and gives up as much of that as it has written, since the
//! file system then counts it as used. The free space is asked for where the file will lie, since a directory
//! of the cache may be a mount or a link. A file system that does not say how large it is has room. Small files that
//! are written at once share a reservation (`Rooms::admit`), so that not each of them asks.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use crate::log;
use crate::sys::calls;
use crate::sys::lock::lock;

/// After this many bytes written the free space is looked at again.
const LOOK: u64 = 1 << 20;

/// For how long small files share a reservation.
const SHARED: Duration = Duration::from_millis(100);

/// How many bytes a transfer of unknown length reserves at each look.
const GROWTH: u64 = 2 * LOOK;

/// The free space that storing must leave (`--min-free`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MinFree {
    /// 1 % of the file system or 256 MiB, the smaller.
    Default,
    /// This many bytes.
    Bytes(u64),
}

impl MinFree {
    /// The bytes to leave on a file system of `total` bytes.
    fn of(self, total: u64) -> u64 {
        match self {
            Self::Default => (total / 100).min(256 << 20),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// What transfers have reserved.
#[derive(Debug)]
pub struct Rooms {
    min_free: MinFree,
    reserved: Mutex<Reserved>,
}

/// A reservation: its device, and its number in the order in which transfers reserved.
type Key = (u64, u64);

#[derive(Debug, Default)]
struct Reserved {
    /// Bytes still to be written; as many reservations as transfers at most, and one more.
    bytes: Vec<(Key, u64)>,
    next: u64,
    /// The reservation that small files share, and until when.
    shared: Option<(Key, Instant)>,
}

impl Reserved {
    /// Reserves `bytes` on `device`; under which key.
    fn add(&mut self, device: u64, bytes: u64) -> Key {
        let key = (device, self.next);
        self.next = self.next.wrapping_add(1);
        self.bytes.push((key, bytes));
        key
    }

    /// The bytes that are reserved under `key`.
    fn left(&mut self, key: Key) -> Option<&mut u64> {
        let mut all = self.bytes.iter_mut();
        all.find(|one| one.0 == key).map(|(_, bytes)| bytes)
    }

    /// Gives back what is reserved under `key`.
    fn remove(&mut self, key: Key) {
        self.bytes.retain(|one| one.0 != key);
    }

    /// Takes `bytes` from what small files share, if there is so much for `device` at `now`.
    fn take_shared(&mut self, device: u64, bytes: u64, now: Instant) -> Option<()> {
        let (key, until) = self.shared?;
        if until <= now || key.0 != device {
            return None;
        }
        let left = self.left(key)?;
        *left = left.checked_sub(bytes)?;
        Some(())
    }

    /// Gives back what small files share.
    fn end_shared(&mut self) {
        if let Some((key, _)) = self.shared.take() {
            self.remove(key);
        }
    }
}

impl Rooms {
    /// Nothing is reserved yet.
    pub fn new(min_free: MinFree) -> Arc<Self> {
        Arc::new(Self {
            min_free,
            reserved: Mutex::default(),
        })
    }

    /// Checks that a file of `length` bytes, which was written to `dir` on `device` just now, leaves enough free. Up to
    /// `LOOK` bytes of such files within `SHARED` need one look.
    ///
    /// # Errors
    /// When it does not.
    pub fn admit(&self, dir: &Path, device: u64, length: u64) -> io::Result<()> {
        let now = Instant::now();
        let mut reserved = lock(&self.reserved);
        if reserved.take_shared(device, on_disk(length), now).is_some() {
            return Ok(());
        }
        reserved.end_shared();
        let key = reserved.add(device, LOOK);
        drop(reserved);
        let looked = self.look_for(dir, key);
        let mut reserved = lock(&self.reserved);
        if looked.is_ok() && reserved.shared.is_none() {
            reserved.shared = Some((key, now + SHARED));
            return Ok(());
        }
        reserved.remove(key);
        drop(reserved);
        // Perhaps there is only no room for so much.
        looked.or_else(|_| self.look_for(dir, key))
    }

    /// Checks that `dir` has room for what is reserved up to `last`.
    fn look_for(&self, dir: &Path, last: Key) -> io::Result<()> {
        let mut reserved = lock(&self.reserved);
        if reserved
            .shared
            .is_some_and(|(_, until)| until <= Instant::now())
        {
            reserved.end_shared();
        }
        let mut needed = 0_u128;
        for ((device, turn), bytes) in &reserved.bytes {
            if *device == last.0 && *turn <= last.1 {
                // A source may announce any length: their sum needs more bits.
                needed = needed.saturating_add(u128::from(*bytes));
            }
        }
        drop(reserved);
        self.look(dir, needed)
    }

    /// What is free in `dir`, and what is left free, in bytes, if that is known.
    pub fn space(&self, dir: &Path) -> Option<(u64, u64)> {
        let (free, total) = known(calls::space(dir)).ok().flatten()?;
        Some((free, self.min_free.of(total)))
    }

    /// Checks that `needed` more bytes in `dir` leave enough free.
    fn look(&self, dir: &Path, needed: u128) -> io::Result<()> {
        let Some((free, total)) = known(calls::space(dir))? else {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                let dir = dir.display();
                log::notice!(
                    "nobody knows how much is free in {dir}: stored without regard to --min-free"
                );
            });
            return Ok(());
        };
        let least = self.min_free.of(total);
        if u128::from(free) < needed.saturating_add(least.into()) {
            let needed = u64::try_from(needed).unwrap_or(u64::MAX);
            return Err(io::Error::new(
                ErrorKind::StorageFull,
                format!(
                    "{needed} bytes still to write would leave less than {least} free (--min-free)"
                ),
            ));
        }
        Ok(())
    }
}

/// The most that a file of `length` bytes takes on disk, with its last block and what the file system needs to
/// find it. With less, the last of many transfers would reach the bound, and with it all that run.
fn on_disk(length: u64) -> u64 {
    length
        .saturating_add(length / 256)
        .saturating_add(16 * 1024)
}

/// Free and total bytes, if the file system says so.
fn known(said: io::Result<(u64, u64)>) -> io::Result<Option<(u64, u64)>> {
    match said {
        Ok((_, 0)) => Ok(None),
        Ok(space) => Ok(Some(space)),
        // Another transfer that fails may have removed the directory.
        Err(cause) if cause.kind() == ErrorKind::NotFound => Err(cause),
        Err(_) => Ok(None),
    }
}

/// The room that one transfer has reserved. When it is dropped, what is left is free again.
#[derive(Debug)]
pub struct Room {
    rooms: Arc<Rooms>,
    dir: PathBuf,
    /// Its device, and its number in the order of reservations.
    key: Key,
    length: Option<u64>,
    /// Bytes written since the free space was last looked at.
    unlooked: u64,
}

impl Room {
    /// Reserves room for `length` bytes in `dir`, which exists and lies on `device`.
    ///
    /// # Errors
    /// When there is none, or no such directory.
    pub fn reserve(
        rooms: &Arc<Rooms>,
        dir: &Path,
        device: u64,
        length: Option<u64>,
    ) -> io::Result<Self> {
        let key = lock(&rooms.reserved).add(device, length.map_or(GROWTH, on_disk));
        let room = Self {
            rooms: Arc::clone(rooms),
            dir: dir.to_path_buf(),
            key,
            length,
            unlooked: 0,
        };
        room.look()?;
        Ok(room)
    }

    /// Notes that `bytes` more bytes were written. After each `LOOK` of them it looks whether there is still
    /// room, since other programs write there too.
    ///
    /// # Errors
    /// When there is none.
    pub fn wrote(&mut self, bytes: u64) -> io::Result<()> {
        self.unlooked = self.unlooked.saturating_add(bytes);
        let looks = self.unlooked >= LOOK;
        if let Some(left) = lock(&self.rooms.reserved).left(self.key) {
            *left = left.saturating_sub(bytes);
            if looks && self.length.is_none() {
                *left = GROWTH;
            }
        }
        if !looks {
            return Ok(());
        }
        self.unlooked = 0;
        self.look()
    }

    /// Checks that there is room for what this transfer is still to write, beside what others have reserved:
    /// those before it, so that where room gets lost the youngest transfers fail and not all at once; all of
    /// them, where its own length is unknown.
    fn look(&self) -> io::Result<()> {
        let (device, turn) = self.key;
        let last = if self.length.is_some() {
            turn
        } else {
            u64::MAX
        };
        self.rooms.look_for(&self.dir, (device, last))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        lock(&self.rooms.reserved).remove(self.key);
    }
}

#[cfg(test)]
mod tests;

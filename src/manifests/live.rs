//! Live: the index of a server, which follows the syncs of the repositories.
//!
//! # Theory
//!
//! A thread builds the index at the start and looks every `follow_ms` whether a sync has changed anything ([`signs`]). Then
//! it builds a new one beside the old, which holds until the new one takes its place: whoever has asked for the index keeps
//! the one that it got. Building is bounded by the disk alone; a client that needs the first index waits for it for
//! `index_ms` at most, and nobody waits for a later one.
//!
//! Before a name is called unknown or content wrong, [`Live::look_again`] reads what has changed since the last look, at most
//! once in `again_ms`, and adds it to the index; what no longer holds goes when the thread sees the sync. One thread looks at
//! a time; others wait for it, since they need what it finds, for `index_ms` at most.
//!
//! Locks: both are held for assignments alone. `scan` is none while a thread looks, which has it then ([`Looking`]).
//!
//! Not here: what is expected of a path (`expected`).

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::{Index, Stamps, directories, stamp};
use crate::log;
use crate::sys::limits::{limits, ms};
use crate::sys::lock::{Bell, lock};

/// What the Manifests of some repositories say, now.
#[derive(Debug)]
pub struct Live {
    dirs: Vec<PathBuf>,
    /// None until it was built.
    index: Mutex<Option<Arc<Index>>>,
    /// Rung when there is an index.
    built: Bell,
    /// None while a thread looks at the repositories.
    scan: Mutex<Option<Scan>>,
    /// Rung when that thread is done.
    looked: Bell,
}

/// What is known of the Manifests that were read.
#[derive(Debug, Default)]
struct Scan {
    stamps: Stamps,
    /// The last look at all of them.
    looked: Option<Instant>,
    /// What the repositories showed before they were read.
    signs: u64,
}

impl Live {
    /// An index of the repositories `dirs`, to be built.
    pub fn new(dirs: Vec<PathBuf>) -> Arc<Self> {
        // Without repositories there is nothing to wait for.
        let index = dirs.is_empty().then(Arc::default);
        Arc::new(Self {
            dirs,
            index: Mutex::new(index),
            built: Bell::default(),
            scan: Mutex::new(Some(Scan::default())),
            looked: Bell::default(),
        })
    }

    /// Whether there is any repository.
    pub fn has_repositories(&self) -> bool {
        !self.dirs.is_empty()
    }

    /// Builds the index on a thread of its own, which then follows the repositories for as long as the program runs.
    pub fn follow(self: &Arc<Self>) {
        if self.dirs.is_empty() {
            return;
        }
        let live = Arc::clone(self);
        let thread = thread::Builder::new().name("manifests".into());
        let spawned = thread.spawn(move || {
            loop {
                live.follow_once();
                thread::sleep(ms(limits().follow_ms));
            }
        });
        if let Err(cause) = spawned {
            log::warning!("distfiles are not verified: no thread: {cause}");
            self.set(Index::default());
        }
    }

    /// The index; none until it was built.
    pub fn index(&self) -> Option<Arc<Index>> {
        lock(&self.index).clone()
    }

    /// The index, once it was built; waits for that for `patience` at most.
    pub fn await_index(&self, patience: Duration) -> Option<Arc<Index>> {
        let index = lock(&self.index);
        match &*index {
            Some(_) => index.clone(),
            None => self.built.wait(index, patience).clone(),
        }
    }

    /// Reads the Manifests that have changed since they were read, unless somebody did within `again_ms`.
    pub fn look_again(&self) {
        if self.dirs.is_empty() {
            return;
        }
        let Some(mut looking) = self.look(ms(limits().index_ms)) else {
            return;
        };
        let scan = &mut looking.scan;
        let recent = |at: Instant| at.elapsed() < ms(limits().again_ms);
        if scan.looked.is_some_and(recent) {
            return;
        }
        scan.looked = Some(Instant::now());
        let mut changed = Index::default();
        // A repository that has vanished has no more to say.
        let _ = changed.read(&self.dirs, &mut scan.stamps);
        if let Some(index) = self.index().filter(|_| !changed.is_empty()) {
            self.set(index.with(changed));
        }
    }

    /// Has the next look not wait for `again_ms`.
    #[cfg(test)]
    pub(super) fn forget_look(&self) {
        if let Some(mut looking) = self.look(Duration::from_secs(10)) {
            looking.scan.looked = None;
        }
    }

    /// Builds the index anew if the repositories have changed since.
    fn follow_once(&self) {
        let signs = signs(&self.dirs);
        let Some(mut looking) = self.look(ms(limits().follow_ms)) else {
            return;
        };
        let scan = &mut looking.scan;
        if scan.signs == signs && self.index().is_some() {
            return;
        }
        let begun = Instant::now();
        let mut stamps = Stamps::default();
        match Index::with_stamps(&self.dirs, &mut stamps) {
            Ok(index) => {
                log::info!(
                    "the Manifests list {} distfiles; read in {} ms",
                    index.len(),
                    begun.elapsed().as_millis()
                );
                *scan = Scan {
                    stamps,
                    looked: Some(begun),
                    signs,
                };
                self.set(index);
            }
            Err(why) => {
                log::warning!("{why}; until then distfiles are verified by what was read before");
                scan.signs = signs;
                if self.index().is_none() {
                    self.set(Index::default());
                }
            }
        }
    }

    /// The right to look at the repositories; none if another thread still looks after `patience`.
    fn look(&self, patience: Duration) -> Option<Looking<'_>> {
        let mut scan = lock(&self.scan);
        if scan.is_none() {
            scan = self.looked.wait(scan, patience);
        }
        let scan = scan.take()?;
        Some(Looking { live: self, scan })
    }

    fn set(&self, index: Index) {
        *lock(&self.index) = Some(Arc::new(index));
        self.built.ring();
    }
}

/// The right to look at the repositories, given back when it is dropped.
struct Looking<'a> {
    live: &'a Live,
    scan: Scan,
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        *lock(&self.live.scan) = Some(std::mem::take(&mut self.scan));
        self.live.looked.ring();
    }
}

/// What changes when a sync does: a repository's stamps (rsync), its head and refs (git), the times of its directories; of
/// one without stamps, as an overlay may be, also each Manifest.
fn signs(dirs: &[PathBuf]) -> u64 {
    let mut signs = DefaultHasher::new();
    for dir in dirs {
        let root = fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
        root.hash(&mut signs);
        let head = fs::read_to_string(root.join(".git/HEAD")).unwrap_or_default();
        head.hash(&mut signs);
        let head = head.trim().strip_prefix("ref: ").unwrap_or("HEAD");
        let marks = [
            "metadata/timestamp.chk",
            "metadata/timestamp.commit",
            ".git/packed-refs",
            &format!(".git/{head}"),
        ];
        let stamps = marks.map(|mark| stamp_of(&root.join(mark)));
        let is_stamped = stamps.iter().any(Option::is_some);
        stamps.hash(&mut signs);
        stamp_of(&root).hash(&mut signs);
        for category in directories(&root).unwrap_or_default() {
            stamp_of(&category).hash(&mut signs);
            if !is_stamped {
                for package in directories(&category).unwrap_or_default() {
                    stamp_of(&package.join("Manifest")).hash(&mut signs);
                }
            }
        }
    }
    signs.finish()
}

fn stamp_of(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| stamp(&metadata))
}

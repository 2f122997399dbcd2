//! Live: the index of a server, which follows the syncs of the repositories.
//!
//! # Theory
//!
//! One thread reads the repositories, and no other does. It builds the index at the start and looks every `follow_ms` whether
//! a sync has changed anything ([`signs`]). Then it builds a new one beside the old, which holds until the new one takes its
//! place: whoever has asked for the index keeps the one that it got. A sync may show its signs before it is done, so at the
//! first look after a build each Manifest is looked at too, and if one has changed all is built once more.
//!
//! Before a name is called unknown or content wrong, [`Live::look_again`] has the thread read what has changed since the last
//! time, at most once in `again_ms`, and add it to the index; what no longer holds goes at the next look. Who asks waits for
//! the thread and not for the disk, so that a client that leaves or is evicted need not wait to the end.
//!
//! A repository that cannot be read is a warning: the others are followed, and what was known before still counts.
//!
//! Locks: `state` is held for assignments alone.
//!
//! Not here: what is expected of a path (`expected`).

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Index, Stamps, directories, read_file, stamp};
use crate::log;
use crate::sys::limits::{limits, ms};
use crate::sys::lock::{Bell, lock};
use crate::sys::thread::start;

/// What the Manifests of some repositories say, now.
#[derive(Debug)]
pub struct Live {
    dirs: Vec<PathBuf>,
    state: Mutex<State>,
    /// Rung when somebody asks the thread to look.
    asked: Bell,
    /// Rung when it has looked.
    looked: Bell,
}

#[derive(Debug)]
struct State {
    /// None until it was built.
    index: Option<Arc<Index>>,
    /// When all Manifests had last been looked at.
    looked: Option<Instant>,
    /// Whether somebody waits for the next time.
    asked: bool,
    /// Whether there will be a next time.
    follows: bool,
}

/// What the thread knows of the Manifests that it read.
#[derive(Debug, Default)]
struct Scan {
    stamps: Stamps,
    /// What the repositories showed before they were read.
    signs: u64,
    /// Whether the index was built at the last look.
    built: bool,
    /// Whether a Manifest has changed since.
    changed: bool,
}

impl Live {
    /// An index of the repositories `dirs`, to be built.
    pub fn new(dirs: Vec<PathBuf>) -> Arc<Self> {
        // Without repositories there is nothing to wait for.
        let state = State {
            index: dirs.is_empty().then(Arc::default),
            looked: None,
            asked: false,
            follows: !dirs.is_empty(),
        };
        Arc::new(Self {
            dirs,
            state: Mutex::new(state),
            asked: Bell::default(),
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
        let follow = move || {
            if catch_unwind(AssertUnwindSafe(|| live.run())).is_err() {
                log::error!("reading the Manifests panicked: they are not followed any more");
                live.stop_waiting();
            }
        };
        if let Err(cause) = start("manifests", Box::new(follow)) {
            log::warning!("distfiles are not verified: no thread: {cause}");
            self.stop_waiting();
        }
    }

    /// The index; none until it was built.
    pub fn index(&self) -> Option<Arc<Index>> {
        lock(&self.state).index.clone()
    }

    /// Has the Manifests read that have changed since they were, unless that was done within `again_ms`, and waits for it
    /// for `patience` at most; whether it is done. It is not before the index was built.
    pub fn look_again(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let recent = |at: Instant| at.elapsed() < ms(limits().again_ms);
        let mut state = lock(&self.state);
        while state.follows && !state.looked.is_some_and(recent) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state.asked = true;
            self.asked.ring();
            state = self.looked.wait(state, left);
        }
        true
    }

    /// Has the next look not wait for `again_ms`.
    #[cfg(test)]
    pub(super) fn forget_look(&self) {
        lock(&self.state).looked = None;
    }

    fn run(&self) {
        let mut scan = Scan::default();
        loop {
            self.follow_once(&mut scan);
            let until = Instant::now() + ms(limits().follow_ms);
            while self.await_question(until) {
                self.look(&mut scan);
            }
        }
    }

    /// Waits until somebody asks for a look, or until `until`; whether somebody does.
    fn await_question(&self, until: Instant) -> bool {
        let mut state = lock(&self.state);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.asked {
                return !left.is_zero();
            }
            state = self.asked.wait(state, left);
        }
    }

    /// Adds what the Manifests say that have changed.
    fn look(&self, scan: &mut Scan) {
        let before = scan.stamps.clone();
        let mut more = Index::default();
        // It was said when the index was built.
        let _ = more.read(&self.dirs, &mut scan.stamps);
        scan.changed |= before != scan.stamps;
        let index = self.index().filter(|_| !more.is_empty());
        self.has_looked(index.map(|index| index.with(more)));
    }

    /// Builds the index anew if the repositories have changed since.
    fn follow_once(&self, scan: &mut Scan) {
        let signs = signs(&self.dirs);
        if scan.signs == signs && self.index().is_some() {
            if std::mem::take(&mut scan.built) {
                self.look(scan);
            }
            if !scan.changed {
                return;
            }
        }
        let begun = Instant::now();
        let (mut index, mut stamps) = (Index::default(), Stamps::default());
        let read = index.read(&self.dirs, &mut stamps);
        let (count, took) = (index.len(), begun.elapsed().as_millis() as u64);
        if let Err(why) = &read {
            log::warning!("{why}; until then what was read before counts too");
            if let Some(old) = self.index() {
                index = old.with(index);
            }
        }
        *scan = Scan {
            stamps,
            signs,
            built: true,
            changed: false,
        };
        self.has_looked(Some(index));
        // Who reads this may rely on it.
        if read.is_ok() {
            log::info!("the Manifests list {count} distfiles; read in {took} ms");
        }
    }

    /// All Manifests have been looked at, which gave this index if there is another one.
    fn has_looked(&self, index: Option<Index>) {
        let index = index.map(Arc::new);
        let mut state = lock(&self.state);
        if index.is_some() {
            state.index = index;
        }
        state.looked = Some(Instant::now());
        state.asked = false;
        drop(state);
        self.looked.ring();
    }

    /// Nobody looks any more.
    fn stop_waiting(&self) {
        let mut state = lock(&self.state);
        state.follows = false;
        state.index.get_or_insert_default();
        drop(state);
        self.looked.ring();
    }
}

/// What changes when a sync does: a repository's stamps (rsync), its head and refs (git), the times of its directories; of
/// one without stamps, as an overlay may be, also each Manifest.
fn signs(dirs: &[PathBuf]) -> u64 {
    let mut signs = DefaultHasher::new();
    for dir in dirs {
        let root = fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
        root.hash(&mut signs);
        let mut head = Vec::new();
        let _ = read_file(&root.join(".git/HEAD"), &mut head);
        head.hash(&mut signs);
        let head = String::from_utf8_lossy(&head);
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

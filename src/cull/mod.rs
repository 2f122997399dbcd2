//! `package-cache cull`: removing files from a cache until its bounds hold.
//!
//! Rules: the least recently used go first; only regular files go, never a link or what a linked
//! file points to; a file is looked at again before it goes, and spared if it was used or replaced;
//! running transfers are spared, dead partials and directories that this emptied go; what another
//! process removed meanwhile is no error. Nothing is kept between two runs.
//!
//! Not here: the sweep of partials when the server starts (`sweep`).

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::store;
use crate::sys::calls as sys;
use crate::sys::limits::limits;

mod goal;
mod guard;
mod remove;
mod report;
mod survey;

use goal::Goal;
use remove::Outcome;
use report::{Bytes, Report};
use survey::{Candidate, Census, Oldest, survey};

/// What the options of `cull` say, defaults filled in; at least one bound is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The cache directory.
    pub cache: PathBuf,
    /// The bound on the time since the last use of a file.
    pub unused_for: Option<std::time::Duration>,
    /// The bound on the bytes that all files occupy.
    pub max_size: Option<u64>,
    /// The bound on the bytes free on the cache's file system.
    pub min_free: Option<u64>,
    /// Whether to remove nothing and say what would be removed.
    pub dry_run: bool,
    /// Whether to name each file removed.
    pub verbose: bool,
}

/// Trims a cache. False: a bound does not hold or something failed; what has been said on stderr.
///
/// # Errors
/// When the directory cannot be culled, and why.
pub fn cull(options: &Options) -> Result<bool, String> {
    let root = open(&options.cache)
        .map_err(|cause| format!("cannot cull {}: {cause}", options.cache.display()))?;
    let run = Run {
        options,
        root,
        report: Report::new(options.dry_run, options.verbose),
        removed: 0,
        bytes: 0,
        vanished: 0,
        spared: 0,
        leftovers: 0,
    };
    Ok(run.cull())
}

/// The cache directory without links, if it is there and may be culled.
fn open(cache: &Path) -> io::Result<PathBuf> {
    let root = store::check_root(cache, store::is_default_root(cache))
        .and_then(|()| fs::canonicalize(cache))
        .map_err(|cause| match cause.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                io::Error::other(format!("{cause}; name the cache directory with --cache"))
            }
            _ => cause,
        })?;
    guard::check(&root)?;
    Ok(root)
}

/// One run.
struct Run<'a> {
    options: &'a Options,
    root: PathBuf,
    report: Report,
    /// Files removed.
    removed: u64,
    /// Bytes that they took on disk.
    bytes: u64,
    /// Files that another process removed.
    vanished: u64,
    /// Files used or replaced since they were seen.
    spared: u64,
    /// Dead partials removed.
    leftovers: u64,
}

impl Run<'_> {
    fn cull(mut self) -> bool {
        let Options {
            unused_for,
            max_size,
            min_free,
            ..
        } = *self.options;
        let before = unused_for.and_then(|age| SystemTime::now().checked_sub(age));
        // When age alone counts, younger files need not be remembered.
        let wanted = before.filter(|_| max_size.is_none() && min_free.is_none());
        let most = usize::try_from(limits().cull_files).unwrap_or(usize::MAX);

        let mut oldest = Oldest::new(most, None, wanted);
        let mut census = survey(&self.root, &mut oldest, &mut self.report);
        for (path, cause) in &census.closed {
            self.report
                .complain(&format!("cannot look into {}: {cause}", path.display()));
        }
        let freed = self.remove_leftovers(&census.partials);
        let shortage = self.shortage(&census, freed);
        let mut goal = Goal::new(before, max_size, shortage, &mut census);
        loop {
            let last = !oldest.is_full();
            let files = oldest.into_sorted();
            if self.remove_files(&files, &mut goal) || last {
                break;
            }
            oldest = Oldest::new(most, files.into_iter().next_back(), wanted);
            survey(&self.root, &mut oldest, &mut self.report);
        }
        self.conclude(&census, &goal)
    }

    /// Removes the dead partials; the bytes that this freed.
    fn remove_leftovers(&mut self, partials: &[PathBuf]) -> u64 {
        let mut freed: u64 = 0;
        for path in partials {
            match remove::partial(path, self.options.dry_run) {
                Ok(Some(size)) => {
                    self.leftovers = self.leftovers.saturating_add(1);
                    freed = freed.saturating_add(size);
                    self.report.file(path, size, None);
                }
                Ok(None) => {}
                Err(cause) => self.failed(path, &cause),
            }
        }
        if !self.options.dry_run {
            remove::emptied(&self.root, partials.iter().map(PathBuf::as_path));
        }
        freed
    }

    /// The cache's device, and the bytes that files are to free there beside the `freed` ones.
    fn shortage(&mut self, census: &Census, freed: u64) -> (u64, u64) {
        let Some(least) = self.options.min_free else {
            return (0, 0);
        };
        let known = fs::metadata(&self.root)
            .and_then(|root| sys::space(&self.root).map(|(free, _)| (root.dev(), free)));
        let (device, free) = match known {
            Ok(known) => known,
            Err(cause) => {
                self.report
                    .complain(&format!("cannot tell the free space: {cause}"));
                return (0, 0);
            }
        };
        let short = least.saturating_sub(free.saturating_add(freed));
        let most = census.freed(device);
        if short > most {
            self.report.complain(&format!(
                "--min-free={}: {} are free, and all files of the cache would free {} more; none is removed for it: make room elsewhere or lower --min-free",
                Bytes(least), Bytes(free), Bytes(most)
            ));
            return (device, 0);
        }
        (device, short)
    }

    /// Removes what is to go of `files`, which are in the order of their last use; whether the goal
    /// is reached.
    fn remove_files(&mut self, files: &[Candidate], goal: &mut Goal) -> bool {
        let mut removed: Vec<&Path> = Vec::new();
        let mut reached = false;
        for file in files {
            reached = goal.is_reached(file);
            if reached {
                break;
            }
            if !goal.wants(file) {
                continue;
            }
            match remove::file(file, self.options.dry_run) {
                Ok(Outcome::Removed) => {
                    self.removed = self.removed.saturating_add(1);
                    self.bytes = self.bytes.saturating_add(goal.gone(file));
                    self.report.file(&file.path, file.size, Some(file.used));
                    self.report.progress(self.report.removed(), self.removed);
                    removed.push(&file.path);
                }
                Ok(Outcome::Vanished) => {
                    self.vanished = self.vanished.saturating_add(1);
                    goal.gone(file);
                }
                Ok(Outcome::Spared) => self.spared = self.spared.saturating_add(1),
                Err(cause) => self.failed(&file.path, &cause),
            }
        }
        if !self.options.dry_run {
            remove::emptied(&self.root, removed.into_iter());
        }
        reached
    }

    fn failed(&mut self, path: &Path, cause: &io::Error) {
        let path = path.display();
        self.report
            .complain(&format!("cannot remove {path}: {cause}"));
    }

    /// Says what was done and which bound does not hold; whether all is well.
    fn conclude(mut self, census: &Census, goal: &Goal) -> bool {
        let mut fine = !self.report.complained();
        if let Some(most) = self.options.max_size.filter(|_| goal.is_too_large()) {
            fine = false;
            self.report.say(&format!(
                "--max-size={}: {} are left, in files that were used meanwhile or could not be removed",
                Bytes(most),
                Bytes(goal.size())
            ));
        }
        if goal.shortage() > 0 {
            fine = false;
            self.report.say(&format!(
                "--min-free: {} too little was freed, files were used meanwhile or could not be removed",
                Bytes(goal.shortage())
            ));
        }
        if fine {
            self.measure();
        }
        let gone = self.removed.saturating_add(self.vanished);
        let mut text = format!(
            "{} {} files, {}",
            self.report.removed(),
            self.removed,
            Bytes(self.bytes)
        );
        for (count, what) in [
            (self.leftovers, "leftovers of killed transfers"),
            (self.vanished, "removed by another process"),
            (self.spared, "spared, used meanwhile"),
        ] {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        let left = census.files.saturating_sub(gone);
        let size = Bytes(goal.size());
        self.report
            .summary(&format!("{text}; {left} files, {size}, are left"));
        fine
    }

    /// Says that the file system does not (yet) show the room that was made.
    fn measure(&mut self) {
        let free = sys::space(&self.root).map(|(free, _)| free);
        let short = |(least, free): &(u64, u64)| free < least;
        let Some((least, free)) = self.options.min_free.zip(free.ok()).filter(short) else {
            return;
        };
        if !self.options.dry_run {
            self.report.say(&format!(
                "--min-free={}: {} are free so far; files in use, snapshots or other programs hold the rest, or the file system needs a while",
                Bytes(least), Bytes(free)
            ));
        }
    }
}

//! Removing one thing: a file, a dead partial, the directories that this emptied.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::cull::survey::{self, Candidate};
use crate::store::walk as sweep;

/// What became of a file that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is gone, or would be.
    Removed,
    /// Another process was faster.
    Vanished,
    /// It stays: it was used or replaced since it was seen.
    Spared,
}

/// Removes a file if it is still as it was seen. A use between the look and the removal is not
/// noticed: its reader has the file open and gets it whole, the next one fetches it anew.
///
/// # Errors
/// What the file system says.
pub fn file(file: &Candidate, dry_run: bool) -> io::Result<Outcome> {
    let removed = fs::symlink_metadata(&file.path).and_then(|metadata| {
        if !file.is_still(&metadata) {
            return Ok(Outcome::Spared);
        }
        if !dry_run {
            fs::remove_file(&file.path)?;
        }
        Ok(Outcome::Removed)
    });
    match removed {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Outcome::Vanished),
        outcome => outcome,
    }
}

/// Removes a partial under its lock, if no process holds it; the bytes that it took on disk.
///
/// # Errors
/// What the file system says.
pub fn partial(path: &Path, dry_run: bool) -> io::Result<Option<u64>> {
    let removed = sweep::lock_dead(path).and_then(|dead| {
        let Some(locked) = dead else { return Ok(None) };
        if !dry_run {
            fs::remove_file(path)?;
        }
        locked.metadata().map(|of| Some(survey::size(&of)))
    });
    match removed {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        size => size,
    }
}

/// Removes the directories of these removed files, and those above them up to `root`, as far as they
/// are empty now.
///
/// A transfer that is about to use one makes it again. A link to a directory stays.
pub fn emptied<'a>(root: &Path, removed: impl Iterator<Item = &'a Path>) {
    let mut dirs = BTreeSet::new();
    dirs.extend(removed.filter_map(Path::parent));
    for dir in dirs {
        let mut at = dir;
        while at != root && fs::remove_dir(at).is_ok() {
            at = at.parent().unwrap_or(root);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_file_used_or_replaced_since_it_was_seen_is_spared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let used = SystemTime::now() - Duration::from_secs(86_400);
        let touch = |path: &Path, used| {
            let times = FileTimes::new().set_accessed(used);
            File::create(path).unwrap().set_times(times).unwrap();
        };
        touch(&path, used);
        let metadata = fs::metadata(&path).unwrap();
        let seen = Candidate::new(path.clone(), metadata.accessed().unwrap(), &metadata);

        touch(&path, used + Duration::from_nanos(1_000));
        assert_eq!(file(&seen, false).unwrap(), Outcome::Spared);
        let other = dir.path().join("b");
        touch(&other, used);
        fs::rename(&path, dir.path().join("c")).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(file(&seen, false).unwrap(), Outcome::Spared);
        fs::remove_file(&path).unwrap();
        assert_eq!(file(&seen, false).unwrap(), Outcome::Vanished);
        std::os::unix::fs::symlink("c", &path).unwrap();
        assert_eq!(file(&seen, false).unwrap(), Outcome::Spared);
        touch(&dir.path().join("c"), used);
        fs::rename(dir.path().join("c"), &path).unwrap();
        assert_eq!(file(&seen, true).unwrap(), Outcome::Removed);
        assert!(path.exists());
        assert_eq!(file(&seen, false).unwrap(), Outcome::Removed);
        assert!(!path.exists());
    }

    #[test]
    fn emptied_directories_go_up_to_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for below in ["a/b/c", "a/d", "e/f", "g"] {
            fs::create_dir_all(root.join(below)).unwrap();
        }
        fs::write(root.join("e/kept"), b"").unwrap();
        let removed = ["a/x", "a/b/c/x", "a/d/x", "e/f/x", "x"].map(|name| root.join(name));
        emptied(root, removed.iter().map(|path| path.as_path()));
        assert!(!root.join("a").exists() && !root.join("e/f").exists());
        // Not one that was empty before.
        assert!(root.join("e/kept").exists() && root.join("g").exists());
    }
}

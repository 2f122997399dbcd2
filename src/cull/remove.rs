//! Remove: removes the files that were chosen, and the directories that this emptied.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::bounds::Bounds;
use super::file::{File, Removal};
use super::report::Report;
use super::scan::Scan;
use crate::store::walk;

/// Removes files, the least recently used first, until the bounds hold. What stays, or cannot be removed, still
/// counts, so that later files go in its place.
pub fn files(scan: &Scan, bounds: &mut Bounds, report: &mut Report, dry_run: bool) {
    let mut touched = vec![false; scan.dirs.len()];
    for names in scan.files.chunk_by(File::is_same) {
        if !bounds.want(names) {
            continue;
        }
        let removed = report.tally.removed;
        let mut left = names.len();
        for seen in names {
            let path = scan.path(seen);
            if report.removal(&path, seen, file(&path, seen, dry_run)) {
                left -= 1;
                if let Some(touched) = touched.get_mut(seen.dir) {
                    *touched = true;
                }
            }
        }
        if left == 0 {
            let bytes = bounds.gone(names);
            if report.tally.removed > removed {
                report.tally.bytes = report.tally.bytes.saturating_add(bytes);
            }
        }
    }
    if !dry_run {
        let dirs = scan.dirs.iter().zip(touched);
        let dirs = dirs.filter_map(|(dir, touched)| touched.then_some(dir));
        emptied(scan.dirs.first(), dirs);
    }
}

/// Removes the file at `path` if it is still as it was `seen`. A use between the look and the removal is not
/// noticed: that reader has the file open and gets all of it, and the next one fetches it again.
///
/// # Errors
/// What the file system says.
pub fn file(path: &Path, seen: &File, dry_run: bool) -> io::Result<Removal> {
    match file_unless_used(path, seen, dry_run) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Removal::Vanished),
        removal => removal,
    }
}

fn file_unless_used(path: &Path, seen: &File, dry_run: bool) -> io::Result<Removal> {
    let is_partial = seen.used.is_none();
    // Locked until the partial is gone, so that no process takes it over.
    let lock = if is_partial {
        walk::lock_dead(path)?
    } else {
        None
    };
    let metadata = fs::symlink_metadata(path)?;
    let now = File::new(&metadata, is_partial);
    if lock.is_some() != is_partial
        || !metadata.is_file()
        || (now.identity, now.used) != (seen.identity, seen.used)
    {
        return Ok(Removal::Spared);
    }
    if !dry_run {
        fs::remove_file(path)?;
    }
    Ok(Removal::Removed)
}

/// Removes those of `dirs`, and of the directories above them up to `root`, that are empty.
///
/// A transfer that is about to use one makes it again. A link to a directory stays.
fn emptied<'a>(root: Option<&PathBuf>, dirs: impl Iterator<Item = &'a PathBuf>) {
    let Some(root) = root else { return };
    for dir in dirs {
        let below = dir.ancestors().take_while(|dir| dir != root);
        let _ = below.map(fs::remove_dir).take_while(Result::is_ok).count();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_file_used_or_replaced_since_it_was_seen_is_spared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let used = SystemTime::now() - Duration::from_secs(86_400);
        let touch = |path: &Path, used| {
            let times = FileTimes::new().set_accessed(used);
            fs::File::create(path).unwrap().set_times(times).unwrap();
        };
        touch(&path, used);
        let metadata = fs::metadata(&path).unwrap();
        let seen = File::new(&metadata, false);

        touch(&path, used + Duration::from_nanos(1_000));
        assert_eq!(file(&path, &seen, false).unwrap(), Removal::Spared);
        let other = dir.path().join("b");
        touch(&other, used);
        fs::rename(&path, dir.path().join("c")).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(file(&path, &seen, false).unwrap(), Removal::Spared);
        fs::remove_file(&path).unwrap();
        assert_eq!(file(&path, &seen, false).unwrap(), Removal::Vanished);
        std::os::unix::fs::symlink("c", &path).unwrap();
        assert_eq!(file(&path, &seen, false).unwrap(), Removal::Spared);
        touch(&dir.path().join("c"), used);
        fs::rename(dir.path().join("c"), &path).unwrap();
        assert_eq!(file(&path, &seen, true).unwrap(), Removal::Removed);
        assert!(path.exists());
        assert_eq!(file(&path, &seen, false).unwrap(), Removal::Removed);
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
        let dirs = ["a", "a/b/c", "a/d", "e/f", ""].map(|name| root.join(name));
        emptied(Some(&root.to_path_buf()), dirs.iter());
        assert!(!root.join("a").exists() && !root.join("e/f").exists());
        // A directory that was empty before the run stays.
        assert!(root.join("e/kept").exists() && root.join("g").exists());
    }
}

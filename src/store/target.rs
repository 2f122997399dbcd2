//! Target: where the file of a path will really lie.
//!
//! Rules: links are the administrator's and are followed. So are links to files, even to one that does not
//! exist yet. Directories are made only inside the cache, and never for a link to a file.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::CachePath;

/// How many links are followed; as many as the kernel does.
const LINKS: u32 = 40;

/// Where a file will get its name.
#[derive(Debug)]
pub struct Target {
    /// The file's path, links to a file resolved.
    pub file: PathBuf,
    /// The directory of the file.
    pub dir: PathBuf,
    /// The nearest directory above the file that exists.
    pub nearest: PathBuf,
    /// The device of `nearest`.
    pub device: u64,
    /// The directories between `nearest` and the file, outermost first.
    missing: Vec<PathBuf>,
}

impl Target {
    /// The target of `path` in the cache `root`.
    ///
    /// # Errors
    /// When the cache, or the directory that a link to a file leads to, does not exist, or no file can have
    /// that name.
    pub fn of(root: &Path, path: &CachePath) -> io::Result<Self> {
        let target = Self::below(root, root.join(path.as_path()))?;
        if !target.missing.is_empty() {
            // Nothing exists yet, but a name that is too long for one directory is too long for all.
            return match fs::symlink_metadata(target.nearest.join(OsStr::from_bytes(path.name()))) {
                Err(cause) if cause.kind() != ErrorKind::NotFound => Err(cause),
                _ => Ok(target),
            };
        }
        match follow(&target.file)? {
            None => Ok(target),
            Some(file) => {
                let dir = file.parent().unwrap_or(Path::new("/")).to_path_buf();
                Self::below(&dir, file)
            }
        }
    }

    /// The target `file`, where directories below `root` may be made.
    fn below(root: &Path, file: PathBuf) -> io::Result<Self> {
        let dir = file.parent().unwrap_or(root).to_path_buf();
        let mut missing = Vec::new();
        for nearest in dir.ancestors() {
            match fs::metadata(nearest) {
                Ok(of) if of.is_dir() => {
                    missing.reverse();
                    let (nearest, device) = (nearest.to_path_buf(), of.dev());
                    return Ok(Self {
                        file,
                        dir,
                        nearest,
                        device,
                        missing,
                    });
                }
                Err(cause) if nearest == root => return Err(cause),
                _ if nearest == root => return Err(ErrorKind::NotADirectory.into()),
                _ => missing.push(nearest.to_path_buf()),
            }
        }
        Err(ErrorKind::NotFound.into())
    }

    /// Makes the missing directories. Returns those that it made, outermost first.
    ///
    /// # Errors
    /// What the file system says; then none of them is left.
    pub fn make_directories(&self) -> io::Result<Vec<PathBuf>> {
        let mut made = Vec::new();
        for dir in &self.missing {
            match fs::create_dir(dir) {
                Ok(()) => made.push(dir.clone()),
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
                Err(cause) => {
                    remove_directories(&made);
                    return Err(cause);
                }
            }
        }
        Ok(made)
    }
}

/// Where a link leads in the end, whether that exists or not; none if `file` is no link.
///
/// # Errors
/// When it leads in a circle, or what the file system says.
pub fn follow(file: &Path) -> io::Result<Option<PathBuf>> {
    let mut end = None;
    for _ in 0..LINKS {
        let at = end.as_deref().unwrap_or(file);
        match fs::read_link(at) {
            // A relative link is relative to the directory of the link.
            Ok(to) => end = Some(at.parent().unwrap_or(Path::new("/")).join(to)),
            Err(cause) if matches!(cause.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                return Ok(end);
            }
            Err(cause) => return Err(cause),
        }
    }
    Err(io::Error::other("its links lead in a circle"))
}

/// Removes directories that we made, innermost first, as far as they are empty.
pub fn remove_directories(made: &[PathBuf]) {
    for dir in made.iter().rev() {
        let _ = fs::remove_dir(dir);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::store::Place;

    fn target(root: &Path, path: &str) -> io::Result<Target> {
        match CachePath::place(path.as_bytes()).unwrap() {
            Place::File(path) => Target::of(root, &path),
            place => panic!("{place:?}"),
        }
    }

    #[test]
    fn the_nearest_directory_says_where_a_file_will_lie() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("cache");
        let disk = outside.path().join("disk");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir(&disk).unwrap();
        symlink(&disk, root.join("linked")).unwrap();
        for (path, nearest, missing) in [
            ("f", "", 0),
            ("x/y/f", "", 2),
            ("a/f", "a", 0),
            ("a/b/f", "a/b", 0),
            ("a/b/c/d/f", "a/b", 2),
            ("linked/f", "linked", 0),
            ("linked/e/f", "linked", 1),
        ] {
            let target = target(&root, path).unwrap();
            assert_eq!(target.nearest, root.join(nearest).as_path(), "{path}");
            assert_eq!(target.file, root.join(path));
            let made = target.make_directories().unwrap();
            assert_eq!((made.len(), target.dir.is_dir()), (missing, true), "{path}");
            remove_directories(&made);
        }
        assert!(target(&outside.path().join("none"), "a/f").is_err());
    }

    #[test]
    fn links_to_files_are_followed_and_make_no_directories() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("cache");
        fs::create_dir_all(root.join("a")).unwrap();
        fs::create_dir(outside.path().join("b")).unwrap();
        for (name, to) in [
            ("a/outside", "../../b/file"),
            ("a/twice", "outside"),
            ("a/beside", "file"),
            ("a/lost", "../../c/file"),
            ("a/within", "../c/file"),
            ("a/circle", "circle"),
        ] {
            symlink(to, root.join(name)).unwrap();
        }
        for (path, file) in [
            ("a/outside", "a/../../b/file"),
            ("a/twice", "a/../../b/file"),
            ("a/beside", "a/file"),
        ] {
            assert_eq!(target(&root, path).unwrap().file, root.join(file), "{path}");
        }
        for path in ["a/lost", "a/within", "a/circle"] {
            assert!(target(&root, path).is_err(), "{path}");
        }
    }
}

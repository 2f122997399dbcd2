//! Root: which directory can be the cache.
//!
//! Rules: the default one lies in /tmp, where everybody can make directories. It is used only if no other user
//! can have made it or can write to it.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use super::partial;
use crate::sys::calls;

/// The cache directory when none is given. Only this one is made with mode 0700 and checked for its owner.
pub const DEFAULT_ROOT: &str = "/tmp/package-cache";

/// Whether `root` is the default cache directory, however it is written.
pub fn is_default_root(root: &Path) -> bool {
    let mut plain = PathBuf::new();
    for component in root.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            _ => plain.push(component),
        }
    }
    plain == Path::new(DEFAULT_ROOT)
}

/// The same path without `.` and slashes at its end: with them, lstat(2) would follow a link.
pub fn itself(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Checks that `root` can be the cache directory. If it is `private`, it must be ours alone to write, and no
/// link.
///
/// # Errors
/// Why it cannot.
pub fn check_root(root: &Path, private: bool) -> io::Result<()> {
    let metadata = if private {
        fs::symlink_metadata(itself(root))?
    } else {
        fs::metadata(root)?
    };
    if !metadata.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    if private && (metadata.uid() != calls::geteuid() || metadata.mode() & 0o022 != 0) {
        return Err(io::Error::new(
            ErrorKind::PermissionDenied,
            "it belongs to another user, or others may write to it",
        ));
    }
    Ok(())
}

/// Checks that files can be made in `dir`, by making one without a name (O_TMPFILE). A file system without such
/// files is trusted, unless it has no size: then it may hold no files at all (`/proc`), so one with a name is
/// made and removed.
///
/// # Errors
/// Why they cannot.
pub fn check_writable(dir: &Path) -> io::Result<()> {
    let nameless = OpenOptions::new()
        .write(true)
        .custom_flags(calls::O_TMPFILE)
        .open(dir);
    match nameless {
        Ok(_) => Ok(()),
        Err(cause)
            if matches!(
                cause.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotFound
            ) =>
        {
            Err(cause)
        }
        Err(_) => match calls::space(dir) {
            Ok((_, 0)) => partial::check_creatable(dir),
            _ => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MinFree, Store};

    #[test]
    fn the_default_root_however_spelt() {
        for path in [
            "/tmp/package-cache",
            "/tmp/package-cache/",
            "/tmp//./package-cache",
            "//tmp/package-cache",
            "/tmp/package-cache/.",
            "/../tmp/x/../package-cache//",
        ] {
            assert!(is_default_root(Path::new(path)), "{path}");
        }
        for path in [
            "/tmp/package-cache2",
            "tmp/package-cache",
            "/tmp/package-cache/x",
            "/tmp/package-cache/..",
            "/srv/tmp/package-cache",
        ] {
            assert!(!is_default_root(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_private_root_is_no_link_however_it_is_spelt() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        for end in ["", "/", "//", "/.", "/./"] {
            let spelt = |name| PathBuf::from(format!("{}/{name}{end}", dir.path().display()));
            let (real, link) = (spelt("real"), spelt("link"));
            check_root(&real, true).unwrap();
            check_root(&link, false).unwrap();
            let why = check_root(&link, true).unwrap_err();
            assert_eq!(why.kind(), ErrorKind::NotADirectory, "{end:?}");
            assert!(Store::open(&link, true, MinFree::Default).is_err());
        }
    }
}

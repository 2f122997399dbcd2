//! Guard: in which directories no command (`cull`, `verify`) ever removes a file.
//!
//! Rules: directories are refused that a typing error or an old setting may name and that are never a cache:
//! the system, a home, an ebuild repository (the default cache of package-cache 0.2 was in one). The same holds
//! for where a link in the cache leads. Root removes files only in directories in which no other user can make
//! links; in other users' caches they are removed with their owner's rights.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::root::{check_root, is_default_root};
use crate::sys::calls;

/// Directories of programs and settings, which are never a cache.
const SYSTEM: &str = "/bin /boot /etc /lib /lib32 /lib64 /sbin /usr/bin /usr/include /usr/lib \
                      /usr/lib64 /usr/libexec /usr/sbin /usr/share /var/db/pkg";

/// The guard of one run.
#[derive(Debug)]
pub struct Guard {
    /// The cache directory, without links.
    root: PathBuf,
    /// The home directories of this host's users, as far as they exist, without links.
    homes: Vec<PathBuf>,
}

impl Guard {
    /// The cache directory at `cache` without links, if it is there and files may be removed in it, and its guard.
    ///
    /// # Errors
    /// Why they may not, and the remedy.
    pub fn open(cache: &Path) -> io::Result<(PathBuf, Self)> {
        let root = check_root(cache, is_default_root(cache))
            .and_then(|()| fs::canonicalize(cache))
            .map_err(|cause| match cause.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => {
                    io::Error::other(format!("{cause}; name the cache directory with --cache"))
                }
                _ => cause,
            })?;
        let guard = Self::new(&root)?;
        Ok((root, guard))
    }

    /// For the cache directory at `root`, an absolute path without links.
    fn new(root: &Path) -> io::Result<Self> {
        let guard = Self {
            root: root.to_path_buf(),
            homes: homes(),
        };
        if let Some(why) = guard.objection(root) {
            return refused(format!("it {why}; name the cache directory with --cache"));
        }
        guard.admit(root, &fs::metadata(root)?).map(|()| guard)
    }

    /// Checks that files may be removed in the directory `dir`, in the cache or the cache itself. A link must lead
    /// into the cache, or to a directory that could be the cache.
    ///
    /// # Errors
    /// Why it may not, and the remedy.
    pub fn admit(&self, dir: &Path, metadata: &Metadata) -> io::Result<()> {
        if fs::symlink_metadata(dir)?.is_symlink() {
            let target = fs::canonicalize(dir)?;
            let outside = !target.starts_with(&self.root);
            if let Some(why) = self.objection(&target).filter(|_| outside) {
                let target = target.display();
                return refused(format!(
                    "it leads to {target}, which {why}; remove the link"
                ));
            }
        }
        if exists(&dir.join("profiles/repo_name")) || exists(&dir.join("metadata/layout.conf")) {
            return refused(format!(
                "it holds an ebuild repository; name the directory of the files alone, --cache {}",
                dir.join("distfiles").display()
            ));
        }
        admit_owner(calls::geteuid(), metadata.uid(), metadata.mode())
    }

    /// What is wrong with a cache at `dir`, an absolute path without links; none if nothing is.
    fn objection(&self, dir: &Path) -> Option<String> {
        if dir == Path::new("/") {
            return Some(String::from("is the root directory"));
        }
        let held = |name: &&str| exists(&dir.join(name));
        if let Some(system) = ["etc", "usr"].into_iter().find(held) {
            return Some(format!("holds {system}, as a system does"));
        }
        if let Some(system) = system_directory(dir) {
            return Some(format!("is in, or holds, the system directory {system}"));
        }
        let home = self.homes.iter().find(|home| home.starts_with(dir))?;
        Some(format!("is or holds the home directory {}", home.display()))
    }
}

/// The directory of the system that is at, above or below `dir`.
fn system_directory(dir: &Path) -> Option<&'static str> {
    SYSTEM
        .split(' ')
        .find(|system| dir.starts_with(system) || Path::new(system).starts_with(dir))
}

/// Checks that user `uid` may remove files in a directory with this owner and mode.
fn admit_owner(uid: u32, owner: u32, mode: u32) -> io::Result<()> {
    if uid != 0 || (owner == 0 && mode & 0o022 == 0) {
        return Ok(());
    }
    if owner == 0 {
        return refused(String::from(
            "others than root may write to it; run this as the user that serves it, not as root",
        ));
    }
    let id = owner.to_string();
    let passwd = fs::read("/etc/passwd").unwrap_or_default();
    let user = accounts(&passwd).find(|[_, uid, _]| *uid == id.as_bytes());
    let user = user.map_or(id.clone(), |[name, ..]| {
        String::from_utf8_lossy(name).into_owned()
    });
    refused(format!(
        "it belongs to {user}; run this as that user, not as root"
    ))
}

/// The name, the number and the home of each user in a passwd(5).
fn accounts(passwd: &[u8]) -> impl Iterator<Item = [&[u8]; 3]> {
    let lines = passwd.split(|&byte| byte == b'\n');
    lines.filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        Some([fields.next()?, fields.nth(1)?, fields.nth(2)?])
    })
}

/// The home directories of this host's users, as far as they exist, without links.
fn homes() -> Vec<PathBuf> {
    let passwd = fs::read("/etc/passwd").unwrap_or_default();
    let listed = accounts(&passwd).map(|[_, _, home]| PathBuf::from(OsStr::from_bytes(home)));
    listed
        .chain(env::var_os("HOME").map(PathBuf::from))
        .filter_map(|home| fs::canonicalize(home).ok())
        .collect()
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn refused<T>(why: String) -> io::Result<T> {
    Err(io::Error::other(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_removes_only_what_is_roots_alone() {
        for (uid, owner, mode, admitted) in [
            (0, 0, 0o40755, true),
            (0, 0, 0o40775, false),
            (0, 0, 0o41777, false),
            (0, 250, 0o40755, false),
            (250, 250, 0o40755, true),
            (250, 0, 0o42775, true),
            (250, 251, 0o40777, true),
        ] {
            let outcome = admit_owner(uid, owner, mode);
            assert_eq!(outcome.is_ok(), admitted, "{uid} {owner} {mode:o}");
        }
        let why = admit_owner(0, 4_000_000_000, 0o755)
            .unwrap_err()
            .to_string();
        assert!(why.contains("4000000000"), "{why}");
    }

    #[test]
    fn accounts_of_passwd() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\n\nbad:line\npc:x:250:250::/var/lib/pc:\n";
        let read: Vec<_> = accounts(passwd).collect();
        assert_eq!(
            read,
            [
                [&b"root"[..], b"0", b"/root"],
                [b"pc", b"250", b"/var/lib/pc"]
            ]
        );
    }

    #[test]
    fn the_system_is_refused_and_what_holds_it() {
        for dir in [
            "/etc",
            "/etc/conf.d",
            "/usr",
            "/usr/lib/x",
            "/var",
            "/var/db",
        ] {
            assert!(system_directory(Path::new(dir)).is_some(), "{dir}");
        }
        for dir in [
            "/var/cache/package-cache",
            "/usr/portage/distfiles",
            "/usr/local/cache",
            "/bin.old",
            "/srv",
            "/dev/shm/cache",
        ] {
            assert_eq!(system_directory(Path::new(dir)), None, "{dir}");
        }
    }

    #[test]
    fn homes_are_refused_and_what_holds_them() {
        for home in homes() {
            for dir in home.ancestors() {
                assert!(Guard::new(dir).is_err(), "{}", dir.display());
            }
        }
        assert!(homes().iter().all(|home| home.is_absolute()));
    }
}

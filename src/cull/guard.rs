//! Which directories are never culled, whoever asks for it.
//!
//! Rules: what a slip of the keyboard or an old setting may name, and nobody means: the system, a
//! home, an ebuild repository (the original's default cache was one). As root only directories in
//! which nobody else can lay links; others' caches are culled with their owner's rights.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::sys::calls as sys;

/// Where hosts keep their programs and settings, and never a cache.
const SYSTEM: [&str; 15] = [
    "/bin",
    "/boot",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/sbin",
    "/usr/bin",
    "/usr/include",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/sbin",
    "/usr/share",
    "/var/db/pkg",
];

/// Whether the cache directory at `root`, an absolute path without links, may be culled.
///
/// # Errors
/// Why it may not, and the remedy.
pub fn check(root: &Path) -> io::Result<()> {
    const REMEDY: &str = "name the cache directory with --cache";
    if root == Path::new("/") {
        return refused(format!("it is the root directory; {REMEDY}"));
    }
    for system in ["etc", "usr"] {
        if exists(&root.join(system)) {
            return refused(format!("it holds {system}, as a system does; {REMEDY}"));
        }
    }
    if let Some(system) = system_directory(root) {
        return refused(format!(
            "it is in, or holds, the system directory {system}; {REMEDY}"
        ));
    }
    if let Some(home) = homes().into_iter().find(|home| home.starts_with(root)) {
        let home = home.display();
        return refused(format!(
            "it is or holds the home directory {home}; {REMEDY}"
        ));
    }
    admit(root, &fs::metadata(root)?)
}

/// The directory of the system that is at, above or below `root`.
fn system_directory(root: &Path) -> Option<&'static str> {
    SYSTEM
        .into_iter()
        .find(|system| root.starts_with(system) || Path::new(system).starts_with(root))
}

/// Whether the directory `dir`, in the cache or the cache itself, may be culled.
///
/// # Errors
/// Why it may not, and the remedy.
pub fn admit(dir: &Path, metadata: &Metadata) -> io::Result<()> {
    if exists(&dir.join("profiles/repo_name")) || exists(&dir.join("metadata/layout.conf")) {
        let below = dir.join("distfiles");
        return refused(format!(
            "it holds an ebuild repository; name the directory of the files alone, --cache {}",
            below.display()
        ));
    }
    admit_owner(sys::geteuid(), metadata.uid(), metadata.mode())
}

/// Whether user `uid` may cull a directory with this owner and mode.
fn admit_owner(uid: u32, owner: u32, mode: u32) -> io::Result<()> {
    if uid != 0 || (owner == 0 && mode & 0o022 == 0) {
        return Ok(());
    }
    if owner == 0 {
        return refused(String::from(
            "others than root may write to it; run cull as the user that serves it, not as root",
        ));
    }
    let passwd = fs::read("/etc/passwd").unwrap_or_default();
    let user = accounts(&passwd).find(|account| account.uid == owner.to_string().as_bytes());
    let user = user.map_or(owner.to_string(), |account| {
        String::from_utf8_lossy(account.name).into_owned()
    });
    refused(format!(
        "it belongs to {user}; run cull as that user, not as root"
    ))
}

/// A line of passwd(5).
struct Account<'a> {
    name: &'a [u8],
    uid: &'a [u8],
    home: &'a [u8],
}

fn accounts(passwd: &[u8]) -> impl Iterator<Item = Account<'_>> {
    passwd.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        Some(Account {
            name: fields.next()?,
            uid: fields.nth(1)?,
            home: fields.nth(2)?,
        })
    })
}

/// The home directories of this host's users, as far as they exist, without links.
fn homes() -> Vec<PathBuf> {
    let passwd = fs::read("/etc/passwd").unwrap_or_default();
    let listed = accounts(&passwd).map(|account| PathBuf::from(OsStr::from_bytes(account.home)));
    listed
        .chain(env::var_os("HOME").map(PathBuf::from))
        .filter_map(|home| fs::canonicalize(home).ok())
        .collect()
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn refused(why: String) -> io::Result<()> {
    Err(io::Error::other(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_culls_only_what_is_roots_alone() {
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
        let read: Vec<_> = accounts(passwd)
            .map(|of| [of.name, of.uid, of.home])
            .collect();
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
                assert!(check(dir).is_err(), "{}", dir.display());
            }
        }
        assert!(homes().iter().all(|home| home.is_absolute()));
    }
}

//! Sets: the patterns of what a distribution's mirrors replace in place, by name.
//!
//! Rules: each pattern stands with the fact that makes it necessary; the manual lists them from this table. A
//! pattern that matches too much costs one short question to a source, one that is missing costs an old file for
//! ever. What lies in apt's by-hash is named by its content: no pattern of `@apt` ends in a bare star, since those
//! names have no extension.

use super::patterns::{Glob, GlobError};

/// A name and its patterns, each with what it stands for.
type Set = (&'static str, &'static [(&'static str, &'static str)]);

/// Every set, in the order of the manual.
const SETS: [Set; 7] = [
    ("@gentoo", GENTOO),
    ("@apt", APT),
    ("@pacman", PACMAN),
    ("@rpm", RPM),
    ("@alpine", ALPINE),
    ("@freebsd", FREEBSD),
    ("@void", VOID),
];

const GENTOO: &[(&str, &str)] = &[
    (
        "*/layout.conf",
        "how a mirror sorts its distfiles; Portage reads it once a day",
    ),
    (
        "*/Packages",
        "the index of a binary package host; Portage reads it at each run",
    ),
    (
        "*/Packages.gz",
        "the same compressed; Portage asks for it first, so both must be of one age",
    ),
    (
        "*/timestamp*",
        "when the mirror was last updated, by which the mirrors are watched",
    ),
    (
        "*/latest-*",
        "the names of the newest stages and images, written by each weekly build",
    ),
    (
        "*/releases/*.txt",
        "the other lists beside stages and images, whose names have a date",
    ),
    (
        "*-latest.tar.*",
        "the newest snapshot of the tree with checksum and signature, made each day",
    ),
    (
        "*/gentoo-current.*",
        "the newest squashfs snapshot and its checksums, made each day",
    ),
    (
        "*/sha512sum.txt",
        "the checksums of all squashfs snapshots, signed anew each day",
    ),
];

const APT: &[(&str, &str)] = &[
    (
        "*/InRelease",
        "what a suite holds, with the checksums of the indexes; new at each publication",
    ),
    ("*/Release", "the same without its signature"),
    ("*/Release.gpg", "the signature, which must fit"),
    (
        "*/Packages",
        "the packages; replaced in place, of use where an archive has no by-hash",
    ),
    ("*/Packages.?z", "the same as gz, xz or lz"),
    ("*/Packages.bz2", "the same of older archives"),
    ("*/Packages.zst", "the same of newer ones"),
    ("*/Sources", "the source packages"),
    ("*/Sources.?z", "the same as gz, xz or lz"),
    ("*/Sources.bz2", "the same of older archives"),
    ("*/Sources.zst", "the same of newer ones"),
    (
        "*.diff/Index",
        "which changes to an index there are; the changes have a date in their name",
    ),
    ("*/Contents-*.?z", "which package has a file, for apt-file"),
    ("*/Translation-*.?z", "the descriptions of the packages"),
    ("*/Translation-*.bz2", "the same, as Debian has them"),
    (
        "*/Commands-*.?z",
        "Ubuntu's names of commands, for command-not-found",
    ),
    ("*/Components-*.?z", "AppStream's descriptions (DEP-11)"),
    ("*/CID-Index-*.?z", "their index"),
    ("*/icons-*.?z", "their icons"),
    (
        "*/installer-*/current/*",
        "the newest installer, another one at each point release",
    ),
    (
        "*/project/trace/*",
        "when each mirror was last updated, written at each update",
    ),
    ("*/ls-lR.gz", "the list of all files, made each day"),
];

const PACMAN: &[(&str, &str)] = &[
    (
        "*.db",
        "what a repository holds; repo-add replaces it with each package",
    ),
    ("*.db.sig", "its signature, which must fit"),
    ("*.db.tar.*", "the file that the former is a link to"),
    ("*.files", "the names of the files in its packages"),
    ("*.files.sig", "its signature, which must fit"),
    ("*.files.tar.*", "the file that the former is a link to"),
    (
        "*/lastupdate",
        "when the mirrors' source last changed, in seconds",
    ),
    (
        "*/lastsync",
        "when the mirror last asked, written every few minutes",
    ),
    (
        "*/iso/latest/*",
        "the newest images, a link to another directory each month",
    ),
];

const RPM: &[(&str, &str)] = &[
    (
        "*/repodata/repomd.xml",
        "the names of the other indexes, which begin with their checksum",
    ),
    ("*/repodata/repomd.xml.asc", "its signature, which must fit"),
    (
        "*/repodata/repomd.xml.key",
        "the key of openSUSE's signatures",
    ),
    (
        "*/repodata/primary.*",
        "the packages, where createrepo was told to put no checksum into the names",
    ),
    (
        "*/repodata/filelists.*",
        "the files in the packages, likewise",
    ),
    ("*/repodata/other.*", "their changelogs, likewise"),
    ("*/repodata/comps*.xml", "their groups, likewise"),
    ("*/repodata/updateinfo.*", "the advisories, likewise"),
    (
        "*/.treeinfo",
        "what an installer fetches; new at each compose of Rawhide or Stream",
    ),
    ("*/os/images/*", "the kernels and images that it names"),
    (
        "*/media.1/media",
        "which build an openSUSE tree is, as zypper asks",
    ),
    (
        "*/fullfile*",
        "the lists of all files by which mirrors are compared, made every hour or so",
    ),
];

const ALPINE: &[(&str, &str)] = &[
    (
        "*/APKINDEX.tar.gz",
        "what a repository holds; apk update reads it",
    ),
    (
        "*/[Pp]ackages.adb",
        "the same of apk 3, under this name by default and at OpenWrt",
    ),
    (
        "*/latest-releases.yaml",
        "the newest images, written at each release",
    ),
    (
        "*/netboot/*",
        "the kernel and images of the newest release, under names without a version",
    ),
    (
        "*/latest-stable/releases/*",
        "a link to the directory of another branch twice a year",
    ),
    (
        "*/last-updated",
        "when the mirrors' source last changed, in seconds",
    ),
];

const FREEBSD: &[(&str, &str)] = &[
    (
        "*/meta.conf",
        "the form of a repository's catalogue; pkg update reads it",
    ),
    ("*/meta.txz", "the same for older pkg"),
    ("*/packagesite.*", "the catalogue, new with each build"),
    ("*/data.*", "the same in the newer form"),
    ("*/filesite.*", "the names of the files in the packages"),
    (
        "*/digests.*",
        "the checksums of the packages, for older pkg",
    ),
    (
        "*/Latest/*",
        "pkg itself and its signature, for a host that has none yet",
    ),
    (
        "*/All/*.pkg",
        "the packages: a build makes them anew under the same version",
    ),
    (
        "*/latest.ssl",
        "the newest state of freebsd-update; all else there is named by its checksum",
    ),
];

const VOID: &[(&str, &str)] = &[
    (
        "*-repodata",
        "what a repository holds; xbps-install -S reads it",
    ),
    (
        "*-stagedata",
        "what is built and waits for the rest of its update",
    ),
    (
        "*/live/current/sha256sum.*",
        "the checksums of the newest images and their signature",
    ),
];

impl Glob {
    /// The pattern that `text` is, or those of the set that it names with an `@`. A pattern that begins with
    /// that character can be written as `[@]...`.
    ///
    /// # Errors
    /// When it is empty, a `[...]` in it is not well formed, or no set has that name.
    pub fn parse_or_set(text: &str) -> Result<Vec<Self>, GlobError> {
        if !text.starts_with('@') {
            return Ok(vec![Self::parse(text)?]);
        }
        let mut sets = SETS.iter();
        let (_, patterns) = sets
            .find(|(name, _)| *name == text)
            .ok_or_else(|| GlobError::NoSet(SETS.map(|(name, _)| name).join(" ")))?;
        patterns
            .iter()
            .map(|(pattern, _)| Self::parse(pattern))
            .collect()
    }
}

#[cfg(test)]
mod tests;

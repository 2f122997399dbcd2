//! Expected: what a file must be, by its path.
//!
//! Rules: a distfile, whose directory is `distfiles`, or `distfiles/XX` as in a hashed layout (GLEP 75), must be one of
//! the things that the Manifests say of its name. A name may prove itself: 128 hexadecimal digits in such a directory
//! are the digest of the content (GLEP 75, content-hash), and so are those below `by-hash/SHA256` and `by-hash/SHA512`
//! (apt). Nothing is expected of other files.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Index;
use crate::digest::{Digest, from_hex};

/// One thing that a file may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its length in bytes, if that is known.
    pub size: Option<u64>,
    /// Its digest.
    pub digest: Digest,
}

/// All that the file at `path` may be; nothing if it cannot be proved.
pub fn expected(path: &Path, index: &Index) -> Vec<Expected> {
    let [name, above @ ..] = last_parts(path);
    let by_name = |digest| Expected { size: None, digest };
    match above {
        [b"SHA256", b"by-hash"] => {
            let digest = from_hex(name).map(Digest::Sha256);
            digest.map(by_name).into_iter().collect()
        }
        [b"SHA512", b"by-hash"] => {
            let digest = from_hex(name).map(Digest::Sha512);
            digest.map(by_name).into_iter().collect()
        }
        _ if is_of_distfiles(above) => {
            let listed = index.find(name).iter().map(|entry| Expected {
                size: Some(entry.size),
                digest: entry.digest,
            });
            let kinds = [Digest::Blake2b, Digest::Sha512];
            let named = from_hex(name).map(|hex| kinds.map(|kind| by_name(kind(hex))));
            listed.chain(named.into_iter().flatten()).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether the file at `path` is a distfile.
pub fn is_distfile(path: &Path) -> bool {
    let [_, above @ ..] = last_parts(path);
    is_of_distfiles(above)
}

/// The name of a file, that of its directory, and of the one above. Hits ask for them, and `Path::iter` takes five times
/// as long.
fn last_parts(path: &Path) -> [&[u8]; 3] {
    let parts = path.as_os_str().as_bytes().rsplit(|&byte| byte == b'/');
    let mut parts = parts.filter(|part| !matches!(*part, b"" | b"."));
    [(); 3].map(|()| parts.next().unwrap_or_default())
}

/// Whether a file is a distfile whose directory, and the one above that, have these names.
fn is_of_distfiles([dir, above]: [&[u8]; 2]) -> bool {
    let is_hashed = || dir.len() == 2 && dir.iter().all(u8::is_ascii_hexdigit);
    dir == b"distfiles" || above == b"distfiles" && is_hashed()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_expected_of_paths() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("app-misc/a");
        fs::create_dir_all(&package).unwrap();
        let (one, two) = ("11".repeat(64), "22".repeat(64));
        let lines = [
            format!("DIST a.tar 3 BLAKE2B {one}"),
            format!("DIST a.tar 4 SHA512 {two}"),
            format!("DIST by-hash 4 SHA512 {two}"),
        ];
        fs::write(package.join("Manifest"), lines.join("\n")).unwrap();
        let index = Index::build(&[dir.path().to_path_buf()]).unwrap();

        let (half, whole) = (&one[..64], &one[..]);
        let listed = "3 BLAKE2B 11, 4 SHA512 22";
        let named = "BLAKE2B 11, SHA512 11";
        for (path, expected) in [
            ("/c/distfiles/a.tar", listed),
            ("/c/distfiles/0f/a.tar", listed),
            ("/c/x/y/distfiles/a.tar", listed),
            ("/distfiles/a.tar", listed),
            ("/c/distfiles/a.tar.asc", ""),
            ("/c/distfiles/0g/a.tar", ""),
            ("/c/distfiles/f/a.tar", ""),
            ("/c/distfiles/0ff/a.tar", ""),
            ("/c/distfiles/0f/0f/a.tar", ""),
            ("/c/distfiles2/a.tar", ""),
            ("/c//distfiles/./0f//a.tar", listed),
            ("distfiles/a.tar", listed),
            ("/c/a.tar", ""),
            ("/a.tar", ""),
            ("/", ""),
            (&format!("/c/distfiles/{whole}"), named),
            (&format!("/c/distfiles/11/{whole}"), named),
            (&format!("/c/{whole}"), ""),
            (&format!("/c/distfiles/{half}"), ""),
            (&format!("/c/main/by-hash/SHA256/{half}"), "SHA256 11"),
            (&format!("/c/by-hash/SHA512/{whole}"), "SHA512 11"),
            (&format!("/c/by-hash/SHA512/{half}"), ""),
            (&format!("/c/by-hash/SHA256/{whole}"), ""),
            (&format!("/c/by-hash/MD5Sum/{}", &one[..32]), ""),
            (&format!("/c/hash/SHA256/{half}"), ""),
            ("/c/by-hash/SHA256/a.tar", ""),
        ] {
            let found = super::expected(Path::new(path), &index);
            let texts = found.iter().map(|Expected { size, digest }| {
                let size = size.map(|size| format!("{size} ")).unwrap_or_default();
                let digest = digest.to_string();
                let (kind, hex) = digest.split_once(' ').unwrap();
                format!("{size}{kind} {}", &hex[..2])
            });
            assert_eq!(texts.collect::<Vec<_>>().join(", "), expected, "{path}");
        }
    }
}

//! Layout: the two names that a distfile has (GLEP 75): `distfiles/NAME`, as flat mirrors, old caches and each host's own
//! directory have it, and `distfiles/XX/NAME`, as today's mirrors have it; XX are the first two hexadecimal digits of the
//! BLAKE2b-512 of NAME.
//!
//! Rules: nothing else has two names, and neither has `layout.conf`, which tells clients the layout.
//!
//! Not here: which of the two is asked for and when (`cache`).

use super::CachePath;
use crate::digest::Digest;

/// The other name of a distfile, if `path` is that of one.
pub fn twin(path: &CachePath) -> Option<CachePath> {
    hashed(path).or_else(|| flat(path))
}

/// The name in the hashed layout of a distfile with a flat name.
pub fn hashed(path: &CachePath) -> Option<CachePath> {
    let (dir, name) = split(path.as_bytes())?;
    let (_, last) = split(dir).unwrap_or((b"", dir));
    let is_distfile = last == b"distfiles" && name != b"layout.conf";
    is_distfile.then(|| CachePath::of_bytes([dir, b"/", &digits(name), b"/", name].concat()))
}

/// The flat name of a distfile with a name in the hashed layout.
fn flat(path: &CachePath) -> Option<CachePath> {
    let (dir, name) = split(path.as_bytes())?;
    let (above, digits_of_dir) = split(dir)?;
    let (_, last) = split(above).unwrap_or((b"", above));
    let may_be = last == b"distfiles" && digits_of_dir.len() == 2 && name != b"layout.conf";
    let is_distfile = may_be && digits_of_dir == digits(name);
    is_distfile.then(|| CachePath::of_bytes([above, b"/", name].concat()))
}

/// What is before the last slash, and what is behind it.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|&byte| byte == b'/')?;
    Some((path.get(..slash)?, path.get(slash.saturating_add(1)..)?))
}

/// The directory of a name.
fn digits(name: &[u8]) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let [first, ..] = Digest::blake2b(name);
    [first >> 4, first & 15].map(|at| DIGITS.get(usize::from(at)).copied().unwrap_or(b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;

    fn path(text: &str) -> CachePath {
        match CachePath::place(text.as_bytes()) {
            Ok(Place::File(path)) => path,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_two_names_of_distfiles() {
        for (dir, name) in [
            ("13", "aescrypt-3.16.tgz"),
            ("ad", "PyPAM-0.5.0.tar.gz"),
            ("71", "libpciaccess-0.17.tar.xz"),
            ("a4", "libdisplay-info-0.1.1.tar.xz"),
            ("ef", "lxqt-about-0.15.0.tar.xz"),
            ("09", "runit-2.1.2.tar.gz"),
        ] {
            for above in ["", "/gentoo", "/a/b"] {
                let flat = path(&format!("{above}/distfiles/{name}"));
                let hashed = path(&format!("{above}/distfiles/{dir}/{name}"));
                assert_eq!(twin(&flat), Some(hashed.clone()));
                assert_eq!(twin(&hashed), Some(flat));
                assert_eq!(super::hashed(&hashed), None);
            }
        }
        for other in [
            "/distfiles/layout.conf",
            "/distfiles",
            "/runit-2.1.2.tar.gz",
            "/09/runit-2.1.2.tar.gz",
            "/distfiles/08/runit-2.1.2.tar.gz",
            "/distfiles/EF/lxqt-about-0.15.0.tar.xz",
            "/distfiles/ef/x/lxqt-about-0.15.0.tar.xz",
            "/distfiles2/runit-2.1.2.tar.gz",
            "/distfiles/git3-src/a_b.git",
        ] {
            assert_eq!(twin(&path(other)), None, "{other}");
        }
    }
}

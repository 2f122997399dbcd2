//! Content coding: which ones are the file itself (RFC 9110 §8.4).
//!
//! Rules: sources are asked for `identity`. A server that labels `foo.tar.gz` with `Content-Encoding: gzip`
//! sends that very file; one that does so for `foo.txt` sends something else. A name without extension, as
//! below `by-hash`, does not tell, so the first bytes decide. The codings with `x-` are also Apache's labels
//! for files of a type that it does not know but looks into (mod_mime_magic), so for an unknown extension the
//! first bytes decide too.
//!
//! Not here: decoding; nothing is ever decoded.

use super::media_type;

/// Codings: their names, the extensions of files in this coding, in lower case, and how such files begin.
const CODINGS: &[(&[&str], &[&str], &[u8])] = &[
    (
        &["gzip", "x-gzip"],
        &[
            "gz", "tgz", "taz", "crate", "apk", "db", "files", "ipk", "opk", "svgz", "pkg", "xbps",
        ],
        b"\x1f\x8b",
    ),
    (
        &["bzip2", "x-bzip2", "x-bzip"],
        &["bz2", "bz", "tbz2", "tbz", "db", "files"],
        b"BZh",
    ),
    (
        &["xz", "x-xz"],
        &["xz", "txz", "db", "files", "pkg", "xbps"],
        b"\xfd7zXZ\0",
    ),
    (
        &["zstd", "x-zstd"],
        &["zst", "tzst", "db", "files", "pkg", "xbps"],
        b"\x28\xb5\x2f\xfd",
    ),
    (&["compress", "x-compress"], &["z", "taz"], b"\x1f\x9d"),
    (&["lzma", "x-lzma"], &["lzma", "tlz"], b"\x5d\0\0"),
    (&["lzip", "x-lzip"], &["lz", "tlz"], b"LZIP"),
];

/// What content is that has a Content-Encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coded {
    /// The file itself.
    File,
    /// Something else.
    Other,
    /// It is the file if it begins with these bytes.
    FileIf(&'static [u8]),
}

/// What is sent for a file of this name with this one Content-Encoding, which is not `identity`.
pub fn coded(coding: &[u8], name: &[u8]) -> Coded {
    let known = |(names, ..): &&(&[&str], _, _)| media_type::is_one_of(coding, names);
    let Some((_, extensions, magic)) = CODINGS.iter().find(known) else {
        return Coded::Other;
    };
    let is_label = coding
        .get(..2)
        .is_some_and(|x| x.eq_ignore_ascii_case(b"x-"));
    match media_type::extension(name) {
        None => Coded::FileIf(magic),
        Some(given) if media_type::is_one_of(given, extensions) => Coded::File,
        Some(_) if is_label && media_type::of(name) == media_type::UNKNOWN => Coded::FileIf(magic),
        Some(_) => Coded::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GZIP: Coded = Coded::FileIf(b"\x1f\x8b");

    #[test]
    fn codings_and_names() {
        for (coding, name, expected) in [
            ("gzip", "foo.tar.gz", Coded::File),
            ("X-GZip", "foo.TGZ", Coded::File),
            ("gzip", "serde-1.0.0.crate", Coded::File),
            ("gzip", "busybox-1.36.1-r2.apk", Coded::File),
            ("x-gzip", "core.db", Coded::File),
            ("gzip", "core.files", Coded::File),
            ("gzip", "a_1_all.ipk", Coded::File),
            ("gzip", "logo.svgz", Coded::File),
            ("xz", "core.db", Coded::File),
            ("zstd", "a-1.pkg.tar.zst", Coded::File),
            ("zstd", "a-1.x86_64.xbps", Coded::File),
            ("x-bzip2", "foo.tbz2", Coded::File),
            ("bzip2", "a.tar.bz2", Coded::File),
            ("x-xz", "foo.xz", Coded::File),
            ("compress", "foo.Z", Coded::File),
            ("gzip", "foo.txt", Coded::Other),
            ("x-gzip", "foo.txt", Coded::Other),
            ("gzip", "foo.tar.xz", Coded::Other),
            ("x-gzip", "foo.tar.xz", Coded::Other),
            ("gzip", "foo.yaml", Coded::Other),
            ("gzip, gzip", "foo.gz", Coded::Other),
            ("br", "foo.js", Coded::Other),
            ("deflate", "Packages", Coded::Other),
            ("", "foo.gz", Coded::Other),
            ("x", "foo.gz", Coded::Other),
            ("gzip", "0123456789abcdef", GZIP),
            ("gzip", "gz", GZIP),
            ("gzip", "foo-1.0", GZIP),
            ("zstd", "0123", Coded::FileIf(b"\x28\xb5\x2f\xfd")),
            ("x-gzip", "foo.unitypackage", GZIP),
            ("gzip", "foo.unitypackage", Coded::Other),
        ] {
            assert_eq!(
                coded(coding.as_bytes(), name.as_bytes()),
                expected,
                "{coding} {name}"
            );
        }
    }
}

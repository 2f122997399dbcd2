//! Content codings that a file name carries itself (RFC 9110 §8.4).
//!
//! Rules: sources are asked for `identity`. A server that labels `foo.tar.gz` with
//! `Content-Encoding: gzip` sends the very file; one that does so for `foo.txt` sends another.
//!
//! Not here: decoding; nothing is ever decoded.

use super::media_type::extension;

/// True if a file of that name, sent with this Content-Encoding, is the file itself.
pub fn carried_by_name(coding: &[u8], name: &[u8]) -> bool {
    let extensions: &[&[u8]] = match coding.to_ascii_lowercase().as_slice() {
        b"identity" => return true,
        b"gzip" | b"x-gzip" => &[b"gz", b"tgz"],
        b"bzip2" | b"x-bzip2" => &[b"bz2", b"tbz2"],
        b"xz" | b"x-xz" => &[b"xz", b"txz"],
        b"zstd" => &[b"zst", b"tzst"],
        b"compress" | b"x-compress" => &[b"z"],
        _ => return false,
    };
    extension(name).is_some_and(|given| {
        extensions
            .iter()
            .any(|known| known.eq_ignore_ascii_case(given))
    })
}

#[cfg(test)]
mod tests {
    use super::carried_by_name;

    #[test]
    fn codings_and_names() {
        for (coding, name, expected) in [
            ("gzip", "foo.tar.gz", true),
            ("X-GZip", "foo.TGZ", true),
            ("gzip", "foo.txt", false),
            ("gzip", "foo.tar.xz", false),
            ("gzip", "gz", false),
            ("gzip, gzip", "foo.gz", false),
            ("bzip2", "foo.tbz2", true),
            ("x-xz", "foo.xz", true),
            ("zstd", "foo.zst", true),
            ("compress", "foo.Z", true),
            ("identity", "foo.txt", true),
            ("Identity", "", true),
            ("br", "foo.br", false),
            ("", "foo.gz", false),
        ] {
            assert_eq!(
                carried_by_name(coding.as_bytes(), name.as_bytes()),
                expected,
                "{coding} {name}"
            );
        }
    }
}

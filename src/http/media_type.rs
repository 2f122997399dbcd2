//! Media types by file name (RFC 9110 §8.3).
//!
//! Rules: a compressed file is its own type (`.tar.gz` is gzip), never a content coding on another one,
//! so that no client unpacks what it verifies.
//!
//! Not here: looking into a file.

/// What is not known to be anything else.
const DEFAULT: &str = "application/octet-stream";

/// Types and their extensions in lower case.
const TYPES: &[(&str, &[&str])] = &[
    ("application/gzip", &["gz", "tgz", "crate"]),
    ("application/x-xz", &["xz", "txz"]),
    ("application/x-bzip2", &["bz2", "tbz2", "tbz"]),
    ("application/zstd", &["zst", "tzst"]),
    ("application/x-lzip", &["lz"]),
    ("application/x-lzma", &["lzma"]),
    ("application/x-tar", &["tar"]),
    ("application/zip", &["zip"]),
    ("application/x-7z-compressed", &["7z"]),
    ("application/java-archive", &["jar"]),
    ("application/vnd.debian.binary-package", &["deb", "udeb"]),
    ("application/x-rpm", &["rpm"]),
    (
        "application/pgp-signature",
        &["asc", "sig", "gpg", "gpgsig", "sign"],
    ),
    (
        "text/plain; charset=utf-8",
        &[
            "txt", "conf", "dsc", "digests", "md5", "md5sum", "sha1", "sha256", "sha512",
        ],
    ),
    ("text/x-diff; charset=utf-8", &["patch", "diff"]),
    ("text/html; charset=utf-8", &["html", "htm"]),
    ("application/xhtml+xml", &["xhtml"]),
    ("application/xml", &["xml"]),
    ("application/json", &["json"]),
    ("application/pdf", &["pdf"]),
    ("image/png", &["png"]),
    ("image/jpeg", &["jpg", "jpeg"]),
    ("image/svg+xml", &["svg"]),
    ("text/css; charset=utf-8", &["css"]),
    ("text/javascript; charset=utf-8", &["js"]),
];

/// The value of Content-Type for a file of that name.
pub fn of(name: &[u8]) -> &'static str {
    let Some(given) = extension(name) else {
        return DEFAULT;
    };
    TYPES
        .iter()
        .find(|(_, extensions)| {
            extensions
                .iter()
                .any(|known| known.as_bytes().eq_ignore_ascii_case(given))
        })
        .map_or(DEFAULT, |(media_type, _)| media_type)
}

/// What follows the last dot of a file name, unless that or what precedes it is empty.
pub fn extension(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    let (stem, extension) = name.split_at_checked(dot)?;
    let extension = extension.get(1..)?;
    (!stem.is_empty() && !extension.is_empty()).then_some(extension)
}

/// True if a Content-Type is HTML or XHTML, whatever its parameters.
pub fn is_html(value: &[u8]) -> bool {
    let essence = value
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    essence.eq_ignore_ascii_case(b"text/html")
        || essence.eq_ignore_ascii_case(b"application/xhtml+xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_extension() {
        for (name, expected) in [
            ("foo-1.0.tar.gz", "application/gzip"),
            ("FOO.TAR.GZ", "application/gzip"),
            ("foo.tar.xz", "application/x-xz"),
            ("foo-1.gpkg.tar", "application/x-tar"),
            ("layout.conf", "text/plain; charset=utf-8"),
            ("fix.patch", "text/x-diff; charset=utf-8"),
            ("Packages", DEFAULT),
            ("foo.apk", DEFAULT),
            (".gz", DEFAULT),
            ("gz", DEFAULT),
            ("foo.", DEFAULT),
            ("", DEFAULT),
        ] {
            assert_eq!(of(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn each_extension_is_lower_case_and_stands_once() {
        let mut all: Vec<_> = TYPES
            .iter()
            .flat_map(|(_, extensions)| *extensions)
            .collect();
        assert!(
            all.iter()
                .all(|one| one.bytes().all(|byte| !byte.is_ascii_uppercase()))
        );
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn extensions() {
        for (name, expected) in [
            ("a.b.c", Some("c")),
            ("a.", None),
            (".a", None),
            ("..", None),
            ("..a", Some("a")),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(
                extension(name.as_bytes()),
                expected.map(str::as_bytes),
                "{name}"
            );
        }
    }

    #[test]
    fn html() {
        for (value, expected) in [
            ("text/html", true),
            ("Text/HTML ; charset=utf-8", true),
            ("application/xhtml+xml;q", true),
            ("text/plain", false),
            ("text/htmlx", false),
            ("", false),
        ] {
            assert_eq!(is_html(value.as_bytes()), expected, "{value}");
        }
    }
}

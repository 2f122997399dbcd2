//! Media type: Content-Type by file name (RFC 9110 §8.3).
//!
//! Rules: a compressed file has a type of its own (`.tar.gz` is gzip), never the type of its content and a
//! content coding, so that no client unpacks what it is about to verify.
//!
//! A name without extension is most often that of a directory: what a source sends for it may be a listing.
//!
//! Not here: looking into a file.

/// The type of files with no known extension.
pub const UNKNOWN: &str = "application/octet-stream";

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
        return UNKNOWN;
    };
    TYPES
        .iter()
        .find(|(_, extensions)| is_one_of(given, extensions))
        .map_or(UNKNOWN, |(media_type, _)| media_type)
}

/// What follows the last dot of a file name; none if that or what precedes it is empty, or if it is a number,
/// which is then the end of a version, as in `gtk+-3.0`.
pub fn extension(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    let (stem, extension) = name.split_at_checked(dot)?;
    let extension = extension.get(1..)?;
    let is_number = extension.iter().all(u8::is_ascii_digit);
    (!stem.is_empty() && !is_number).then_some(extension)
}

/// Extensions of archives and packages, in lower case. Such files are never empty.
const ARCHIVES: &[&str] = &[
    "7z", "apk", "bz2", "conda", "crate", "db", "deb", "egg", "files", "gem", "gz", "ipk", "iso",
    "jar", "lz", "lzma", "nupkg", "opk", "pkg", "rpm", "svgz", "tar", "tbz", "tbz2", "tgz", "txz",
    "tzst", "udeb", "whl", "xbps", "xpi", "xz", "zip", "zst",
];

/// Whether a file of that name is an archive or a package, by its extension.
pub fn is_archive(name: &[u8]) -> bool {
    extension(name).is_some_and(|given| is_one_of(given, ARCHIVES))
}

/// Whether an extension is one of those, in any case.
pub(super) fn is_one_of(extension: &[u8], known: &[&str]) -> bool {
    let is = |known: &&str| {
        known.len() == extension.len() && known.as_bytes().eq_ignore_ascii_case(extension)
    };
    known.iter().any(is)
}

/// Whether a Content-Type is HTML or XHTML, whatever its parameters.
pub fn is_html(value: &[u8]) -> bool {
    let essence = essence(value);
    essence.eq_ignore_ascii_case(b"text/html")
        || essence.eq_ignore_ascii_case(b"application/xhtml+xml")
}

/// Whether a Content-Type is that of a document, as listings and indexes of registries are: HTML, XML, JSON,
/// YAML, also as the suffix of another type (`application/vnd.pypi.simple.v1+json`), or that of a directory.
pub fn is_document(value: &[u8]) -> bool {
    const DOCUMENTS: &[&str] = &[
        "html",
        "xhtml",
        "xml",
        "json",
        "yaml",
        "x-yaml",
        "directory",
        "unix-directory",
    ];
    let essence = essence(value);
    let subtype = essence.rsplit(|byte| matches!(byte, b'/' | b'+')).next();
    subtype.is_some_and(|subtype| is_one_of(subtype, DOCUMENTS))
}

/// A media type without its parameters.
fn essence(value: &[u8]) -> &[u8] {
    let essence = value.split(|&byte| byte == b';').next();
    essence.unwrap_or_default().trim_ascii()
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
            ("Packages", UNKNOWN),
            ("foo.apk", UNKNOWN),
            (".gz", UNKNOWN),
            ("gz", UNKNOWN),
            ("foo.", UNKNOWN),
            ("", UNKNOWN),
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
            ("gtk+-3.0", None),
            ("6.12", None),
            ("a.7z", Some("7z")),
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

    #[test]
    fn documents() {
        for (value, expected) in [
            ("text/html", true),
            ("application/xhtml+xml", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/vnd.npm.install-v1+json", true),
            ("application/vnd.pypi.simple.v1+html", true),
            ("text/xml", true),
            ("application/atom+xml", true),
            ("application/x-yaml", true),
            ("httpd/unix-directory", true),
            // What indexes without extension come as: Release, InRelease, Packages, SHA256SUMS, by-hash names.
            ("text/plain; charset=UTF-8", false),
            ("application/octet-stream", false),
            ("binary/octet-stream", false),
            ("application/pgp-signature", false),
            ("application/gzip", false),
            ("application/x-jsonx", false),
            ("json", true),
            ("", false),
        ] {
            assert_eq!(is_document(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn archives() {
        assert!(
            ARCHIVES
                .iter()
                .all(|one| one.bytes().all(|byte| !byte.is_ascii_uppercase()))
        );
        for (name, expected) in [
            ("a.tar.gz", true),
            ("A.TGZ", true),
            ("core.db", true),
            ("a_1_all.deb", true),
            ("a-1.gpkg.tar", true),
            ("a.patch", false),
            ("a.asc", false),
            ("Packages", false),
            ("gz", false),
        ] {
            assert_eq!(is_archive(name.as_bytes()), expected, "{name}");
        }
    }
}

use std::path::Component;

use super::*;

/// What a path is expected to be.
#[derive(Debug, PartialEq)]
enum Expected {
    Root,
    Listing(&'static [u8]),
    /// With what a source is asked.
    Opaque(&'static str),
    File(&'static [u8]),
    Status(StatusCode),
}

use Expected::{File, Listing, Opaque, Root, Status};

const BAD: Expected = Status(StatusCode::BAD_REQUEST);
const GONE: Expected = Status(StatusCode::NOT_FOUND);

const TABLE: &[(&[u8], Expected)] = &[
    // Root.
    (b"/", Root),
    (b"//", Root),
    (b"////", Root),
    (b"", Root),
    // Files and listings.
    (b"/a", File(b"a")),
    (b"/a/", Listing(b"a")),
    (b"/a//", Listing(b"a")),
    (b"/a/b", File(b"a/b")),
    (b"//a///b", File(b"a/b")),
    (b"//a///b//", Listing(b"a/b")),
    (b"a/b", File(b"a/b")),
    (b"/distfiles/layout.conf", File(b"distfiles/layout.conf")),
    (
        b"/distfiles/ab/foo-1.0.tar.xz",
        File(b"distfiles/ab/foo-1.0.tar.xz"),
    ),
    // Ordinary bytes, raw and escaped.
    (b"/gtk%2B-2.0", File(b"gtk+-2.0")),
    (b"/gtk+-2.0", File(b"gtk+-2.0")),
    (b"/gtk%2b-2.0", File(b"gtk+-2.0")),
    (b"/rust%40crate", File(b"rust@crate")),
    (b"/a~1", File(b"a~1")),
    (b"/a%7e1", File(b"a~1")),
    (b"/1:2.0-1.pkg", File(b"1:2.0-1.pkg")),
    (b"/a%20b", File(b"a b")),
    (b"/%20", File(b" ")),
    (b"/a\\b", File(b"a\\b")),
    (b"/a%5Cb", File(b"a\\b")),
    (b"/%5c", File(b"\\")),
    (b"/c:/windows", File(b"c:/windows")),
    (b"/a%3Fb", File(b"a?b")),
    (b"/a%23b", File(b"a#b")),
    (b"/-rf", File(b"-rf")),
    (b"/%61%62c", File(b"abc")),
    (b"/%C3%A4", File(b"\xc3\xa4")),
    (b"/\xc3\xa4", File(b"\xc3\xa4")),
    (b"/%FF%fe", File(b"\xff\xfe")),
    (b"/\xff", File(b"\xff")),
    (b"/%80%9b", File(b"\x80\x9b")),
    // Overlong forms of a dot or a slash are bytes like others: nothing here decodes UTF-8.
    (b"/%c0%ae%c0%ae", File(b"\xc0\xae\xc0\xae")),
    (b"/%c0%af", File(b"\xc0\xaf")),
    (b"/%e0%80%af", File(b"\xe0\x80\xaf")),
    // Decoded once only.
    (b"/%252e%252e", File(b"%2e%2e")),
    (b"/%252e", File(b"%2e")),
    (b"/%252f", File(b"%2f")),
    (b"/%2500", File(b"%00")),
    (b"/%25", File(b"%")),
    (b"/%25%32%65", File(b"%2e")),
    // Names of dots that go nowhere.
    (b"/...", File(b"...")),
    (b"/..a", File(b"..a")),
    (b"/a..", File(b"a..")),
    (b"/.a", File(b".a")),
    (b"/..%20", File(b".. ")),
    (b"/a/.../b", File(b"a/.../b")),
    (b"/..;/a", File(b"..;/a")),
    (b"/..\\..\\a", File(b"..\\..\\a")),
    // A dot segment is as good as none, in every disguise; at the end it names a directory.
    (b"/.", Root),
    (b"/./", Root),
    (b"/%2e", Root),
    (b"/a/./b", File(b"a/b")),
    (b"/./a", File(b"a")),
    (b"/a/%2e/b", File(b"a/b")),
    (b"/a/%2E//./b", File(b"a/b")),
    (b"/a/.", Listing(b"a")),
    (b"/a/%2e", Listing(b"a")),
    (b"/a/./", Listing(b"a")),
    (b"/a/b/././", Listing(b"a/b")),
    // Two dots leave a directory, and are refused in every disguise.
    (b"/..", BAD),
    (b"/../", BAD),
    (b"/../etc/passwd", BAD),
    (b"/a/../b", BAD),
    (b"/a/..", BAD),
    (b"..", BAD),
    (b"//../a", BAD),
    (b"/./../a", BAD),
    (b"/%2e%2e", BAD),
    (b"/%2E%2E/etc", BAD),
    (b"/.%2e/etc", BAD),
    (b"/%2e./etc", BAD),
    (b"/a/%2e%2e/b", BAD),
    // Slashes that are no separators: such a segment is passed on as it came, others are encoded as ever.
    (b"/@scope%2fname", Opaque("@scope%2fname")),
    (b"/@scope%2Fname", Opaque("@scope%2Fname")),
    (b"/a%2fb", Opaque("a%2fb")),
    (b"/%2f", Opaque("%2f")),
    (b"/a%2f", Opaque("a%2f")),
    (b"/x@1/./a%2fb//c+d", Opaque("x%401/a%2fb/c%2Bd")),
    (b"/a%2fb/", Listing(b"a%2fb")),
    (b"/a%2fb/.", Listing(b"a%2fb")),
    (b"/a%2f\xc3\"%7e", Opaque("a%2f%C3%22%7e")),
    (b"/a%2f%252e%252e", Opaque("a%2f%252e%252e")),
    (b"/a%c0%2fb", Opaque("a%c0%2fb")),
    (b"/..%2f..%2fetc", BAD),
    (b"/%2e%2e%2fetc", BAD),
    (b"/a%2f%2e%2e", BAD),
    (b"/a%2f..%2fb", BAD),
    (b"/a%2fb/..", BAD),
    (b"/a%2f%0a", BAD),
    (b"/a%2f%00", BAD),
    (b"/a%2f%zz", BAD),
    (b"/a%2f.package-cache-x", GONE),
    (b"/.package-cache%2fa", GONE),
    // NUL and control bytes.
    (b"/%00", BAD),
    (b"/a%00", BAD),
    (b"/a%00.txt", BAD),
    (b"/a\0b", BAD),
    (b"/%01", BAD),
    (b"/%09", BAD),
    (b"/a%0ab", BAD),
    (b"/a%0d%0ab", BAD),
    (b"/a\nb", BAD),
    (b"/%1b[2J", BAD),
    (b"/%1f", BAD),
    (b"/%7f", BAD),
    (b"/\x7f", BAD),
    // Escapes that are none.
    (b"/%", BAD),
    (b"/%2", BAD),
    (b"/%zz", BAD),
    (b"/a%2", BAD),
    (b"/a%/b", BAD),
    (b"/%2/e", BAD),
    (b"/%%32e", BAD),
    (b"/%u002e", BAD),
    (b"/%+2", BAD),
    (b"/% 2", BAD),
    // Reserved names.
    (b"/.package-cache", GONE),
    (b"/.package-cache/", GONE),
    (b"/.package-cache-0123456789abcdef.part", GONE),
    (b"/a/.package-cache-0123456789abcdef.part", GONE),
    (b"/.package-cache/metrics", GONE),
    (b"/.package-cachet/a", GONE),
    (b"/%2epackage-cache", GONE),
    (b"/.package%2dcache", GONE),
    (b"/%2E%70%61%63%6b%61ge-cache-x", GONE),
    (b"/.package-cache/..", BAD),
    (b"/%2/.package-cache", BAD),
    (b"/.Package-cache", File(b".Package-cache")),
    (b"/.package-cach", File(b".package-cach")),
    (b"/a.package-cache", File(b"a.package-cache")),
    (b"/%252epackage-cache", File(b"%2epackage-cache")),
];

/// What must hold of every path that was accepted.
fn check_invariants(encoded: &[u8]) {
    let path = match CachePath::place(encoded) {
        Ok(Place::File(path) | Place::Listing(path) | Place::Opaque(path)) => path,
        Ok(Place::Root) | Err(_) => return,
    };
    let name = String::from_utf8_lossy(encoded).into_owned();
    let root = Path::new("/srv/cache");
    let joined = root.join(path.as_path());
    let rest = joined.strip_prefix(root).expect(&name);
    let segments = path.as_bytes().split(|&byte| byte == b'/').count();
    assert_eq!(rest.components().count(), segments, "{name}");
    assert!(
        rest.components()
            .all(|part| matches!(part, Component::Normal(_))),
        "{name}"
    );
    assert_eq!(rest.as_os_str().as_bytes(), path.as_bytes(), "{name}");
    assert_eq!(rest.file_name().unwrap().as_bytes(), path.name(), "{name}");
    assert!(!path.as_bytes().iter().any(u8::is_ascii_control), "{name}");
    let again = format!("/{}", path.encoded());
    assert!(again.bytes().all(|byte| byte.is_ascii_graphic()), "{again}");
    let place = CachePath::place(again.as_bytes());
    assert_eq!(place.map(encoded_path), Ok(path.encoded()), "{name}");
}

fn encoded_path(place: Place) -> String {
    match place {
        Place::Root => String::new(),
        Place::Listing(path) | Place::Opaque(path) | Place::File(path) => path.encoded(),
    }
}

#[test]
fn places() {
    for (encoded, expected) in TABLE {
        let name = String::from_utf8_lossy(encoded);
        let place = CachePath::place(encoded);
        match (expected, &place) {
            (Root, Ok(Place::Root)) => {}
            (Listing(bytes), Ok(Place::Listing(path))) => assert_eq!(path.as_bytes(), *bytes),
            (Opaque(encoded), Ok(Place::Opaque(path))) => assert_eq!(path.encoded(), *encoded),
            (File(bytes), Ok(Place::File(path))) => assert_eq!(path.as_bytes(), *bytes),
            (Status(status), Err(malformed)) => assert_eq!(malformed.status, *status, "{name}"),
            _ => panic!("{name}: {place:?} instead of {expected:?}"),
        }
        check_invariants(encoded);
    }
}

#[test]
fn every_byte_raw_and_escaped() {
    for byte in 0..=u8::MAX {
        let raw = [b'/', b'x', byte, b'y'];
        let escaped = format!("/x%{byte:02x}y");
        check_invariants(&raw);
        check_invariants(escaped.as_bytes());
        let refused = byte.is_ascii_control();
        let place = CachePath::place(escaped.as_bytes());
        assert_eq!(place.is_err(), refused, "{escaped}");
        let expected = raw[1..].to_vec();
        match CachePath::place(&raw) {
            _ if matches!(byte, b'/' | b'%') => {}
            Ok(Place::File(path)) => assert_eq!(path.as_bytes(), expected),
            place => assert!(refused && place.is_err(), "{escaped}"),
        }
    }
}

#[test]
fn every_short_path_of_hard_pieces() {
    let pieces: [&[u8]; 10] = [
        b"/",
        b".",
        b"..",
        b"%2e",
        b"%2f",
        b"%25",
        b"%",
        b"\\",
        b"a",
        b".package-cache",
    ];
    let mut paths = vec![b"/".to_vec()];
    for _ in 0..4 {
        let longer = paths
            .iter()
            .flat_map(|path| pieces.map(|piece| [path, piece].concat()));
        paths = longer.collect();
        paths.iter().for_each(|path| check_invariants(path));
    }
    assert_eq!(paths.len(), 10_000);
}

#[test]
fn length_is_the_file_systems_business() {
    for length in [255, 256, 4095, 4096, 65_536] {
        let name = [b"/".as_slice(), &vec![b'n'; length]].concat();
        let Ok(Place::File(path)) = CachePath::place(&name) else {
            panic!("{length}")
        };
        assert_eq!((path.as_bytes().len(), path.name().len()), (length, length));
        check_invariants(&name);
    }
    let deep = b"/d".repeat(2048);
    let Ok(Place::File(path)) = CachePath::place(&deep) else {
        panic!("deep")
    };
    assert_eq!(
        (path.as_bytes().len(), path.name()),
        (4095, b"d".as_slice())
    );
    check_invariants(&deep);
}

#[test]
fn shown_and_encoded() {
    let Ok(Place::File(path)) = CachePath::place(b"/a%20b/%ff~%C3%A4+%25") else {
        panic!()
    };
    assert_eq!(path.encoded(), "a%20b/%FF~%C3%A4%2B%25");
    assert_eq!(path.to_string(), "a b/\u{fffd}~\u{e4}+%");
    assert_eq!(path.name(), b"\xff~\xc3\xa4+%");
    assert_eq!(
        path.as_path(),
        Path::new(OsStr::from_bytes(b"a b/\xff~\xc3\xa4+%"))
    );
}

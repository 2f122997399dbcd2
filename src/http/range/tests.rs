use super::Selection::{Part, Unsatisfiable, Whole};
use super::*;

#[test]
fn selections() {
    for (field, length, expected) in [
        ("bytes=0-", 100, Part(0..100)),
        ("bytes=0-0", 100, Part(0..1)),
        ("bytes=0-99", 100, Part(0..100)),
        ("bytes=0-100", 100, Part(0..100)),
        ("bytes=50-59", 100, Part(50..60)),
        ("bytes=99-", 100, Part(99..100)),
        ("bytes=100-", 100, Unsatisfiable),
        ("bytes=100-200", 100, Unsatisfiable),
        ("bytes=-1", 100, Part(99..100)),
        ("bytes=-100", 100, Part(0..100)),
        ("bytes=-101", 100, Part(0..100)),
        ("bytes=-0", 100, Unsatisfiable),
        ("Bytes=5-6", 100, Part(5..7)),
        ("bytes= 5-6\t", 100, Part(5..7)),
        ("bytes=5-6,", 100, Part(5..7)),
        ("bytes=,, 005-6 ,", 100, Part(5..7)),
        ("bytes=0-", 0, Unsatisfiable),
        ("bytes=-0", 0, Unsatisfiable),
        ("bytes=-5", 0, Whole),
        ("bytes=5-4", 100, Whole),
        ("bytes=0-0,5-6", 100, Whole),
        ("bytes=-", 100, Whole),
        ("bytes=", 100, Whole),
        ("bytes=,", 100, Whole),
        ("bytes=5", 100, Whole),
        ("bytes=a-", 100, Whole),
        ("bytes=0-a", 100, Whole),
        ("bytes=+0-5", 100, Whole),
        ("bytes=0 - 5", 100, Whole),
        ("bytes=--5", 100, Whole),
        ("bytes=0-5-", 100, Whole),
        ("bytes =0-5", 100, Whole),
        ("bytes:0-5", 100, Whole),
        ("lines=0-5", 100, Whole),
        ("bytes", 100, Whole),
        ("", 100, Whole),
        ("bytes=0-18446744073709551615", 100, Part(0..100)),
        ("bytes=0-99999999999999999999999", 100, Part(0..100)),
        ("bytes=99999999999999999999999-", 100, Unsatisfiable),
        ("bytes=-99999999999999999999999", 100, Part(0..100)),
        (
            "bytes=18446744073709551614-",
            u64::MAX,
            Part(u64::MAX - 1..u64::MAX),
        ),
        ("bytes=18446744073709551615-", u64::MAX, Unsatisfiable),
    ] {
        assert_eq!(
            select(field.as_bytes(), length),
            expected,
            "{field} of {length}"
        );
    }
}

#[test]
fn every_changed_byte_selects_within_the_content() {
    for field in ["bytes=10-19", "bytes=-7", "bytes=3-"] {
        for position in 0..field.len() {
            for byte in 0..=255 {
                let mut changed = field.as_bytes().to_vec();
                changed[position] = byte;
                for length in [0, 1, 15, 1000] {
                    if let Part(part) = select(&changed, length) {
                        assert!(part.start < part.end && part.end <= length, "{changed:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn content_ranges() {
    for (text, first, last, complete) in [
        ("bytes 0-9/100", 0, 9, Some(100)),
        ("bytes 0-0/1", 0, 0, Some(1)),
        ("bytes 5-9/*", 5, 9, None),
        (
            "bytes 0-18446744073709551614/18446744073709551615",
            0,
            u64::MAX - 1,
            Some(u64::MAX),
        ),
    ] {
        let range = ContentRange {
            first,
            last,
            complete,
        };
        assert_eq!(ContentRange::parse(text.as_bytes()), Some(range));
        assert_eq!(range.to_string(), text);
    }
    for text in [
        "",
        "bytes",
        "bytes 0-9",
        "bytes */100",
        "bytes 0-9/",
        "bytes 0-/100",
        "bytes -9/100",
        "bytes 9-0/100",
        "bytes 0-100/100",
        "bytes 0-9/100 ",
        "bytes  0-9/100",
        "bytes 0 - 9/100",
        "bytes=0-9/100",
        "lines 0-9/100",
        "bytes 0-9/1x",
        "bytes 0-9/100/100",
        "bytes 0-9/18446744073709551616",
    ] {
        assert_eq!(ContentRange::parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(UnsatisfiedRange(100).to_string(), "bytes */100");
}

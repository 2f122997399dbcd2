use super::*;

const OWN: &str = "package-cache-0123abcd";

fn passed(lines: &[&str]) -> Result<Vec<String>, Loop> {
    let mut fields = Fields::new();
    lines.iter().for_each(|value| fields.push("via", value));
    passed_on(&fields, OWN, 2)
}

#[test]
fn entries_of_ours_are_passed_on_and_no_others() {
    for (lines, expected) in [
        (&[][..], &[][..]),
        (
            &["1.1 package-cache-00000000"],
            &["1.1 package-cache-00000000"],
        ),
        (
            &[
                "1.0 fred, HTTP/1.1 package-cache-ffffffff (a \"comment\")",
                "2 package-cache-00000001",
            ],
            &["1.1 package-cache-ffffffff", "1.1 package-cache-00000001"],
        ),
        (
            &["1.1\t package-cache-00000000 (\u{fc}\u{fffd})"],
            &["1.1 package-cache-00000000"],
        ),
        (&["1.1 package-cache-0123ABCD"], &[]),
        (&["1.1 package-cache-0123abcde"], &[]),
        (&["1.1 package-cache-0123abc"], &[]),
        (&["1.1 package-cache-0123abcg"], &[]),
        (&["1.1 Package-Cache-00000000"], &[]),
        (&["1.1 package-cache-00000000:80"], &[]),
        (&["package-cache-00000000"], &[]),
        (&["1.1 (package-cache-00000000)"], &[]),
        (&["1.1 fred package-cache-00000000"], &[]),
        (&["", ",", "1.1"], &[]),
    ] {
        let expected = expected.iter().map(|&entry| entry.to_owned()).collect();
        assert_eq!(passed(lines), Ok(expected), "{lines:?}");
    }
}

#[test]
fn loops() {
    let other = "1.1 package-cache-00000000";
    for (lines, expected) in [
        (&["1.1 package-cache-0123abcd"][..], Some(Loop::Own)),
        (
            &["1.1 squid, 1.0 package-cache-0123abcd (x)"],
            Some(Loop::Own),
        ),
        (&[other, other], None),
        (&[other, other, other], Some(Loop::TooMany)),
        (
            &[other, other, other, "1.1 package-cache-0123abcd"],
            Some(Loop::Own),
        ),
        (&["1.1 a, 1.1 b, 1.1 c"], None),
    ] {
        assert_eq!(passed(lines).err(), expected, "{lines:?}");
    }
}

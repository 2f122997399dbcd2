use super::*;

const NOW: HttpDate = HttpDate::from_unix(1_000_000_000);
/// Sun, 06 Nov 1994 08:49:37 GMT.
const MODIFIED: HttpDate = HttpDate::from_unix(784_111_777);
const ETAG: &[u8] = b"\"a\"";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const EXACT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
const PROCEED: Outcome = Outcome::Proceed { range: false };
const RANGE: Outcome = Outcome::Proceed { range: true };

fn section(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    lines
        .iter()
        .for_each(|(name, value)| fields.push(name, value));
    fields
}

fn outcome(method: Method, lines: &[(&str, &str)]) -> Outcome {
    evaluate(method, &section(lines), Some(ETAG), Some(MODIFIED), NOW)
}

#[test]
fn one_condition() {
    use Outcome::{Failed, NotModified};
    for (name, value, expected) in [
        ("If-Match", "\"a\"", PROCEED),
        ("If-Match", "\"b\", \"a\"", PROCEED),
        ("If-Match", "*", PROCEED),
        ("If-Match", "W/\"a\"", Failed),
        ("If-Match", "\"b\"", Failed),
        ("If-Match", "", Failed),
        ("If-Unmodified-Since", BEFORE, Failed),
        ("If-Unmodified-Since", EXACT, PROCEED),
        ("If-Unmodified-Since", AFTER, PROCEED),
        ("If-Unmodified-Since", "yesterday", PROCEED),
        ("If-None-Match", "\"a\"", NotModified),
        ("If-None-Match", "W/\"a\"", NotModified),
        ("If-None-Match", "\"b\",W/\"a\"", NotModified),
        ("If-None-Match", "*", NotModified),
        ("If-None-Match", "\"b\"", PROCEED),
        ("If-None-Match", "a", PROCEED),
        ("If-Modified-Since", BEFORE, PROCEED),
        ("If-Modified-Since", EXACT, NotModified),
        ("If-Modified-Since", AFTER, NotModified),
        (
            "If-Modified-Since",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            NotModified,
        ),
        ("If-Modified-Since", "Sun Nov  6 08:49:37 1994", NotModified),
        ("If-Modified-Since", "Sun Nov  6 08:49:36 1994", PROCEED),
        ("If-Modified-Since", "yesterday", PROCEED),
        ("If-Range", "\"b\"", PROCEED),
        ("Range", "bytes=0-", RANGE),
    ] {
        assert_eq!(
            outcome(Method::Get, &[(name, value)]),
            expected,
            "{name}: {value}"
        );
        // Range means nothing to HEAD.
        let expected = if expected == RANGE { PROCEED } else { expected };
        assert_eq!(
            outcome(Method::Head, &[(name, value)]),
            expected,
            "HEAD {name}: {value}"
        );
    }
    assert_eq!(outcome(Method::Get, &[]), PROCEED);
}

#[test]
fn the_order_of_conditions() {
    use Outcome::{Failed, NotModified};
    for (lines, expected) in [
        // If-Unmodified-Since is ignored beside If-Match, If-Modified-Since beside If-None-Match.
        (
            &[("If-Match", "\"a\""), ("If-Unmodified-Since", BEFORE)][..],
            PROCEED,
        ),
        (
            &[("If-Match", "\"b\""), ("If-Unmodified-Since", AFTER)],
            Failed,
        ),
        (
            &[("If-None-Match", "\"b\""), ("If-Modified-Since", AFTER)],
            PROCEED,
        ),
        (
            &[("If-None-Match", "\"a\""), ("If-Modified-Since", BEFORE)],
            NotModified,
        ),
        (&[("If-None-Match", "\"a\""), ("If-Match", "\"b\"")], Failed),
        (
            &[
                ("If-Modified-Since", AFTER),
                ("If-Unmodified-Since", BEFORE),
            ],
            Failed,
        ),
        (
            &[("Range", "bytes=0-"), ("If-None-Match", "\"a\"")],
            NotModified,
        ),
        (&[("Range", "bytes=0-"), ("If-None-Match", "\"b\"")], RANGE),
        (
            &[("If-None-Match", "\"b\""), ("If-None-Match", "\"a\"")],
            NotModified,
        ),
        (
            &[("If-Modified-Since", AFTER), ("If-Modified-Since", AFTER)],
            PROCEED,
        ),
    ] {
        assert_eq!(outcome(Method::Get, lines), expected, "{lines:?}");
    }
    assert_eq!(outcome(Method::Put, &[("If-None-Match", "*")]), Failed);
    assert_eq!(
        outcome(Method::Put, &[("If-Modified-Since", AFTER)]),
        PROCEED
    );
}

#[test]
fn if_range() {
    let range = ("Range", "bytes=0-");
    for (value, expected) in [
        ("\"a\"", RANGE),
        ("\"b\"", PROCEED),
        ("W/\"a\"", PROCEED),
        ("*", PROCEED),
        (EXACT, RANGE),
        ("Sunday, 06-Nov-94 08:49:37 GMT", RANGE),
        (BEFORE, PROCEED),
        (AFTER, PROCEED),
        ("yesterday", PROCEED),
        ("", PROCEED),
    ] {
        assert_eq!(
            outcome(Method::Get, &[range, ("If-Range", value)]),
            expected,
            "{value}"
        );
    }
    assert_eq!(
        outcome(
            Method::Get,
            &[range, ("If-Range", "\"a\""), ("If-Range", "\"a\"")]
        ),
        PROCEED
    );
    assert_eq!(outcome(Method::Get, &[range, range]), PROCEED);
    let fields = section(&[range, ("If-Range", EXACT)]);
    let at = |now| evaluate(Method::Get, &fields, None, Some(MODIFIED), now);
    assert_eq!(
        at(MODIFIED),
        PROCEED,
        "it may change again within this second"
    );
    assert_eq!(at(HttpDate::from_unix(MODIFIED.unix() + 1)), RANGE);
}

#[test]
fn without_validators() {
    for (name, value, expected) in [
        ("If-Match", "\"a\"", Outcome::Failed),
        ("If-Match", "*", PROCEED),
        ("If-None-Match", "\"a\"", PROCEED),
        ("If-None-Match", "*", Outcome::NotModified),
        ("If-Modified-Since", AFTER, PROCEED),
        ("If-Unmodified-Since", BEFORE, PROCEED),
    ] {
        let fields = section(&[(name, value)]);
        assert_eq!(
            evaluate(Method::Get, &fields, None, None, NOW),
            expected,
            "{name}: {value}"
        );
    }
    for value in ["\"a\"", EXACT, "yesterday"] {
        let fields = section(&[("Range", "bytes=0-"), ("If-Range", value)]);
        assert_eq!(
            evaluate(Method::Get, &fields, None, None, NOW),
            PROCEED,
            "{value}"
        );
    }
    let fields = section(&[("Range", "bytes=0-"), ("If-Range", "W/\"a\"")]);
    let weak = evaluate(Method::Get, &fields, Some(b"W/\"a\""), Some(MODIFIED), NOW);
    assert_eq!(weak, PROCEED, "a weak validator guards no range");
}

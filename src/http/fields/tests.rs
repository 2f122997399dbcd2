use super::*;

fn section(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.push(name, value);
    }
    fields
}

fn texts<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<&'a str> {
    values
        .map(|value| std::str::from_utf8(value).unwrap())
        .collect()
}

#[test]
fn lines_are_kept_in_order_and_found_in_any_case() {
    let fields = section(&[
        ("Via", "1.1 a"),
        ("Host", "h"),
        ("via", "1.1 b"),
        ("Empty", ""),
    ]);
    assert_eq!(
        fields.as_bytes(),
        b"Via: 1.1 a\r\nHost: h\r\nvia: 1.1 b\r\nEmpty: \r\n"
    );
    assert_eq!((fields.len(), fields.is_empty()), (4, false));
    assert_eq!(fields.get("VIA"), Some(&b"1.1 a"[..]));
    assert_eq!(fields.get("empty"), Some(&b""[..]));
    assert_eq!(fields.get("ho"), None);
    assert_eq!(texts(fields.all("VIA")), ["1.1 a", "1.1 b"]);
    let names: Vec<&[u8]> = fields.iter().map(|(name, _)| name).collect();
    assert_eq!(names, [&b"Via"[..], b"Host", b"via", b"Empty"]);
}

#[test]
fn a_field_that_may_stand_once() {
    let fields = section(&[("Host", "a"), ("A", "1"), ("a", "1")]);
    assert_eq!(fields.single("host"), Ok(Some(&b"a"[..])));
    assert_eq!(fields.single("none"), Ok(None));
    assert_eq!(fields.single("a").unwrap_err().status.code(), 400);
}

#[test]
fn no_value_of_ours_splits_a_response() {
    let mut fields = Fields::new();
    fields.push("A", b"x\r\nSet-Cookie: y\0z\x7f\xff");
    fields.push_fmt("B", format_args!("{}{}", "x\r\n", "y"));
    fields.push("C", "\r\n trimmed \t");
    fields.push_fmt("D", format_args!(" \n"));
    let expected = b"A: x  Set-Cookie: y z \xff\r\nB: x  y\r\nC: trimmed\r\nD: \r\n";
    assert_eq!(fields.as_bytes(), expected);
    assert_eq!(fields.len(), 4);
}

#[test]
fn members_of_lists() {
    for (lines, expected) in [
        (&["a, b"][..], &["a", "b"][..]),
        (&["a,,b ,\t c", "", ",", "d"], &["a", "b", "c", "d"]),
        (&["\"a, b\", c"], &["\"a, b\"", "c"]),
        (&["\"a\\\", b\", c"], &["\"a\\\", b\"", "c"]),
        (&["\"open, b", "c"], &["\"open, b", "c"]),
        (&["a\\, b"], &["a\\", "b"]),
        (&[], &[]),
    ] {
        let lines: Vec<_> = lines.iter().map(|value| ("List", *value)).collect();
        assert_eq!(
            texts(section(&lines).members("list")),
            expected,
            "{lines:?}"
        );
    }
    let fields = section(&[("Connection", "Keep-Alive, TE"), ("connection", "upgrade")]);
    for (token, expected) in [
        ("keep-alive", true),
        ("te", true),
        ("upgrade", true),
        ("keep", false),
    ] {
        assert_eq!(fields.has_member("Connection", token), expected, "{token}");
    }
}

#[test]
fn clear_drops_every_line() {
    let mut fields = section(&[("A", "1")]);
    fields.clear();
    assert!(fields.is_empty() && fields.as_bytes().is_empty());
    fields.push("B", "2");
    assert_eq!(fields, section(&[("B", "2")]));
    assert_eq!(format!("{fields:?}"), "{\"B\": \"2\"}");
}

#[test]
fn numbers_are_written_in_decimal() {
    for number in [0, 7, 10, 4096, 99_999, 1_234_567_890, u64::MAX] {
        let mut fields = Fields::new();
        fields.push_number("N", number);
        assert_eq!(fields.get("N"), Some(number.to_string().as_bytes()));
        assert_eq!(fields.as_bytes(), format!("N: {number}\r\n").as_bytes());
    }
}

use super::*;

fn parse(method: Method, raw: &str) -> Option<(Option<String>, Option<String>)> {
    let target = Target::parse(method, raw.as_bytes()).ok()?;
    assert_eq!(target.raw(), raw.as_bytes());
    let text = |part: Option<&[u8]>| part.map(|part| String::from_utf8_lossy(part).into_owned());
    Some((text(target.path()), text(target.authority())))
}

#[test]
fn forms() {
    let get = Method::Get;
    for (method, raw, path, authority) in [
        (get, "/", Some("/"), None),
        (get, "/a%2Bb/c?x=/y?z", Some("/a%2Bb/c"), None),
        (get, "/?q", Some("/"), None),
        (get, "//host/a", Some("//host/a"), None),
        (
            get,
            "/a:b@c;[d]|\"<>^`{}\\",
            Some("/a:b@c;[d]|\"<>^`{}\\"),
            None,
        ),
        (get, "/ü", Some("/ü"), None),
        (get, "http://h", Some("/"), Some("h")),
        (get, "http://h?q", Some("/"), Some("h")),
        (
            get,
            "HTTP://h.example:80/a?b",
            Some("/a"),
            Some("h.example:80"),
        ),
        (get, "https://[::1]:443/a", Some("/a"), Some("[::1]:443")),
        (Method::Unknown, "/a", Some("/a"), None),
        (Method::Options, "*", None, None),
        (Method::Options, "/a", Some("/a"), None),
        (Method::Connect, "h:443", None, None),
        (Method::Connect, "[::1]:443", None, None),
    ] {
        let expected = (path.map(str::to_owned), authority.map(str::to_owned));
        assert_eq!(parse(method, raw), Some(expected), "{raw}");
    }
}

#[test]
fn refused() {
    for (method, raw) in [
        (Method::Get, ""),
        (Method::Get, "*"),
        (Method::Get, "a"),
        (Method::Get, "h:80"),
        (Method::Get, "?q"),
        (Method::Get, "/a b"),
        (Method::Get, "/a#b"),
        (Method::Get, "/a\x7f"),
        (Method::Get, "/a\0"),
        (Method::Get, "ftp://h/a"),
        (Method::Get, "http:/a"),
        (Method::Get, "http:a"),
        (Method::Get, "http://"),
        (Method::Get, "http:///a"),
        (Method::Get, "http://:80/a"),
        (Method::Get, "http://user@h/a"),
        (Method::Get, "http://user:word@h:80/a"),
        (Method::Get, "http://h:port/a"),
        (Method::Get, "http://h:65536/a"),
        (Method::Get, "http://[::1/a"),
        (Method::Get, "http://[::g]/a"),
        (Method::Get, "http://[::1]x/a"),
        (Method::Get, "http://h\\/a"),
        (Method::Options, "*/"),
        (Method::Connect, "/a"),
        (Method::Connect, "h"),
        (Method::Connect, "h:"),
        (Method::Connect, ":443"),
        (Method::Connect, "http://h:443"),
    ] {
        let status = Target::parse(method, raw.as_bytes()).unwrap_err().status;
        assert_eq!(status.code(), 400, "{raw}");
    }
}

#[test]
fn decoding() {
    for (text, expected) in [
        ("/a/b", Some(&b"/a/b"[..])),
        ("gtk%2B-2%7e%7E", Some(b"gtk+-2~~")),
        ("a+b", Some(b"a+b")),
        ("%00%ff%2F", Some(b"\0\xff/")),
        ("%252e", Some(b"%2e")),
        ("", Some(b"")),
        ("%", None),
        ("%2", None),
        ("a%2", None),
        ("%zz", None),
        ("%2g", None),
        ("% 2", None),
        ("%+2", None),
        ("%%41", None),
    ] {
        let decoded = percent_decode(text.as_bytes());
        assert_eq!(decoded.as_deref().ok(), expected, "{text}");
    }
    assert_eq!(percent_decode(b"%").unwrap_err().status.code(), 400);
}

#[test]
fn encoding_is_undone_by_decoding_for_every_byte() {
    let mut text = String::from("=");
    percent_encode(b"aZ09-._~/ +%\xc3\x0a", &mut text);
    assert_eq!(text, "=aZ09-._~%2F%20%2B%25%C3%0A");
    let all: Vec<u8> = (0..=255).collect();
    let mut text = String::new();
    percent_encode(&all, &mut text);
    assert_eq!(percent_decode(text.as_bytes()).unwrap(), all);
    assert_eq!(
        percent_decode(text.to_lowercase().as_bytes())
            .unwrap()
            .len(),
        256
    );
}

#[test]
fn authorities() {
    for (text, expected) in [
        ("h", Some(("h", None))),
        ("", Some(("", None))),
        ("h:", Some(("h", None))),
        ("h:0", Some(("h", Some(0)))),
        ("h:65535", Some(("h", Some(65535)))),
        ("[::1]:4000", Some(("[::1]", Some(4000)))),
        ("h:65536", None),
        ("h:-1", None),
        ("h:+1", None),
        ("h:1:2", None),
        ("::1", None),
        ("[]", None),
        ("[::1]4000", None),
        ("u@h", None),
        ("h/", None),
        ("a b", None),
        ("a,b", Some(("a,b", None))),
    ] {
        let parsed = Authority::parse(text.as_bytes());
        let parsed = parsed.map(|it| (std::str::from_utf8(it.host).unwrap(), it.port));
        assert_eq!(parsed, expected, "{text}");
    }
}

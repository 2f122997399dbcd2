use super::*;

const CAPS: Caps = Caps {
    head: 512,
    lines: 8,
    target: 64,
};

/// Feeds the bytes as a client could send them: whole, one more byte each time, with more behind. The
/// verdict must be the same each time, and no valid head refused before it is whole.
fn verdict<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    parse: impl Fn(&[u8], &Caps) -> Result<Parsed<T>, Malformed>,
) -> Result<Parsed<T>, Malformed> {
    let whole = parse(bytes, &CAPS);
    let first = (0..=bytes.len())
        .map(|length| parse(&bytes[..length], &CAPS))
        .find(|verdict| *verdict != Ok(Parsed::Partial))
        .unwrap_or(Ok(Parsed::Partial));
    assert_eq!(whole, first, "{}", bytes.escape_ascii());
    if whole != Ok(Parsed::Partial) {
        let more = [bytes, b"GET /\xff\r\nnext: \n"].concat();
        assert_eq!(whole, parse(&more, &CAPS), "{}", bytes.escape_ascii());
    }
    whole
}

fn request_verdict(bytes: &[u8]) -> Result<Parsed<RequestHead>, Malformed> {
    verdict(bytes, parse_request)
}

fn status_of(bytes: &[u8]) -> Option<u16> {
    request_verdict(bytes)
        .err()
        .map(|malformed| malformed.status.code())
}

const VALID: [&str; 10] = [
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /distfiles/6f/small-1.tar.gz HTTP/1.1\r\nHost: h:4000\r\nUser-Agent: Portage (Gentoo)\r\n\
     Accept: */*\r\nAccept-Encoding: identity\r\nRange: bytes=400000-\r\nConnection: Keep-Alive\r\n\r\n",
    "GET http://h/a?b HTTP/1.1\r\nhost: [::1]:80\r\n\r\n",
    "HEAD /a HTTP/1.0\r\n\r\n",
    "GET /a HTTP/1.9\r\nHost:\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: h\r\nX: a\tb \"c\", \u{fc}\r\nY:\r\n\r\n",
    "get /a HTTP/1.1\r\nHost: h\r\n\r\n",
    "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
    "!#$%&'*+-.^_`|~09azAZ /a HTTP/1.1\r\nHost: h\r\n!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n",
    "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
];

#[test]
fn valid_requests_complete_at_their_last_byte_and_survive_being_sent_again() {
    for text in VALID {
        let Ok(Parsed::Complete(head, used)) = request_verdict(text.as_bytes()) else {
            panic!("refused: {text}");
        };
        assert_eq!(used, text.len(), "{text}");
        let mut sent = Vec::new();
        head.write_to(&mut sent);
        assert_eq!(
            parse_request(&sent, &CAPS),
            Ok(Parsed::Complete(head, sent.len())),
            "{text}"
        );
    }
}

#[test]
fn a_request_in_parts() {
    let text = b"GET /a%20b?c HTTP/1.0\r\nhost: \t h \t\r\nA:1\r\na: 2 , 3\r\nEmpty:\r\n\r\n";
    let Ok(Parsed::Complete(head, _)) = request_verdict(text) else {
        panic!()
    };
    assert_eq!((head.method, head.version), (Method::Get, Version::Http10));
    assert_eq!(head.target.path(), Some(&b"/a%20b"[..]));
    assert_eq!(
        head.fields.as_bytes(),
        b"host: h\r\nA: 1\r\na: 2 , 3\r\nEmpty: \r\n"
    );
    assert_eq!(
        head.fields.members("A").collect::<Vec<_>>(),
        [b"1", b"2", b"3"]
    );
}

#[test]
fn refused_requests() {
    for (status, text) in [
        (400, "GET / HTTP/1.1\nHost: h\n\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\n\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\rX: y\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n"),
        (400, "GET / HTTP/1.1\rHost: h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\n\tfolded\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost : h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost\t: h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nno-colon\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nf\u{fc}: x\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nX(y): x\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nX: a\x0bb\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nX: a\x7fb\r\n\r\n"),
        (400, "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET /  HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET / HTTP/1.1 \r\nHost: h\r\n\r\n"),
        (400, "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, " GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET * HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET /\r\n"),
        (400, "GET\r\n"),
        (400, "(GET) / HTTP/1.1\r\n"),
        (400, "\x16\x03\x01\x02\0"),
        (400, "\n"),
        (400, "\rGET"),
        (400, "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET / HTTP/1.10\r\nHost: h\r\n\r\n"),
        (400, "GET / HTTP/11\r\nHost: h\r\n\r\n"),
        (400, "GET / HTTP/1.x\r\nHost: h\r\n\r\n"),
        (400, "GET / http/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET / HTTP/2\r\n\r\n"),
        (505, "GET / HTTP/2.0\r\n\r\n"),
        (400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (505, "GET / HTTP/0.9\r\n\r\n"),
        (505, "GET / HTTP/9.9"),
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nhost: h\r\n\r\n"),
        (400, "GET / HTTP/1.0\r\nHost: h\r\nhost: h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h/\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h:port\r\n\r\n"),
        (400, "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    ] {
        assert_eq!(
            status_of(text.as_bytes()),
            Some(status),
            "{}",
            text.escape_default()
        );
    }
}

#[test]
fn caps_are_exact_and_refuse_at_the_first_byte_beyond() {
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(length));
    assert_eq!(status_of(target(63).as_bytes()), None);
    assert_eq!(status_of(target(64).as_bytes()), Some(414));
    let endless = "GET /".to_owned() + &"a".repeat(64);
    assert_eq!(status_of(endless.as_bytes()), Some(414));
    assert_eq!(status_of(&endless.as_bytes()[..68]), None);

    let lines = |count| {
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
            "A:\r\n".repeat(count)
        )
    };
    assert_eq!(status_of(lines(7).as_bytes()), None);
    assert_eq!(status_of(lines(8).as_bytes()), Some(431));

    let head = |length: usize| {
        let text = "GET / HTTP/1.1\r\nHost: h\r\nA: \r\n\r\n";
        text.replace(
            "A: ",
            &("A: ".to_owned() + &"a".repeat(length - text.len())),
        )
    };
    assert_eq!(status_of(head(512).as_bytes()), None);
    assert_eq!(status_of(head(513).as_bytes()), Some(431));
    assert_eq!(status_of(&head(9999).as_bytes()[..512]), Some(431));
    assert_eq!(status_of(&head(9999).as_bytes()[..511]), None);
    assert_eq!(status_of("A".repeat(512).as_bytes()), Some(431));
}

#[test]
fn responses() {
    for (text, code, phrase_dropped) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            200,
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "HTTP/1.0 404\r\n\r\n",
            404,
            "HTTP/1.0 404 Not Found\r\n\r\n",
        ),
        ("HTTP/1.1 599 \r\n\r\n", 599, "HTTP/1.1 599 \r\n\r\n"),
        (
            "HTTP/1.1 100 Go \u{fc}\ton\r\n\r\n",
            100,
            "HTTP/1.1 100 Continue\r\n\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nA : b\r\nC \t :d\r\n\r\n",
            200,
            "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n",
        ),
    ] {
        let Ok(Parsed::Complete(head, used)) = verdict(text.as_bytes(), parse_response) else {
            panic!("refused: {text}");
        };
        assert_eq!((head.status.code(), used), (code, text.len()), "{text}");
        let mut sent = Vec::new();
        head.write_to(&mut sent);
        assert_eq!(sent, phrase_dropped.as_bytes());
        assert_eq!(
            parse_response(&sent, &CAPS),
            Ok(Parsed::Complete(head, sent.len()))
        );
    }
    for text in [
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "<html>",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\n : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA \r\n: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    ] {
        assert!(
            verdict(text.as_bytes(), parse_response).is_err(),
            "{}",
            text.escape_default()
        );
    }
}

#[test]
fn every_changed_byte_of_a_request_gives_one_verdict() {
    let text = VALID[0].as_bytes();
    for position in 0..text.len() {
        for byte in 0..=255 {
            let mut changed = text.to_vec();
            changed[position] = byte;
            // The assertions are in there.
            let _ = request_verdict(&changed);
        }
    }
}

#[test]
fn the_method_head_is_known_in_what_is_refused() {
    for (bytes, expected) in [
        (&b"HEAD /%zz HTTP/1.1\r\n"[..], true),
        (b"\r\n\r\nHEAD / HTTP/9.9\r\n", true),
        (b"HEAD ", true),
        (b"HEAD", false),
        (b"HEADS / HTTP/1.1\r\n", false),
        (b"head / HTTP/1.1\r\n", false),
        (b"GET /HEAD HTTP/1.1\r\n", false),
        (b"\nHEAD / HTTP/1.1\r\n", false),
        (b"", false),
    ] {
        assert_eq!(asks_for_head(bytes), expected, "{bytes:?}");
    }
}

use super::*;
use crate::http::{Caps, Parsed, parse_request, parse_response};

const CAPS: Caps = Caps {
    head: 1024,
    lines: 20,
    target: 64,
};

fn asked(start: &str, lines: &[&str]) -> Result<Framing, u16> {
    let text = format!(
        "{start}\r\nHost: h\r\n{}\r\n",
        lines.concat().replace('\n', "\r\n")
    );
    let Ok(Parsed::Complete(head, _)) = parse_request(text.as_bytes(), &CAPS) else {
        panic!("refused: {text}");
    };
    of_request(&head).map_err(|malformed| malformed.status.code())
}

fn answered(start: &str, lines: &[&str], method: Method) -> Option<Framing> {
    let text = format!("{start}\r\n{}\r\n", lines.concat().replace('\n', "\r\n"));
    let Ok(Parsed::Complete(head, _)) = parse_response(text.as_bytes(), &CAPS) else {
        panic!("refused: {text}");
    };
    of_response(&head, method).ok()
}

#[test]
fn requests() {
    for (lines, expected) in [
        (&[][..], Ok(Framing::None)),
        (&["Content-Length: 0\n"], Ok(Framing::Length(0))),
        (&["content-length: 007\n"], Ok(Framing::Length(7))),
        (
            &["Content-Length: 18446744073709551615\n"],
            Ok(Framing::Length(u64::MAX)),
        ),
        (&["Transfer-Encoding: chunked\n"], Ok(Framing::Chunked)),
        (&["transfer-encoding: ,, Chunked\n"], Ok(Framing::Chunked)),
        (&["Content-Length: 18446744073709551616\n"], Err(400)),
        (&["Content-Length:\n"], Err(400)),
        (&["Content-Length: -1\n"], Err(400)),
        (&["Content-Length: +1\n"], Err(400)),
        (&["Content-Length: 0x1\n"], Err(400)),
        (&["Content-Length: 1 2\n"], Err(400)),
        (&["Content-Length: 1, 1\n"], Err(400)),
        (&["Content-Length: 1,\n"], Err(400)),
        (&["Content-Length: 1\n", "Content-Length: 1\n"], Err(400)),
        (&["Content-Length: 1\n", "content-length: 2\n"], Err(400)),
        (
            &["Content-Length: 1\n", "Transfer-Encoding: chunked\n"],
            Err(400),
        ),
        (
            &["Transfer-Encoding: chunked\n", "Content-Length: x\n"],
            Err(400),
        ),
        (
            &["Transfer-Encoding: gzip\n", "Content-Length: 1\n"],
            Err(400),
        ),
        (&["Transfer-Encoding:\n"], Err(400)),
        (&["Transfer-Encoding: ,\n"], Err(400)),
        (
            &["Transfer-Encoding:\n", "Transfer-Encoding: chunked\n"],
            Err(400),
        ),
        (&["Transfer-Encoding: chunked, chunked\n"], Err(400)),
        (
            &[
                "Transfer-Encoding: chunked\n",
                "Transfer-Encoding: chunked\n",
            ],
            Err(400),
        ),
        (&["Transfer-Encoding: chunked, gzip\n"], Err(400)),
        (&["Transfer-Encoding: chunked, gzip, chunked\n"], Err(400)),
        (&["Transfer-Encoding: gzip\n"], Err(501)),
        (&["Transfer-Encoding: identity\n"], Err(501)),
        (&["Transfer-Encoding: xchunked\n"], Err(501)),
        (&["Transfer-Encoding: \"chunked\"\n"], Err(501)),
        (&["Transfer-Encoding: chunked;q=1\n"], Err(501)),
        (&["Transfer-Encoding: gzip, chunked\n"], Err(501)),
        (
            &["Transfer-Encoding: gzip\n", "Transfer-Encoding: chunked\n"],
            Err(400),
        ),
    ] {
        assert_eq!(asked("POST / HTTP/1.1", lines), expected, "{lines:?}");
    }
    assert_eq!(
        asked("POST / HTTP/1.0", &["Transfer-Encoding: chunked\n"]),
        Err(400)
    );
    assert_eq!(
        asked("POST / HTTP/1.0", &["Content-Length: 3\n"]),
        Ok(Framing::Length(3))
    );
}

#[test]
fn responses() {
    let length = &["Content-Length: 9\n"][..];
    let chunked = &["Transfer-Encoding: chunked\n"][..];
    for (start, lines, expected) in [
        ("HTTP/1.1 200 OK", length, Some(Framing::Length(9))),
        ("HTTP/1.0 200 OK", length, Some(Framing::Length(9))),
        ("HTTP/1.1 200 OK", chunked, Some(Framing::Chunked)),
        ("HTTP/1.1 200 OK", &[], Some(Framing::UntilClose)),
        ("HTTP/1.1 404 Not Found", &[], Some(Framing::UntilClose)),
        ("HTTP/1.1 100 Continue", length, Some(Framing::None)),
        ("HTTP/1.1 204 No Content", length, Some(Framing::None)),
        ("HTTP/1.1 304 Not Modified", length, Some(Framing::None)),
        (
            "HTTP/1.1 205 Reset Content",
            length,
            Some(Framing::Length(9)),
        ),
        ("HTTP/1.0 200 OK", chunked, None),
        (
            "HTTP/1.1 200 OK",
            &["Content-Length: 9\n", "Transfer-Encoding: chunked\n"],
            None,
        ),
        (
            "HTTP/1.1 200 OK",
            &["Content-Length: 9\n", "Content-Length: 8\n"],
            None,
        ),
        ("HTTP/1.1 200 OK", &["Content-Length: 9, 9\n"], None),
        (
            "HTTP/1.1 200 OK",
            &["Transfer-Encoding: gzip, chunked\n"],
            None,
        ),
        ("HTTP/1.1 200 OK", &["Transfer-Encoding: gzip\n"], None),
    ] {
        assert_eq!(
            answered(start, lines, Method::Get),
            expected,
            "{start} {lines:?}"
        );
        // To HEAD there is no content, but what GET would refuse is refused.
        assert_eq!(
            answered(start, lines, Method::Head),
            expected.map(|_| Framing::None),
            "{start} {lines:?}"
        );
    }
}

#[test]
fn persistence() {
    use Version::{Http10, Http11};
    for (version, connection, expected) in [
        (Http11, None, true),
        (Http11, Some("keep-alive"), true),
        (Http11, Some("close"), false),
        (Http11, Some("Close"), false),
        (Http11, Some("keep-alive, close"), false),
        (Http11, Some("upgrade"), true),
        (Http10, None, false),
        (Http10, Some("Keep-Alive"), true),
        (Http10, Some("x, keep-alive"), true),
        (Http10, Some("keep-alive, close"), false),
        (Http10, Some("keep-alives"), false),
    ] {
        let mut fields = Fields::new();
        connection
            .into_iter()
            .for_each(|value| fields.push("Connection", value));
        assert_eq!(
            persists(version, &fields),
            expected,
            "{version:?} {connection:?}"
        );
    }
}

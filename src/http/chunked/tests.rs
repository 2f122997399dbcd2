use super::*;

/// Decodes reads of `size` bytes: the content, and the bytes behind the body if it ended.
fn decode(input: &[u8], size: usize) -> Result<(Vec<u8>, Option<Vec<u8>>), Malformed> {
    let mut decoder = Decoder::new();
    let (mut content, mut used) = (Vec::new(), 0);
    for read in input.chunks(size) {
        let mut rest = read;
        while !rest.is_empty() && !decoder.is_done() {
            let step = decoder.decode(rest)?;
            assert!(step.consumed > 0 && step.content.end <= step.consumed);
            content.extend_from_slice(&rest[step.content]);
            used += step.consumed;
            rest = &rest[step.consumed..];
        }
    }
    assert_eq!(decoder.decode(b"").map(|step| step.consumed), Ok(0));
    let behind = decoder.is_done().then(|| input[used..].to_vec());
    if decoder.is_done() {
        assert_eq!(
            decoder.decode(b"more"),
            Ok(Decoded {
                consumed: 0,
                content: 0..0
            })
        );
    }
    Ok((content, behind))
}

/// The same in every size of read.
fn verdict(input: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), Malformed> {
    let whole = decode(input, usize::MAX);
    for size in 1..=input.len().min(40) {
        assert_eq!(
            decode(input, size),
            whole,
            "{size}: {}",
            input.escape_ascii()
        );
    }
    whole
}

const VALID: [(&str, &str); 10] = [
    ("0\r\n\r\n", ""),
    ("5\r\nhello\r\n0\r\n\r\n", "hello"),
    ("1\r\na\r\n2\r\nbc\r\n000\r\n\r\n", "abc"),
    ("0000000000000005\r\nhello\r\n0\r\n\r\n", "hello"),
    (
        "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
        "01234567890123456789",
    ),
    ("5;a=b;c=\"d;\te\"\r\nhello\r\n0;last\r\n\r\n", "hello"),
    ("5 \t\r\nhello\r\n0  \r\n\r\n", "hello"),
    ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
    ("5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n", "hello"),
    ("3\r\n0\r\n\r\n0\r\nA: b\r\n\r\n", "0\r\n"),
];

#[test]
fn bodies_in_every_size_of_read() {
    for (body, content) in VALID {
        let expected = |behind: &str| Ok((content.into(), Some(behind.into())));
        assert_eq!(verdict(body.as_bytes()), expected(""), "{body:?}");
        // What follows belongs to the next message.
        let more = format!("{body}GET / HTTP/1.1\r\n");
        assert_eq!(
            verdict(more.as_bytes()),
            expected("GET / HTTP/1.1\r\n"),
            "{body:?}"
        );
        for length in 0..body.len() {
            let cut = verdict(&body.as_bytes()[..length]);
            let (begun, behind) = cut.expect("no valid beginning is refused");
            assert!(
                content.as_bytes().starts_with(&begun) && behind.is_none(),
                "{body:?}"
            );
        }
    }
}

#[test]
fn refused() {
    for body in [
        "\r\n",
        ";x\r\n",
        " 5\r\nhello\r\n",
        "x\r\n",
        "-5\r\nhello\r\n",
        "+5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "5,\r\nhello\r\n",
        "5\nhello\r\n",
        "5\rhello\r\n",
        "5;a\nhello\r\n",
        "5;a\r\rhello\r\n",
        "5;\0\r\nhello\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello!\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "00000000000000005\r\nhello\r\n",
        "10000000000000000\r\n",
        "0\r\n\n",
        "0\r\n\rx",
        "0\r\nA: b\n\r\n",
        "0\r\nA: b\rC: d\r\n\r\n",
        "0\r\nA: \0\r\n\r\n",
    ] {
        assert_eq!(
            verdict(body.as_bytes()).map_err(|it| it.status.code()),
            Err(400),
            "{body:?}"
        );
    }
}

#[test]
fn caps() {
    let extension = |length| format!("0;{}\r\n\r\n", "a".repeat(length));
    let most = (4_000..4_100)
        .find(|length| decode(extension(length + 1).as_bytes(), 1_000).is_err())
        .unwrap();
    // "0;" and the extension: 4 KiB before the line's end.
    assert_eq!(most, LINE_CAP - 2);
    assert!(decode(extension(most).as_bytes(), 1_000).is_ok());
    // The cap is on one line, not on all of them.
    let many = format!("1;{}\r\nx\r\n", "a".repeat(3_000)).repeat(10) + "0\r\n\r\n";
    assert_eq!(
        decode(many.as_bytes(), 1_000),
        Ok((b"x".repeat(10), Some(Vec::new())))
    );
    // The cap is on the trailer section, not on its lines.
    let trailer = |lines| format!("0\r\n{}\r\n", "A: b\r\n".repeat(lines));
    assert!(decode(trailer(2_700).as_bytes(), 1_000).is_ok());
    assert!(decode(trailer(3_300).as_bytes(), 1_000).is_err());
    // The largest chunk is only waited for.
    let (content, behind) = decode(b"ffffffffffffffff\r\nabc", 7).unwrap();
    assert_eq!((content.as_slice(), behind), (&b"abc"[..], None));
}

#[test]
fn what_is_sent_is_decoded() {
    let mut sent = Vec::new();
    for length in [1, 9, 16, 255, 70_000] {
        chunk_head(length, &mut sent);
        sent.resize(sent.len() + length, b'x');
        sent.extend_from_slice(b"\r\n");
    }
    assert!(sent.starts_with(b"1\r\nx\r\n9\r\nxxxxxxxxx\r\n10\r\n"));
    sent.extend_from_slice(LAST_CHUNK);
    let expected = Ok((vec![b'x'; 70_281], Some(Vec::new())));
    assert_eq!(decode(&sent, 4_096), expected);
    assert_eq!(decode(&sent, usize::MAX), expected);
}

#[test]
fn every_changed_byte_gives_one_verdict() {
    for (body, _) in VALID {
        for position in 0..body.len() {
            for byte in [
                0, b'\t', b'\n', b'\r', b' ', b'0', b'1', b'9', b';', b'f', b'x', 0xff,
            ] {
                let mut changed = body.as_bytes().to_vec();
                changed[position] = byte;
                let _ = verdict(&changed);
            }
        }
    }
}

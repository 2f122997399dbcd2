//! What no table thinks of: valid input, mutated by a generator of fixed seed.
//!
//! Rules: no input causes a panic. A result does not depend on how the bytes were cut into reads. What is
//! accepted stays the same when it is sent and read again. Each test prints its seed, each failure its input.

mod mutants;

use mutants::{Random, mutants};

use super::chunked::Decoder;
use super::*;

const NOW: HttpDate = HttpDate::from_unix(1_795_375_260);
const CAPS: Caps = Caps {
    head: 400,
    lines: 8,
    target: 100,
};

/// The result for each beginning is Partial or that of the whole.
fn check_cuts<T: PartialEq + std::fmt::Debug>(
    random: &mut Random,
    text: &[u8],
    parse: impl Fn(&[u8]) -> Result<Parsed<T>, Malformed>,
) -> Option<(T, usize)> {
    let whole = parse(text);
    for _ in 0..2 {
        let begun = parse(&text[..random.below(text.len())]);
        let same = begun == whole || begun == Ok(Parsed::Partial);
        assert!(same, "{begun:?} {whole:?} {}", text.escape_ascii());
    }
    let Ok(Parsed::Complete(head, used)) = whole else {
        return None;
    };
    let short = parse(&text[..used - 1]);
    assert_eq!(short, Ok(Parsed::Partial), "{}", text.escape_ascii());
    Some((head, used))
}

/// What strictness promises of every accepted head, told by other means than the parser's; `kept` is what a name
/// keeps of itself.
fn check_strict(head: &[u8], kept: fn(&[u8]) -> &[u8]) {
    let text = head.escape_ascii();
    let lines: Vec<&[u8]> = head.split(|&byte| byte == b'\n').collect();
    let (last, lines) = lines.split_last().unwrap();
    assert!(last.is_empty(), "{text}");
    let mut start_line = false;
    for line in lines {
        let line = line
            .strip_suffix(b"\r")
            .unwrap_or_else(|| panic!("bare LF: {text}"));
        assert!(!line.contains(&b'\r') && !line.contains(&0), "{text}");
        if start_line && !line.is_empty() {
            let name = kept(line.split(|&byte| byte == b':').next().unwrap());
            let blank = name.iter().any(|byte| matches!(byte, b' ' | b'\t'));
            assert!(
                !blank && !name.is_empty() && name.len() < line.len(),
                "{text}"
            );
        }
        start_line |= !line.is_empty();
    }
}

#[test]
fn request_heads() {
    let seeds: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /distfiles/6f/gtk%2B-1.tar.gz?x HTTP/1.1\r\nHost: h:4000\r\nAccept: */*\r\n\
          Range: bytes=400000-\r\nIf-Range: \"a\"\r\nConnection: Keep-Alive, TE\r\n\r\n",
        b"POST http://[::1]:80/a HTTP/1.0\r\nContent-Length: 5\r\nIf-Match: \"a\", W/\"b\"\r\n\r\nhello",
        b"\r\nHEAD /a HTTP/1.1\r\nHost:\r\nTransfer-Encoding: gzip, chunked\r\n\
          Via: 1.1 package-cache-01234567 (a, b)\r\n\r\n0\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: h\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
    ];
    let mut accepted = 0;
    mutants(0x5eed_0001, 150_000, &seeds, |random, text| {
        let parse = |bytes: &[u8]| parse_request(bytes, &CAPS);
        let Some((head, used)) = check_cuts(random, text, parse) else {
            return;
        };
        accepted += 1;
        check_strict(&text[..used], |name| name);
        let _ = framing::of_request(&head);
        let _ = framing::persists(head.version, &head.fields);
        let _ = via::passed_on(&head.fields, "package-cache-01234567", 8);
        let _ = precondition::evaluate(head.method, &head.fields, Some(b"\"a\""), Some(NOW), NOW);
        let mut sent = Vec::new();
        head.write_to(&mut sent);
        // White space added after colons may take the head over its cap.
        let caps = Caps {
            head: CAPS.head * 2,
            ..CAPS
        };
        assert_eq!(
            parse_request(&sent, &caps),
            Ok(Parsed::Complete(head, sent.len()))
        );
    });
    assert!(
        accepted > 10_000,
        "too few mutants are valid to tell anything: {accepted}"
    );
}

#[test]
fn response_heads() {
    let seeds: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
        b"HTTP/1.0 404\r\nServer: x\r\nContent-Type: text/html; charset=\"a,b\"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ../a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    mutants(0x5eed_0002, 100_000, &seeds, |random, text| {
        let parse = |bytes: &[u8]| parse_response(bytes, &CAPS);
        let Some((head, used)) = check_cuts(random, text, parse) else {
            return;
        };
        // Of a source, space before a colon is removed.
        check_strict(&text[..used], <[u8]>::trim_ascii_end);
        let _ = framing::of_response(&head, Method::Get);
        let mut sent = Vec::new();
        head.write_to(&mut sent);
        let caps = Caps {
            head: CAPS.head * 2,
            ..CAPS
        };
        assert_eq!(
            parse_response(&sent, &caps),
            Ok(Parsed::Complete(head, sent.len()))
        );
    });
}

/// The content and the bytes used, of reads of random length up to `longest`.
fn decode(random: &mut Random, body: &[u8], longest: usize) -> Result<(Vec<u8>, usize), Malformed> {
    let (mut decoder, mut content, mut used) = (Decoder::new(), Vec::new(), 0);
    while used < body.len() && !decoder.is_done() {
        let rest = &body[used..];
        let read = &rest[..rest.len().min(1 + random.below(longest))];
        let step = decoder.decode(read)?;
        assert!(
            step.consumed > 0 && step.content.end <= step.consumed,
            "{}",
            body.escape_ascii()
        );
        content.extend_from_slice(&read[step.content]);
        used += step.consumed;
    }
    Ok((content, used))
}

#[test]
fn chunked_bodies() {
    let seeds: [&[u8]; 4] = [
        b"5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
        b"1\r\na\r\n0A;x=\"y\"\r\n0123456789\r\n000\r\nA: b\r\nC: d\r\n\r\n",
        b"2  \r\n\r\n\r\nffffffffffffffff\r\nabc",
        b"10\r\n0123456789abcdef\r\n3\r\n0\r\n\r\n0\r\n\r\n",
    ];
    mutants(0x5eed_0003, 100_000, &seeds, |random, body| {
        let whole = decode(random, body, 1_000_000);
        assert_eq!(decode(random, body, 1), whole, "{}", body.escape_ascii());
        assert_eq!(decode(random, body, 9), whole, "{}", body.escape_ascii());
        let Ok((content, _)) = whole else { return };
        let mut sent = Vec::new();
        for chunk in content.chunks(1 + random.below(20)) {
            chunked::chunk_head(chunk.len(), &mut sent);
            sent.extend_from_slice(chunk);
            sent.extend_from_slice(b"\r\n");
        }
        sent.extend_from_slice(chunked::LAST_CHUNK);
        assert_eq!(decode(random, &sent, 7), Ok((content, sent.len())));
    });
}

#[test]
fn dates() {
    let seeds: [&[u8]; 4] = [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"Thu, 29 Feb 2024 23:59:60 GMT",
    ];
    mutants(0x5eed_0004, 200_000, &seeds, |random, text| {
        let any = HttpDate::from_unix(random.next() as i64 >> random.below(64));
        assert_eq!(
            (any.to_string().len(), any.rfc3339().to_string().len()),
            (29, 20),
            "{any:?}"
        );
        if let Some(date) = HttpDate::parse(text, any) {
            assert_eq!(
                HttpDate::parse(date.to_string().as_bytes(), any),
                Some(date)
            );
        }
    });
}

#[test]
fn ranges() {
    let seeds: [&[u8]; 5] = [
        b"bytes=0-9",
        b"bytes=400000-",
        b"bytes=-7, ",
        b"bytes 0-9/100",
        b"bytes 5-18446744073709551614/*",
    ];
    mutants(0x5eed_0005, 200_000, &seeds, |random, text| {
        let length = random.next() >> random.below(64);
        match range::select(text, length) {
            range::Selection::Part(part) => {
                assert!(
                    part.start < part.end && part.end <= length,
                    "{}",
                    text.escape_ascii()
                );
            }
            range::Selection::Whole | range::Selection::Unsatisfiable => {}
        }
        if let Some(given) = range::ContentRange::parse(text) {
            assert!(given.first <= given.last && given.complete.is_none_or(|it| given.last < it));
            assert_eq!(
                range::ContentRange::parse(given.to_string().as_bytes()),
                Some(given)
            );
        }
    });
}

#[test]
fn targets_and_urls() {
    let seeds: [&[u8]; 5] = [
        b"/distfiles/6f/gtk%2B-2.tar.gz?a=b",
        b"http://user@mirror.example.org:8080/gentoo/./a/../b",
        b"//[2001:db8::1]:81/a",
        b"../c/\xc3\xbc d?q#f",
        b"HTTPS://h",
    ];
    let base = Url::parse_source("http://h:81/a/b").unwrap();
    mutants(0x5eed_0006, 150_000, &seeds, |_, text| {
        for method in [Method::Get, Method::Options, Method::Connect] {
            let Ok(target) = Target::parse(method, text) else {
                continue;
            };
            assert_eq!(target.raw(), text);
            assert!(target.path().is_none_or(|path| path.starts_with(b"/")));
        }
        if let Ok(decoded) = percent_decode(text) {
            let mut encoded = String::new();
            percent_encode(&decoded, &mut encoded);
            assert_eq!(percent_decode(encoded.as_bytes()), Ok(decoded));
        }
        let _ = Url::parse_source(&String::from_utf8_lossy(text));
        if let Ok(url) = base.join(text) {
            let sent = url.to_string();
            assert!(
                sent.bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'#'),
                "{sent}"
            );
            assert!(
                url.path().starts_with('/') && !url.path().contains("/../"),
                "{sent}"
            );
            assert_eq!(base.join(sent.as_bytes()), Ok(url), "{sent}");
        }
    });
}

#[test]
fn via_entries() {
    let seeds: [&[u8]; 3] = [
        b"1.1 package-cache-01234567",
        b"1.0 fred, HTTP/1.1 package-cache-ffffffff (a, \"b\")",
        b"1.1 package-cache-00000000, 1.1 package-cache-00000001",
    ];
    mutants(0x5eed_0007, 100_000, &seeds, |_, text| {
        let mut fields = Fields::new();
        fields.push("Via", text);
        let Ok(entries) = via::passed_on(&fields, "package-cache-01234567", 3) else {
            return;
        };
        for entry in &entries {
            let digits = entry.strip_prefix("1.1 package-cache-").unwrap();
            assert!(
                digits.len() == 8 && u32::from_str_radix(digits, 16).is_ok(),
                "{entry}"
            );
        }
        let mut again = Fields::new();
        entries.iter().for_each(|entry| again.push("Via", entry));
        assert_eq!(
            via::passed_on(&again, "package-cache-01234567", 3),
            Ok(entries)
        );
    });
}

//! Malformed and odd requests, and what nginx 1.22 makes of the same bytes.
//!
//! `data/requests.tsv` holds a request a row. Its nginx column was measured with nginx 1.22.1,
//! default settings and the same three files; no nginx is needed here. An outcome is a word for each
//! answer: `f`, `p` or `s` for a 200 with the content of that file, `0.9` for content without a head,
//! `-` for no answer at all, else the status code. Every request is followed by one for `p`: an
//! outcome without `p` is one after which the connection served nothing more.
//!
//! Rules: our column is exact. Where it differs from nginx's the row says why, and where we are laxer
//! (we serve what nginx refuses, or answer on) the reason begins with `laxer:`.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::support::{CacheDir, Daemon, LIMIT, MODIFIED_UNIX};

const TABLE: &str = include_str!("../data/requests.tsv");

/// What follows every request of the table.
const PROBE: &[u8] = b"GET /p HTTP/1.0\r\n\r\n";

/// The files and their content; in the table `s` is asked for where it might be smuggled.
const FILES: [(&str, &[u8]); 3] = [("f", b"the file"), ("p", b"the probe"), ("s", b"smuggled")];

/// A row of the table.
struct Row {
    name: &'static str,
    nginx: &'static str,
    ours: &'static str,
    request: Vec<u8>,
    reason: &'static str,
}

impl Row {
    fn parse(line: &'static str) -> Self {
        let cells: Vec<&str> = line.split('\t').collect();
        let [name, nginx, ours, request, reason @ ..] = cells.as_slice() else {
            panic!("a row of {} cells: {line}", cells.len());
        };
        Self {
            name,
            nginx,
            ours,
            request: unescape(request),
            reason: reason.first().unwrap_or(&""),
        }
    }

    /// Whether we serve more than nginx does, answer more, or answer what was smuggled.
    fn is_laxer(&self) -> bool {
        let (ours, nginx) = (Weight::of(self.ours), Weight::of(self.nginx));
        ours.served > nginx.served
            || ours.answered > nginx.answered
            || ours.smuggled > nginx.smuggled
    }
}

/// How much an outcome gives away, in answers.
struct Weight {
    served: usize,
    answered: usize,
    smuggled: usize,
}

impl Weight {
    fn of(outcome: &str) -> Self {
        let answers = outcome
            .split(' ')
            .filter(|word| !["-", "100"].contains(word));
        let refusal = |word: &&str| word.len() == 3 && word.starts_with(['4', '5']);
        Self {
            served: answers.clone().filter(|word| !refusal(word)).count(),
            answered: answers.clone().count(),
            smuggled: answers.filter(|word| *word == "s").count(),
        }
    }
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.map(Row::parse).collect()
}

/// The bytes of a cell: `\r`, `\n`, `\t`, `\0`, `\\`, `\xNN`, and `\{COUNT*TEXT}` for text repeated.
fn unescape(mut cell: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((plain, escape)) = cell.split_once('\\') {
        bytes.extend(plain.bytes());
        let (kind, rest) = escape.split_at(1);
        cell = rest;
        match kind {
            "r" => bytes.push(b'\r'),
            "n" => bytes.push(b'\n'),
            "t" => bytes.push(b'\t'),
            "0" => bytes.push(0),
            "\\" => bytes.push(b'\\'),
            "x" => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                cell = &rest[2..];
            }
            "{" => {
                let (count, rest) = rest.split_once('*').unwrap();
                let end = closing_brace(rest);
                bytes.extend(unescape(&rest[..end]).repeat(count.parse().unwrap()));
                cell = &rest[end + 1..];
            }
            other => panic!("escape {other:?}"),
        }
    }
    bytes.extend(cell.bytes());
    bytes
}

/// Where the text of a repetition ends, which may hold another.
fn closing_brace(text: &str) -> usize {
    let mut depth = 1;
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return position;
        }
    }
    panic!("no end of {text:?}");
}

/// A daemon without sources on the three files.
fn serving() -> (Daemon, CacheDir) {
    let cache = CacheDir::new();
    for (name, content) in FILES {
        cache.put(name, content, MODIFIED_UNIX);
    }
    cache.put("d/f", FILES[0].1, MODIFIED_UNIX);
    (Daemon::on(&cache).start(), cache)
}

/// Sends the pieces and the end of the stream, and reads until the daemon closes.
fn exchange<'a>(address: SocketAddr, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        // A refusal may come before the last piece.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => {
            panic!("no end within {LIMIT:?}: {error}");
        }
        _ => received,
    }
}

/// An answer of a row.
struct Answer {
    /// What the table calls it.
    word: String,
    /// The head, in lower case.
    head: String,
    body: Vec<u8>,
}

impl Answer {
    /// Cuts an answer from the front of what was received; also the rest.
    fn cut(received: &[u8]) -> (Self, &[u8]) {
        let end = received
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .filter(|_| received.starts_with(b"HTTP/1.1 "));
        let Some(end) = end else {
            let (word, head, body) = ("0.9".to_owned(), String::new(), received.to_vec());
            return (Self { word, head, body }, &[]);
        };
        let (head, rest) = received.split_at(end + 4);
        let head = String::from_utf8_lossy(head).to_lowercase();
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: "));
        // After an answer to HEAD the next head begins at once.
        let length = match length {
            Some(length) if !rest.starts_with(b"HTTP/1.1 ") => length.parse().unwrap(),
            _ => 0,
        };
        let (body, rest) = rest.split_at(length.min(rest.len()));
        let status = head[9..12].to_owned();
        let file = FILES.iter().find(|(_, content)| *content == body);
        let word = match file {
            Some((name, _)) if status == "200" => (*name).to_owned(),
            _ => status,
        };
        let body = body.to_vec();
        (Self { word, head, body }, rest)
    }

    /// Whether it is content or a refusal that says why, in short plain text.
    fn is_proper(&self) -> bool {
        let plain = self.head.contains("\r\ncontent-type: text/plain");
        let short = (1..500).contains(&self.body.len()) && !self.body.contains(&b'<');
        !self.word.starts_with(['4', '5']) || plain && short
    }
}

/// The answers to a row, and their words, which are its outcome.
fn outcome(mut received: &[u8]) -> (String, Vec<Answer>) {
    let mut answers = Vec::new();
    while !received.is_empty() {
        let (answer, rest) = Answer::cut(received);
        answers.push(answer);
        received = rest;
    }
    let words: Vec<_> = answers.iter().map(|answer| &*answer.word).collect();
    let words = if words.is_empty() { vec!["-"] } else { words };
    (words.join(" "), answers)
}

/// No row may have another outcome than the table's.
fn assert_none_wrong(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} rows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_request_is_answered_as_the_table_says() {
    let (daemon, _cache) = serving();
    let mut wrong = Vec::new();
    for row in rows() {
        let bytes = [row.request.as_slice(), PROBE].concat();
        let received = exchange(daemon.address(), [bytes.as_slice()].into_iter());
        let (seen, answers) = outcome(&received);
        if seen != row.ours {
            wrong.push(format!("{}: {seen}, not {}", row.name, row.ours));
        }
        if !answers.iter().all(Answer::is_proper) {
            wrong.push(format!("{}: refused without a reason", row.name));
        }
        // Who is refused for what could not be read must know that nothing more is.
        let last = answers.last();
        let refused =
            last.filter(|last| ["400", "414", "431", "501", "505"].contains(&&*last.word));
        if refused.is_some_and(|last| !last.head.contains("\r\nconnection: close\r\n")) {
            wrong.push(format!("{}: closed unannounced", row.name));
        }
    }
    assert_none_wrong(&wrong);
    assert!(daemon.logged("panic").is_empty());
}

#[test]
fn the_outcome_does_not_depend_on_how_the_bytes_arrive() {
    let (daemon, _cache) = serving();
    let mut wrong = Vec::new();
    for row in rows() {
        let bytes = [row.request.as_slice(), PROBE].concat();
        // Long ones in some hundred pieces, all others byte by byte.
        let pieces = bytes.chunks(1 + bytes.len() / 500);
        let (seen, _) = outcome(&exchange(daemon.address(), pieces));
        if seen != row.ours {
            wrong.push(format!("{}: {seen}, not {}", row.name, row.ours));
        }
    }
    assert_none_wrong(&wrong);
}

#[test]
fn where_we_differ_from_nginx_the_row_says_why() {
    let (rows, mut names, mut wrong) = (rows(), HashSet::new(), Vec::new());
    assert!(rows.len() >= 110, "{} rows", rows.len());
    for row in &rows {
        if !names.insert(row.name) {
            wrong.push(format!("{}: twice", row.name));
        }
        if (row.ours != row.nginx) == row.reason.is_empty() {
            wrong.push(format!("{}: a difference needs a reason", row.name));
        }
        if row.is_laxer() != row.reason.starts_with("laxer: ") {
            wrong.push(format!("{}: laxer or not?", row.name));
        }
    }
    assert_none_wrong(&wrong);
}

#[test]
fn escapes_of_the_table_are_read() {
    assert_eq!(unescape(r"a\r\n\t\0\\b\x7f\xff"), b"a\r\n\t\0\\b\x7f\xff");
    assert_eq!(unescape(r"\{3*a\{2*b}\n}c"), b"abb\nabb\nabb\nc");
}

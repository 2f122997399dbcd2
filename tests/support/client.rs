//! A raw HTTP client: it sends what it is told, reads by framing, and says how each body ended.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::LIMIT;

/// How the content of an answer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By its framing.
    Complete,
    /// The connection was closed before the framing was satisfied.
    Cut,
    /// The connection was reset.
    Reset,
}

/// An answer as received.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The field lines, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The content, as far as it came.
    pub body: Vec<u8>,
    /// How the content ended.
    pub end: End,
}

impl Response {
    /// The first field of that name (lower case).
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Asserts a complete 200 with this content.
    #[track_caller]
    pub fn is_whole(&self, content: &[u8]) -> &Self {
        assert_eq!(
            (self.status, self.end),
            (200, End::Complete),
            "{:?}",
            self.text()
        );
        assert!(
            self.body == content,
            "other content: {} bytes",
            self.body.len()
        );
        self
    }

    /// Asserts a complete error answer: short plain text, never HTML.
    #[track_caller]
    pub fn is_error(&self, status: u16) -> &Self {
        assert_eq!(
            (self.status, self.end),
            (status, End::Complete),
            "{:?}",
            self.text()
        );
        let kind = self.field("content-type").unwrap_or_default();
        assert!(
            kind.starts_with("text/plain"),
            "{status} with type {kind:?}"
        );
        assert!((1..500).contains(&self.body.len()), "{:?}", self.text());
        assert!(!self.text().contains('<'), "{:?}", self.text());
        self
    }

    /// Whether Cache-Status says `word`.
    pub fn cache_status(&self, word: &str) -> bool {
        let value = self.field("cache-status").unwrap_or_default();
        value
            .split(';')
            .skip(1)
            .any(|parameter| parameter.trim() == word)
    }

    /// The content as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What is left to read of the content.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length(u64),
    /// Content left of the chunk; `None` before a chunk's size.
    Chunked(Option<u64>),
    UntilClose,
    Done(End),
}

/// One connection to the daemon.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    asked: VecDeque<String>,
    framing: Framing,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, LIMIT).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream.set_nodelay(true).unwrap();
        let framing = Framing::Done(End::Complete);
        Self {
            stream,
            buffer: Vec::new(),
            asked: VecDeque::new(),
            framing,
        }
    }

    /// Sends bytes as they are; a peer that has closed already is no failure yet.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    /// Sends a request of HTTP/1.1 with these field lines.
    pub fn ask(&mut self, method: &str, target: &str, fields: &[&str]) -> &mut Self {
        self.asked.push_back(method.to_owned());
        let lines: String = fields.iter().map(|line| format!("{line}\r\n")).collect();
        self.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: cache.example\r\n{lines}\r\n"
        ))
    }

    /// Asks for a file and reads the whole answer.
    pub fn get(&mut self, target: &str) -> Response {
        self.ask("GET", target, &[]).answer()
    }

    /// Reads a whole answer.
    pub fn answer(&mut self) -> Response {
        let mut response = self.head();
        (response.body, response.end) = self.rest();
        response
    }

    /// Reads the head of an answer; its content is then read by `take` and `rest`.
    pub fn head(&mut self) -> Response {
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            match line {
                Some(line) if line.is_empty() => break,
                Some(line) => lines.push(line),
                None => panic!("the connection ended in a head: {lines:?}"),
            }
        }
        let status = lines[0]
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("a bad status line: {lines:?}"));
        let fields: Vec<_> = lines[1..]
            .iter()
            .map(|line| {
                line.split_once(": ")
                    .unwrap_or_else(|| panic!("a bad field: {line:?}"))
            })
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let response = Response {
            status,
            fields,
            body: Vec::new(),
            end: End::Complete,
        };
        // An interim answer leaves its request to be answered.
        let method = if status < 200 {
            None
        } else {
            self.asked.pop_front()
        };
        self.framing = framing(&response, method.as_deref().unwrap_or("GET"));
        response
    }

    /// Reads exactly `length` bytes of content.
    #[track_caller]
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        let mut content = Vec::new();
        while content.len() < length {
            match self.some(length - content.len()) {
                Ok(more) => content.extend(more),
                Err(end) => panic!("{end:?} after {} of {length} bytes", content.len()),
            }
        }
        content
    }

    /// Reads up to `length` bytes of content; fewer when it ends before.
    pub fn up_to(&mut self, length: usize) -> Vec<u8> {
        let mut content = Vec::new();
        while content.len() < length {
            match self.some(length - content.len()) {
                Ok(more) => content.extend(more),
                Err(_) => break,
            }
        }
        content
    }

    /// Reads the rest of the content.
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        let mut content = Vec::new();
        loop {
            match self.some(1 << 16) {
                Ok(more) => content.extend(more),
                Err(end) => return (content, end),
            }
        }
    }

    /// Waits for the daemon to close; `None` when it sends anything before.
    pub fn closed(&mut self) -> Option<End> {
        self.fill().err()
    }

    /// Up to `most` bytes of content, or how it ended.
    fn some(&mut self, most: usize) -> Result<Vec<u8>, End> {
        let left = match self.framing {
            Framing::Done(end) => return Err(end),
            Framing::Length(0) => return self.done(End::Complete),
            Framing::Length(left) | Framing::Chunked(Some(left)) => left,
            Framing::UntilClose => u64::MAX,
            Framing::Chunked(None) => return self.next_chunk().map(|()| Vec::new()),
        };
        if self.buffer.is_empty() {
            match (self.fill(), self.framing) {
                (Ok(()), _) => {}
                (Err(End::Cut), Framing::UntilClose) => return self.done(End::Complete),
                (Err(end), _) => return self.done(end),
            }
        }
        let length = most
            .min(self.buffer.len())
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let content: Vec<u8> = self.buffer.drain(..length).collect();
        let left = left - length as u64;
        match self.framing {
            Framing::Length(_) => self.framing = Framing::Length(left),
            Framing::Chunked(_) if left == 0 => {
                assert_eq!(self.line().as_deref(), Some(""), "a chunk without its end");
                self.framing = Framing::Chunked(None);
            }
            Framing::Chunked(_) => self.framing = Framing::Chunked(Some(left)),
            Framing::UntilClose | Framing::Done(_) => {}
        }
        Ok(content)
    }

    /// Reads a chunk's size; the last one ends the content.
    fn next_chunk(&mut self) -> Result<(), End> {
        let Some(line) = self.line() else {
            return self.done(End::Cut);
        };
        let size = u64::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("chunk {line:?}"));
        if size > 0 {
            self.framing = Framing::Chunked(Some(size));
            return Ok(());
        }
        let end = if self.line().as_deref() == Some("") {
            End::Complete
        } else {
            End::Cut
        };
        self.done(end)
    }

    fn done<T>(&mut self, end: End) -> Result<T, End> {
        self.framing = Framing::Done(end);
        Err(end)
    }

    /// A line without its CRLF; none when the connection ends first.
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            self.fill().ok()?;
        }
    }

    /// Reads once more.
    fn fill(&mut self) -> Result<(), End> {
        let mut block = [0; 1 << 16];
        match self.stream.read(&mut block) {
            Ok(0) => Err(End::Cut),
            Ok(length) => {
                self.buffer.extend_from_slice(&block[..length]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(End::Reset),
            // A child of another test has ended: a read with a time limit is not resumed by itself.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.fill(),
            Err(error) => panic!("the daemon sent nothing for {LIMIT:?}: {error}"),
        }
    }
}

/// How the content of an answer to `method` is delimited.
fn framing(response: &Response, method: &str) -> Framing {
    let bare = method == "HEAD" || response.status < 200 || [204, 304].contains(&response.status);
    match (
        response.field("transfer-encoding"),
        response.field("content-length"),
    ) {
        _ if bare => Framing::Done(End::Complete),
        (Some("chunked"), None) => Framing::Chunked(None),
        (None, Some(length)) => Framing::Length(length.parse().unwrap()),
        (None, None) => Framing::UntilClose,
        conflict => panic!("framing {conflict:?}"),
    }
}

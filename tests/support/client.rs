//! A raw HTTP client: it sends what it is told, and fails the test at an answer that no promise allows.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{End, LIMIT, Reader};

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
    /// A head; its content is still to be read.
    pub fn new(status: u16, fields: Vec<(String, String)>) -> Self {
        Self {
            status,
            fields,
            body: Vec::new(),
            end: End::Complete,
        }
    }

    /// The first field of that name (lower case).
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut same = self.fields.iter().filter(|(key, _)| key == name);
        same.next().map(|(_, value)| value.as_str())
    }

    /// Asserts a complete 200 with this content.
    #[track_caller]
    pub fn assert_whole(&self, content: &[u8]) -> &Self {
        let outcome = (self.status, self.end);
        assert_eq!(outcome, (200, End::Complete), "{:?}", self.text());
        let length = self.body.len();
        assert!(self.body == content, "other content: {length} bytes");
        self
    }

    /// Asserts a complete error answer: short plain text, never HTML.
    #[track_caller]
    pub fn assert_error(&self, status: u16) -> &Self {
        let outcome = (self.status, self.end);
        assert_eq!(outcome, (status, End::Complete), "{:?}", self.text());
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
        let mut parameters = value.split(';').skip(1);
        parameters.any(|parameter| parameter.trim() == word)
    }

    /// The content as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection to the daemon.
pub struct Client {
    reader: Reader,
    /// The methods of the requests that are not answered yet.
    asked: VecDeque<String>,
}

impl Client {
    /// Connects.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self {
            reader: allowed(Reader::connect(address, LIMIT)),
            asked: VecDeque::new(),
        }
    }

    /// Sends bytes as they are; a peer that has closed already is no failure yet.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.reader.send(bytes.as_ref());
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
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.ask("GET", target, &[]).answer()
    }

    /// Reads a whole answer.
    #[track_caller]
    pub fn answer(&mut self) -> Response {
        let mut response = self.head();
        (response.body, response.end) = self.rest();
        response
    }

    /// Reads the head of an answer; its content is then read by `take` and `rest`.
    #[track_caller]
    pub fn head(&mut self) -> Response {
        let bare = self.asked.front().is_some_and(|method| method == "HEAD");
        let response = allowed(self.reader.head(bare));
        // An interim answer leaves its request to be answered.
        if response.status >= 200 {
            self.asked.pop_front();
        }
        response
    }

    /// Reads exactly `length` bytes of content.
    #[track_caller]
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        let (content, end) = self.some(length);
        assert!(
            end.is_none(),
            "{end:?} after {} of {length} bytes",
            content.len()
        );
        content
    }

    /// Reads up to `length` bytes of content; fewer when it ends before.
    #[track_caller]
    pub fn up_to(&mut self, length: usize) -> Vec<u8> {
        self.some(length).0
    }

    /// Reads the rest of the content, and how it ended.
    #[track_caller]
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        allowed(self.reader.rest())
    }

    /// Reads the head of a 200 and as much of its content as is given.
    #[track_caller]
    pub fn assert_begins(&mut self, content: &[u8]) {
        assert_eq!(self.head().status, 200);
        self.assert_goes_on(content);
    }

    /// Reads as much of the content as is given.
    #[track_caller]
    pub fn assert_goes_on(&mut self, content: &[u8]) {
        assert!(self.take(content.len()) == content, "other bytes");
    }

    /// Reads the rest of the content, which must be this, with a clean end.
    #[track_caller]
    pub fn assert_ends(&mut self, content: &[u8]) {
        let (rest, end) = self.rest();
        assert_eq!(end, End::Complete, "after {} bytes", rest.len());
        assert!(rest == content, "other bytes");
    }

    /// Says that nothing more will be sent, as nc does at the end of its input.
    pub fn close_writing(&self) {
        self.reader.close_writing();
    }

    /// Waits for the daemon to close; `None` when it sends anything before.
    #[track_caller]
    pub fn wait_closed(&mut self) -> Option<End> {
        allowed(self.reader.wait_closed())
    }

    /// Up to `length` bytes of content, and how it ended if it did.
    #[track_caller]
    fn some(&mut self, length: usize) -> (Vec<u8>, Option<End>) {
        let mut content = Vec::new();
        while content.len() < length {
            match allowed(self.reader.some(length - content.len())) {
                Ok(more) => content.extend(more),
                Err(end) => return (content, Some(end)),
            }
        }
        (content, None)
    }
}

/// What no promise allows fails the test.
#[track_caller]
fn allowed<T>(outcome: Result<T, String>) -> T {
    outcome.unwrap_or_else(|why| panic!("{why}"))
}

/// Clients that take a little of their content all the time, until this is dropped.
pub struct Crawling {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Has the clients crawl.
pub fn keep_crawling(mut clients: Vec<Client>) -> Crawling {
    let stop = Arc::<AtomicBool>::default();
    let stopped = Arc::clone(&stop);
    let thread = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            for client in &mut clients {
                client.up_to(512);
            }
            thread::park_timeout(Duration::from_millis(20));
        }
    });
    Crawling {
        stop,
        thread: Some(thread),
    }
}

impl Drop for Crawling {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_ok());
        assert!(
            ended || thread::panicking(),
            "the crawling clients panicked"
        );
    }
}

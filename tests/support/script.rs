//! What an origin does in answer to a request, step by step.

use std::sync::{Arc, Condvar, Mutex};

use super::server::head_text;
use super::{LIMIT, MODIFIED};

/// The only synchroniser: closed at first, open for good once opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everyone pass, now and later.
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits to pass; false when nobody opened in time.
    pub fn wait_open(&self) -> bool {
        let (open, changed) = &*self.0;
        let open = open.lock().unwrap();
        let waited = changed.wait_timeout_while(open, LIMIT, |open| !*open);
        *waited.unwrap().0
    }
}

/// One thing that an origin does in answer to a request.
#[derive(Clone)]
pub enum Step {
    /// Sends bytes as they are.
    Send(Vec<u8>),
    /// Sends a chunk.
    Chunk(Vec<u8>),
    /// Sends the last chunk.
    LastChunk,
    /// Goes on when the gate is open.
    Wait(Gate),
    /// Opens a gate.
    Open(Gate),
    /// Sends nothing more until the daemon closes.
    Stall,
    /// Sends one byte every twentieth of a second, until the daemon closes.
    Drip,
    /// Resets the connection.
    Reset,
    /// Keeps the connection for another request.
    Keep,
}

/// What an origin does in answer to one request; then it closes.
pub type Script = Vec<Step>;

/// A response head with these field lines.
pub fn head(status: &str, fields: &[&str]) -> Step {
    Step::Send(head_text(status, fields).into_bytes())
}

/// A whole response with Content-Length, closed after.
pub fn reply(status: &str, fields: &[&str], body: &[u8]) -> Script {
    let length = format!("Content-Length: {}", body.len());
    let fields = [&[length.as_str(), "Connection: close"], fields].concat();
    vec![head(status, &fields), Step::Send(body.to_vec())]
}

/// A 200 of that time.
pub fn at(date: &str, body: &[u8]) -> Script {
    reply("200 OK", &[&format!("Last-Modified: {date}")], body)
}

/// A plain 200 with Last-Modified.
pub fn ok(body: &[u8]) -> Script {
    at(MODIFIED, body)
}

/// A 304.
pub fn unchanged() -> Script {
    vec![head("304 Not Modified", &["Connection: close"])]
}

/// A 404.
pub fn missing() -> Script {
    reply("404 Not Found", &[], b"no such file\n")
}

/// A 200 of HTTP/1.0 whose content ends with the connection.
pub fn close_delimited(body: &[u8]) -> Script {
    vec![
        Step::Send(b"HTTP/1.0 200 OK\r\n\r\n".to_vec()),
        Step::Send(body.to_vec()),
    ]
}

/// A 200 of that time, of which the first bytes come; the rest follows when the gate opens.
pub fn held_at(date: &str, content: &[u8], first: usize, gate: &Gate) -> Script {
    let length = format!("Content-Length: {}", content.len());
    let modified = format!("Last-Modified: {date}");
    vec![
        head("200 OK", &[&length, &modified]),
        Step::Send(content[..first].to_vec()),
        Step::Wait(gate.clone()),
        Step::Send(content[first..].to_vec()),
    ]
}

/// A plain 200 of which the first bytes come; the rest follows when the gate opens.
pub fn held(content: &[u8], first: usize, gate: &Gate) -> Script {
    held_at(MODIFIED, content, first, gate)
}

/// Half of a plain 200; the rest follows when the gate opens.
pub fn halves(content: &[u8], gate: &Gate) -> Script {
    held(content, content.len() / 2, gate)
}

/// Nothing until the gate opens, then what the script says.
pub fn gated(gate: &Gate, script: Script) -> Script {
    [vec![Step::Wait(gate.clone())], script].concat()
}

/// A part of the content from `start` on, of which `sent` bytes arrive.
pub fn part(content: &[u8], start: usize, sent: usize, field: &str) -> Script {
    let (last, length) = (content.len() - 1, content.len());
    let range = format!("Content-Range: bytes {start}-{last}/{length}");
    let left = format!("Content-Length: {}", length - start);
    let head = head("206 Partial Content", &[&range, &left, field]);
    vec![head, Step::Send(content[start..start + sent].to_vec())]
}

/// The field line of `MODIFIED`.
pub fn modified() -> String {
    format!("Last-Modified: {MODIFIED}")
}

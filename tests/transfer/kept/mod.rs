//! What a stop leaves of a transfer, and how the next process goes on with it.

/// Going on: what is asked, what clients see, how often it may happen.
mod again;
/// Files that changed meanwhile, sources that do not answer, conditions.
mod other;
/// What is not kept, not taken or not left for ever.
mod trust;

use std::io;
use std::sync::{Arc, Mutex};

use crate::support::{
    CacheDir, Client, Daemon, End, Exchange, LIMIT, MODIFIED, Recorded, Server, Setup, noise,
};

/// The path of most tests.
const FILE: &str = "/d/a.tar";
const LENGTH: usize = 300_000;
/// Where most transfers are when their process stops.
const AT: usize = 200_000;
/// Where the rest is asked from.
const AGAIN: usize = AT - 65_536;

/// What a mirror has at every path, and how it answers.
#[derive(Clone)]
struct State {
    content: Arc<Vec<u8>>,
    modified: String,
    etag: Option<String>,
    /// Whether it knows ranges.
    ranges: bool,
    /// In place of everything else.
    status: Option<&'static str>,
    /// It sends what lies before this offset, and then nothing until the daemon closes.
    hold: usize,
    /// So many responses to come break off after a few bytes.
    breaks: usize,
    sent: usize,
    requests: Vec<Recorded>,
}

/// A source with one file under every path.
struct Mirror {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Mirror {
    fn start(content: Vec<u8>) -> Self {
        let state = Arc::new(Mutex::new(State {
            content: Arc::new(content),
            modified: MODIFIED.to_owned(),
            etag: None,
            ranges: true,
            status: None,
            hold: usize::MAX,
            breaks: 0,
            sent: 0,
            requests: Vec::new(),
        }));
        let answering = Arc::clone(&state);
        let server = Server::start(LIMIT, move |exchange| answer(exchange, &answering));
        Self { server, state }
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn look(&self) -> State {
        self.state.lock().unwrap().clone()
    }
}

fn answer(exchange: &mut Exchange, state: &Mutex<State>) -> io::Result<bool> {
    exchange.read_last()?;
    let request = exchange.request.clone();
    let now = {
        let mut state = state.lock().unwrap();
        state.requests.push(request.clone());
        state.clone()
    };
    let close = "Connection: close".to_owned();
    if let Some(status) = now.status {
        exchange.send_head(status, &[close, "Content-Length: 0".to_owned()])?;
        return Ok(false);
    }
    let mut fields = vec![close, format!("Last-Modified: {}", now.modified)];
    fields.extend(now.etag.map(|etag| format!("ETag: {etag}")));
    if request.field("if-modified-since") == Some(&now.modified) {
        exchange.send_head("304 Not Modified", &fields)?;
        return Ok(false);
    }
    let (start, length) = (request.range().filter(|_| now.ranges), now.content.len());
    if start.is_some_and(|(start, _)| start >= length) {
        fields.push(format!("Content-Range: bytes */{length}"));
        fields.push("Content-Length: 0".to_owned());
        exchange.send_head("416 Range Not Satisfiable", &fields)?;
        return Ok(false);
    }
    let (first, last) = start.unwrap_or_default();
    let end = last.map_or(length, |last| last + 1);
    fields.push(format!("Content-Length: {}", end - first));
    let status = match start {
        Some(_) => {
            let last = end - 1;
            fields.push(format!("Content-Range: bytes {first}-{last}/{length}"));
            "206 Partial Content"
        }
        None => "200 OK",
    };
    exchange.send_head(status, &fields)?;
    if request.is_head() {
        return Ok(false);
    }
    if now.breaks > 0 {
        state.lock().unwrap().breaks -= 1;
        exchange.send(&now.content[first..first + 10_000])?;
        return Ok(false);
    }
    let held = now.hold.clamp(first, end);
    state.lock().unwrap().sent += held - first;
    exchange.send(&now.content[first..held])?;
    if held < end {
        exchange.stall()?;
    }
    Ok(false)
}

/// A mirror and a cache, on which one process comes after the other.
struct Restarts {
    mirror: Mirror,
    cache: CacheDir,
    content: Vec<u8>,
}

impl Restarts {
    fn new() -> Self {
        Self::of(noise(LENGTH))
    }

    fn of(content: Vec<u8>) -> Self {
        Self {
            mirror: Mirror::start(content.clone()),
            cache: CacheDir::new(),
            content,
        }
    }

    /// A process that keeps what is larger than 64 KiB.
    fn setup(&self) -> Setup {
        self.limited("")
    }

    /// The same with further limits: `,partial_ms=1`.
    fn limited(&self, more: &str) -> Setup {
        let limits = format!("grace_ms=50,partial_bytes=65536,patience_ms=2000{more}");
        let daemon = Daemon::on(&self.cache).source(self.mirror.server.url());
        daemon.arg("-v").limits(&limits)
    }

    /// A process that has stopped when `at` bytes of the file had come to a client.
    #[track_caller]
    fn stopped_at(&self, target: &str, at: usize) -> Daemon {
        let (mut daemon, mut client) = self.running_to(target, at);
        stop(&mut daemon);
        assert_ne!(client.rest().1, End::Complete);
        daemon
    }

    /// A running process, and a client that has got the first `at` bytes, which are all that came.
    #[track_caller]
    fn running_to(&self, target: &str, at: usize) -> (Daemon, Client) {
        self.mirror.set(|state| state.hold = at);
        let daemon = self.setup().start();
        let mut client = daemon.begin(target);
        client.assert_begins(&self.content[..at]);
        (daemon, client)
    }

    /// The same with the process stopped, `AT` bytes kept, and the source sending all of it from now on and its questions
    /// forgotten.
    #[track_caller]
    fn kept() -> Self {
        let it = Self::new();
        it.keep();
        it
    }

    #[track_caller]
    fn keep(&self) {
        self.stopped_at(FILE, AT);
        assert_eq!(self.partials().len(), 1, "{:?}", self.cache.walk());
        self.mirror.set(|state| {
            state.hold = usize::MAX;
            state.sent = 0;
            state.requests.clear();
        });
    }

    /// The partials that were kept.
    fn partials(&self) -> Vec<String> {
        let mut names = self.cache.walk();
        names.retain(|name| name.ends_with(".kept"));
        names
    }

    /// The ranges that were asked for.
    fn ranges(&self) -> Vec<String> {
        let requests = self.mirror.look().requests;
        let ranges = requests.iter().map(|request| request.field("range"));
        ranges
            .map(|range| range.unwrap_or("-").to_owned())
            .collect()
    }

    /// Asks for the file, which must come whole and be stored; nothing else may be left in the cache.
    #[track_caller]
    fn assert_comes_whole(&self, daemon: &Daemon) {
        let content = self.mirror.look().content;
        daemon.get(FILE).assert_whole(&content);
        self.cache.assert_stored("d/a.tar", &content);
        assert_eq!(self.cache.walk(), ["d", "d/a.tar"]);
    }
}

/// Stops a process, which must end by itself.
#[track_caller]
fn stop(daemon: &mut Daemon) {
    daemon.signal("TERM");
    assert_eq!(daemon.wait_exit().code(), Some(0));
}

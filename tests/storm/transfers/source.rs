//! A source in a storm: for each answer the dice.
//!
//! What no cache can see through is left out: a clean end of a close-delimited body, a
//! Content-Length below the file's, a file rewritten in mid-answer. Where a range far ahead is answered with
//! other bytes of the same length and time, the client may get these, but none of another file with them.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, OnceLock};

use super::file::File;
use super::reply::Reply;
use crate::support::{Dice, Exchange, Figures, Recorded, Server};

/// The name of all sources, and what the daemon is told of its addresses.
pub const HOST: &str = "pool.example";
pub const HOSTS: &str = "pool.example=127.0.0.2+127.0.0.1";

/// A request as far as a source cares.
pub struct Request {
    /// Whether it is a HEAD.
    pub head: bool,
    /// The first byte asked for, and the last.
    pub range: Option<(usize, Option<usize>)>,
}

impl Request {
    fn of(recorded: &Recorded) -> Self {
        Self {
            head: recorded.is_head(),
            range: recorded.range(),
        }
    }

    /// What is counted.
    fn name(&self) -> &'static str {
        match self.range {
            _ if self.head => "source: HEAD",
            None => "source: whole files",
            Some((_, None)) => "source: rests",
            Some(_) => "source: parts for one client",
        }
    }
}

/// A running source. Its name has two addresses, and what listens at the first one gives no answer that is of use.
pub struct Source {
    server: Server,
    _other_address: Option<Server>,
    shared: Arc<Shared>,
}

/// What its answers share.
pub struct Shared {
    /// Its place among the sources.
    pub number: usize,
    /// Where all the sources listen.
    pub all: OnceLock<Vec<SocketAddr>>,
    /// What the storm has done.
    pub figures: Arc<Figures>,
    states: Mutex<HashMap<String, State>>,
}

/// A file at this source: its dice, and which version it has now.
struct State {
    file: Arc<File>,
    dice: Dice,
    version: usize,
}

impl Source {
    /// Binds, then accepts.
    pub fn start(number: usize, figures: &Arc<Figures>) -> Self {
        let shared = Arc::new(Shared {
            number,
            all: OnceLock::new(),
            figures: Arc::clone(figures),
            states: Mutex::default(),
        });
        let answering = Arc::clone(&shared);
        let answer = move |exchange: &mut Exchange| answering.answer(exchange);
        let server = Server::start(super::LIMIT, answer);
        let other = TcpListener::bind(("127.0.0.2", server.address().port()));
        let counting = Arc::clone(figures);
        let useless = move |exchange: &mut Exchange| {
            counting.add("source: asked at its useless address", 1);
            useless(exchange)
        };
        Self {
            server,
            _other_address: other
                .ok()
                .map(|listener| Server::start_on(listener, super::LIMIT, useless)),
            shared,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{HOST}:{}", self.address().port())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Tells it of the others.
    pub fn meet(&self, all: &[SocketAddr]) {
        let _ = self.shared.all.set(all.to_vec());
    }

    /// Lays files out, in place of those that were.
    pub fn lay_out(&self, files: &[Arc<File>], seed: u64) {
        let states = files.iter().zip(0..).map(|(file, number)| {
            let state = State {
                file: Arc::clone(file),
                dice: Dice::of(&[seed, self.shared.number as u64, number]),
                version: 0,
            };
            (file.path.clone(), state)
        });
        *self.shared.states.lock().unwrap() = states.collect();
    }

    /// Whether no answer is being given.
    pub fn is_quiet(&self) -> bool {
        self.server.is_quiet()
    }
}

/// Silence, a failure, or the end.
fn useless(exchange: &mut Exchange) -> io::Result<bool> {
    exchange.read_last()?;
    match exchange.request.target.len() % 3 {
        0 => exchange.stall()?,
        1 => exchange.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")?,
        _ => {}
    }
    Ok(false)
}

impl Shared {
    fn answer(&self, exchange: &mut Exchange) -> io::Result<bool> {
        let request = Request::of(&exchange.request);
        let mut states = self.states.lock().unwrap();
        let next = states.get_mut(&exchange.request.target).map(State::next);
        drop(states);
        let Some((file, dice, version)) = next else {
            return Reply::missing().send(exchange, &request);
        };
        self.figures.add(request.name(), 1);
        Reply::roll(self, &file, version, dice, &request).send(exchange, &request)
    }
}

impl State {
    /// The dice of the next answer; the file may have changed meanwhile, unless it is a sure one.
    fn next(&mut self) -> (Arc<File>, Dice, usize) {
        if !self.file.sure && self.dice.chance(15) {
            self.version = (self.version + 1) % self.file.versions.len();
        }
        let dice = Dice::of(&[self.dice.roll()]);
        (Arc::clone(&self.file), dice, self.version)
    }
}

//! A source in a storm: one thread a connection, and for each answer the dice.
//!
//! What no cache can see through is left out: a clean end of a close-delimited body, a
//! Content-Length below the file's, a file rewritten in mid-answer. Where a range far ahead is answered with
//! other bytes of the same length and time, the client may get these, but none of another file with them.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use super::figures::Figures;
use super::file::File;
use super::reply::Reply;
use crate::support::Dice;

/// A request as far as a source cares.
pub struct Request {
    /// Whether it is a HEAD.
    pub head: bool,
    /// The target.
    pub path: String,
    /// The first byte asked for, and the last.
    pub range: Option<(usize, Option<usize>)>,
}

/// A running source.
pub struct Source {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What its threads share.
pub struct Shared {
    /// Its place among the sources.
    pub number: usize,
    /// Where all the sources listen.
    pub all: OnceLock<Vec<SocketAddr>>,
    /// What the storm has done.
    pub figures: Arc<Figures>,
    desks: Mutex<HashMap<String, Desk>>,
    busy: AtomicUsize,
    stopping: OnceLock<()>,
}

/// A file at this source: its dice, and which version it has now.
struct Desk {
    file: Arc<File>,
    dice: Dice,
    version: usize,
}

impl Source {
    /// Binds, then accepts.
    pub fn start(number: usize, figures: &Arc<Figures>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            number,
            all: OnceLock::new(),
            figures: Arc::clone(figures),
            desks: Mutex::default(),
            busy: AtomicUsize::new(0),
            stopping: OnceLock::new(),
        });
        let source = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || accept(&listener, &shared));
        source
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells it of the others.
    pub fn meet(&self, all: &[SocketAddr]) {
        let _ = self.shared.all.set(all.to_vec());
    }

    /// Lays files out, in place of those that were.
    pub fn lay_out(&self, files: &[Arc<File>], seed: u64) {
        let desks = files.iter().zip(0..).map(|(file, number)| {
            let desk = Desk {
                file: Arc::clone(file),
                dice: Dice::of(&[seed, self.shared.number as u64, number]),
                version: 0,
            };
            (file.path.clone(), desk)
        });
        *self.shared.desks.lock().unwrap() = desks.collect();
    }

    /// Whether no answer is being given.
    pub fn is_quiet(&self) -> bool {
        self.shared.busy.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let _ = self.shared.stopping.set(());
        // Wakes the thread in accept, which closes the listener.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().flatten() {
        if shared.stopping.get().is_some() {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // The daemon may hang up whenever it likes.
            let _ = serve(stream, &shared);
        });
    }
}

/// Answers requests until a fault, or the daemon, ends the connection.
fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(super::LIMIT))?;
    stream.set_write_timeout(Some(super::LIMIT))?;
    stream.set_nodelay(true)?;
    while let Some(request) = read_request(&mut stream)? {
        shared.busy.fetch_add(1, Ordering::SeqCst);
        let kept = shared.answer(&mut stream, &request);
        shared.busy.fetch_sub(1, Ordering::SeqCst);
        if !kept? {
            return Ok(());
        }
    }
    Ok(())
}

impl Shared {
    fn answer(&self, stream: &mut TcpStream, request: &Request) -> io::Result<bool> {
        let next = self
            .desks
            .lock()
            .unwrap()
            .get_mut(&request.path)
            .map(Desk::turn);
        let Some((file, dice, version)) = next else {
            return Reply::missing().send(stream, request);
        };
        self.figures.asked(request);
        Reply::roll(self, &file, version, dice, request).send(stream, request)
    }
}

impl Desk {
    /// The dice of the next answer; the file may have changed meanwhile, unless it is a sure one.
    fn turn(&mut self) -> (Arc<File>, Dice, usize) {
        if !self.file.sure && self.dice.chance(15) {
            self.version = (self.version + 1) % self.file.versions.len();
        }
        let dice = Dice::of(&[self.dice.roll()]);
        (Arc::clone(&self.file), dice, self.version)
    }
}

/// Reads a head up to its last byte, which stays: a socket closed with bytes unread is reset.
fn read_request(stream: &mut TcpStream) -> io::Result<Option<Request>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let range = head
        .lines()
        .find_map(|line| line.strip_prefix("Range: bytes="));
    let range = range.and_then(|range| range.trim().split_once('-'));
    Ok(Some(Request {
        head: method == "HEAD",
        path: path.to_owned(),
        range: range.map(|(first, last)| (first.parse().unwrap(), last.parse().ok())),
    }))
}

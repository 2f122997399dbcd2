//! A source at which files change whenever they are asked for, and whose answers go wrong.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::world::{World, date};
use crate::support::Dice;
use crate::support::LIMIT;

/// A running source.
pub struct Source {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    number: usize,
    world: Arc<World>,
    seed: u64,
    /// How many answers out of a hundred are spoilt.
    faults: AtomicU64,
    /// Requests that came.
    asked: AtomicU64,
    busy: AtomicUsize,
    stopping: AtomicBool,
}

/// What a request says.
struct Request {
    head: bool,
    path: String,
    first: usize,
    last: usize,
    part: bool,
    since: Option<String>,
}

impl Source {
    /// Binds, then accepts.
    pub fn start(number: usize, world: &Arc<World>, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            number,
            world: Arc::clone(world),
            seed,
            faults: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            busy: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let source = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // The daemon may hang up whenever it likes.
                thread::spawn(move || shared.serve(stream).unwrap_or_default());
            }
        });
        source
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// So many answers out of a hundred are spoilt from now on.
    pub fn spoil(&self, faults: u64) {
        self.shared.faults.store(faults, Ordering::SeqCst);
    }

    /// How many requests came.
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Whether no answer is being given.
    pub fn is_quiet(&self) -> bool {
        self.shared.busy.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread in accept, which closes the listener.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl Shared {
    /// Answers requests until a fault, or the daemon, ends the connection.
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
        while let Some(request) = read_request(&mut stream)? {
            self.busy.fetch_add(1, Ordering::SeqCst);
            let kept = self.answer(&mut stream, &request);
            self.busy.fetch_sub(1, Ordering::SeqCst);
            if !kept? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn answer(&self, stream: &mut TcpStream, request: &Request) -> io::Result<bool> {
        let count = self.asked.fetch_add(1, Ordering::SeqCst);
        let mut dice = Dice::of(&[self.seed, self.number as u64, count]);
        let Some((version, content)) = self.world.turn(self.number, &request.path, &mut dice)
        else {
            return send(stream, "404 Not Found", &[], b"no such file\n");
        };
        let fault = dice
            .chance(self.faults.load(Ordering::SeqCst))
            .then(|| dice.below(13));
        let date = date(version);
        let mut fields = vec![format!("Last-Modified: {date}")];
        if dice.chance(50) {
            fields.push(format!("ETag: \"v{version}\""));
        }
        // Some mean by the condition that this is their very time, some know of none.
        let since = request.since.as_deref().filter(|_| fault != Some(0));
        let exact = self.number == 0;
        let unchanged = since.is_some_and(|since| match exact {
            true => since == date,
            false => *since >= *date,
        });
        match fault {
            Some(1) => return Ok(false),
            Some(2) => return silence(stream),
            Some(3) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le")?;
                return silence(stream);
            }
            Some(4) => return send(stream, "503 Gone to lunch", &[], b"oops\n"),
            Some(5) => return send(stream, "404 Not Found", &[], b"no such file\n"),
            Some(6) => {
                let page = "Content-Type: text/html".to_owned();
                return send(stream, "200 OK", &[page], b"<html>Log in first</html>");
            }
            // With a condition, nobody could see through it.
            Some(7) if request.since.is_none() => {
                return send(stream, "304 Not Modified", &fields, b"");
            }
            Some(8 | 9) => fields.clear(),
            _ if unchanged => return send(stream, "304 Not Modified", &fields, b""),
            _ => {}
        }
        let (status, body) = match content.get(request.first..) {
            Some(rest) if request.part && !rest.is_empty() => {
                let last = request.last.min(content.len() - 1);
                let (first, all) = (request.first, content.len());
                fields.push(format!("Content-Range: bytes {first}-{last}/{all}"));
                ("206 Partial Content", &content[first..=last])
            }
            _ => ("200 OK", content.as_slice()),
        };
        let head_only = request.head;
        if fault == Some(10) && !request.part && !head_only {
            fields.push("Transfer-Encoding: chunked".to_owned());
            stream.write_all(head(status, &fields).as_bytes())?;
            let size = format!("{:x}\r\n", body.len());
            if !body.is_empty() {
                stream.write_all(&[size.as_bytes(), body, b"\r\n"].concat())?;
            }
            stream.write_all(b"0\r\n\r\n")?;
            return Ok(true);
        }
        fields.push(format!("Content-Length: {}", body.len()));
        stream.write_all(head(status, &fields).as_bytes())?;
        if head_only {
            return Ok(true);
        }
        let broken = matches!(fault, Some(11 | 12));
        let most = if broken {
            dice.up_to(body.len())
        } else {
            body.len()
        };
        let begin = dice.up_to(most);
        stream.write_all(&body[..begin])?;
        if dice.chance(40) {
            super::pause(dice.below(30));
        }
        stream.write_all(&body[begin..most])?;
        match fault {
            Some(12) if dice.chance(20) => silence(stream),
            _ => Ok(!broken),
        }
    }
}

fn head(status: &str, fields: &[String]) -> String {
    let lines: String = fields.iter().map(|line| format!("{line}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{lines}\r\n")
}

fn send(stream: &mut TcpStream, status: &str, fields: &[String], body: &[u8]) -> io::Result<bool> {
    let mut fields = fields.to_vec();
    if !status.starts_with("304") {
        fields.push(format!("Content-Length: {}", body.len()));
    }
    stream.write_all(head(status, &fields).as_bytes())?;
    stream.write_all(body)?;
    Ok(body.is_empty())
}

/// Says nothing more until the daemon hangs up.
fn silence(stream: &mut TcpStream) -> io::Result<bool> {
    while stream.read(&mut [0; 256])? > 0 {}
    Ok(false)
}

/// Reads a head.
fn read_request(stream: &mut TcpStream) -> io::Result<Option<Request>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let range = field("Range: bytes=").and_then(|range| range.split_once('-'));
    Ok(Some(Request {
        head: method == "HEAD",
        path: path.to_owned(),
        first: range.map_or(0, |(first, _)| first.parse().unwrap()),
        last: range.map_or(usize::MAX, |(_, last)| last.parse().unwrap_or(usize::MAX)),
        part: range.is_some(),
        since: field("If-Modified-Since: ").map(str::to_owned),
    }))
}

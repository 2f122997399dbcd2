//! Access: who is served, and one line for each response.
//!
//! Rules: `--allow` is checked before anything is read from a client and before a place is reserved for it. A client
//! that is refused gets 403, which costs neither a thread nor a place. The line is in the Combined Log Format with
//! the cache status behind it.
//!
//! # Theory
//!
//! The 403 is written at once, without waiting: the send buffer of a new socket is empty. The client's request may
//! come later. If the socket were closed by then, the kernel would answer the request with a reset, and the client
//! could see that instead of the 403 (RFC 9112 §9.6). So only our side is shut down at first. The socket is closed
//! when the poller looks for silent connections and it is older than `linger_ms`, or when `LINGERING` further
//! clients were refused. What has come by then is read before the close, so that even under a flood of refused
//! clients only those are reset whose request comes later still.

use std::collections::VecDeque;
use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use super::content::Content;
use super::response::Response;
use crate::http::{CacheStatus, HttpDate, LastDate, RequestHead, StatusCode, Version};
use crate::log;
use crate::net::Network;
use crate::stats::Answer;
use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;

/// Refused connections whose end is awaited, at most.
const LINGERING: usize = 32;

/// Addresses whose refusal was logged within `QUIET`, at most: of further ones nothing is said.
const LOGGED: usize = 64;

/// How long nothing more is said of an address that was refused.
const QUIET: Duration = Duration::from_secs(60);

/// What `--allow` says, and whom it kept out lately.
#[derive(Debug)]
pub struct Access {
    allowed: Vec<Network>,
    refused: Mutex<Refused>,
}

#[derive(Debug, Default)]
struct Refused {
    /// Connections that have their answer, the oldest first.
    lingering: VecDeque<(Instant, TcpStream)>,
    /// The addresses of which a line was logged, and when.
    logged: Vec<(IpAddr, Instant)>,
}

impl Access {
    /// Serves the clients in `allowed` and this host; all, if it is empty.
    pub fn new(allowed: Vec<Network>) -> Self {
        Self {
            allowed,
            refused: Mutex::default(),
        }
    }

    /// Whether a client is served.
    pub fn allows(&self, client: IpAddr) -> bool {
        self.allowed.is_empty()
            || client.to_canonical().is_loopback()
            || self.allowed.iter().any(|network| network.contains(client))
    }

    /// Answers a new connection, which must not block, with 403, and ends it; `via` is our entry in Via. The answer is
    /// returned as it counts.
    pub fn refuse(&self, mut stream: TcpStream, client: IpAddr, via: &str) -> Answer {
        let (client, now) = (client.to_canonical(), Instant::now());
        if lock(&self.refused).is_news(client, now) {
            log::warning!("{client} was refused: no --allow names it");
        }
        // A client that has left needs no answer.
        let (refusal, content) = refusal(client, via);
        let sent = stream.write_all(&refusal);
        let whole = sent.is_ok();
        if sent.is_ok() && stream.shutdown(Shutdown::Write).is_ok() {
            let oldest = lock(&self.refused).linger(now, stream);
            if let Some(oldest) = oldest {
                close(oldest);
            }
        }
        Answer {
            word: None,
            status: StatusCode::FORBIDDEN,
            sent: if whole { content } else { 0 },
            first_byte: None,
        }
    }

    /// Whether the end of a refused connection is awaited.
    pub fn lingers(&self) -> bool {
        !lock(&self.refused).lingering.is_empty()
    }

    /// Closes the refused connections that had their answer `linger_ms` ago.
    pub fn close_old(&self, now: Instant) {
        let mut refused = lock(&self.refused);
        let old = |since: Instant| now.saturating_duration_since(since) >= ms(limits().linger_ms);
        let lingering = &mut refused.lingering;
        let count = lingering
            .iter()
            .take_while(|(since, _)| old(*since))
            .count();
        let over: Vec<_> = lingering.drain(..count).collect();
        drop(refused);
        over.into_iter().for_each(|(_, stream)| close(stream));
    }
}

impl Refused {
    /// Whether to log the refusal of an address.
    fn is_news(&mut self, client: IpAddr, now: Instant) -> bool {
        let logged = &mut self.logged;
        logged.retain(|(_, at)| now.saturating_duration_since(*at) < QUIET);
        let known = logged.iter().any(|(address, _)| *address == client);
        let news = !known && logged.len() < LOGGED;
        if news {
            logged.push((client, now));
        }
        news
    }

    /// Keeps a connection that has its answer, and gives the oldest one back if there are too many.
    fn linger(&mut self, now: Instant, stream: TcpStream) -> Option<TcpStream> {
        self.lingering.push_back((now, stream));
        let too_many = self.lingering.len() > LINGERING;
        let oldest = too_many.then(|| self.lingering.pop_front()).flatten();
        oldest.map(|(_, stream)| stream)
    }
}

/// The whole 403, and how many bytes of it are content.
fn refusal(client: IpAddr, via: &str) -> (Vec<u8>, u64) {
    let why = format!("{client} is none of the clients that this cache serves");
    let mut response = Response::text(StatusCode::FORBIDDEN, &why);
    response.complete(via, Version::Http11, false, &mut LastDate::default());
    let mut out = Vec::new();
    response.head.write_to(&mut out);
    let head = out.len();
    if let Content::Text(text) = &response.content {
        out.extend_from_slice(text.as_bytes());
    }
    let content = out.len().saturating_sub(head) as u64;
    (out, content)
}

/// Closes a connection after reading what has come: bytes unread would make the close a reset.
fn close(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 4096]);
}

/// What one line says.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The request; none if it could not be read.
    pub request: Option<&'a RequestHead>,
    /// The status of the response.
    pub status: StatusCode,
    /// Bytes of content that were sent.
    pub sent: u64,
    /// How the cache took part in it.
    pub cache_status: Option<CacheStatus>,
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} - - [{}] \"",
            self.client.to_canonical(),
            HttpDate::of(SystemTime::now()).common_log()
        )?;
        match self.request {
            Some(request) => {
                let version = if request.version == Version::Http10 {
                    "1.0"
                } else {
                    "1.1"
                };
                write!(
                    f,
                    "{} {} HTTP/{version}",
                    request.method.as_str(),
                    Quoted(request.target.raw())
                )?;
            }
            None => f.write_str("-")?,
        }
        write!(f, "\" {} {}", self.status.code(), self.sent)?;
        for name in ["Referer", "User-Agent"] {
            let value = self
                .request
                .and_then(|request| request.fields.get(name))
                .unwrap_or(b"-");
            write!(f, " \"{}\"", Quoted(value))?;
        }
        match self.cache_status {
            Some(status) => write!(f, " {}", status.word()),
            None => f.write_str(" -"),
        }
    }
}

/// A client's bytes inside quotes, escaped so that they can end neither the quotes nor the line.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            match byte {
                b'"' | b'\\' | 0..=0x1f | 0x7f.. => write!(f, "\\x{byte:02X}")?,
                _ => write!(f, "{}", char::from(*byte))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A client's connection, and our side of it.
    fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        client.set_read_timeout(Some(QUIET)).unwrap();
        (client, ours)
    }

    #[test]
    fn who_is_refused_can_read_why_though_its_request_comes_later() {
        let (access, client) = (Access::new(Vec::new()), IpAddr::from([192, 0, 2, 7]));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (mut late, ours) = pair(&listener);
        access.refuse(ours, client, "1.1 test");
        late.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        late.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        assert!(answer.contains("Forbidden: 192.0.2.7 is "), "{answer}");
        // The socket is still there, or this would be answered with a reset.
        late.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(late.read(&mut [0]).unwrap(), 0);
        access.close_old(Instant::now());
        assert!(access.lingers());
        access.close_old(Instant::now() + QUIET);
        assert!(!access.lingers());
    }

    #[test]
    fn a_storm_of_refused_clients_is_bounded() {
        let (access, client) = (Access::new(Vec::new()), IpAddr::from([192, 0, 2, 7]));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        for _ in 0..LINGERING * 3 {
            let (mut theirs, ours) = pair(&listener);
            theirs.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            access.refuse(ours, client, "1.1 test");
            let mut answer = String::new();
            theirs.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
            assert!(lock(&access.refused).lingering.len() <= LINGERING);
        }
    }

    #[test]
    fn this_host_and_the_networks_named_are_served() {
        let network = |address: &str, bits| Network::new(address.parse().unwrap(), bits).unwrap();
        let access = Access::new(vec![
            network("192.168.0.0", Some(24)),
            network("::", Some(0)),
        ]);
        for (client, allowed) in [
            ("192.168.0.7", true),
            ("192.168.1.7", false),
            ("::ffff:192.168.0.7", true),
            ("::ffff:192.168.1.7", false),
            ("2001:db8::7", true),
            ("127.0.0.1", true),
            ("127.9.8.7", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
        ] {
            assert_eq!(access.allows(client.parse().unwrap()), allowed, "{client}");
        }
        assert!(Access::new(Vec::new()).allows("192.168.1.7".parse().unwrap()));
    }

    #[test]
    fn an_address_is_logged_once_a_minute_and_few_are() {
        let mut refused = Refused::default();
        let (now, later) = (Instant::now(), Instant::now() + QUIET);
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        assert!(refused.is_news(address(0), now) && !refused.is_news(address(0), now));
        let said = (1..=255).filter(|last| refused.is_news(address(*last), now));
        assert_eq!(said.count(), LOGGED - 1);
        assert!(refused.is_news(address(0), later) && refused.is_news(address(255), later));
    }
}

//! What every source of the tests stands on: it binds before it accepts, serves each connection on a thread,
//! reads requests, and closes its listener when it is dropped. What is answered is its owner's business.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request as received.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The method.
    pub method: String,
    /// The target, as sent.
    pub target: String,
    /// The field lines, names in lower case.
    pub fields: Vec<(String, String)>,
}

impl Recorded {
    fn parse(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.trim_end().split("\r\n");
        let mut words = lines.next()?.split(' ').map(str::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let fields = lines
            .map(|line| line.split_once(": "))
            .map(|field| field.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())))
            .collect::<Option<_>>()?;
        Some(Self {
            method,
            target,
            fields,
        })
    }

    /// The first field of that name (lower case).
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut same = self.fields.iter().filter(|(key, _)| key == name);
        same.next().map(|(_, value)| value.as_str())
    }

    /// Whether it is a HEAD.
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The first byte that its Range asks for, and the last.
    pub fn range(&self) -> Option<(usize, Option<usize>)> {
        let range = self.field("range")?.strip_prefix("bytes=")?;
        let (first, last) = range.split_once('-')?;
        Some((first.parse().unwrap(), last.parse().ok()))
    }
}

/// A request and the connection on which it is answered.
pub struct Exchange<'a> {
    /// What was asked.
    pub request: Recorded,
    /// How many requests came to the server before it.
    pub number: usize,
    stream: &'a mut TcpStream,
    shared: &'a Shared,
}

impl Exchange<'_> {
    /// Reads the last byte of the request. A socket that is closed before is reset, for one byte is unread.
    pub fn read_last(&mut self) -> io::Result<()> {
        self.stream.read_exact(&mut [0])
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a head with these field lines.
    pub fn send_head<T: AsRef<str>>(&mut self, status: &str, fields: &[T]) -> io::Result<()> {
        self.send(head_text(status, fields))
    }

    /// Sends a chunk; an empty one would be the last.
    pub fn send_chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        let size = format!("{:x}\r\n", bytes.len());
        self.send([size.as_bytes(), bytes, b"\r\n"].concat())
    }

    /// Says nothing more until the daemon closes.
    pub fn stall(&mut self) -> io::Result<()> {
        while self.stream.read(&mut [0; 256])? > 0 {}
        Ok(())
    }

    /// Sends a byte now and then until the daemon closes.
    pub fn drip(&mut self) -> io::Result<()> {
        loop {
            self.send(b"x")?;
            thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Something that must not be, which fails the test at its end.
    pub fn fault(&self, what: String) {
        self.shared.faults.lock().unwrap().push(what);
    }
}

/// A head of these field lines.
pub fn head_text<T: AsRef<str>>(status: &str, fields: &[T]) -> String {
    let lines = fields.iter().map(|line| format!("{}\r\n", line.as_ref()));
    format!("HTTP/1.1 {status}\r\n{}\r\n", lines.collect::<String>())
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    requests: AtomicUsize,
    busy: AtomicUsize,
    faults: Mutex<Vec<String>>,
    stopping: AtomicBool,
}

/// A server on a free loopback port; `Drop` fails the test after a bad request or a fault.
pub struct Server {
    address: SocketAddr,
    limit: Duration,
    shared: Arc<Shared>,
}

impl Server {
    /// Binds, then starts to accept. `answer` says whether the connection is kept for another request; no
    /// wait on it is longer than `limit`.
    pub fn start(
        limit: Duration,
        answer: impl Fn(&mut Exchange) -> io::Result<bool> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::start_on(listener, limit, answer)
    }

    /// The same on a socket that is bound already.
    pub fn start_on(
        listener: TcpListener,
        limit: Duration,
        answer: impl Fn(&mut Exchange) -> io::Result<bool> + Send + Sync + 'static,
    ) -> Self {
        let (address, shared) = (listener.local_addr().unwrap(), Arc::<Shared>::default());
        let (accepting, answer) = (Arc::clone(&shared), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.stopping.load(Ordering::SeqCst) {
                    return;
                }
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, answer) = (Arc::clone(&accepting), Arc::clone(&answer));
                // The daemon may hang up whenever it likes.
                thread::spawn(move || shared.serve(stream, limit, &*answer).unwrap_or_default());
            }
        });
        Self {
            address,
            limit,
            shared,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were accepted until now.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many requests came until now.
    pub fn asked(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Whether no answer is being given.
    pub fn is_quiet(&self) -> bool {
        self.shared.busy.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread in accept, which closes the listener.
        let _ = TcpStream::connect_timeout(&self.address, self.limit);
        let faults = std::mem::take(&mut *self.shared.faults.lock().unwrap());
        assert!(
            faults.is_empty() || thread::panicking(),
            "a source of the test: {faults:?}"
        );
    }
}

impl Shared {
    /// Answers requests until an answer, or the daemon, ends the connection.
    fn serve(
        &self,
        mut stream: TcpStream,
        limit: Duration,
        answer: &dyn Fn(&mut Exchange) -> io::Result<bool>,
    ) -> io::Result<()> {
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        stream.set_nodelay(true)?;
        while let Some(head) = read_head(&mut stream)? {
            let Some(request) = Recorded::parse(&head) else {
                let head = String::from_utf8_lossy(&head).into_owned();
                self.faults
                    .lock()
                    .unwrap()
                    .push(format!("a bad request: {head}"));
                return Ok(());
            };
            let number = self.requests.fetch_add(1, Ordering::SeqCst);
            self.busy.fetch_add(1, Ordering::SeqCst);
            let kept = answer(&mut Exchange {
                request,
                number,
                stream: &mut stream,
                shared: self,
            });
            self.busy.fetch_sub(1, Ordering::SeqCst);
            if !kept? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Reads a head up to its last byte, which stays; none at the end of the stream.
fn read_head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.extend(byte);
    }
    Ok(Some(head))
}

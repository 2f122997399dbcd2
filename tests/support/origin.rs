//! A scripted origin. Each path has plans, used one by one; the last one stays. A path without a
//! plan is 404. Static files keep the connection; a script closes it, unless its last step is `Keep`.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

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
    pub fn pass(&self) -> bool {
        let open = self.0.0.lock().unwrap();
        *self
            .0
            .1
            .wait_timeout_while(open, LIMIT, |open| !*open)
            .unwrap()
            .0
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
    /// Resets the connection.
    Reset,
    /// Keeps the connection for another request.
    Keep,
}

/// What an origin does in answer to one request; then it closes.
pub type Script = Vec<Step>;

/// A response head with these field lines.
pub fn head(status: &str, fields: &[&str]) -> Step {
    let lines: String = fields.iter().map(|line| format!("{line}\r\n")).collect();
    Step::Send(format!("HTTP/1.1 {status}\r\n{lines}\r\n").into_bytes())
}

/// A whole response with Content-Length, closed after.
pub fn reply(status: &str, fields: &[&str], body: &[u8]) -> Script {
    let length = format!("Content-Length: {}", body.len());
    let fields = [&[length.as_str(), "Connection: close"], fields].concat();
    vec![head(status, &fields), Step::Send(body.to_vec())]
}

/// A plain 200 with Last-Modified.
pub fn ok(body: &[u8]) -> Script {
    reply("200 OK", &[&format!("Last-Modified: {MODIFIED}")], body)
}

/// A 200 of HTTP/1.0 whose content ends with the connection.
pub fn close_delimited(body: &[u8]) -> Script {
    vec![
        Step::Send(b"HTTP/1.0 200 OK\r\n\r\n".to_vec()),
        Step::Send(body.to_vec()),
    ]
}

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
        self.fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

#[derive(Clone)]
enum Plan {
    File(Arc<Vec<u8>>),
    Script(Script),
}

#[derive(Default)]
struct State {
    plans: HashMap<String, VecDeque<Plan>>,
    requests: Vec<Recorded>,
    connections: usize,
    faults: Vec<String>,
    stopping: bool,
}

/// A server on a free loopback port; `Drop` fails the test if a script could not be followed.
pub struct Origin {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Origin {
    /// Binds, then starts to accept.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let state = Arc::clone(&origin.state);
        thread::spawn(move || accept(&listener, &state));
        origin
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves a static file with Last-Modified from now on.
    pub fn file(&self, target: &str, body: &[u8]) {
        self.plan(target, Plan::File(Arc::new(body.to_vec())));
    }

    /// Answers one more request for a target by a script; the last script stays.
    pub fn script(&self, target: &str, script: Script) {
        self.plan(target, Plan::Script(script));
    }

    /// How many requests there were for a target.
    pub fn count(&self, target: &str) -> usize {
        self.lock()
            .requests
            .iter()
            .filter(|request| request.target == target)
            .count()
    }

    /// Every request until now.
    pub fn requests(&self) -> Vec<Recorded> {
        self.lock().requests.clone()
    }

    /// How many connections were accepted until now.
    pub fn connections(&self) -> usize {
        self.lock().connections
    }

    fn plan(&self, target: &str, plan: Plan) {
        self.lock()
            .plans
            .entry(target.to_owned())
            .or_default()
            .push_back(plan);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        self.lock().stopping = true;
        // Wakes the thread in accept, which closes the listener.
        let _ = TcpStream::connect_timeout(&self.address, LIMIT);
        let faults = std::mem::take(&mut self.lock().faults);
        assert!(faults.is_empty(), "the origin's script failed: {faults:?}");
    }
}

fn accept(listener: &TcpListener, state: &Arc<Mutex<State>>) {
    for stream in listener.incoming().flatten() {
        {
            let mut state = state.lock().unwrap();
            if state.stopping {
                return;
            }
            state.connections += 1;
        }
        let state = Arc::clone(state);
        thread::spawn(move || {
            // The daemon may hang up whenever it likes.
            let _ = serve(stream, &state);
        });
    }
}

/// Answers requests until a script, or the daemon, ends the connection.
fn serve(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.set_nodelay(true)?;
    loop {
        let head = read_head(&mut stream)?;
        let (plan, method) = {
            let mut state = state.lock().unwrap();
            let Some(request) = Recorded::parse(&head) else {
                state
                    .faults
                    .push(format!("a bad request: {}", String::from_utf8_lossy(&head)));
                return Ok(());
            };
            let method = request.method.clone();
            let plan = match state.plans.get_mut(&request.target) {
                None => Plan::Script(reply("404 Not Found", &[], b"no such file\n")),
                Some(plans) if plans.len() > 1 => plans.pop_front().unwrap(),
                Some(plans) => plans[0].clone(),
            };
            state.requests.push(request);
            (plan, method)
        };
        match plan {
            Plan::File(body) => {
                stream.read_exact(&mut [0])?;
                send_file(&mut stream, &method, &body)?;
            }
            Plan::Script(script) => {
                if !run(&mut stream, script, state)? {
                    return Ok(());
                }
            }
        }
    }
}

/// Reads a head up to its last byte, which stays: a socket closed with bytes unread is reset.
fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(head)
}

fn send_file(stream: &mut TcpStream, method: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    stream.write_all(
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nLast-Modified: {MODIFIED}\r\n\r\n")
            .as_bytes(),
    )?;
    if method == "HEAD" {
        Ok(())
    } else {
        stream.write_all(body)
    }
}

/// Runs a script; true if the connection is kept.
fn run(stream: &mut TcpStream, script: Script, state: &Mutex<State>) -> io::Result<bool> {
    if !script.iter().any(|step| matches!(step, Step::Reset)) {
        stream.read_exact(&mut [0])?;
    }
    for step in script {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes)?,
            Step::Chunk(bytes) => {
                let size = format!("{:x}\r\n", bytes.len());
                stream.write_all(&[size.as_bytes(), &bytes, b"\r\n"].concat())?;
            }
            Step::Open(gate) => gate.open(),
            Step::LastChunk => stream.write_all(b"0\r\n\r\n")?,
            Step::Wait(gate) => {
                if !gate.pass() {
                    state
                        .lock()
                        .unwrap()
                        .faults
                        .push("a gate stayed closed".to_owned());
                }
            }
            Step::Stall => while stream.read(&mut [0; 256])? > 0 {},
            Step::Reset => return Ok(false),
            Step::Keep => return Ok(true),
        }
    }
    Ok(false)
}

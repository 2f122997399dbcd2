//! A scripted origin. Each path has plans, used one by one; the last one stays. A path without a
//! plan is 404. Static files keep the connection; a script closes it, unless its last step is `Keep`.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::script::{missing, modified};
use super::{Exchange, LIMIT, Recorded, Script, Server, Step};

#[derive(Clone)]
enum Plan {
    File(Arc<Vec<u8>>),
    Script(Script),
}

#[derive(Default)]
struct State {
    plans: HashMap<String, VecDeque<Plan>>,
    requests: Vec<Recorded>,
}

/// A source that does what a test tells it, and records what it was asked.
pub struct Origin {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Origin {
    /// Binds, then starts to accept.
    pub fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let answering = Arc::clone(&state);
        let answer = move |exchange: &mut Exchange| {
            let plan = answering.lock().unwrap().next(&exchange.request);
            match plan {
                Plan::File(body) => send_file(exchange, &body),
                Plan::Script(script) => run(exchange, script),
            }
        };
        Self {
            server: Server::start(LIMIT, answer),
            state,
        }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
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
        let state = self.state.lock().unwrap();
        let same = |request: &&Recorded| request.target == target;
        state.requests.iter().filter(same).count()
    }

    /// Every request until now.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.lock().unwrap().requests.clone()
    }

    /// How many connections were accepted until now.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    fn plan(&self, target: &str, plan: Plan) {
        let mut state = self.state.lock().unwrap();
        let plans = state.plans.entry(target.to_owned()).or_default();
        plans.push_back(plan);
    }
}

impl State {
    /// Records a request and says what to do.
    fn next(&mut self, request: &Recorded) -> Plan {
        self.requests.push(request.clone());
        match self.plans.get_mut(&request.target) {
            None => Plan::Script(missing()),
            Some(plans) if plans.len() > 1 => plans.pop_front().unwrap(),
            Some(plans) => plans[0].clone(),
        }
    }
}

fn send_file(exchange: &mut Exchange, body: &[u8]) -> io::Result<bool> {
    exchange.read_last()?;
    let length = format!("Content-Length: {}", body.len());
    exchange.send_head("200 OK", &[length, modified()])?;
    if !exchange.request.is_head() {
        exchange.send(body)?;
    }
    Ok(true)
}

/// Runs a script; true if the connection is kept.
fn run(exchange: &mut Exchange, script: Script) -> io::Result<bool> {
    if !script.iter().any(|step| matches!(step, Step::Reset)) {
        exchange.read_last()?;
    }
    for step in script {
        match step {
            Step::Send(bytes) => exchange.send(bytes)?,
            Step::Chunk(bytes) => exchange.send_chunk(&bytes)?,
            Step::LastChunk => exchange.send_chunk(b"")?,
            Step::Wait(gate) if !gate.wait_open() => {
                exchange.fault("a gate stayed closed".to_owned());
            }
            Step::Wait(_) => {}
            Step::Open(gate) => gate.open(),
            Step::Stall => exchange.stall()?,
            Step::Drip => exchange.drip()?,
            Step::Reset => return Ok(false),
            Step::Keep => return Ok(true),
        }
    }
    Ok(false)
}

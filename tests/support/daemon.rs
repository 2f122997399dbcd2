//! The program under test, started as a user would start it, with its log at hand.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::program::{PROGRAM, UNSET};
use super::{CacheDir, Client, LIMIT, Response};

/// A daemon to be started: `Daemon::on(&cache).source(url).start()`.
#[must_use]
pub struct Setup {
    command: Command,
}

impl Setup {
    /// Adds a source.
    pub fn source(self, url: impl AsRef<OsStr>) -> Self {
        self.arg("--source").arg(url)
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Lowers limits: `idle_ms=300,head_ms=300`.
    pub fn limits(self, list: &str) -> Self {
        self.env("PACKAGE_CACHE_LIMITS", list)
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts the daemon from a shell, after `prelude` (`ulimit -f 8`) has taken effect.
    pub fn after(mut self, prelude: &str) -> Self {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{prelude}; exec \"$0\" \"$@\""))
            .arg(PROGRAM);
        command.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.command = command;
        self
    }

    /// Starts it and waits until it listens.
    pub fn start(mut self) -> Daemon {
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let lines = BufReader::new(child.stderr.take().unwrap());
        let drained = Arc::clone(&log);
        thread::spawn(move || drained.drain(lines));
        // Made before the first wait, so that a daemon that never listens is killed all the same.
        let mut daemon = Daemon {
            child,
            log,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let line = daemon.wait_for_log("listening on http://");
        let address = line.split("http://").nth(1).unwrap().trim_end_matches('/');
        daemon.address = address
            .parse()
            .unwrap_or_else(|_| panic!("no address in {line:?}"));
        daemon
    }
}

/// A running daemon; `Drop` kills it, and shows its log if the test has failed.
pub struct Daemon {
    child: Child,
    address: SocketAddr,
    log: Arc<Log>,
}

impl Daemon {
    /// A daemon on a cache directory, a free port and no source.
    pub fn on(cache: &CacheDir) -> Setup {
        let mut command = Command::new(PROGRAM);
        for name in UNSET {
            command.env_remove(name);
        }
        let path: PathBuf = cache.path();
        command
            .args(["--host", "127.0.0.1", "--port", "0", "--cache"])
            .arg(path);
        Setup { command }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new connection.
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// A new connection on which a file was asked for.
    pub fn begin(&self, target: &str) -> Client {
        let mut client = self.client();
        client.ask("GET", target, &[]);
        client
    }

    /// The whole answer to a GET on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.ask("GET", target, &[])
    }

    /// The whole answer to a request on a connection of its own.
    #[track_caller]
    pub fn ask(&self, method: &str, target: &str, fields: &[&str]) -> Response {
        let fields = [fields, &["Connection: close"]].concat();
        self.client().ask(method, target, &fields).answer()
    }

    /// Waits for a log line that contains `text`, past lines included.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> String {
        let (lines, found) = self
            .log
            .wait(|lines| lines.iter().any(|line| line.contains(text)));
        let line = lines.into_iter().find(|line| line.contains(text));
        line.filter(|_| found)
            .unwrap_or_else(|| panic!("no log line with {text:?}"))
    }

    /// The log lines until now that contain `text`.
    pub fn logged(&self, text: &str) -> Vec<String> {
        let lines = &self.log.state.lock().unwrap().0;
        lines
            .iter()
            .filter(|line| line.contains(text))
            .cloned()
            .collect()
    }

    /// Waits until every thread of it sleeps: what they did for the last answers is done.
    pub fn wait_idle(&self) {
        self.wait_for_state("the daemon is idle", " S");
    }

    /// Waits until a SIGSTOP has halted it.
    pub fn wait_halted(&self) {
        self.wait_for_state("the daemon is halted", " T");
    }

    #[track_caller]
    fn wait_for_state(&self, what: &str, state: &str) {
        let tasks = format!("/proc/{}/task", self.child.id());
        let there = |task: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
            // A thread that has ended meanwhile does nothing any more.
            stat.map_or(true, |stat| {
                stat.rsplit(')').next().unwrap().starts_with(state)
            })
        };
        super::wait_until(what, || std::fs::read_dir(&tasks).unwrap().all(there));
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        let tasks = format!("/proc/{}/task", self.child.id());
        std::fs::read_dir(tasks).unwrap().count()
    }

    /// How much memory it has written to and keeps, in KiB.
    pub fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let mut lines = status.lines();
        let anonymous = lines.find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = anonymous.unwrap().trim().trim_end_matches(" kB");
        kib.parse().unwrap()
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        let open = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(open).unwrap().count()
    }

    /// From here on it can open no more descriptors than it has open now.
    pub fn allow_no_more_descriptors(&self) {
        let id = self.child.id();
        let is_free = |number: &u32| !Path::new(&format!("/proc/{id}/fd/{number}")).exists();
        let free = (0..).find(is_free).unwrap();
        let mut limit = Command::new("prlimit");
        limit.args([format!("--pid={id}"), format!("--nofile={free}:")]);
        assert!(limit.status().unwrap().success(), "{limit:?}");
    }

    /// The processes that it has started and not reaped, with their states: `S`, `Z`.
    pub fn children(&self) -> Vec<(u32, char)> {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let own = self.child.id().to_string();
        let children = ids.filter_map(|id: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            let mut rest = stat.rsplit(')').next()?.split_whitespace();
            let (state, parent) = (rest.next()?, rest.next()?);
            (parent == own).then_some((id, state.chars().next()?))
        });
        children.collect()
    }

    /// Waits until it has no process any more, dead or alive.
    #[track_caller]
    pub fn wait_childless(&self) {
        super::wait_until("no helper is left", || self.children().is_empty());
    }

    /// Sends a signal: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {id}")])
            .status();
        assert!(status.unwrap().success(), "kill -{name} {id}");
    }

    /// Waits for the daemon to end by itself.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        // Its end closes the log.
        self.log.wait_end();
        self.child.wait().unwrap()
    }

    /// Ends it at once, as `kill -9` and a power failure do.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let lines = &self.log.state.lock().unwrap().0;
            eprintln!("the daemon's log:\n  {}", lines.join("\n  "));
        }
    }
}

/// The log lines until now, and whether the log has ended.
#[derive(Default)]
struct Log {
    state: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Log {
    /// Takes lines until the daemon closes its end, so that it never waits for us.
    fn drain(&self, mut lines: impl BufRead) {
        loop {
            let mut line = Vec::new();
            let more = lines
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0);
            let mut state = self.state.lock().unwrap();
            if more {
                state
                    .0
                    .push(String::from_utf8_lossy(&line).trim_end().to_owned());
            } else {
                state.1 = true;
            }
            self.changed.notify_all();
            if !more {
                return;
            }
        }
    }

    /// Waits for the lines to satisfy `holds`, or for the log's end.
    fn wait(&self, holds: impl Fn(&[String]) -> bool) -> (Vec<String>, bool) {
        let state = self.state.lock().unwrap();
        let waiting = |state: &mut (Vec<String>, bool)| !holds(&state.0) && !state.1;
        let state = self
            .changed
            .wait_timeout_while(state, LIMIT, waiting)
            .unwrap()
            .0;
        (state.0.clone(), holds(&state.0))
    }

    #[track_caller]
    fn wait_end(&self) {
        let state = self.state.lock().unwrap();
        let ended = self
            .changed
            .wait_timeout_while(state, LIMIT, |state| !state.1)
            .unwrap()
            .0
            .1;
        assert!(ended, "the daemon did not end within {LIMIT:?}");
    }
}

//! package-cache: a caching HTTP proxy for package downloads that streams while it stores.
//!
//! `main` maps a result to an exit status; `serve` is the program. The module map is in the README.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod access;
mod ages;
mod answer;
mod cache;
mod cache_path;
mod checks;
mod cli;
mod clock;
mod connect;
mod connection;
mod cull;
mod download;
mod fetch;
mod glob;
mod http;
mod job;
mod lead;
mod limits;
mod lock;
mod log;
mod modified;
mod origin;
mod outlet;
mod partial;
mod poller;
mod proof;
mod proxy;
mod reading;
mod ring;
mod send;
mod server;
mod slots;
mod store;
mod sweep;
mod sys;
mod transfer;
mod upstream;
mod wire;
mod workers;

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::cache::Cache;
use crate::cli::{Command, Options};
use crate::limits::{limits, ms};
use crate::log::{Level, Sink};
use crate::proxy::Proxy;
use crate::server::Server;
use crate::slots::Slots;
use crate::store::{MinFree, Store};
use crate::upstream::Upstream;

/// Descriptors kept for the cache, the log and the sources beside three per connection.
const SPARE_DESCRIPTORS: u64 = 64;

fn main() -> ExitCode {
    match cli::parse(env::args_os().skip(1)) {
        Ok(Command::Help) => print(&cli::usage()),
        Ok(Command::CullHelp) => print(&cli::cull_usage()),
        Ok(Command::Version) => print(&cli::version()),
        Ok(Command::Serve(options)) => run(&options, serve),
        Ok(Command::Check(options)) => run(&options, check),
        Ok(Command::Cull(options)) => match cull::cull(&options) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(why) => {
                complain(&why);
                ExitCode::FAILURE
            }
        },
        Err(usage) => {
            // A service has nobody who reads its stderr.
            let syslog = env::args_os().any(|arg| arg == "--syslog");
            if syslog {
                log::init(Level::Notice, Sink::Syslog);
            }
            fail(&usage.to_string(), syslog);
            ExitCode::from(2)
        }
    }
}

/// Runs the program with its log; a failure is one line on stderr, and in syslog if that is used.
fn run(options: &Options, program: fn(&Options) -> Result<(), String>) -> ExitCode {
    let most = match options.verbosity {
        0 => Level::Notice,
        1 => Level::Info,
        _ => Level::Debug,
    };
    // Before any other thread: all of them inherit it.
    let blocked = sys::block_signals();
    log::init(
        most,
        if options.syslog {
            Sink::Syslog
        } else {
            Sink::Stderr
        },
    );
    let result = blocked
        .map_err(|cause| format!("cannot block signals: {cause}"))
        .and_then(|()| program(options));
    log::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            fail(&why, options.syslog);
            ExitCode::FAILURE
        }
    }
}

/// Says on stderr, and in the log if that is syslog, why the program cannot run.
fn fail(why: &str, syslog: bool) {
    if syslog {
        log::error!("{why}");
        log::flush();
    }
    complain(why);
}

/// Serves until a signal says stop.
fn serve(options: &Options) -> Result<(), String> {
    let proxy = proxy_of_environment()?;
    let store = Arc::new(open_store(options)?);
    let upstream = Upstream::new(options.sources.clone(), proxy, options.timeout);
    let cache = Cache::new(
        Arc::clone(&store),
        upstream,
        options.revalidate.clone(),
        pseudonym(),
    );
    let server = Server::bind(&options.host, options.port)?;
    let slots = Slots::new(connections(options.max_connections));
    server
        .start(&cache, &slots)
        .map_err(|cause| format!("cannot serve: {cause}"))?;
    for address in server.addresses() {
        log::notice!("listening on http://{address}/");
    }
    if options.sources.is_empty() {
        log::notice!(
            "no --source: only what is in {} is served",
            store.root().display()
        );
    }
    sweep_in_background(&store);
    await_stop(server, &slots, &cache, &store);
    Ok(())
}

/// `--check`: what `serve` would stumble over, without making anything.
fn check(options: &Options) -> Result<(), String> {
    proxy_of_environment()?;
    let cache = &options.cache;
    let unusable = |cause: std::io::Error| unusable(cache, &cause);
    let dir = match store::check_root(cache, options.cache_is_default()) {
        Ok(()) => cache.as_path(),
        Err(cause) if is_missing(cache, &cause) => existing_parent(cache).map_err(unusable)?,
        Err(cause) => return Err(unusable(cause)),
    };
    // Without sources nothing is ever stored.
    if !options.sources.is_empty() || dir != cache {
        store::check_writable(dir).map_err(unusable)?;
    }
    Server::bind(&options.host, options.port).map(drop)
}

/// Whether nothing is there, not even a link that leads nowhere.
fn is_missing(cache: &Path, cause: &std::io::Error) -> bool {
    cause.kind() == std::io::ErrorKind::NotFound && store::itself(cache).symlink_metadata().is_err()
}

/// The directory in which a missing cache directory would be made.
fn existing_parent(cache: &Path) -> std::io::Result<&Path> {
    let parent = cache.ancestors().skip(1).find(|dir| dir.exists());
    let parent = parent.unwrap_or(Path::new("."));
    if parent.is_dir() {
        Ok(parent)
    } else {
        Err(std::io::ErrorKind::NotADirectory.into())
    }
}

fn open_store(options: &Options) -> Result<Store, String> {
    let min_free = options.min_free.map_or(MinFree::Default, MinFree::Bytes);
    Store::open(&options.cache, options.cache_is_default(), min_free)
        .map_err(|cause| unusable(&options.cache, &cause))
}

fn unusable(cache: &Path, cause: &std::io::Error) -> String {
    // What the kernel refuses, unlike what we refuse, another owner or mode can cure.
    let remedy = match cause.raw_os_error() {
        Some(_) if cause.kind() == std::io::ErrorKind::PermissionDenied => {
            if cache.exists() {
                "let the user of this process write to it, or name another with --cache"
            } else {
                "make it for the user of this process, or name another with --cache"
            }
        }
        _ => "name another with --cache",
    };
    format!(
        "cannot use the cache directory {}: {cause}; {remedy}",
        cache.display()
    )
}

/// The proxy that the environment names, as curl and the original read it.
fn proxy_of_environment() -> Result<Proxy, String> {
    let value = |names: [&str; 2]| names.into_iter().find_map(|name| env::var(name).ok());
    let http_proxy = value(["http_proxy", "HTTP_PROXY"]);
    let no_proxy = value(["no_proxy", "NO_PROXY"]);
    Proxy::new(http_proxy.as_deref(), no_proxy.as_deref()).map_err(|why| {
        format!(
            "http_proxy={}: {why}; set http_proxy=http://HOST:PORT or unset it",
            http_proxy.unwrap_or_default()
        )
    })
}

/// Our name in Via, drawn anew at each start so that chained caches can tell each other apart.
fn pseudonym() -> String {
    let random = RandomState::new().hash_one(std::process::id());
    format!("{}{:08x}", http::via::PREFIX, random & 0xffff_ffff)
}

/// How many connections the descriptors allow: each may need its socket, a file and a source.
fn connections(asked: usize) -> usize {
    let descriptors = sys::raise_descriptor_limit().unwrap_or(1024);
    let allowed = usize::try_from(descriptors.saturating_sub(SPARE_DESCRIPTORS) / 3)
        .unwrap_or(usize::MAX)
        .max(16);
    if allowed < asked {
        log::warning!(
            "{allowed} connections at once instead of {asked}: the limit is {descriptors} open files; raise it (ulimit -n) or lower --max-connections"
        );
    }
    asked.min(allowed)
}

/// Removes what killed processes left, while requests are served already.
fn sweep_in_background(store: &Arc<Store>) {
    let store = Arc::clone(store);
    let thread = thread::Builder::new().name("sweep".into());
    let spawned = thread.spawn(move || {
        let swept = sweep::sweep(store.root());
        if swept > 0 {
            log::info!("swept {swept} leftovers in {}", store.root().display());
        }
    });
    if let Err(cause) = spawned {
        log::warning!("leftovers of a killed process are not swept: no thread: {cause}");
    }
}

/// Waits for a signal, then lets running answers finish; a second signal ends the wait.
fn await_stop(server: Server, slots: &Slots, cache: &Cache, store: &Arc<Store>) {
    let first = sys::wait_signal();
    log::notice!("signal {first}: stopping; running answers may finish");
    let at_once = Arc::clone(store);
    let second = thread::Builder::new().name("signal".into()).spawn(move || {
        sys::wait_signal();
        at_once.abandon();
        std::process::exit(0);
    });
    if let Err(cause) = second {
        log::warning!("a second signal will not be heard: no thread: {cause}");
    }
    let deadline = Instant::now() + ms(limits().grace_ms);
    // The flag first: a poller that wakes must know why.
    slots.begin_stop();
    server.stop();
    let left = || deadline.saturating_duration_since(Instant::now());
    if !slots.drain(left()) {
        log::warning!("answers that still ran were cut off");
    }
    // What is there whole, and lacks but its name, would be fetched again.
    cache.settle(left());
    store.abandon();
}

/// Prints to stdout; a closed one is no failure of ours.
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end());
    ExitCode::SUCCESS
}

fn complain(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "package-cache: {why}");
}

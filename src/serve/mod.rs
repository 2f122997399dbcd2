//! Serve: what the program does when no other command is given, from its options to its end.
//!
//! Rules: what can be found out before serving is, and is one line that names the value and the remedy.
//! `--check` finds out the same and creates nothing. At a stop running responses may finish.
//!
//! Not here: the exit status (`main`), accepting and serving (`listener`, `poller`, `connection`).

mod access;
mod close;
mod connection;
mod content;
mod found;
mod lead;
mod listener;
mod poller;
mod question;
mod relay;
mod response;
mod sender;
mod status;
mod view;

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cache::{Cache, Glob};
use crate::http::{via, without_user_info};
use crate::log::{self, Level, Sink};
use crate::manifests::{self, Live};
use crate::net::Network;
use crate::net::clients::Clients;
use crate::net::tls::{self, Helpers};
use crate::stats::Stats;
use crate::store::{self, MinFree, Store, walk};
use crate::sys::calls;
use crate::sys::limits::{limits, ms};
use crate::sys::thread;
use crate::upstream::{Proxy, Source, Upstream};
use access::Access;
use listener::Listener;

/// Descriptors kept back for the cache, the log and connections to sources; each client connection counts
/// three.
const SPARE_DESCRIPTORS: u64 = 64;

/// What the command line says, defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The mirrors, in the order given.
    pub sources: Vec<Source>,
    /// The cache directory.
    pub cache: PathBuf,
    /// The name or address to listen on, an IPv6 address without brackets.
    pub host: String,
    /// The port to listen on; 0 picks a free one.
    pub port: u16,
    /// The least important events that are logged.
    pub level: Level,
    /// Where the log goes.
    pub sink: Sink,
    /// Patterns of paths whose files change at the sources (`--revalidate`).
    pub revalidate: Vec<Glob>,
    /// Ebuild repositories whose Manifests say what distfiles are (`--manifests`).
    pub manifests: Vec<PathBuf>,
    /// The longest silence tolerated from a source, 1 to 86,400 s.
    pub timeout: Duration,
    /// The free space that storing must leave (`--min-free`).
    pub min_free: MinFree,
    /// Client connections served at once, 1 to 10,000.
    pub max_connections: usize,
    /// The clients that are served beside this host; none: all.
    pub allow: Vec<Network>,
    /// Whether status, metrics and health are shown.
    pub status: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            cache: PathBuf::from(store::DEFAULT_ROOT),
            host: String::from("localhost"),
            port: 4000,
            level: Level::Notice,
            sink: Sink::Stderr,
            revalidate: Vec::new(),
            manifests: Vec::new(),
            timeout: Duration::from_secs(30),
            min_free: MinFree::Default,
            max_connections: 1024,
            allow: Vec::new(),
            status: true,
        }
    }
}

/// Serves until a signal says stop.
///
/// # Errors
/// Why it cannot run, with the remedy.
pub fn serve(options: &Options) -> Result<(), String> {
    logged(options, run)
}

/// `--check`: validates what serving needs.
///
/// # Errors
/// What is wrong, with the remedy.
pub fn check(options: &Options) -> Result<(), String> {
    logged(options, examine)
}

/// Runs a command with signals blocked and the log started. With `--syslog` the reason of a failure goes there
/// too.
fn logged(options: &Options, command: fn(&Options) -> Result<(), String>) -> Result<(), String> {
    // Before any thread is started, since threads inherit it.
    let blocked = calls::block_signals();
    log::init(options.level, options.sink);
    let result = blocked
        .map_err(|cause| format!("cannot block signals: {cause}"))
        .and_then(|()| command(options));
    if let Err(why) = &result
        && options.sink == Sink::Syslog
    {
        log::error!("{why}");
    }
    log::flush();
    result
}

/// Serves until a signal; the log is started.
fn run(options: &Options) -> Result<(), String> {
    let proxy = proxy_of_environment()?;
    check_helper(options)?;
    let helpers = Arc::<Helpers>::default();
    let sources = options.sources.iter();
    let stats = Stats::new(sources.map(|source| (source.name.clone(), source.url.to_string())));
    let store = Arc::new(open_store(options, &stats)?);
    let (sources, timeout) = (options.sources.clone(), options.timeout);
    let upstream = Upstream::new(sources, proxy, timeout, stats, Arc::clone(&helpers));
    manifests::check(&options.manifests)?;
    let manifests = Live::new(options.manifests.clone());
    let cache = Cache::new(
        Arc::clone(&store),
        upstream,
        options.revalidate.clone(),
        Arc::clone(&manifests),
        pseudonym(),
    );
    let listener = Listener::bind(&options.host, options.port)?;
    let clients = Clients::new(connections(options));
    let access = Arc::new(Access::new(options.allow.clone()));
    listener
        .start(&cache, &clients, &access, options.status)
        .map_err(|cause| format!("cannot serve: {cause}"))?;
    for address in listener.addresses() {
        log::notice!("listening on http://{address}/");
    }
    if options.sources.is_empty() {
        log::notice!(
            "no --source: only what is in {} is served",
            store.root().display()
        );
    }
    for dir in &options.manifests {
        let dir = dir.display();
        log::notice!("distfiles must be what the Manifests of {dir} say");
    }
    manifests.follow();
    // Without sources nothing is ever stored.
    tend_in_background(&store, !options.sources.is_empty());
    await_stop(listener, &clients, &cache, &store, &helpers);
    Ok(())
}

/// What would keep `run` from serving, found out without creating anything.
fn examine(options: &Options) -> Result<(), String> {
    proxy_of_environment()?;
    check_helper(options)?;
    manifests::check(&options.manifests)?;
    let cache = &options.cache;
    let unusable = |cause: io::Error| unusable(cache, &cause);
    let dir = match store::check_root(cache, store::is_default_root(&options.cache)) {
        Ok(()) => cache.as_path(),
        Err(cause) if is_missing(cache, &cause) => place_for(cache).map_err(unusable)?,
        Err(cause) => return Err(unusable(cause)),
    };
    // Without sources nothing is ever stored.
    if !options.sources.is_empty() || dir != cache {
        store::check_writable(dir).map_err(unusable)?;
    }
    Listener::bind(&options.host, options.port).map(drop)
}

/// Whether there is nothing at the path, not even a link that leads nowhere.
fn is_missing(cache: &Path, cause: &io::Error) -> bool {
    cause.kind() == ErrorKind::NotFound && store::itself(cache).symlink_metadata().is_err()
}

/// The nearest existing directory above a missing cache directory, if directories with the missing names can be
/// made in it.
fn place_for(cache: &Path) -> io::Result<&Path> {
    let parent = cache.ancestors().skip(1).find(|dir| dir.exists());
    let parent = parent.unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    // The kernel stops at the first missing name and does not check the length of later ones.
    for name in cache.strip_prefix(parent).unwrap_or(cache) {
        match parent.join(name).symlink_metadata() {
            Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
    }
    Ok(parent)
}

fn open_store(options: &Options, stats: &Arc<Stats>) -> Result<Store, String> {
    let private = store::is_default_root(&options.cache);
    Store::open(&options.cache, private, options.min_free, Arc::clone(stats))
        .map_err(|cause| unusable(&options.cache, &cause))
}

fn unusable(cache: &Path, cause: &io::Error) -> String {
    // A refusal by the kernel, unlike one of our own, can be cured by another owner or mode.
    let remedy = match cause.raw_os_error() {
        Some(_) if cause.kind() == ErrorKind::PermissionDenied => {
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

/// The proxies that the environment names, as curl and the original read it.
fn proxy_of_environment() -> Result<Proxy, String> {
    let value = |names: [&str; 2]| names.into_iter().find_map(|name| env::var(name).ok());
    let http = value(["http_proxy", "HTTP_PROXY"]);
    let https = value(["https_proxy", "HTTPS_PROXY"]);
    let no_proxy = value(["no_proxy", "NO_PROXY"]);
    let proxy = Proxy::new(http.as_deref(), https.as_deref(), no_proxy.as_deref());
    proxy.map_err(|(name, why)| {
        let value = if name == "http_proxy" { http } else { https };
        let value = without_user_info(&value.unwrap_or_default());
        format!("{name}={value}: {why}; set {name}=http://HOST:PORT or unset it")
    })
}

/// Whether the program that speaks TLS is there, if a source needs it.
fn check_helper(options: &Options) -> Result<(), String> {
    match options.sources.iter().find(|source| source.url.is_tls()) {
        Some(source) if !tls::is_available() => Err(format!(
            "--source {}: {}, or name the mirror's http:// address",
            source.url,
            tls::MISSING
        )),
        _ => Ok(()),
    }
}

/// Our name in Via. It is random at each start, so that several caches in a chain have different ones.
fn pseudonym() -> String {
    let random = RandomState::new().hash_one(std::process::id());
    format!("{}{:08x}", via::PREFIX, random & 0xffff_ffff)
}

/// How many connections the limit on open files allows: each may need a socket, a file and a source. A helper that
/// speaks TLS has two descriptors here, and two more while it is started.
fn connections(options: &Options) -> usize {
    let asked = options.max_connections;
    let descriptors = calls::raise_descriptor_limit().unwrap_or(1024);
    let speaks_tls = options.sources.iter().any(|source| source.url.is_tls());
    let spare = match speaks_tls {
        true => SPARE_DESCRIPTORS + 2 * limits().helpers,
        false => SPARE_DESCRIPTORS,
    };
    let allowed = usize::try_from(descriptors.saturating_sub(spare) / 3)
        .unwrap_or(usize::MAX)
        .max(16);
    if allowed < asked {
        log::warning!(
            "{allowed} connections at once instead of {asked}: the limit is {descriptors} open files; raise it (ulimit -n) or lower --max-connections"
        );
    }
    asked.min(allowed)
}

/// Says in a thread, while requests are served, if what this process fills cannot be written, and removes leftovers
/// of killed processes.
fn tend_in_background(store: &Arc<Store>, fills: bool) {
    let store = Arc::clone(store);
    let sweep = move || {
        if fills {
            store.try_out();
        }
        loop {
            let swept = walk::sweep(store.root());
            if swept.count > 0 {
                let (root, count) = (store.root().display(), swept.count);
                let s = if count == 1 { "" } else { "s" };
                log::info!("swept {count} leftover{s} in {root}");
            }
            // What was kept and never asked for again goes too, while the process runs. Nobody waits for that.
            let Some(next) = swept.next else { return };
            std::thread::sleep(next.max(Duration::from_secs(1)));
        }
    };
    if let Err(cause) = thread::start("sweep", Box::new(sweep)) {
        log::warning!("leftovers of a killed process are not swept: no thread: {cause}");
    }
}

/// Waits for a signal, then lets running responses finish; a second signal ends the wait.
fn await_stop(
    listener: Listener,
    clients: &Clients,
    cache: &Cache,
    store: &Arc<Store>,
    helpers: &Arc<Helpers>,
) {
    let first = calls::wait_signal();
    log::notice!("signal {first}: stopping; running answers may finish");
    let at_once = (Arc::clone(store), Arc::clone(helpers));
    let second = move || {
        calls::wait_signal();
        at_once.0.abandon();
        at_once.1.stop();
        std::process::exit(0);
    };
    if let Err(cause) = thread::start("signal", Box::new(second)) {
        log::warning!("a second signal will not be heard: no thread: {cause}");
    }
    let deadline = Instant::now() + ms(limits().grace_ms);
    // The flag is set first: a poller that wakes when the listeners close must find it.
    clients.begin_stop();
    listener.stop();
    cache.begin_stop();
    let left = || deadline.saturating_duration_since(Instant::now());
    if !clients.drain(left()) {
        log::warning!("answers that still ran were cut off");
    }
    cache.settle(left().max(ms(limits().keep_ms)));
    store.abandon();
    helpers.stop();
}

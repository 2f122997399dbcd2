//! The storm: seeded random transfers through one daemon, or two on one directory, while sources
//! break, stall, lie and change, clients come late, leave and dawdle, and the cache cannot be written.
//!
//! Held to, whatever the dice say: every byte that a client gets is right for its offset, and all of
//! an answer is of one version; an answer is whole or visibly cut; where an honest source has the file,
//! clients are served whole; each name in the cache is one version whole, with its time; nothing
//! else is left, no partial, thread or descriptor; what a daemon shows is what its clients counted.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::storm::seed_and_rounds;
use crate::storm::tally::Tally;
use crate::support::{CacheDir, Certificate, Daemon, Dice, Figures, Front, REFUSED, wait_within};
use client::run as visit;
use file::File;
use source::{HOST, HOSTS, Source};

/// A client that looks at every byte.
mod client;
/// In how many ways an answer is wrong.
mod fault;
/// Content that can be checked at any offset.
mod file;
/// What a client asks for and how it reads.
mod order;
/// What sources answer.
mod reply;
/// Sources at which files change and answers go wrong.
mod source;

/// The longest that one thing may take, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(30);

/// Files in a round, usually, and sources.
const FILES: u64 = 60;
const SOURCES: usize = 3;

/// Waits that a storm cannot afford at their full length. The two addresses of a source share its patience.
const LIMITS: &str = "demote_ms=300,kept_ms=300,kept_answer_ms=200,suspect_ms=100,pause_ms=1,far_ms=150,ring_ms=500,ring_bytes=300000,\
                      linger_ms=500,look_ms=50,unknown_bytes=2000000";

#[test]
fn sources_break_stall_lie_and_change() {
    Storm::new("plain").run();
}

#[test]
fn two_daemons_share_a_directory() {
    Storm {
        daemons: 2,
        ..Storm::new("two")
    }
    .run();
}

#[test]
fn files_grow_over_what_can_be_written() {
    // In blocks of 512 bytes: writes fail in mid-transfer, as on a disk that fills up.
    Storm {
        prelude: "ulimit -f 600",
        ..Storm::new("limit")
    }
    .run();
}

#[test]
fn nothing_can_be_stored() {
    Storm {
        least_free: "1000000T",
        ..Storm::new("full")
    }
    .run();
}

#[test]
fn the_first_source_speaks_tls() {
    // Each connection to it is two processes and a handshake, which take their time on a busy machine.
    Storm {
        files: 12,
        timeout: 6,
        certificate: Some(Certificate::of(&format!("DNS:{HOST}"))),
        ..Storm::new("tls")
    }
    .run();
}

/// What a storm blows through.
struct Storm {
    name: &'static str,
    daemons: usize,
    prelude: &'static str,
    least_free: &'static str,
    /// Files in a round.
    files: u64,
    /// How long the last source may be silent, in seconds; others three quarters of that.
    timeout: u64,
    /// That of the first source, if it speaks TLS.
    certificate: Option<Certificate>,
    seed: u64,
    rounds: u64,
    figures: Arc<Figures>,
}

impl Storm {
    fn new(name: &'static str) -> Self {
        let (seed, rounds) = seed_and_rounds(&format!("storm {name}"), 1);
        Self {
            name,
            daemons: 1,
            prelude: "true",
            least_free: "0",
            files: FILES,
            timeout: 2,
            certificate: None,
            seed,
            rounds,
            figures: Arc::default(),
        }
    }

    fn run(&self) {
        let cache = CacheDir::new();
        let sources: Vec<Source> = (0..SOURCES)
            .map(|number| Source::start(number, &self.figures))
            .collect();
        let addresses: Vec<SocketAddr> = sources.iter().map(Source::address).collect();
        sources.iter().for_each(|source| source.meet(&addresses));
        let mut urls: Vec<String> = sources.iter().map(Source::url).collect();
        let front = self.certificate.as_ref();
        let front = front.map(|it| Front::start(addresses[0], it, &[]));
        if let Some(front) = &front {
            urls[0] = front.url(HOST);
        }
        let (daemons, processes): (Vec<Daemon>, Vec<String>) = (0..self.daemons)
            .map(|_| self.daemon(&cache, &urls))
            .unzip();
        let tallies: Vec<Tally> = daemons
            .iter()
            .map(|daemon| Tally::new(daemon.address()))
            .collect();
        let before: Vec<_> = processes.iter().map(holds).collect();
        for round in 0..self.rounds {
            let seed = self.seed.wrapping_add(round);
            if let Err(why) = self.round(seed, &cache, &sources, &tallies) {
                panic!(
                    "storm {}: {why}\nrepeat with PACKAGE_CACHE_SEED={seed} PACKAGE_CACHE_ROUNDS=1",
                    self.name
                );
            }
        }
        let at_rest = || {
            processes
                .iter()
                .zip(&before)
                .all(|(process, (threads, descriptors))| {
                    let (threads_now, descriptors_now) = holds(process);
                    threads_now <= *threads && descriptors_now <= *descriptors
                })
        };
        if !wait_within(LIMIT, at_rest) {
            let now: Vec<_> = processes.iter().map(holds).collect();
            panic!("threads and descriptors were {before:?}, are {now:?}");
        }
        for daemon in &daemons {
            self.figures
                .add("breaks", daemon.logged("broke off after").len() as u64);
            self.figures.add(
                "continuations",
                daemon.logged("goes on at byte").len() as u64,
            );
            assert!(daemon.logged("panick").is_empty(), "a thread panicked");
            daemon.wait_childless();
        }
        if let Some(front) = &front {
            let connections = front.connections() as u64;
            assert!(connections > 0, "nobody spoke TLS");
            self.figures.add("connections over TLS", connections);
        }
        eprintln!("storm {}: {}", self.name, self.figures);
    }

    /// A daemon, and the number of its process.
    fn daemon(&self, cache: &CacheDir, urls: &[String]) -> (Daemon, String) {
        let mut setup = Daemon::on(cache)
            .limits(&format!("{LIMITS},patience_ms={}", self.timeout * 750))
            .env("PACKAGE_CACHE_HOSTS", HOSTS)
            .arg("-v")
            .arg(format!("--timeout={}", self.timeout));
        setup = setup.arg("--min-free").arg(self.least_free).source(REFUSED);
        for url in urls {
            setup = setup.source(url);
        }
        if let Some(certificate) = &self.certificate {
            setup = setup.env("SSL_CERT_FILE", certificate.path());
        }
        let note = cache.outside().join("process");
        let daemon = setup
            .after(&format!("echo $$ >{}; {}", note.display(), self.prelude))
            .start();
        (daemon, fs::read_to_string(note).unwrap().trim().to_owned())
    }

    /// Many files at once, each with some clients; then everything is looked at.
    fn round(
        &self,
        seed: u64,
        cache: &CacheDir,
        sources: &[Source],
        daemons: &[Tally],
    ) -> Result<(), String> {
        let mut dice = Dice::of(&[seed]);
        let top = format!("r{seed}");
        // A file where a directory is needed.
        cache.put(format!("{top}/blocked"), b"", 1);
        let files: Vec<Arc<File>> = (0..self.files)
            .map(|number| {
                let dir = dice.pick(&["a", "a/b", "c", "d/e/f", "blocked"]);
                // Not of an archive: some have no content.
                let path = format!("/{top}/{dir}/{number}.dat");
                Arc::new(File::roll(path, &mut dice, SOURCES, number == 0))
            })
            .collect();
        sources
            .iter()
            .for_each(|source| source.lay_out(&files, seed));
        self.figures.add("files", self.files);
        let tallies: Vec<&Tally> = daemons.iter().collect();
        let (mut got, mut faults) = (Vec::new(), Vec::new());
        thread::scope(|scope| {
            let mut clients = Vec::new();
            for (file, number) in files.iter().zip(0..) {
                for client in 0..1 + dice.below(6) {
                    let dice = Dice::of(&[seed, number, client, 7]);
                    let tallies = &tallies;
                    let client = move || visit(tallies, file, dice, &self.figures);
                    clients.push((file, scope.spawn(client)));
                }
            }
            for (file, client) in clients {
                match client
                    .join()
                    .unwrap_or_else(|_| Err("a client panicked".to_owned()))
                {
                    Ok(true) => got.push(file),
                    Ok(false) => {}
                    Err(why) => faults.push(why),
                }
            }
        });
        let partials = || {
            cache
                .walk()
                .iter()
                .any(|name| name.contains(".package-cache"))
        };
        let idle = || sources.iter().all(Source::is_quiet) && !partials();
        if !wait_within(LIMIT, || idle() && idle()) {
            faults.push(format!("never idle: {:?}", cache.walk()));
        }
        let compared = daemons.iter().map(|tally| tally.compare(LIMIT));
        faults.extend(compared.filter_map(Result::err));
        self.check_names(cache, &top, &files, &mut faults);
        let storable = self.prelude == "true" && self.least_free == "0";
        for file in got.iter().filter(|file| storable && file.sure) {
            let blocked = file.name().contains("/blocked/");
            if !blocked && !cache.file(file.name()).exists() {
                faults.push(format!("{} was served and not stored", file.path));
            }
        }
        let _ = fs::remove_dir_all(cache.file(&top));
        match faults.is_empty() {
            true => Ok(()),
            false => Err(faults.join("\n")),
        }
    }

    /// Every name is one version of its file, whole and with its time.
    fn check_names(
        &self,
        cache: &CacheDir,
        top: &str,
        files: &[Arc<File>],
        faults: &mut Vec<String>,
    ) {
        for name in cache.walk() {
            let path = cache.file(&name);
            if path.is_dir() || name == format!("{top}/blocked") {
                continue;
            }
            let Some(file) = files.iter().find(|file| file.name() == name) else {
                faults.push(format!("a strange name: {name}"));
                continue;
            };
            self.figures.add("stored", 1);
            let content = fs::read(&path).unwrap();
            let modified = cache.modified(&name);
            let same = |version: &&file::Version| {
                version.content == content && version.unix().is_none_or(|time| time == modified)
            };
            if file.versions.iter().find(same).is_none() {
                faults.push(format!(
                    "{name}: {} bytes of {modified} are no version of it",
                    content.len()
                ));
            }
        }
    }
}

/// How many threads and descriptors a process has.
fn holds(process: &String) -> (usize, usize) {
    let count = |what: &str| {
        let dir = format!("/proc/{process}/{what}");
        fs::read_dir(dir).map_or(0, Iterator::count)
    };
    (count("task"), count("fd"))
}

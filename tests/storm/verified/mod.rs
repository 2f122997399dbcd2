//! Files that their names or Manifests prove, from three sources of which some lie: whatever they send, nothing wrong is stored, no
//! client gets the end of a wrong file, and who tries again gets the right one while any source has it; what the daemon
//! shows is what its clients counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;

use super::tally::Tally;
use super::{pause, seed_and_rounds};
use crate::support::verify::{Repository, dist, sum};
use crate::support::{CacheDir, Client, Daemon, Dice, End, Figures, Server, Setup};

/// What a source has under a name, and how it sends it.
mod source;

use source::{Copy, LIMIT, SOURCES, answer};

const FILES: u64 = 30;

/// What is held back until it is proved.
const HELD: usize = 65_536;

/// How often a client tries: the sources that lie are asked last from the second time on.
const TRIES: u64 = 6;

#[test]
fn sources_lie_about_what_is_stored() {
    run("verified", |setup| setup);
}

#[test]
fn sources_lie_while_the_disk_fills_up() {
    run("verified, full", |setup| setup.after("ulimit -f 300"));
}

#[test]
fn sources_lie_about_what_cannot_be_stored() {
    run("verified, relayed", |setup| {
        setup.arg("--min-free").arg("1000000T")
    });
}

/// A file, and each source's copy of it.
pub struct File {
    path: String,
    /// Its line in a Manifest; empty if its name proves it.
    listed: String,
    content: Arc<Vec<u8>>,
    copies: Vec<Copy>,
    /// The most bytes of it that may be seen unproved.
    open: usize,
}

impl File {
    fn roll(top: &str, number: u64, dice: &mut Dice) -> Self {
        let length = match dice.chance(30) {
            true => dice.below(2 * HELD as u64),
            false => dice.below(600_000),
        };
        let content: Vec<u8> = (0..=length).map(|_| dice.roll() as u8).collect();
        let (path, listed) = match dice.chance(50) {
            true => {
                let digest = sum("sha256sum", &content);
                (format!("/{top}/by-hash/SHA256/{digest}"), String::new())
            }
            false => {
                let name = format!("{top}-{number}.tar");
                (format!("/distfiles/0f/{name}"), dist(&name, &content))
            }
        };
        let mut copies: Vec<_> = (0..SOURCES).map(|_| Copy::roll(dice, &content)).collect();
        // One source has it.
        let honest = dice.below(SOURCES) as usize;
        copies[honest] = Copy::right(dice, &content);
        let longest = copies.iter().map(Copy::length).max().unwrap_or_default();
        Self {
            path,
            listed,
            content: Arc::new(content),
            copies,
            open: longest.saturating_sub(HELD),
        }
    }
}

fn run(name: &str, more: impl Fn(Setup) -> Setup) {
    let (seed, rounds) = seed_and_rounds(&format!("storm {name}"), 1);
    let figures = Figures::default();
    for round in 0..rounds {
        let seed = seed.wrapping_add(round);
        let mut dice = Dice::of(&[seed]);
        let top = format!("r{seed}");
        let files: Vec<_> = (0..FILES)
            .map(|number| File::roll(&top, number, &mut dice))
            .collect();
        let laid: HashMap<_, _> = files
            .iter()
            .map(|file| (file.path.clone(), file.copies.clone()))
            .collect();
        let laid = Arc::new(Mutex::new(laid));
        let sources: Vec<_> = (0..SOURCES as usize)
            .map(|number| {
                let laid = Arc::clone(&laid);
                Server::start(LIMIT, move |exchange| {
                    let copies = laid.lock().unwrap();
                    let copy = copies
                        .get(&exchange.request.target)
                        .map(|all| all[number].clone());
                    drop(copies);
                    answer(exchange, copy)
                })
            })
            .collect();
        let cache = CacheDir::new();
        let repository = Repository::new(&cache, "repository");
        let listed: Vec<_> = files.iter().map(|file| file.listed.as_str()).collect();
        repository.write("app-misc/a", &listed.concat());
        let setup = Daemon::on(&cache).limits("pause_ms=1");
        let mut setup = setup.arg("--manifests").arg(&repository.0);
        for source in &sources {
            setup = setup.source(source.url());
        }
        let daemon = more(setup).start();
        let tally = Tally::new(daemon.address());
        let faults: Vec<String> = thread::scope(|scope| {
            let mut clients = Vec::new();
            for (file, number) in files.iter().zip(0..) {
                figures.add("files", 1);
                for client in 0..1 + dice.below(4) {
                    let dice = Dice::of(&[seed, number, client, 3]);
                    let (tally, figures) = (&tally, &figures);
                    clients.push(scope.spawn(move || visit(tally, file, dice, figures)));
                }
            }
            let ended = clients.into_iter().map(|client| client.join());
            let ended =
                ended.map(|end| end.unwrap_or_else(|_| Err("a client panicked".to_owned())));
            ended.filter_map(Result::err).collect()
        });
        let miscounted = tally.compare(LIMIT).err();
        let faults: Vec<String> = faults.into_iter().chain(miscounted).collect();
        assert!(
            faults.is_empty(),
            "{}\nrepeat with PACKAGE_CACHE_SEED={seed} PACKAGE_CACHE_ROUNDS=1",
            faults.join("\n")
        );
        daemon.wait_idle();
        for stored in cache.walk() {
            let path = cache.file(&stored);
            let file = files.iter().find(|file| file.path[1..] == stored);
            if let Some(file) = file {
                let right = std::fs::read(path).unwrap() == *file.content;
                assert!(right, "seed {seed}: {stored} is wrong");
                figures.add("stored", 1);
            } else {
                assert!(path.is_dir(), "seed {seed}: a strange name: {stored}");
            }
        }
        assert!(daemon.logged("panick").is_empty(), "seed {seed}");
    }
    eprintln!("storm {name}: {figures}");
}

/// A client that tries until it has the file, or the part of it that it wants.
fn visit(tally: &Tally, file: &File, mut dice: Dice, figures: &Figures) -> Result<(), String> {
    pause(dice.below(60));
    let (content, length) = (&file.content, file.content.len());
    let ranged = dice.chance(30);
    let from = if ranged {
        dice.below(length as u64) as usize
    } else {
        0
    };
    for tried in 1..=TRIES {
        let range = format!("Range: bytes={from}-");
        let fields: &[&str] = if ranged { &[&range] } else { &[] };
        let mut client = Client::connect(tally.address());
        client.ask("GET", &file.path, fields);
        let head = client.head();
        let fault = |why: &str| Err(format!("{}: try {tried} from {from}: {why}", file.path));
        if head.status >= 500 {
            figures.add("clients: refused", 1);
            tally.count(&head, 0, None, 0);
            continue;
        }
        let from = if head.status == 206 { from } else { 0 };
        if ![200, 206].contains(&head.status) {
            return fault(&format!("status {}", head.status));
        }
        let (body, end) = client.rest();
        let longest = file.open.saturating_add(HELD);
        tally.count(&head, body.len(), Some(end), longest);
        let is_end = content.get(from..) == Some(&body[..]);
        match end {
            End::Complete if is_end => {
                figures.add(&format!("clients: whole at try {tried}"), 1);
                return Ok(());
            }
            End::Complete => return fault("a wrong file ended well"),
            _ if from + body.len() > file.open && !is_end && !body.is_empty() => {
                let seen = from + body.len();
                return fault(&format!("{seen} bytes seen, {} may be", file.open));
            }
            _ => figures.add("clients: cut", 1),
        }
    }
    let copies = &file.copies;
    Err(format!(
        "{}: not whole after {TRIES} tries from {from} of {length}: {copies:?}",
        file.path
    ))
}

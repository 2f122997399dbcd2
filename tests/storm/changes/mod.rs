//! A storm of changing files: sources of which one is ahead and the others lag, all of which break, stall and lie
//! now and then, and clients that come in bursts, with ranges, conditions and `no-cache`.
//!
//! Held to, whatever the dice say: every answer is of one version, whole, a part or visibly cut, with that version's
//! time and length, and an entity tag never means two versions; what is not said to be stale is no older than the oldest
//! version that a source had since the check can have begun; a stored file is never refused; at
//! the end each name in the cache is one version, and no partial is left; what a daemon shows is what its clients counted.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::storm::seed_and_rounds;
use crate::storm::tally::Tally;
use crate::support::{CacheDir, Daemon, Dice, Figures, LIMIT, wait_until};
use source::Source;
use visit::Visit;
use world::World;

/// Sources at which files change and answers go wrong.
mod source;
/// A client that looks at every byte.
mod visit;
/// What is true.
mod world;

/// Sources, and files.
const SOURCES: usize = 3;
const FILES: u64 = 8;

/// Waits that a storm cannot afford at their full length.
const LIMITS: &str =
    "patience_ms=150,stale_ms=400,demote_ms=100,kept_ms=300,pause_ms=1,far_ms=150,look_ms=50";

#[test]
fn each_request_has_its_check() {
    storm(1, 0, 30);
}

#[test]
fn two_daemons_share_a_directory_and_their_checks_hold_for_a_second() {
    storm(2, 1000, 60);
}

#[test]
fn honest_sources_that_lag() {
    storm(1, 0, 0);
}

/// So many daemons; what a check found holds so long, in milliseconds; so many answers of a hundred are spoilt.
fn storm(count: usize, share: u64, faults: u64) {
    let name = format!("changes, {count} daemons, {faults} % faults");
    let (seed, rounds) = seed_and_rounds(&name, 4);
    let (world, cache) = (Arc::new(World::new(seed)), CacheDir::new());
    let (figures, mut dice) = (Figures::default(), Dice::of(&[seed]));
    let sources: Vec<Source> = (0..SOURCES)
        .map(|number| Source::start(number, &world, seed))
        .collect();
    let daemons: Vec<Daemon> = (0..count)
        .map(|_| daemon(&cache, &sources, share))
        .collect();
    let tallies: Vec<Tally> = daemons
        .iter()
        .map(|daemon| Tally::new(daemon.address()))
        .collect();
    let asked: Vec<&Tally> = tallies.iter().collect();
    let mut paths = Vec::new();
    for round in 0..rounds {
        // Files are new after some rounds: no time has more versions than an hour has seconds.
        if round % 20 == 0 {
            let kinds = ["db", "tar"];
            paths = (0..FILES)
                .map(|file| format!("/r{round}/{}/{file}.{}", file % 3, dice.pick(&kinds)))
                .collect();
            paths.iter().for_each(|path| world.add(path));
        }
        wait_quiet(&cache, &sources, &daemons);
        paths.iter().for_each(|path| world.settle(path, &mut dice));
        // Now and then there is hardly a source left.
        let bad = if dice.chance(30) { faults * 3 } else { faults };
        sources.iter().for_each(|source| source.spoil(bad));
        let wrong = burst(&paths, &mut dice, |path| Visit {
            world: &world,
            figures: &figures,
            daemons: &asked,
            path,
            stored: cache.file(&path[1..]).exists(),
            share: Duration::from_millis(share),
        });
        wait_quiet(&cache, &sources, &daemons);
        let compared = tallies.iter().map(|tally| tally.compare(LIMIT));
        let miscounted = compared.filter_map(Result::err).collect();
        let wrong = [wrong, wrong_names(&cache, &world), miscounted].concat();
        assert!(
            wrong.is_empty(),
            "{name}, round {round}: {}",
            wrong.join("\n")
        );
    }
    for daemon in &daemons {
        assert!(daemon.logged("panick").is_empty(), "a thread panicked");
    }
    figures.add("asked of sources", sources.iter().map(Source::asked).sum());
    eprintln!("{name}: {figures}");
}

fn daemon(cache: &CacheDir, sources: &[Source], share: u64) -> Daemon {
    let setup = Daemon::on(cache)
        .limits(&format!("{LIMITS},share_ms={share}"))
        .arg("--timeout=1")
        .arg("--revalidate=*.db");
    let setup = sources
        .iter()
        .fold(setup, |setup, source| setup.source(source.url()));
    setup.start()
}

/// Waits until nobody is asked any more and nothing is being stored.
fn wait_quiet(cache: &CacheDir, sources: &[Source], daemons: &[Daemon]) {
    let quiet = || sources.iter().all(Source::is_quiet) && cache.partials().is_empty();
    wait_until("all is quiet", || {
        quiet() && {
            daemons.iter().for_each(Daemon::wait_idle);
            quiet()
        }
    });
}

/// Many clients at once; what went against the promise.
fn burst<'a>(
    paths: &'a [String],
    dice: &mut Dice,
    visit: impl Fn(&'a str) -> Visit<'a>,
) -> Vec<String> {
    thread::scope(|scope| {
        let mut clients = Vec::new();
        for path in paths {
            for _ in 0..2 + dice.below(5) {
                let (visit, dice) = (visit(path), Dice::of(&[dice.roll()]));
                clients.push(scope.spawn(move || visit.run(dice)));
            }
        }
        let ends = clients.into_iter().map(|client| {
            let end = client.join();
            end.unwrap_or_else(|_| Err("a client panicked".to_owned()))
        });
        ends.filter_map(Result::err).collect()
    })
}

/// What in the cache is no version of its name, with its time where the source has told it.
fn wrong_names(cache: &CacheDir, world: &World) -> Vec<String> {
    let names = cache.walk().into_iter();
    // A question that its source has not accepted yet, on a busy machine, may begin another transfer after the quiet.
    let names = names.filter(|name| !name.ends_with(".part"));
    let files = names.filter(|name| cache.file(name).is_file());
    files
        .filter(|name| {
            let (content, modified) = (cache.wait_stored(name), cache.modified(name));
            let today = modified > world::time(3600);
            let same = |version: usize, bytes: &[u8]| {
                bytes == content && (today || world::time(version) == modified)
            };
            world.versions(&format!("/{name}"), same).is_empty()
        })
        .collect()
}

//! What most tests begin with: an origin or two, an empty cache, and a daemon between them and the client.

use super::{
    CacheDir, Client, Daemon, End, Gate, MODIFIED_UNIX, Origin, Script, Setup, Step, halves, ok,
};

/// One origin, one empty cache, one daemon between them and the client.
pub struct Rig {
    /// The daemon, stopped before its origin and its cache go.
    pub daemon: Daemon,
    /// Its first source.
    pub origin: Origin,
    /// Its cache directory.
    pub cache: CacheDir,
}

/// The file that `Rig::revalidating` asks about.
pub const INDEX: &str = "/distfiles/layout.conf";

/// Twenty bytes that tell where each belongs.
pub const TWENTY: &[u8; 20] = b"0123456789abcdefghij";

impl Rig {
    /// A rig with the defaults.
    pub fn start() -> Self {
        Self::with(|setup| setup)
    }

    /// A rig whose daemon is started with more than the defaults.
    pub fn with(more: impl FnOnce(Setup) -> Setup) -> Self {
        let (origin, cache) = (Origin::start(), CacheDir::new());
        let daemon = more(Daemon::on(&cache).source(origin.url())).start();
        Self {
            daemon,
            origin,
            cache,
        }
    }

    /// A rig that asks about `layout.conf`, with a copy of it in the cache.
    pub fn revalidating(more: impl FnOnce(Setup) -> Setup) -> Self {
        let rig = Self::with(|setup| more(setup.arg("--revalidate").arg("*/layout.conf")));
        rig.cache.put(&INDEX[1..], b"old", MODIFIED_UNIX);
        rig
    }

    /// A rig with a transfer of `/d/a.tar`, of whose twenty bytes ten have come to a client; the gate holds the
    /// others. The next request for the file gets it whole.
    pub fn half_way(more: impl FnOnce(Setup) -> Setup) -> (Self, Gate, Client) {
        let (rig, gate) = (Self::with(more), Gate::new());
        rig.origin.script("/d/a.tar", halves(TWENTY, &gate));
        rig.origin.script("/d/a.tar", ok(TWENTY));
        let mut client = rig.daemon.begin("/d/a.tar");
        client.assert_begins(&TWENTY[..10]);
        (rig, gate, client)
    }

    /// A rig with a second source, which has every file in `targets`.
    pub fn pair(targets: &[&str], more: impl FnOnce(Setup) -> Setup) -> (Self, Origin) {
        let second = Origin::start();
        for target in targets {
            second.file(target, b"the file");
        }
        let rig = Self::with(|setup| more(setup.source(second.url())));
        (rig, second)
    }
}

/// The first source answers by a script; the second must serve the file, and one warning name the
/// first one's URL.
#[track_caller]
pub fn assert_goes_on_after(what: &str, target: &str, script: Script) {
    // A busy machine may be slow to answer; only silence is meant to run out of time.
    let silent = script.iter().any(|step| matches!(step, Step::Stall));
    let limits = if silent { "patience_ms=300" } else { "" };
    let (rig, second) = Rig::pair(&[target], |setup| setup.limits(limits));
    rig.origin.script(target, script);
    let answer = rig.daemon.get(target);
    let outcome = (answer.status, answer.end);
    assert_eq!(outcome, (200, End::Complete), "{what}: {}", answer.text());
    assert_eq!(answer.body, b"the file", "{what}");
    assert_eq!(rig.cache.wait_stored(&target[1..]), b"the file", "{what}");
    assert_eq!(second.count(target), 1, "{what}");
    let url = format!("{}{target}", rig.origin.url());
    let line = rig.daemon.wait_for_log(&url);
    assert!(line.contains("warning: "), "{what}: {line}");
    let lines = rig.daemon.logged(&url);
    assert_eq!(lines.len(), 1, "{what}: {lines:?}");
}

//! Helpers that crash, lie or are silent, and what is left of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Mirror;
use crate::support::{
    CacheDir, Daemon, Fake, Gate, Origin, Setup, halves, held, modified, noise, ok, part,
    wait_until,
};

/// A source that no helper reaches.
const NOWHERE: &str = "https://mirror.example:1";

/// A daemon whose first source is `NOWHERE`, and that finds a fake.
fn deceived(cache: &CacheDir, fake: &Fake) -> Setup {
    Daemon::on(cache)
        .source(NOWHERE)
        .env("PACKAGE_CACHE_HOSTS", "mirror.example=127.0.0.1")
        .env("PATH", fake.path(false))
}

fn signal(name: &str, process: u32) {
    let kill = format!("kill -{name} {process}");
    let status = Command::new("sh").args(["-c", &kill]).status();
    assert!(status.unwrap().success(), "{kill}");
}

/// Waits until a process is dead; who has to reap it may be somebody else.
#[track_caller]
fn wait_dead(process: u32) {
    let stat = format!("/proc/{process}/stat");
    wait_until("the helper is dead", || {
        fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
    });
}

/// The only child.
#[track_caller]
fn helper(daemon: &Daemon) -> u32 {
    wait_until("there is one helper", || daemon.children().len() == 1);
    daemon.children()[0].0
}

#[test]
fn a_helper_that_fails_is_a_failed_source() {
    for (script, why) in [
        (
            "echo libssl.so.9: not found >&2; exit 127",
            "cannot connect: libssl.so.9: not found",
        ),
        (
            "exit 3",
            "cannot connect: openssl ended without a word (exit status: 3)",
        ),
        (
            "kill -9 $$",
            "openssl ended without a word (signal: 9 (SIGKILL))",
        ),
        ("exec cat /dev/zero", "malformed answer: "),
        ("exec yes garbage", "malformed answer: "),
        // It fills what nobody reads, and is silent then.
        ("exec yes garbage >&2", "cannot connect: no answer"),
        (
            "trap '' TERM INT HUP PIPE; exec sleep 60",
            "cannot connect: no answer",
        ),
        // Its own child outlives it and holds its descriptors.
        ("sleep 3; exit 0", "cannot connect: no answer"),
        // It closes what it should speak on, and stays.
        (
            "exec <&- >&-; exec sleep 60",
            "openssl ended without a word (signal: 9 (SIGKILL))",
        ),
        ("#!/nowhere/sh", "cannot speak TLS: cannot start openssl: "),
    ] {
        let (second, cache, fake) = (Origin::start(), CacheDir::new(), Fake::new(script));
        second.file("/d/a.tar", b"the file");
        let daemon = deceived(&cache, &fake).source(second.url());
        let daemon = daemon.limits("connect_ms=300").start();
        let open = daemon.descriptors();
        daemon.get("/d/a.tar").assert_whole(b"the file");
        daemon.wait_childless();
        wait_until("nothing more is open", || daemon.descriptors() <= open + 1);
        let line = daemon.wait_for_log("warning: ");
        assert!(line.contains(why), "{script}: {line}");
        assert!(line.len() < 300, "{script}: {line}");
        assert_eq!(daemon.logged("warning: ").len(), 1, "{script}");
    }
}

#[test]
fn a_helper_inherits_none_of_our_descriptors() {
    let (cache, fake) = (CacheDir::new(), Fake::new("exec sleep 60"));
    let daemon = deceived(&cache, &fake).start();
    let _client = daemon.begin("/d/a.tar");
    let process = helper(&daemon);
    let arguments = || fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap();
    wait_until("it is a sleep", || arguments().starts_with("sleep"));
    // What the tests themselves were given is passed on to the daemon and to it.
    let open = |id: u32| {
        let open = fs::read_dir(format!("/proc/{id}/fd")).unwrap().flatten();
        let open = open.filter_map(|it| fs::read_link(it.path()).ok());
        open.collect::<Vec<_>>()
    };
    // One socket for what it reads and writes, one for what it says; a program that starts opens files for a moment.
    wait_until("it has what it was given", || {
        let (ours, theirs) = (open(std::process::id()), open(process));
        let own: Vec<_> = theirs.iter().filter(|it| !ours.contains(it)).collect();
        own.len() == 3 && own[0] == own[1] && own[1] != own[2]
    });
}

#[test]
fn a_helper_that_is_killed_in_mid_body_is_replaced() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    let (content, gate) = (noise(400_000), Gate::new());
    let (half, proof) = (content.len() / 2, 64 * 1024);
    mirror.origin.script("/d/a.tar", halves(&content, &gate));
    let rest = part(&content, half - proof, half + proof, &modified());
    mirror.origin.script("/d/a.tar", rest);
    let daemon = mirror.daemon(&cache).start();
    let mut client = daemon.begin("/d/a.tar");
    client.assert_begins(&content[..half]);
    signal("KILL", helper(&daemon));
    client.assert_ends(&content[half..]);
    assert_eq!(cache.wait_stored("d/a.tar"), content);
    daemon.wait_for_log("openssl ended without a word (signal: 9 (SIGKILL))");
    gate.open();
    daemon.wait_childless();
}

#[test]
fn an_idle_helper_that_is_killed_is_replaced_unnoticed() {
    let (mirror, cache) = (Mirror::start(), CacheDir::new());
    mirror.origin.file("/d/a.tar", b"content");
    mirror.origin.file("/d/b.tar", b"other content");
    let daemon = mirror.daemon(&cache).limits("kept_look_ms=20").start();
    daemon.get("/d/a.tar").assert_whole(b"content");
    cache.wait_stored("d/a.tar");
    let process = helper(&daemon);
    // Halted it is as silent as a connection that was lost.
    signal("STOP", process);
    daemon.get("/d/b.tar").assert_whole(b"other content");
    cache.wait_stored("d/b.tar");
    let next = helper(&daemon);
    assert_ne!(next, process);
    signal("KILL", next);
    daemon.wait_childless();
    assert!(daemon.logged("warning: ").is_empty());
}

#[test]
fn a_signal_for_all_of_us_leaves_a_running_answer_its_time() {
    let (mirror, cache, gate) = (Mirror::start(), CacheDir::new(), Gate::new());
    mirror.origin.script("/d/a.tar", halves(b"content.", &gate));
    let mut daemon = mirror.daemon(&cache).start();
    let mut client = daemon.begin("/d/a.tar");
    client.assert_begins(b"cont");
    let process = helper(&daemon);
    for name in ["TERM", "INT", "HUP"] {
        signal(name, process);
    }
    daemon.signal("TERM");
    daemon.wait_for_log("stopping");
    gate.open();
    client.assert_ends(b"ent.");
    assert!(daemon.wait_exit().success());
    wait_dead(process);
}

#[test]
fn no_helper_outlives_the_program() {
    // Two ways out with a helper that heeds no signal, and one with the real one.
    let fake = Fake::new("trap '' TERM INT HUP; exec sleep 60");
    for signals in [&["TERM"][..], &["TERM", "TERM"]] {
        let cache = CacheDir::new();
        let mut daemon = deceived(&cache, &fake).limits("grace_ms=300").start();
        let _client = daemon.begin("/d/a.tar");
        let process = helper(&daemon);
        for name in signals {
            daemon.signal(name);
            daemon.wait_for_log("stopping");
        }
        assert!(daemon.wait_exit().success());
        wait_dead(process);
        assert!(
            !Path::new(&format!("/proc/{process}")).exists(),
            "it is reaped"
        );
        assert!(daemon.logged("warning: source").is_empty());
    }
    let (mirror, cache, gate) = (Mirror::start(), CacheDir::new(), Gate::new());
    mirror.origin.script("/d/a.tar", held(b"content", 4, &gate));
    let mut daemon = mirror.daemon(&cache).start();
    let mut client = daemon.begin("/d/a.tar");
    client.assert_begins(b"cont");
    let process = helper(&daemon);
    daemon.kill();
    wait_dead(process);
    gate.open();
}

#[test]
fn a_transfer_that_gives_way_ends_its_helper() {
    let (mirror, cache, gate) = (Mirror::start(), CacheDir::new(), Gate::new());
    mirror
        .origin
        .script("/d/a.tar", halves(&noise(100_000), &gate));
    mirror.origin.script("/d/b.tar", ok(b"content"));
    let daemon = mirror
        .daemon(&cache)
        .limits("transfers=1,peek_ms=20")
        .start();
    let mut client = daemon.begin("/d/a.tar");
    client.assert_begins(&noise(100_000)[..50_000]);
    let process = helper(&daemon);
    drop(client);
    daemon.get("/d/b.tar").assert_whole(b"content");
    wait_dead(process);
    gate.open();
    daemon.wait_childless();
}

//! Many connections, few threads: who waits, who is held up, who is closed.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::{
    CacheDir, Client, Daemon, End, LIMIT, Origin, PROGRAM, REFUSED, noise, wait_until,
};

/// More connections than are served by a thread each, and than there are threads that wait for all.
const MANY: usize = 32;

/// A cache with a small file, which leaves in one write, and one that does not.
fn filled() -> CacheDir {
    let cache = CacheDir::new();
    cache.put("a.tar", b"content of a", 1);
    cache.put("small.tar", &noise(30_000), 1);
    cache.put("large.tar", &noise(100_000), 1);
    cache
}

/// Connections that have had an answer and are kept.
fn kept(daemon: &Daemon, count: usize) -> Vec<Client> {
    let answered = |_| {
        let mut client = daemon.client();
        client.get("/a.tar").assert_whole(b"content of a");
        client
    };
    (0..count).map(answered).collect()
}

/// The threads that a daemon has when nobody asks: those that wait for clients, main, the log's, and one at hand
/// for a client and for a transfer.
fn resting() -> usize {
    thread::available_parallelism().unwrap().get().clamp(2, 16) + 4
}

#[test]
fn who_never_reads_small_answers_holds_nobody_up() {
    let cache = filled();
    let daemon = Daemon::on(&cache).start();
    let request = "GET /small.tar HTTP/1.1\r\nHost: x\r\n\r\n";
    // More than the buffers of both sides hold.
    let requests = request.repeat(1000);
    let mut deaf: Vec<Client> = (0..MANY).map(|_| daemon.client()).collect();
    for client in &mut deaf {
        client.send(&requests);
    }
    for mut client in kept(&daemon, MANY) {
        client.get("/small.tar").assert_whole(&noise(30_000));
    }
    let mut reader = deaf.swap_remove(0);
    reader.answer().assert_whole(&noise(30_000));
}

#[test]
fn who_sends_half_a_head_holds_nobody_up() {
    let cache = filled();
    let daemon = Daemon::on(&cache).start();
    let mut slow: Vec<Client> = (0..MANY).map(|_| daemon.client()).collect();
    for client in &mut slow {
        client.send("GET /a.tar HTTP/1.1\r\nHo");
    }
    drop(kept(&daemon, MANY));
    for client in &mut slow {
        let answer = client.send("st: x\r\n\r\n").answer();
        answer.assert_whole(b"content of a");
    }
}

#[test]
fn kept_connections_cost_no_threads_and_are_answered_afterwards() {
    let cache = filled();
    let daemon = Daemon::on(&cache).limits("worker_ms=100").start();
    let mut clients = kept(&daemon, 300);
    wait_until("the threads are few", || daemon.threads() <= resting());
    for client in &mut clients {
        client.get("/a.tar").assert_whole(b"content of a");
    }
    for client in &mut clients {
        client.get("/large.tar").assert_whole(&noise(100_000));
    }
}

#[test]
fn silent_connections_are_closed() {
    let cache = filled();
    let daemon = Daemon::on(&cache).limits("idle_ms=600").start();
    let mut clients = kept(&daemon, MANY);
    clients.extend((0..MANY).map(|_| daemon.client()));
    for mut client in clients {
        assert_eq!(client.wait_closed(), Some(End::Cut));
    }
}

#[test]
fn silent_connections_are_closed_however_busy_the_others_are() {
    let cache = filled();
    let origin = Origin::start();
    let daemon = Daemon::on(&cache)
        .source(origin.url())
        .limits("idle_ms=600")
        .start();
    let silent = kept(&daemon, MANY);
    let over = AtomicBool::new(false);
    let ends: Vec<_> = thread::scope(|scope| {
        for _ in 0..4 {
            // Each of these answers makes another thread wait for the clients.
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    daemon.get("/large.tar").assert_whole(&noise(100_000));
                    daemon.get("/none.tar").assert_error(404);
                }
            });
        }
        let closed = |mut client: Client| scope.spawn(move || client.wait_closed());
        let closed: Vec<_> = silent.into_iter().map(closed).collect();
        let ends = closed.into_iter().map(|end| end.join().ok().flatten());
        let ends = ends.collect();
        over.store(true, Ordering::Relaxed);
        ends
    });
    assert_eq!(ends, [Some(End::Cut); MANY], "some not closed in {LIMIT:?}");
}

/// A command that runs the rest of a shell's line with so many threads; none where that cannot be had. The
/// limit holds for all processes of a user and not for root: each test needs a user of its own.
fn with_threads(cache: &CacheDir, most: usize, user: u32) -> Option<String> {
    let user = 0x4000_0000 + std::process::id() * 8 + user;
    let prelude = format!(
        "exec prlimit --nproc={most} setpriv --reuid={user} --clear-groups --inh-caps=-all \"$0\" \"$@\""
    );
    let readable = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(cache.path(), readable).unwrap();
    let mut check = Command::new("sh");
    check.args(["-c", &prelude, PROGRAM, "--check", "--port=0", "--source"]);
    check.arg(REFUSED).arg("--cache").arg(cache.path());
    let usable = check.output().is_ok_and(|output| output.status.success());
    usable.then_some(prelude)
}

#[test]
fn without_threads_hits_are_answered_and_other_requests_refused() {
    let cache = filled();
    cache.put("huge.tar", &noise(32 << 20), 1);
    let Some(prelude) = with_threads(&cache, resting(), 0) else {
        return eprintln!("not tested: no other user can be had");
    };
    let daemon = Daemon::on(&cache).source(REFUSED).after(&prelude).start();
    // Those that look for leftovers have gone.
    wait_until("the daemon has its threads", || {
        daemon.threads() == resting()
    });
    let clients = kept(&daemon, MANY);
    // Whoever does not read takes the one thread at hand.
    let mut deaf = daemon.begin("/huge.tar");
    deaf.head();
    for target in ["/miss.tar", "/large.tar"] {
        let answer = daemon.get(target);
        assert!(answer.assert_error(503).field("retry-after").is_some());
    }
    for mut client in clients {
        client.get("/a.tar").assert_whole(b"content of a");
    }
}

#[test]
fn without_threads_few_connections_are_kept_too() {
    let cache = filled();
    let Some(prelude) = with_threads(&cache, resting(), 1) else {
        return eprintln!("not tested: no other user can be had");
    };
    let daemon = Daemon::on(&cache).after(&prelude).start();
    wait_until("the daemon has its threads", || {
        daemon.threads() == resting()
    });
    for mut client in kept(&daemon, 3) {
        for _ in 0..3 {
            client.get("/a.tar").assert_whole(b"content of a");
        }
    }
}

#[test]
fn without_threads_the_leader_does_not_wait_for_one_again_and_again() {
    let cache = filled();
    cache.put("huge.tar", &noise(32 << 20), 1);
    let Some(prelude) = with_threads(&cache, resting(), 2) else {
        return eprintln!("not tested: no other user can be had");
    };
    let daemon = Daemon::on(&cache).source(REFUSED).after(&prelude).start();
    wait_until("the daemon has its threads", || {
        daemon.threads() == resting()
    });
    let mut deaf = daemon.begin("/huge.tar");
    deaf.head();
    let before = daemon.descriptors();
    let silent: Vec<Client> = (0..60).map(|_| daemon.client()).collect();
    let open = || daemon.descriptors().saturating_sub(before);
    wait_until("all are open", || open() >= silent.len());
    // Each time that it waits for a thread it evicts a connection, and serves nobody.
    for _ in 0..60 {
        // 502 where a thread has become free meanwhile.
        assert!([502, 503].contains(&daemon.get("/miss.tar").status));
    }
    let left = open();
    assert!(
        left > silent.len() / 2,
        "{left} of {} are open",
        silent.len()
    );
}

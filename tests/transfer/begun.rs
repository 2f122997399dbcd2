//! Requests on a kept connection: who asks begins, and goes on alone as far as the answer comes at once.

use crate::support::verify::sum;
use crate::support::{
    Daemon, Gate, Origin, Rig, Script, Step, gated, head, metrics, modified, noise, ok, part,
    reply, unchanged, wait_until,
};

/// A rig with a connection to its source that is kept.
fn kept(rig: Rig) -> Rig {
    rig.origin.file("/warm.tar", b"warm");
    rig.daemon.get("/warm.tar").assert_whole(b"warm");
    rig.cache.wait_stored("warm.tar");
    rig.daemon.wait_idle();
    rig
}

/// The head of content of this length and the first bytes of it, in one piece.
fn piece(length: usize, first: &[u8]) -> Step {
    let Step::Send(mut piece) = head(
        "200 OK",
        &[&format!("Content-Length: {length}"), &modified()],
    ) else {
        unreachable!()
    };
    piece.extend_from_slice(first);
    Step::Send(piece)
}

/// A whole answer in one piece, after which the connection is kept.
fn at_once(content: &[u8]) -> Script {
    vec![piece(content.len(), content), Step::Keep]
}

#[test]
fn small_files_come_by_one_connection_and_are_stored() {
    let rig = kept(Rig::start());
    let mut client = rig.daemon.client();
    for length in [0, 1, 4_000, 31_000, 33_000, 200_000] {
        let (target, content) = (format!("/d/{length}.txt"), noise(length));
        rig.origin.script(&target, at_once(&content));
        let answer = client.get(&target);
        answer.assert_whole(&content);
        assert!(answer.cache_status("stored"), "{length}");
        rig.cache.assert_stored(&target[1..], &content);
        rig.daemon.wait_idle();
        let hit = client.get(&target);
        hit.assert_whole(&content);
        assert_eq!(hit.field("etag"), answer.field("etag"), "{length}");
        assert_eq!(rig.origin.count(&target), 1);
    }
    assert_eq!(rig.origin.connections(), 1);
}

#[test]
fn an_answer_that_comes_late_or_in_pieces_is_gone_on_with() {
    // One client's thread begins, and another client joins before anything has come.
    for pause in ["look_ms=1", "look_ms=5000"] {
        let rig = kept(Rig::with(|setup| setup.limits(pause)));
        let (first, second) = (Gate::new(), Gate::new());
        let content = noise(60_000);
        let length = format!("Content-Length: {}", content.len());
        let script = vec![
            Step::Wait(first.clone()),
            Step::Send(b"HTTP/1.1 200 ".to_vec()),
            Step::Wait(second.clone()),
            Step::Send(format!("OK\r\n{length}\r\n").into_bytes()),
            Step::Send(format!("{}\r\n\r\n", modified()).into_bytes()),
            Step::Send(content[..30_000].to_vec()),
            Step::Send(content[30_000..].to_vec()),
            Step::Keep,
        ];
        rig.origin.script("/d/late.tar", script);
        let mut one = rig.daemon.begin("/d/late.tar");
        wait_until("it is asked", || rig.origin.count("/d/late.tar") == 1);
        let mut other = rig.daemon.begin("/d/late.tar");
        first.open();
        second.open();
        one.answer().assert_whole(&content);
        other.answer().assert_whole(&content);
        rig.cache.assert_stored("d/late.tar", &content);
        assert_eq!(rig.origin.count("/d/late.tar"), 1, "{pause}");
        assert_eq!(rig.origin.connections(), 1, "{pause}");
    }
}

#[test]
fn long_content_reaches_the_client_while_the_source_still_sends() {
    let rig = kept(Rig::with(|setup| setup.limits("look_ms=60000")));
    let (gate, content) = (Gate::new(), noise(100_000));
    let script = vec![
        piece(content.len(), &content[..50_000]),
        Step::Wait(gate.clone()),
        Step::Send(content[50_000..].to_vec()),
        Step::Keep,
    ];
    rig.origin.script("/d/long.tar", script);
    let mut client = rig.daemon.begin("/d/long.tar");
    client.assert_begins(&content[..50_000]);
    gate.open();
    client.assert_ends(&content[50_000..]);
    assert_eq!(rig.origin.connections(), 1);
}

#[test]
fn an_answer_of_no_use_goes_on_to_the_next_source() {
    const HTML: &str = "Content-Type: text/html";
    let target = "/d/a.tar.gz";
    let (rig, second) = Rig::pair(&[target], |setup| setup);
    let rig = kept(rig);
    let refusals = [
        reply("404 Not Found", &[], b"no"),
        reply("200 OK", &[HTML], b"<p>log in"),
        reply("200 OK", &["Content-Encoding: br"], b"coded"),
        unchanged(),
    ];
    for (at, refusal) in refusals.into_iter().enumerate() {
        let pieces = refusal.into_iter().map(|step| match step {
            Step::Send(bytes) => bytes,
            _ => unreachable!(),
        });
        let pieces = pieces.collect::<Vec<_>>().concat();
        rig.origin.script(target, vec![Step::Send(pieces)]);
        rig.daemon.get(target).assert_whole(b"the file");
        rig.cache.assert_stored(&target[1..], b"the file");
        let asked = (rig.origin.count(target), second.count(target));
        assert_eq!(asked, (at + 1, at + 1));
        // The first source has closed its connection: the next one is to be kept as well.
        std::fs::remove_file(rig.cache.file(&target[1..])).unwrap();
        let warm = format!("/warm{at}.tar");
        rig.origin.file(&warm, b"warm");
        rig.daemon.get(&warm).assert_whole(b"warm");
        rig.daemon.wait_idle();
    }
}

#[test]
fn heads_and_validations_are_begun_too() {
    let rig = kept(Rig::revalidating(|setup| setup));
    let target = crate::support::INDEX;
    rig.origin
        .script(target, vec![head("304 Not Modified", &[]), Step::Keep]);
    let answer = rig.daemon.get(target);
    answer.assert_whole(b"old");
    assert!(answer.field("cache-status").unwrap().contains("fwd=stale"));
    rig.origin.script("/d/b.tar", at_once(b""));
    let answer = rig.daemon.ask("HEAD", "/d/b.tar", &[]);
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert!(!rig.cache.file("d").exists());
    assert_eq!(rig.origin.connections(), 1);
}

#[test]
fn a_source_that_is_silent_on_a_kept_connection_is_left_with_its_client() {
    let limits = "transfers=1,kept_answer_ms=60000";
    let rig = kept(Rig::with(|setup| setup.limits(limits)));
    rig.origin.script("/d/silent.tar", vec![Step::Stall]);
    rig.origin.script("/d/b.tar", ok(b"content"));
    let client = rig.daemon.begin("/d/silent.tar");
    wait_until("it is asked", || rig.origin.count("/d/silent.tar") == 1);
    drop(client);
    rig.daemon.get("/d/b.tar").assert_whole(b"content");
    assert_eq!(rig.origin.count("/d/silent.tar"), 1);
    wait_until("no partial is left", || {
        rig.cache.walk() == ["d", "d/b.tar", "warm.tar"]
    });
}

#[test]
fn a_client_that_leaves_while_its_answer_is_awaited_leaves_the_file() {
    let rig = kept(Rig::with(|setup| setup.limits("look_ms=5000")));
    let gate = Gate::new();
    rig.origin
        .script("/d/a.tar", gated(&gate, at_once(b"content")));
    let client = rig.daemon.begin("/d/a.tar");
    wait_until("it is asked", || rig.origin.count("/d/a.tar") == 1);
    drop(client);
    gate.open();
    rig.cache.assert_stored("d/a.tar", b"content");
    rig.daemon.get("/d/a.tar").assert_whole(b"content");
    assert_eq!(rig.origin.count("/d/a.tar"), 1);
}

#[test]
fn a_file_that_came_a_moment_ago_is_not_fetched_again() {
    const FILES: usize = 300;
    let rig = kept(Rig::start());
    let target = |at: usize| format!("/d/{at}.txt");
    for at in 0..FILES {
        rig.origin.script(&target(at), at_once(b"content"));
    }
    // They ask for the same files at the same time: some look into the cache just before a file gets its name, and
    // at the transfers just after.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut client = rig.daemon.client();
                for at in 0..FILES {
                    client.get(&target(at)).assert_whole(b"content");
                }
            });
        }
    });
    for at in 0..FILES {
        assert_eq!(rig.origin.count(&target(at)), 1, "{at}");
    }
}

#[test]
fn a_source_that_gave_the_first_bytes_of_long_content_goes_on_with_it() {
    let content = noise(100_000);
    let (rig, second) = Rig::pair(&[], |setup| setup.limits("pause_ms=1,overlap_bytes=10000"));
    let rig = kept(rig);
    let rest = || part(&content, 10_000, 90_000, &modified());
    let broken = vec![piece(content.len(), &content[..20_000])];
    rig.origin.script("/d/long.tar", broken);
    rig.origin.script("/d/long.tar", rest());
    second.script("/d/long.tar", rest());
    rig.daemon.get("/d/long.tar").assert_whole(&content);
    let asked = (rig.origin.count("/d/long.tar"), second.count("/d/long.tar"));
    assert_eq!(asked, (2, 0));
}

/// To prove it takes all of it, for which the client's thread does not wait.
#[test]
fn self_proving_content_that_breaks_off_is_gone_on_with() {
    let rig = kept(Rig::with(|setup| {
        setup.limits("pause_ms=1,overlap_bytes=10000")
    }));
    let content = noise(50_000);
    let target = format!("/d/by-hash/SHA256/{}", sum("sha256sum", &content));
    let broken = vec![piece(content.len(), &content[..40_000])];
    rig.origin.script(&target, broken);
    rig.origin
        .script(&target, part(&content, 30_000, 20_000, &modified()));
    rig.daemon.get(&target).assert_whole(&content);
    rig.cache.assert_stored(&target[1..], &content);
}

#[test]
fn it_is_gone_on_with_too_where_its_source_was_slow_at_first() {
    let (second, content) = (Origin::start(), noise(50_000));
    let limits = "pause_ms=1,overlap_bytes=10000,patience_ms=300";
    let rig = Rig::with(|setup| setup.source(second.url()).limits(limits));
    let target = format!("/d/by-hash/SHA256/{}", sum("sha256sum", &content));
    rig.origin.script(&target, vec![Step::Stall]);
    second.script(&target, reply("500 Oops", &[], b""));
    let broken = vec![piece(content.len(), &content[..40_000])];
    rig.origin.script(&target, broken);
    rig.origin
        .script(&target, part(&content, 30_000, 20_000, &modified()));
    rig.daemon.get(&target).assert_whole(&content);
}

#[test]
fn what_was_kept_of_long_content_is_gone_on_with() {
    const AT: usize = 200_000;
    const LIMITS: &str = "grace_ms=50,partial_bytes=65536,look_ms=60000";
    let mut rig = kept(Rig::with(|setup| setup.limits(LIMITS)));
    let content = noise(300_000);
    let script = vec![piece(content.len(), &content[..AT]), Step::Stall];
    rig.origin.script("/d/long.tar", script);
    let mut client = rig.daemon.begin("/d/long.tar");
    client.assert_begins(&content[..AT]);
    rig.daemon.signal("TERM");
    assert_eq!(rig.daemon.wait_exit().code(), Some(0));
    rig.daemon = Daemon::on(&rig.cache)
        .source(rig.origin.url())
        .limits(LIMITS)
        .start();
    std::fs::remove_file(rig.cache.file("warm.tar")).unwrap();
    let before = rig.origin.requests().len();
    let rig = kept(rig);
    let again = AT - 65_536;
    let rest = part(&content, again, content.len() - again, &modified());
    rig.origin.script("/d/long.tar", rest);
    rig.daemon.get("/d/long.tar").assert_whole(&content);
    rig.cache.assert_stored("d/long.tar", &content);
    let requests = rig.origin.requests();
    let last = requests.last().unwrap();
    assert_eq!(last.field("range"), Some(&*format!("bytes={again}-")));
    // One that was begun for all of it was a question, too.
    let samples = metrics(&rig.daemon.get("/.package-cache/metrics").text());
    let mut counts = samples.iter();
    let questions =
        counts.find(|(name, _)| name.starts_with("package_cache_source_requests_total"));
    assert_eq!(*questions.unwrap().1, (requests.len() - before) as f64);
}

#[test]
fn long_content_that_cannot_be_written_from_its_first_bytes_on_reaches_the_client() {
    // The first write is cut in its middle, or there is no room for all of it.
    for prelude in ["ulimit -f 8", "ulimit -f 0"] {
        let rig = Rig::with(|setup| setup.after(prelude));
        rig.origin.script("/warm.txt", at_once(b""));
        rig.daemon.get("/warm.txt").assert_whole(b"");
        rig.daemon.wait_idle();
        let content = noise(100_000);
        rig.origin.script("/d/long.tar", at_once(&content));
        let mut client = rig.daemon.client();
        client.get("/d/long.tar").assert_whole(&content);
        assert_eq!(rig.origin.connections(), 1, "{prelude}");
        wait_until("nothing is left", || rig.cache.walk() == ["warm.txt"]);
    }
}

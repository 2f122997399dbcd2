//! Sources whose content must be proved, when something else goes wrong as well: who is asked next, and what is not
//! held against a source.

use std::thread;

use crate::support::verify::sum;
use crate::support::{
    Client, End, Gate, Rig, Script, Step, close_delimited, gated, head, held, missing, modified,
    noise, ok, part, reply, wait_until,
};

/// More than is read ahead before anybody hears of it.
const LENGTH: usize = 300_000;

/// The path of a file that lies under its digest, as apt asks for it.
fn by_hash(content: &[u8]) -> String {
    format!("/d/by-hash/SHA256/{}", sum("sha256sum", content))
}

/// The content with its first byte changed.
fn wrong(content: &[u8]) -> Vec<u8> {
    let mut wrong = content.to_vec();
    wrong[0] ^= 1;
    wrong
}

/// The beginning of a 200 with all of the content announced.
fn cut(content: &[u8], sent: usize) -> Script {
    let length = format!("Content-Length: {}", content.len());
    let head = head("200 OK", &[&length, &modified()]);
    vec![head, Step::Send(content[..sent].to_vec())]
}

/// What the program has counted as bad.
fn bad(rig: &Rig) -> String {
    let metrics = rig.daemon.get("/.package-cache/metrics").text();
    let name = "package_cache_verified_total{result=\"bad\"} ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap().to_owned()
}

#[test]
fn of_the_sources_that_gave_wrong_content_the_last_one_is_asked_last() {
    // The first gives wrong content and breaks off, the second goes on with it: either may be to blame.
    let content = noise(LENGTH);
    let path = by_hash(&content);
    let (rig, second) = Rig::pair(&[], |setup| setup.limits("pause_ms=1"));
    let (sent, at) = (150_000, 150_000 - 65_536);
    rig.origin.script(&path, cut(&wrong(&content), sent));
    rig.origin.script(&path, missing());
    rig.origin.script(&path, ok(&wrong(&content)));
    let rest = part(&content, at, LENGTH - at, &modified());
    second.script(&path, rest);
    second.script(&path, ok(&content));
    let mut ends = (0..3).map(|_| rig.daemon.get(&path).end);
    assert!(
        ends.any(|end| end == End::Complete),
        "asked {} and {} times",
        rig.origin.count(&path),
        second.count(&path)
    );
    rig.cache.assert_stored(&path[1..], &content);
}

#[test]
fn a_source_that_announces_content_and_sends_none_is_asked_last() {
    let content = noise(LENGTH);
    let path = by_hash(&content);
    let (rig, second) = Rig::pair(&[], |setup| setup.limits("pause_ms=1"));
    rig.origin.script(&path, cut(&content[1..], 0));
    second.script(&path, ok(&content));
    assert_ne!(rig.daemon.get(&path).end, End::Complete);
    rig.daemon.get(&path).assert_whole(&content);
}

#[test]
fn a_directory_is_not_the_file() {
    let content = noise(1_000);
    let path = by_hash(&content);
    let (rig, second) = Rig::pair(&[], |setup| setup);
    let slash = format!("Location: {path}/");
    rig.origin
        .script(&path, reply("301 Moved Permanently", &[&slash], b""));
    rig.origin.script(&format!("{path}/"), ok(b"a listing"));
    second.script(&path, ok(&content));
    rig.daemon.get(&path).assert_whole(&content);
    rig.cache.assert_stored(&path[1..], &content);
}

#[test]
fn the_last_source_may_be_silent_before_small_content() {
    let content = noise(1_000);
    let path = by_hash(&content);
    let gate = Gate::new();
    let rig = Rig::with(|setup| setup.limits("patience_ms=100"));
    rig.origin.script(&path, held(&content, 0, &gate));
    let mut client = rig.daemon.client();
    client.ask("GET", &path, &[]);
    assert_eq!(client.head().status, 200);
    gate.open();
    client.assert_ends(&content);
    rig.cache.assert_stored(&path[1..], &content);
}

#[test]
fn small_content_of_the_last_source_goes_on_after_a_break() {
    let content = noise(60_000);
    let path = by_hash(&content);
    let rig = Rig::with(|setup| setup.limits("pause_ms=1"));
    rig.origin.script(&path, cut(&content, 50_000));
    rig.origin
        .script(&path, part(&content, 0, 60_000, &modified()));
    rig.daemon.get(&path).assert_whole(&content);
    rig.cache.assert_stored(&path[1..], &content);
}

#[test]
fn what_was_given_up_is_not_wrong() {
    let content = noise(1_000);
    let path = by_hash(&content);
    let rig = Rig::with(|setup| setup.limits("transfers=1"));
    let (sent, gate) = (Gate::new(), Gate::new());
    let mut script = close_delimited(&content[..10]);
    script.extend([Step::Open(sent.clone()), Step::Wait(gate.clone())]);
    rig.origin.script(&path, script);
    rig.origin.file("/1.tar", b"content");
    let mut client = rig.daemon.client();
    client.ask("GET", &path, &[]);
    assert!(sent.wait_open());
    drop(client);
    rig.daemon.get("/1.tar").assert_whole(b"content");
    gate.open();
    rig.daemon.wait_idle();
    assert_eq!(bad(&rig), "0");
}

#[test]
fn the_stored_file_is_served_after_its_source_gave_a_wrong_one() {
    let content = noise(LENGTH);
    let path = by_hash(&content);
    for (what, fields) in [("it changes", ""), ("no-cache", "Cache-Control: no-cache")] {
        let rig = Rig::with(|setup| match what {
            "it changes" => setup.arg("--revalidate").arg("*"),
            _ => setup,
        });
        rig.cache.put(&path[1..], &content, 1);
        rig.origin.script(&path, ok(&wrong(&content)));
        let ask = || match fields {
            "" => rig.daemon.get(&path),
            field => rig.daemon.ask("GET", &path, &[field]),
        };
        assert_ne!(ask().end, End::Complete, "{what}");
        let next = ask();
        assert_eq!(next.end, End::Complete, "{what}");
        next.assert_whole(&content);
    }
}

/// More than the ring and all socket buffers hold.
const LARGE: usize = 24 << 20;

/// Two readers of wrong content that cannot be stored, of which the second lets itself be left behind, before the source
/// sends its end.
struct Two {
    rig: Rig,
    path: String,
    sent: Vec<u8>,
    /// Lets the source send the end.
    end: Gate,
    /// Lets it refuse the request of a reader that goes around the transfer.
    asked: Gate,
    fast: Client,
    slow: Client,
}

impl Two {
    fn start() -> Self {
        let content = noise(LARGE);
        let (path, sent) = (by_hash(&content), wrong(&content));
        let rig = Rig::with(|setup| setup.after("ulimit -f 2048").limits("ring_ms=1000"));
        let [begun, end, asked] = [(); 3].map(|()| Gate::new());
        let mut script = cut(&sent, 100_000);
        script.extend([
            Step::Wait(begun.clone()),
            Step::Send(sent[100_000..LARGE - 1].to_vec()),
            Step::Wait(end.clone()),
            Step::Send(sent[LARGE - 1..].to_vec()),
        ]);
        rig.origin.script(&path, script);
        let refused = reply("503 Gone to lunch", &[], b"");
        rig.origin.script(&path, gated(&asked, refused));
        let mut clients = [rig.daemon.begin(&path), rig.daemon.begin(&path)];
        for client in &mut clients {
            client.assert_begins(&sent[..100_000]);
        }
        begun.open();
        let [mut fast, slow] = clients;
        let shown = LARGE - 65_536 - 100_000;
        assert!(fast.take(shown) == sent[100_000..][..shown]);
        Self {
            rig,
            path,
            sent,
            end,
            asked,
            fast,
            slow,
        }
    }
}

#[test]
fn who_was_left_behind_gets_no_end_of_what_was_found_wrong() {
    let Two {
        rig: _rig,
        end,
        asked,
        mut fast,
        mut slow,
        ..
    } = Two::start();
    // Where the kernel gives its socket a little more room meanwhile, it goes around the transfer, and is refused.
    asked.open();
    end.open();
    assert_ne!(fast.rest().1, End::Complete);
    assert_ne!(slow.rest().1, End::Complete);
}

#[test]
fn nor_does_who_goes_around_meanwhile() {
    let Two {
        rig,
        path,
        sent,
        end,
        asked,
        mut fast,
        mut slow,
    } = Two::start();
    let rest = Gate::new();
    let slow = thread::spawn(move || slow.rest());
    wait_until("it goes around", || rig.origin.count(&path) == 2);
    let range = rig.origin.requests()[1].field("range").unwrap().to_owned();
    let first = range.strip_prefix("bytes=").unwrap();
    let first: usize = first.split('-').next().unwrap().parse().unwrap();
    let mut script = part(&sent, first, 70_000, &modified());
    script.extend([
        Step::Wait(rest.clone()),
        Step::Send(sent[first + 70_000..].to_vec()),
    ]);
    rig.origin.script(&path, script);
    asked.open();
    // Refused twice: the next script comes after the one that was used.
    wait_until("it asks again", || rig.origin.count(&path) == 4);
    end.open();
    assert_ne!(fast.rest().1, End::Complete);
    rest.open();
    let (got, ended) = slow.join().unwrap();
    assert_ne!(ended, End::Complete, "{} bytes", got.len());
}

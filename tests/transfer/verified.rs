//! Files whose names prove them: nothing wrong is stored, and no client gets the end of it.

use std::thread;

use crate::support::verify::sum;
use crate::support::{
    Client, End, Gate, Origin, Rig, Script, Setup, Step, head, held, missing, modified, noise, ok,
    part, reply,
};

/// More than is read ahead before anybody hears of it.
const LENGTH: usize = 300_000;
/// What may be seen of it before it is proved.
const OPEN: usize = LENGTH - 65_536;

/// The path of a file that lies under its digest, as apt asks for it.
fn by_hash(content: &[u8]) -> String {
    format!("/d/by-hash/SHA256/{}", sum("sha256sum", content))
}

/// The content with one byte changed.
fn flipped(content: &[u8], at: usize) -> Vec<u8> {
    let mut wrong = content.to_vec();
    wrong[at] ^= 1;
    wrong
}

/// Two sources for `content`: the first has `first`, the second the file.
fn pair(content: &[u8], first: Script, more: impl FnOnce(Setup) -> Setup) -> (Rig, Origin) {
    let (rig, second) = Rig::pair(&[], more);
    rig.origin.script(&by_hash(content), first);
    second.script(&by_hash(content), ok(content));
    (rig, second)
}

/// The first answer is cut before the end of wrong content, the next one is whole and from the second source.
#[track_caller]
fn assert_heals(what: &str, content: &[u8], first: Script, more: impl FnOnce(Setup) -> Setup) {
    let (rig, second) = pair(content, first, more);
    let path = by_hash(content);
    let answer = rig.daemon.get(&path);
    assert_eq!(answer.status, 200, "{what}");
    assert_ne!(answer.end, End::Complete, "{what}");
    // One that is a byte too long may be seen a byte further.
    let seen = answer.body.len();
    assert!(seen <= OPEN + 1, "{what}: {seen}");
    assert_eq!(second.count(&path), 0, "{what}");
    rig.cache.wait_empty();
    let line = rig.daemon.wait_for_log("not the file: ");
    let named = format!("error: source {}{path}: ", rig.origin.url());
    assert!(line.contains(&named), "{what}: {line}");
    assert!(line.contains("should be "), "{what}: {line}");
    rig.daemon.get(&path).assert_whole(content);
    assert_eq!(rig.origin.count(&path), 1, "{what}: it is asked last");
    assert_eq!(verified(&rig), [1, 1, 0], "{what}");
}

/// What the program has counted: good, bad, unknown.
fn verified(rig: &Rig) -> [u64; 3] {
    let metrics = rig.daemon.get("/.package-cache/metrics").text();
    ["good", "bad", "unknown"].map(|result| {
        let name = format!("package_cache_verified_total{{result=\"{result}\"}} ");
        let mut lines = metrics.lines();
        let value = lines.find_map(|line| line.strip_prefix(&name));
        value.unwrap().parse().unwrap()
    })
}

/// A 200 in chunks, ended by the last one.
fn chunked(content: &[u8]) -> Script {
    let head = head("200 OK", &["Transfer-Encoding: chunked", &modified()]);
    vec![head, Step::Chunk(content.to_vec()), Step::LastChunk]
}

#[test]
fn small_wrong_content_goes_on_to_the_next_source_unseen() {
    let content = noise(60_000);
    let truncated = content[..50_000].to_vec();
    let mut cut = ok(&content);
    cut[1] = Step::Send(truncated.clone());
    for (what, first) in [
        ("flipped", ok(&flipped(&content, 30_000))),
        ("shorter", ok(&truncated)),
        ("longer", ok(&[&content[..], b"x"].concat())),
        ("broken off", cut),
        ("in chunks", chunked(&flipped(&content, 0))),
        ("empty", ok(b"")),
        (
            "a page",
            reply("200 OK", &["Content-Type: text/html"], b"<p>sorry"),
        ),
    ] {
        let (rig, second) = pair(&content, first, |setup| setup);
        let path = by_hash(&content);
        rig.daemon.get(&path).assert_whole(&content);
        rig.cache.assert_stored(&path[1..], &content);
        assert_eq!(second.count(&path), 1, "{what}");
        let url = format!("warning: source {}{path}: ", rig.origin.url());
        rig.daemon.wait_for_log(&url);
        assert_eq!(rig.daemon.logged(&url).len(), 1, "{what}");
    }
}

#[test]
fn every_digest_that_a_name_can_be_is_known() {
    let content = b"the content".to_vec();
    let wrong = b"not content".to_vec();
    let (sha256, sha512) = (sum("sha256sum", &content), sum("sha512sum", &content));
    let blake2b = sum("b2sum", &content);
    for (path, proved) in [
        (format!("/d/by-hash/SHA256/{sha256}"), true),
        (format!("/d/by-hash/SHA512/{sha512}"), true),
        (format!("/distfiles/{blake2b}"), true),
        (format!("/distfiles/{sha512}"), true),
        (format!("/g/distfiles/{}/{blake2b}", &blake2b[..2]), true),
        (format!("/d/by-hash/MD5Sum/{}", &sha256[..32]), false),
        (format!("/d/{blake2b}"), false),
    ] {
        let rig = Rig::start();
        rig.origin.script(&path, ok(&wrong));
        rig.origin.script(&path, ok(&content));
        let answer = rig.daemon.get(&path);
        if !proved {
            answer.assert_whole(&wrong);
            continue;
        }
        answer.assert_error(502);
        rig.daemon.get(&path).assert_whole(&content);
        rig.cache.assert_stored(&path[1..], &content);
        assert_eq!(verified(&rig), [1, 1, 0], "{path}");
    }
}

#[test]
fn nobody_gets_the_end_of_large_wrong_content() {
    let content = noise(LENGTH);
    for (what, first) in [
        ("first byte", ok(&flipped(&content, 0))),
        ("last byte", ok(&flipped(&content, LENGTH - 1))),
        ("shorter", ok(&content[..LENGTH - 1])),
        ("longer", chunked(&[&content[..], b"x"].concat())),
        ("in chunks", chunked(&flipped(&content, LENGTH / 2))),
    ] {
        assert_heals(what, &content, first, |setup| setup);
    }
}

#[test]
fn nor_of_what_is_relayed_and_not_stored() {
    let content = noise(LENGTH);
    let first = || ok(&flipped(&content, LENGTH - 1));
    assert_heals("no room", &content, first(), |setup| {
        setup.arg("--min-free").arg("1000000T")
    });
    assert_heals("full in mid-transfer", &content, first(), |setup| {
        setup.after("ulimit -f 300")
    });
}

#[test]
fn right_content_is_whole_however_it_comes() {
    let content = noise(LENGTH);
    let path = by_hash(&content);
    for (what, first, prelude) in [
        ("known length", ok(&content), "true"),
        ("chunks", chunked(&content), "true"),
        ("full in mid-transfer", ok(&content), "ulimit -f 300"),
        ("chunks, full", chunked(&content), "ulimit -f 300"),
    ] {
        let rig = Rig::with(|setup| setup.after(prelude));
        rig.origin.script(&path, first);
        let answer = rig.daemon.get(&path);
        assert_eq!((answer.status, answer.end), (200, End::Complete), "{what}");
        assert!(answer.body == content, "{what}");
        assert_eq!(verified(&rig), [1, 0, 0], "{what}");
    }
}

#[test]
fn the_end_is_shown_to_nobody_before_it_is_proved() {
    let content = noise(LENGTH);
    let path = by_hash(&content);
    for sent in [content.clone(), flipped(&content, LENGTH - 1)] {
        let (rig, gate) = (Rig::start(), Gate::new());
        rig.origin.script(&path, held(&sent, LENGTH - 1, &gate));
        // The first one, one that joins, and two that ask for parts.
        let mut clients = [
            (0, LENGTH),
            (0, LENGTH),
            (100_000, 290_000),
            (LENGTH - 10, LENGTH),
        ];
        let mut begun = clients.each_mut().map(|(from, to)| {
            let mut client = rig.daemon.client();
            let range = format!("Range: bytes={from}-{}", *to - 1);
            let fields: &[&str] = if *from > 0 { &[&range] } else { &[] };
            client.ask("GET", &path, fields);
            client.head();
            let open = OPEN.saturating_sub(*from);
            assert!(client.take(open) == content[*from..*from + open]);
            client
        });
        gate.open();
        for (client, (from, to)) in begun.iter_mut().zip(clients) {
            let (rest, end) = client.rest();
            match sent == content {
                true => {
                    assert_eq!(end, End::Complete);
                    assert!(rest == content[OPEN.max(from)..to]);
                }
                false => assert!(
                    end != End::Complete && rest.is_empty(),
                    "{from}: {}",
                    rest.len()
                ),
            }
        }
    }
}

#[test]
fn the_digest_is_of_all_bytes_also_after_a_break() {
    let content = noise(LENGTH);
    let path = by_hash(&content);
    let (begins, at) = (150_000, 150_000 - 65_536);
    let broken = |content: &[u8]| {
        let length = format!("Content-Length: {LENGTH}");
        let head = head("200 OK", &[&length, &modified()]);
        vec![head, Step::Send(content[..begins].to_vec())]
    };
    let goes_on = part(&content, at, LENGTH - at, &modified());
    for (what, beginning, end) in [
        ("right", content.clone(), End::Complete),
        ("wrong before the break", flipped(&content, 7), End::Cut),
    ] {
        let (rig, second) = Rig::pair(&[], |setup| setup.limits("pause_ms=1"));
        rig.origin.script(&path, broken(&beginning));
        rig.origin.script(&path, missing());
        second.script(&path, goes_on.clone());
        second.script(&path, ok(&content));
        let answer = rig.daemon.get(&path);
        assert_eq!(answer.end == End::Complete, end == End::Complete, "{what}");
        if end == End::Complete {
            answer.assert_whole(&content);
            rig.cache.assert_stored(&path[1..], &content);
        } else {
            assert!(answer.body.len() <= OPEN, "{what}");
            rig.cache.wait_empty();
        }
    }
}

#[test]
fn a_stored_file_is_not_replaced_by_a_wrong_one() {
    for length in [1_000, LENGTH] {
        let content = noise(length);
        let path = by_hash(&content);
        let rig = Rig::start();
        rig.cache.put(&path[1..], &content, 1);
        rig.origin.script(&path, ok(&flipped(&content, length - 1)));
        let fields = ["Cache-Control: no-cache"];
        let answer = rig.daemon.ask("GET", &path, &fields);
        if length < OPEN {
            answer.assert_whole(&content);
        } else {
            assert_ne!(answer.end, End::Complete);
        }
        rig.cache.assert_stored(&path[1..], &content);
        rig.daemon.get(&path).assert_whole(&content);
    }
}

#[test]
fn small_content_that_comes_slowly_is_waited_for() {
    let content = noise(1_000);
    let path = by_hash(&content);
    let gate = Gate::new();
    let rig = Rig::with(|setup| setup.limits("patience_ms=100"));
    rig.origin.script(&path, held(&content, 10, &gate));
    let mut client: Client = rig.daemon.client();
    client.ask("GET", &path, &[]);
    let answered = thread::spawn(move || {
        // The head comes although the content cannot be proved yet.
        client.head();
        gate.open();
        client.take(1_000)
    });
    assert!(answered.join().unwrap() == content);
    rig.cache.assert_stored(&path[1..], &content);
}

#[test]
fn the_head_alone_is_answered_without_the_content() {
    let content = noise(1_000);
    let path = by_hash(&content);
    let rig = Rig::start();
    rig.origin.file(&path, &content);
    let answer = rig.daemon.ask("HEAD", &path, &[]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("content-length"), Some("1000"));
    assert_eq!(verified(&rig), [0, 0, 0]);
}

#[test]
fn a_range_behind_the_end_of_unproved_content_is_not_refused() {
    let content = noise(LENGTH);
    let path = by_hash(&content);
    let gate = Gate::new();
    let (rig, _second) = pair(
        &content,
        held(&content[..LENGTH - 1_000], 10, &gate),
        |setup| setup,
    );
    let range = format!("Range: bytes={}-", LENGTH - 500);
    let mut client = rig.daemon.client();
    client.ask("GET", &path, &[&range]);
    // It may be that of the right content, and a 416 says that there is nothing more to get.
    assert_eq!(client.head().status, 200);
    gate.open();
    assert_ne!(client.rest().1, End::Complete);
    let answer = rig.daemon.ask("GET", &path, &[&range]);
    assert_eq!((answer.status, answer.end), (206, End::Complete));
    assert!(answer.body == content[LENGTH - 500..]);
}

//! Going on: what is asked, what clients see, how often it may happen.

use std::fs;

use super::{AGAIN, AT, FILE, LENGTH, Restarts, stop};
use crate::support::{End, Gate, MODIFIED_UNIX, Origin, halves, noise, wait_until};

#[test]
fn the_next_process_goes_on_where_the_last_one_ended() {
    let it = Restarts::new();
    let daemon = it.stopped_at(FILE, AT);
    daemon.wait_for_log(&format!("kept {AT} of {LENGTH} bytes of d/a.tar"));
    let kept = it.partials();
    assert!(
        kept.len() == 1 && it.cache.partials().is_empty(),
        "{kept:?}"
    );
    assert!(
        fs::read(it.cache.file(&kept[0]))
            .unwrap()
            .starts_with(&it.content[..AT])
    );
    assert_eq!(it.cache.modified(&kept[0]), MODIFIED_UNIX);
    it.mirror.set(|state| state.hold = usize::MAX);
    let daemon = it.setup().start();
    // No request reaches it.
    daemon.get(&format!("/{}", kept[0])).assert_error(404);
    it.assert_comes_whole(&daemon);
    daemon.wait_for_log(&format!("goes on at byte {AT}"));
    assert_eq!(it.ranges(), ["-", &format!("bytes={AGAIN}-")]);
    assert_eq!(it.cache.modified("d/a.tar"), MODIFIED_UNIX);
    assert!(daemon.logged("warning: ").is_empty());
    assert!(daemon.get(FILE).cache_status("hit"));
}

/// Clients that try again with a range, as wget, curl and Portage do.
#[test]
fn restarts_at_many_points_fetch_hardly_anything_twice() {
    const WHOLE: usize = 12 << 20;
    let it = Restarts::of(noise(WHOLE));
    let mut got = [0; 3];
    for stop_at in (1..8).map(|eighth| WHOLE / 8 * eighth + 12_345) {
        it.mirror.set(|state| state.hold = stop_at);
        let mut daemon = it.setup().start();
        let mut clients = Vec::new();
        for (number, got) in got.iter_mut().enumerate() {
            let mut client = daemon.client();
            client.ask("GET", FILE, &[&format!("Range: bytes={got}-")]);
            assert_eq!(client.head().status, 206);
            // Each at its own pace.
            let next = stop_at - number * 50_000;
            client.assert_goes_on(&it.content[*got..next]);
            *got = next;
            clients.push(client);
        }
        stop(&mut daemon);
        for client in &mut clients {
            assert_ne!(client.rest().1, End::Complete);
        }
        assert_eq!(it.partials().len(), 1, "{:?}", it.cache.walk());
    }
    it.mirror.set(|state| state.hold = usize::MAX);
    let daemon = it.setup().start();
    for got in got {
        let answer = daemon.ask("GET", FILE, &[&format!("Range: bytes={got}-")]);
        assert_eq!((answer.status, answer.end), (206, End::Complete));
        assert!(answer.body == it.content[got..]);
    }
    it.assert_comes_whole(&daemon);
    let sent = it.mirror.look().sent;
    assert_eq!(sent, WHOLE + 7 * 65_536);
    assert!(sent * 100 < WHOLE * 105);
}

#[test]
fn readers_get_all_of_it_from_its_first_byte_while_the_rest_comes() {
    let it = Restarts::kept();
    it.mirror.set(|state| state.hold = AT + 10_000);
    let daemon = it.setup().start();
    let mut whole = daemon.begin(FILE);
    whole.assert_begins(&it.content[..AT + 10_000]);
    let mut ranged = daemon.client();
    ranged.ask("GET", FILE, &["Range: bytes=100-"]);
    let head = ranged.head();
    assert!(head.status == 206 && head.cache_status("collapsed"));
    ranged.assert_goes_on(&it.content[100..AT + 10_000]);
    let head = daemon.ask("HEAD", FILE, &[]);
    assert_eq!(head.field("content-length"), Some("300000"));
    let text = daemon.ask("GET", "/.package-cache/status.json", &[]).text();
    let received = format!("\"received\":{}", AT + 10_000);
    assert!(text.replace(' ', "").contains(&received), "{text}");
    assert_eq!(it.mirror.look().requests.len(), 1);
}

#[test]
fn the_entity_tag_stays_so_that_clients_can_go_on() {
    let it = Restarts::new();
    let (mut daemon, mut client) = it.running_to(FILE, AT);
    let before = daemon.ask("HEAD", FILE, &[]);
    stop(&mut daemon);
    client.rest();
    it.mirror.set(|state| state.hold = usize::MAX);
    let daemon = it.setup().start();
    let tag = before.field("etag").unwrap();
    let fields = ["Range: bytes=150000-", &format!("If-Range: {tag}")];
    let answer = daemon.ask("GET", FILE, &fields);
    assert_eq!((answer.status, answer.end), (206, End::Complete));
    assert!(answer.body == it.content[150_000..]);
}

#[test]
fn what_nobody_reads_is_kept_at_once_and_before_others_have_finished() {
    let it = Restarts::new();
    let (held, gate) = (Origin::start(), Gate::new());
    held.script("/o/b.tar", halves(b"content of b", &gate));
    it.mirror.set(|state| state.hold = AT);
    let mut daemon = it
        .limited(",grace_ms=600000")
        .arg(format!("--source=o={}/o", held.url()))
        .start();
    let mut other = daemon.begin("/o/b.tar");
    other.assert_begins(b"conten");
    let range = format!("Range: bytes=0-{}", AT - 1);
    let answer = daemon.ask("GET", FILE, &[&range]);
    assert_eq!((answer.status, answer.end), (206, End::Complete));
    wait_until("its reader has gone", || {
        let text = daemon.ask("GET", "/.package-cache/status.json", &[]).text();
        text.replace(' ', "").contains("\"readers\":0")
    });
    daemon.signal("TERM");
    wait_until("it is kept", || it.partials().len() == 1);
    gate.open();
    other.assert_ends(b"t of b");
    assert_eq!(daemon.wait_exit().code(), Some(0));
    assert_eq!(it.partials().len(), 1);
}

#[test]
fn what_clients_have_whole_is_stored_and_not_kept() {
    // The stop falls between the last byte and the end of the transfer in some rounds, if the machine has it so.
    for _ in 0..20 {
        let (it, held, gate) = (Restarts::new(), Origin::start(), Gate::new());
        held.script("/o/b.tar", halves(&it.content, &gate));
        let mut daemon = it
            .limited(",grace_ms=20000")
            .arg(format!("--source=o={}/o", held.url()))
            .start();
        let mut clients = [(); 4].map(|()| daemon.begin("/o/b.tar"));
        let (first, rest) = it.content.split_at(LENGTH / 2);
        clients.iter_mut().for_each(|it| it.assert_begins(first));
        daemon.signal("TERM");
        daemon.wait_for_log("stopping");
        gate.open();
        clients.iter_mut().for_each(|it| it.assert_ends(rest));
        assert_eq!(daemon.wait_exit().code(), Some(0));
        it.cache.assert_stored("o/b.tar", &it.content);
        assert!(it.partials().is_empty());
    }
}

#[test]
fn a_client_that_has_closed_its_side_has_the_grace_too() {
    let (it, held, gate) = (Restarts::new(), Origin::start(), Gate::new());
    held.script("/o/b.tar", halves(&it.content, &gate));
    let mut daemon = it
        .limited(",grace_ms=20000,look_ms=20,peek_ms=20,idle_ms=300")
        .arg(format!("--source=o={}/o", held.url()))
        .start();
    let mut client = daemon.begin("/o/b.tar");
    let (first, rest) = it.content.split_at(LENGTH / 2);
    client.assert_begins(first);
    client.close_writing();
    // A connection that idles measures the time: longer than it takes to see that.
    assert!(daemon.client().wait_closed().is_some());
    daemon.signal("TERM");
    daemon.wait_for_log("stopping");
    gate.open();
    client.assert_ends(rest);
    assert_eq!(daemon.wait_exit().code(), Some(0));
}

#[test]
fn what_is_kept_may_be_the_whole_file() {
    let it = Restarts::kept();
    let name = it.cache.file(&it.partials()[0]);
    let kept = fs::read(&name).unwrap();
    // All had come when the process stopped, but the end of the transfer had not.
    fs::write(&name, [&it.content[..], &kept[AT..]].concat()).unwrap();
    it.assert_comes_whole(&it.setup().start());
    assert_eq!(it.ranges(), [format!("bytes={}-", LENGTH - 65_536)]);
}

#[test]
fn a_name_of_255_bytes_is_kept_and_every_path_has_its_own() {
    let it = Restarts::new();
    let long = format!("/d/{}.tar", "n".repeat(251));
    for target in [&long, FILE, "/d/%fftar", "/e/a.tar"] {
        it.stopped_at(target, AT);
    }
    assert_eq!(it.partials().len(), 4, "{:?}", it.cache.walk());
    it.mirror
        .set(|state| (state.hold, state.requests) = (usize::MAX, Vec::new()));
    let daemon = it.setup().start();
    for target in [&long, FILE, "/d/%fftar", "/e/a.tar"] {
        daemon.get(target).assert_whole(&it.content);
    }
    assert_eq!(it.ranges(), vec![format!("bytes={AGAIN}-"); 4]);
    wait_until("all are stored", || {
        it.partials().is_empty() && it.cache.partials().is_empty()
    });
}

#[test]
fn it_is_kept_beside_the_file_that_a_link_leads_to() {
    let it = Restarts::new();
    let elsewhere = it.cache.outside().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir(it.cache.file("d")).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("real"), it.cache.file("d/a.tar")).unwrap();
    it.stopped_at(FILE, AT);
    assert_eq!(
        (
            it.partials().len(),
            fs::read_dir(&elsewhere).unwrap().count()
        ),
        (0, 1)
    );
    it.mirror.set(|state| state.hold = usize::MAX);
    let daemon = it.setup().start();
    daemon.get(FILE).assert_whole(&it.content);
    wait_until("it is stored", || {
        fs::read(elsewhere.join("real")).is_ok_and(|content| content == it.content)
    });
    assert_eq!(it.ranges()[1], format!("bytes={AGAIN}-"));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
}

#[test]
fn two_processes_do_not_take_the_same() {
    let it = Restarts::kept();
    let middle = AT + 10_000;
    it.mirror.set(|state| state.hold = middle);
    let first = it.setup().start();
    let mut client = first.begin(FILE);
    client.assert_begins(&it.content[..middle]);
    // The second fetches it all by itself, and its sweep leaves the first one's partial alone.
    it.mirror.set(|state| state.hold = usize::MAX);
    let second = it.setup().start();
    second.get(FILE).assert_whole(&it.content);
    it.cache.assert_stored("d/a.tar", &it.content);
    assert_eq!(it.ranges(), [&format!("bytes={AGAIN}-"), "-"]);
    assert_eq!(it.cache.partials().len(), 1, "{:?}", it.cache.walk());
    let mut first = first;
    stop(&mut first);
    drop(client);
    // What the first one has kept is of no use to anybody now, but does no harm.
    assert_eq!(it.partials().len(), 1);
    assert!(
        second
            .get(FILE)
            .assert_whole(&it.content)
            .cache_status("hit")
    );
}

#[test]
fn a_kill_while_going_on_spoils_nothing() {
    let it = Restarts::kept();
    it.mirror.set(|state| state.hold = AT + 10_000);
    let mut daemon = it.setup().start();
    daemon.begin(FILE).assert_begins(&it.content[..AT + 10_000]);
    daemon.kill();
    assert_eq!((it.partials().len(), it.cache.partials().len()), (0, 1));
    it.mirror.set(|state| state.hold = usize::MAX);
    let daemon = it.setup().start();
    daemon.wait_for_log("swept 1 leftover");
    it.assert_comes_whole(&daemon);
}

#[test]
fn a_stop_while_it_is_proved_keeps_it_as_it_was() {
    let it = Restarts::kept();
    let before = fs::read(it.cache.file(&it.partials()[0])).unwrap();
    // Of the 64 KiB that prove it only some come.
    it.mirror.set(|state| state.hold = AGAIN + 100);
    let mut daemon = it.limited(",patience_ms=600000,proof_ms=600000").start();
    let client = daemon.begin(FILE);
    wait_until("it is asked for", || it.mirror.look().sent == 100);
    stop(&mut daemon);
    drop(client);
    assert_eq!(fs::read(it.cache.file(&it.partials()[0])).unwrap(), before);
    it.mirror.set(|state| state.hold = usize::MAX);
    it.assert_comes_whole(&it.setup().start());
    assert_eq!(it.ranges(), vec![format!("bytes={AGAIN}-"); 2]);
}

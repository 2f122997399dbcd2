//! What is not kept, not taken or not left for ever.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use super::{AT, FILE, Restarts, stop};
use crate::support::{Daemon, End, Gate, LEFTOVER, Rig, Step, head, modified, noise, wait_until};

/// Stops a process that has got some of a file from such a head and pieces; what is left.
fn left_of(fields: &[&str], some: &[u8]) -> Vec<String> {
    let (gate, mut rig) = (
        Gate::new(),
        Rig::with(|setup| setup.limits("grace_ms=50,partial_bytes=65536")),
    );
    let script = vec![
        head("200 OK", fields),
        Step::Send(some.to_vec()),
        Step::Wait(gate.clone()),
    ];
    rig.origin.script("/d/a.tar", script);
    let mut client = rig.daemon.begin("/d/a.tar");
    client.head();
    client.up_to(1_000);
    stop(&mut rig.daemon);
    gate.open();
    rig.cache.walk()
}

#[test]
fn what_could_not_be_gone_on_with_is_not_kept() {
    let (length, modified) = ("Content-Length: 300000", modified());
    let (some, little) = (noise(200_000), noise(60_000));
    let chunk = |bytes: &[u8]| [b"30d40\r\n", bytes, b"\r\n"].concat();
    let nothing: [&str; 0] = [];
    assert_eq!(left_of(&[length], &some), nothing);
    assert_eq!(left_of(&[length, "ETag: \"one\""], &some), nothing);
    assert_eq!(
        left_of(
            &[length, "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT"],
            &some
        ),
        nothing
    );
    assert_eq!(
        left_of(&["Transfer-Encoding: chunked", &modified], &chunk(&some)),
        nothing
    );
    assert_eq!(left_of(&[length, &modified], &little), nothing);
    let kept = left_of(&[length, &modified], &some);
    assert!(kept.len() == 2 && kept[1].ends_with(".kept"), "{kept:?}");
}

#[test]
fn a_second_signal_keeps_nothing() {
    let it = Restarts::new();
    it.mirror.set(|state| state.hold = AT);
    let mut daemon = it.limited(",grace_ms=600000").start();
    let mut client = daemon.begin(FILE);
    client.assert_begins(&it.content[..AT]);
    daemon.signal("TERM");
    daemon.wait_for_log("stopping");
    daemon.signal("TERM");
    assert_eq!(daemon.wait_exit().code(), Some(0));
    assert_eq!(it.cache.walk(), ["d"]);
}

#[test]
fn what_gives_way_while_the_process_runs_is_not_kept() {
    let it = Restarts::new();
    it.mirror.set(|state| state.hold = AT);
    let daemon = it.limited(",transfers=1").start();
    let mut client = daemon.begin(FILE);
    client.assert_begins(&it.content[..AT]);
    drop(client);
    it.mirror.set(|state| state.hold = usize::MAX);
    daemon.get("/d/b.tar").assert_whole(&it.content);
    it.cache.assert_stored("d/b.tar", &it.content);
    assert_eq!(it.cache.walk(), ["d", "d/b.tar"]);
}

/// The kept partial is changed in this way: then it is not taken, but what is there stays.
#[track_caller]
fn assert_left_alone(what: &str, change: impl FnOnce(&Path, &Path)) {
    let it = Restarts::kept();
    let kept = it.partials();
    change(&it.cache.file(&kept[0]), it.cache.outside());
    let daemon = it.setup().start();
    daemon.get(FILE).assert_whole(&it.content);
    it.cache.assert_stored("d/a.tar", &it.content);
    assert_eq!(
        (it.ranges(), it.partials()),
        (vec!["-".to_owned()], kept),
        "{what}"
    );
}

#[test]
fn what_somebody_else_may_have_laid_there_is_left_alone() {
    assert_left_alone("another user's", |kept, _| {
        // Only root can give files away; without that there is nothing to see.
        if chown(kept, Some(65_534), None).is_err() {
            fs::remove_file(kept).unwrap();
            fs::create_dir(kept).unwrap();
        }
    });
    assert_left_alone("a link", |kept, outside| {
        let elsewhere = outside.join("elsewhere");
        fs::rename(kept, &elsewhere).unwrap();
        symlink(elsewhere, kept).unwrap();
    });
    assert_left_alone("one with another name", |kept, outside| {
        fs::hard_link(kept, outside.join("other")).unwrap();
    });
    assert_left_alone("a directory", |kept, _| {
        fs::remove_file(kept).unwrap();
        fs::create_dir(kept).unwrap();
    });
}

#[test]
fn a_spoilt_one_is_left_alone() {
    type Spoil = fn(Vec<u8>) -> Vec<u8>;
    let spoilt: [(&str, Spoil); 6] = [
        ("empty", |_| Vec::new()),
        ("cut at its end", |mut kept| {
            kept.pop();
            kept
        }),
        ("without a trailer", |kept| kept[..AT].to_vec()),
        ("a trailer alone", |kept| kept[AT..].to_vec()),
        ("more than the whole", |kept| {
            [&noise(100_001), &kept[..]].concat()
        }),
        ("of no sense", |mut kept| {
            kept[AT] = b'x';
            kept
        }),
    ];
    for (what, spoil) in spoilt {
        assert_left_alone(what, |kept, _| {
            let content = fs::read(kept).unwrap();
            fs::write(kept, spoil(content)).unwrap();
        });
    }
}

#[test]
fn without_room_at_the_start_it_stays_and_clients_are_served() {
    let it = Restarts::kept();
    let kept = it.partials();
    let mut daemon = it.setup().arg("--min-free=1000000T").start();
    let answer = daemon.get(FILE);
    assert!(!answer.assert_whole(&it.content).cache_status("stored"));
    daemon.wait_for_log("cannot store");
    assert_eq!((it.ranges(), it.partials()), (vec!["-".to_owned()], kept));
    stop(&mut daemon);
    it.assert_comes_whole(&it.setup().start());
    assert_eq!(it.ranges().len(), 2);
}

#[test]
fn a_disk_that_is_full_at_the_stop_keeps_nothing() {
    let it = Restarts::new();
    // 131,072 bytes in blocks of 512: the content just fits, what must follow it does not.
    it.mirror.set(|state| state.hold = 131_072);
    let mut daemon = it.setup().after("ulimit -f 256").start();
    let mut client = daemon.begin(FILE);
    client.assert_begins(&it.content[..131_072]);
    stop(&mut daemon);
    daemon.wait_for_log("cannot keep 131072 bytes of d/a.tar");
    assert_ne!(client.rest().1, End::Complete);
    assert!(it.cache.walk().is_empty(), "{:?}", it.cache.walk());
}

#[test]
fn what_was_kept_goes_a_week_later_at_the_start_and_while_it_runs() {
    let it = Restarts::kept();
    // A leftover tells when the sweep has been there.
    it.cache.put(LEFTOVER, b"half", 1);
    it.setup().start().wait_for_log("swept 1 leftover");
    assert_eq!(it.partials().len(), 1);
    let daemon = it.limited(",partial_ms=2500").start();
    wait_until("it has gone while the process runs", || {
        it.partials().is_empty()
    });
    daemon.wait_for_log("swept 1 leftover");
    let it = Restarts::kept();
    it.limited(",partial_ms=0")
        .start()
        .wait_for_log("swept 1 leftover");
    assert!(it.partials().is_empty());
}

/// A name that is the digest of its content.
#[test]
fn all_bytes_are_proved_those_that_were_kept_too() {
    let content = noise(super::LENGTH);
    let hex = std::process::Command::new("sh")
        .args(["-c", "sha256sum | cut -d' ' -f1"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), &content)?;
            child.wait_with_output()
        })
        .unwrap()
        .stdout;
    let target = format!("/by-hash/SHA256/{}", String::from_utf8(hex).unwrap().trim());
    for spoilt in [false, true] {
        let it = Restarts::of(content.clone());
        // The last 64 KiB of the whole are shown when they are right.
        it.stopped_at(&target, AT);
        it.mirror.set(|state| state.hold = usize::MAX);
        if spoilt {
            let kept = it.cache.file(&it.partials()[0]);
            let mut bytes = fs::read(&kept).unwrap();
            bytes[1_000] ^= 1;
            fs::write(&kept, bytes).unwrap();
        }
        let daemon: Daemon = it.setup().start();
        let answer = daemon.get(&target);
        if spoilt {
            assert!(answer.end != End::Complete && answer.body.len() <= super::LENGTH - 65_536);
            daemon.wait_for_log("not the file");
            wait_until("it has gone", || it.cache.partials().is_empty());
        }
        daemon.get(&target).assert_whole(&it.content);
        it.cache.assert_stored(&target[1..], &it.content);
        assert_eq!(it.ranges().len(), if spoilt { 3 } else { 2 });
        assert!(it.partials().is_empty());
    }
}

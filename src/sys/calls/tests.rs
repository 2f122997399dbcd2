use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use super::*;

/// Two ends of a loopback connection, with a limit on every wait.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    for end in [&near, &far] {
        end.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        end.set_write_timeout(Some(Duration::from_secs(10)))
            .unwrap();
    }
    (near, far)
}

#[test]
fn send_file_moves_bytes() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"0123456789").unwrap();
    let (near, mut far) = pair();
    for (offset, count, sent) in [(2, 5, 5), (7, 1 << 20, 3), (10, 1, 0)] {
        let moved = send_file(near.as_fd(), file.as_fd(), offset, count).unwrap();
        assert_eq!(moved, sent, "{offset}");
    }
    drop(near);
    let mut text = String::new();
    far.read_to_string(&mut text).unwrap();
    assert_eq!(text, "23456789");
}

#[test]
fn send_file_fails_beyond_a_file_and_from_a_directory() {
    let file = tempfile::tempfile().unwrap();
    let (near, _far) = pair();
    assert!(send_file(near.as_fd(), file.as_fd(), u64::MAX, 1).is_err());
    let directory = File::open("/").unwrap();
    assert!(send_file(near.as_fd(), directory.as_fd(), 0, 1).is_err());
}

#[test]
fn an_open_file_gets_a_name_in_either_way_if_that_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = tempfile::tempfile_in(dir.path()).unwrap();
    file.write_all(b"content").unwrap();
    let (fd, to) = (file.as_raw_fd(), dir.path().join("by path"));
    let path = format!("/proc/self/fd/{fd}");
    link_at(AT_CWD, &path, &to, AT_FOLLOW).unwrap();
    link(file.as_fd(), &dir.path().join("either way")).unwrap();
    for name in ["by path", "either way"] {
        let to = dir.path().join(name);
        assert_eq!(std::fs::read(&to).unwrap(), b"content");
        let taken = link(file.as_fd(), &to).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists, "{name}");
    }
}

#[test]
fn a_peek_reads_nothing_and_waits_for_nothing() {
    let (near, mut far) = pair();
    let nothing = peek(near.as_fd()).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    far.write_all(b"xy").unwrap();
    drop(far);
    let poll = Poll::new().unwrap();
    poll.add(near.as_fd(), false).unwrap();
    assert_eq!(poll.wait(10_000).unwrap().count(), 1);
    assert_eq!(peek(near.as_fd()).unwrap(), 1);
    let mut all = Vec::new();
    (&near).read_to_end(&mut all).unwrap();
    assert_eq!(
        (all.as_slice(), peek(near.as_fd()).unwrap()),
        (&b"xy"[..], 0)
    );
}

#[test]
fn poll_tells_which_sockets_can_be_read() {
    let ((one, _one), (two, mut other)) = (pair(), pair());
    let poll = Poll::new().unwrap();
    poll.add(one.as_fd(), false).unwrap();
    poll.add(two.as_fd(), true).unwrap();
    assert_eq!(poll.wait(0).unwrap().count(), 0);
    other.write_all(b"x").unwrap();
    for _ in 0..2 {
        let ready: Vec<_> = poll.wait(10_000).unwrap().collect();
        assert_eq!(ready, [two.as_raw_fd()], "until it is read");
    }
    poll.remove(two.as_fd()).unwrap();
    assert_eq!(poll.wait(0).unwrap().count(), 0);
    assert!(poll.remove(two.as_fd()).is_err());
}

#[test]
fn poll_tells_of_many_sockets_at_once() {
    let pairs: Vec<_> = (0..100).map(|_| pair()).collect();
    let poll = Poll::new().unwrap();
    for (near, far) in &pairs {
        poll.add(near.as_fd(), false).unwrap();
        (&mut &*far).write_all(b"x").unwrap();
    }
    let mut told = Vec::new();
    while told.len() < 100 {
        let ready: Vec<_> = poll.wait(10_000).unwrap().collect();
        assert!((1..=64).contains(&ready.len()), "{}", ready.len());
        for (near, _) in pairs
            .iter()
            .filter(|(near, _)| ready.contains(&near.as_raw_fd()))
        {
            poll.remove(near.as_fd()).unwrap();
        }
        told.extend(ready);
    }
    told.sort_unstable();
    let mut all: Vec<_> = pairs.iter().map(|(near, _)| near.as_raw_fd()).collect();
    all.sort_unstable();
    assert_eq!(told, all);
}

#[test]
fn backlog_is_set_again() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    set_backlog(listener.as_fd(), 4096).unwrap();
    TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert!(set_backlog(tempfile::tempfile().unwrap().as_fd(), 1).is_err());
}

#[test]
fn linger_zero_makes_the_close_a_reset() {
    let (near, mut far) = pair();
    set(near.as_fd(), CORK, true).unwrap();
    set(near.as_fd(), RESET, true).unwrap();
    drop(near);
    assert_eq!(
        far.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert!(set(tempfile::tempfile().unwrap().as_fd(), RESET, true).is_err());
}

#[test]
fn descriptor_limit_is_raised_once() {
    let limit = raise_descriptor_limit().unwrap();
    assert!(limit >= 64, "{limit}");
    assert_eq!(raise_descriptor_limit().unwrap(), limit);
    let table = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = table
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let soft = line.split_whitespace().nth(3).unwrap();
    assert_eq!(soft, limit.to_string());
}

#[test]
fn space_of_a_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let (free, total) = space(dir.path()).unwrap();
    assert!(total >= 1 << 20 && free <= total, "{free} of {total}");
    // Without blocks at all, as df shows it.
    assert_eq!(space(Path::new("/proc")).unwrap(), (0, 0));
    let absent = space(&dir.path().join("absent")).unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    assert!(space(Path::new("a\0b")).is_err());
}

#[test]
fn unsent_counts_until_acknowledged() {
    let (mut near, mut far) = pair();
    assert_eq!(unsent(near.as_fd()).unwrap(), 0);
    near.set_nonblocking(true).unwrap();
    while near.write(&[0; 65536]).is_ok() {}
    assert!(unsent(near.as_fd()).unwrap() > 0);
    near.set_nonblocking(false).unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    std::io::copy(&mut far, &mut std::io::sink()).unwrap();
    drop(far);
    // The end of the other direction acknowledges everything.
    assert_eq!(near.read(&mut [0]).unwrap(), 0);
    assert_eq!(unsent(near.as_fd()).unwrap(), 0);
    assert!(unsent(tempfile::tempfile().unwrap().as_fd()).is_err());
}

#[test]
fn effective_uid_owns_new_files() {
    use std::os::unix::fs::MetadataExt;
    assert_eq!(
        tempfile::tempfile().unwrap().metadata().unwrap().uid(),
        geteuid()
    );
}

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

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
fn send_file_moves_bytes_and_advances() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"0123456789").unwrap();
    let (near, mut far) = pair();
    let mut offset = 2;
    assert_eq!(
        send_file(near.as_fd(), file.as_fd(), &mut offset, 5).unwrap(),
        5
    );
    assert_eq!(offset, 7);
    assert_eq!(
        send_file(near.as_fd(), file.as_fd(), &mut offset, usize::MAX).unwrap(),
        3
    );
    assert_eq!(offset, 10);
    assert_eq!(
        send_file(near.as_fd(), file.as_fd(), &mut offset, 1).unwrap(),
        0
    );
    assert_eq!(offset, 10);
    drop(near);
    let mut text = String::new();
    far.read_to_string(&mut text).unwrap();
    assert_eq!(text, "23456789");
}

#[test]
fn send_file_keeps_the_offset_when_it_fails() {
    let file = tempfile::tempfile().unwrap();
    let (near, _far) = pair();
    let mut offset = u64::MAX;
    assert!(send_file(near.as_fd(), file.as_fd(), &mut offset, 1).is_err());
    assert_eq!(offset, u64::MAX);
    let directory = File::open("/").unwrap();
    offset = 0;
    assert!(send_file(near.as_fd(), directory.as_fd(), &mut offset, 1).is_err());
    assert_eq!(offset, 0);
}

#[test]
fn listen_again() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listen(listener.as_fd(), 4096).unwrap();
    TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert!(listen(tempfile::tempfile().unwrap().as_fd(), 1).is_err());
}

#[test]
fn linger_zero_makes_the_close_a_reset() {
    let (near, mut far) = pair();
    set_reset(near.as_fd(), true).unwrap();
    drop(near);
    assert_eq!(
        far.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert!(set_reset(tempfile::tempfile().unwrap().as_fd(), true).is_err());
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
    let space = super::space(dir.path()).unwrap();
    assert!(
        space.total >= 1 << 20 && space.free <= space.total,
        "{space:?}"
    );
    // Without blocks at all, as df shows it.
    assert_eq!(
        super::space(Path::new("/proc")).unwrap(),
        Space { free: 0, total: 0 }
    );
    let absent = super::space(&dir.path().join("absent")).unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    assert!(super::space(Path::new("a\0b")).is_err());
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
        effective_uid()
    );
}

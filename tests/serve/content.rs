//! Content that cannot be sent as promised, or to a client that does not take it.

use std::fs::File;

use super::filled;
use crate::support::{End, MODIFIED_UNIX, Rig};

#[test]
fn a_file_cut_short_while_it_is_sent_is_never_a_clean_end() {
    // Sparse, and larger than any socket's buffers: most of it is unsent when it shrinks.
    const LENGTH: u64 = 1 << 30;
    let rig = Rig::start();
    rig.cache.put("a.tar", b"", MODIFIED_UNIX);
    let file = File::options().write(true).open(rig.cache.file("a.tar"));
    let file = file.unwrap();
    file.set_len(LENGTH).unwrap();
    for version in ["1.1", "1.0"] {
        file.set_len(LENGTH).unwrap();
        let mut client = rig.daemon.client();
        client.send(format!("GET /a.tar HTTP/{version}\r\nHost: x\r\n\r\n"));
        assert_eq!(client.head().field("content-length"), Some("1073741824"));
        file.set_len(4096).unwrap();
        let (body, end) = client.rest();
        assert!((body.len() as u64) < LENGTH);
        assert_ne!(end, End::Complete, "HTTP/{version}");
    }
    rig.daemon.wait_for_log("became shorter");
}

#[test]
fn a_client_that_takes_nothing_is_dropped() {
    let rig = filled(|setup| setup.limits("send_ms=300").arg("-v"));
    // Larger than any socket buffer.
    File::create(rig.cache.file("huge.tar"))
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    let mut client = rig.daemon.begin("/huge.tar");
    assert_eq!(client.head().status, 200);
    // The access line is written when the answer has ended.
    rig.daemon.wait_for_log("GET /huge.tar");
    assert_ne!(client.rest().1, End::Complete);
}

#[test]
fn a_client_that_leaves_in_the_middle_harms_nobody() {
    let rig = filled(|setup| setup);
    File::create(rig.cache.file("huge.tar"))
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    for _ in 0..20 {
        let mut client = rig.daemon.begin("/huge.tar");
        client.head();
    }
    rig.daemon.get("/a.tar").assert_whole(b"content of a");
}

//! More clients than there is room for: who is evicted, and that nobody is locked out.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::filled;
use crate::support::{
    Client, End, Gate, LIMIT, Rig, Step, halves, keep_crawling, noise, wait_until,
};

#[test]
fn a_full_table_makes_room_by_the_longest_idle() {
    let rig = filled(|setup| setup.arg("--max-connections").arg("16"));
    let mut clients: Vec<_> = (0..16).map(|_| rig.daemon.client()).collect();
    // A connection is idle once the thread that served it has noted so, which may be after a later
    // one's.
    for client in &mut clients {
        client.get("/a.tar").assert_whole(b"content of a");
        rig.daemon.wait_idle();
    }
    // The second becomes the longest idle.
    clients[0].get("/a.tar").assert_whole(b"content of a");
    rig.daemon.wait_idle();
    rig.daemon
        .client()
        .get("/b.tar")
        .assert_whole(b"content of b");
    assert!(clients[1].wait_closed().is_some());
    clients[0].get("/b.tar").assert_whole(b"content of b");
}

/// Asks until it is answered: as long as others come in a rush, a new connection may be evicted
/// before its request was taken up.
fn wait_served(rig: &Rig, target: &str, content: &[u8]) {
    wait_until("a new client is served", || {
        let mut client = rig.daemon.begin(target);
        let answered = client.wait_closed().is_none();
        if answered {
            client.answer().assert_whole(content);
        }
        answered
    });
}

#[test]
fn connections_that_never_ask_lock_nobody_out() {
    let rig = filled(|setup| setup.arg("--max-connections").arg("16"));
    let silent: Vec<_> = (0..60).map(|_| rig.daemon.client()).collect();
    let slow: Vec<_> = (0..60)
        .map(|_| {
            let mut client = rig.daemon.client();
            client.send("GET /a.tar HT");
            client
        })
        .collect();
    wait_served(&rig, "/a.tar", b"content of a");
    drop((silent, slow));
}

#[test]
fn few_descriptors_are_made_to_do() {
    let rig = filled(|setup| setup.after("ulimit -n 100"));
    rig.daemon.wait_for_log("warning: ");
    let clients: Vec<_> = (0..150).map(|_| rig.daemon.client()).collect();
    wait_served(&rig, "/a.tar", b"content of a");
    wait_served(&rig, "/miss.tar", b"content of the miss");
    drop(clients);
    wait_served(&rig, "/b.tar", b"content of b");
}

#[test]
fn a_hit_for_which_no_descriptor_is_left_gets_that_of_an_idle_client() {
    let rig = filled(|setup| setup);
    let mut clients: Vec<_> = (0..8).map(|_| rig.daemon.client()).collect();
    for client in &mut clients {
        client.get("/a.tar").assert_whole(b"content of a");
        rig.daemon.wait_idle();
    }
    rig.daemon.allow_no_more_descriptors();
    clients[7].get("/b.tar").assert_whole(b"content of b");
    assert!(clients[0].wait_closed().is_some());
}

#[test]
fn up_to_the_limit_nobody_is_evicted() {
    let rig = filled(|setup| setup.arg("--max-connections=16"));
    for _ in 0..400 {
        let mut clients: Vec<Client> = (0..16).map(|_| rig.daemon.client()).collect();
        for client in &mut clients {
            let answer = client.ask("GET", "/a.tar", &["Connection: close"]).answer();
            answer.assert_whole(b"content of a");
        }
        // It no longer counts when it is closed.
        for client in &mut clients {
            assert_eq!(client.wait_closed(), Some(End::Cut));
        }
    }
}

#[test]
fn a_burst_of_connections_is_served() {
    let rig = filled(|setup| setup);
    let clients: Vec<_> = (0..250).map(|_| rig.daemon.begin("/a.tar")).collect();
    for mut client in clients {
        client.answer().assert_whole(b"content of a");
    }
}

#[test]
fn readers_that_crawl_make_room() {
    let limits = "crawl_ms=500,crawl_bytes=100000,send_look_ms=100";
    let rig = Rig::with(|setup| setup.arg("--max-connections=16").limits(limits));
    let content = noise(64 << 20);
    rig.cache.put("large.tar", &content, 1);
    rig.cache.put("here.tar", b"stored", 1);
    // Of two kinds: the end of the second one's content is told by the close alone.
    let mut crawlers: Vec<Client> = Vec::new();
    for number in 0..16 {
        let mut client = rig.daemon.client();
        match number % 2 {
            0 => client.ask("GET", "/large.tar", &[]),
            _ => client.send("GET /large.tar HTTP/1.0\r\n\r\n"),
        };
        assert_eq!(client.head().status, 200);
        crawlers.push(client);
    }
    let mut late = rig.daemon.begin("/here.tar");
    // None of them stands still.
    let crawling = keep_crawling(crawlers);
    late.answer().assert_whole(b"stored");
    drop((crawling, late));
}

#[test]
fn crawlers_go_as_fast_as_others_come() {
    // Each look takes so long that one crawler a look would not do.
    let limits = "crawl_ms=2500,crawl_bytes=100000,send_look_ms=100";
    let rig = Rig::with(|setup| setup.arg("--max-connections=16").limits(limits));
    rig.cache.put("large.tar", &noise(64 << 20), 1);
    rig.cache.put("here.tar", b"stored", 1);
    let mut crawlers: Vec<Client> = Vec::new();
    for _ in 0..16 {
        let mut client = rig.daemon.client();
        client.ask("GET", "/large.tar", &[]);
        assert_eq!(client.head().status, 200);
        crawlers.push(client);
    }
    let begun = Instant::now();
    let crawling = keep_crawling(crawlers);
    let mut late: Vec<Client> = Vec::new();
    for _ in 0..8 {
        let mut client = rig.daemon.client();
        // They stay: none of them makes room for the next one.
        let requests = ["/here.tar", "/large.tar"]
            .map(|target| format!("GET {target} HTTP/1.1\r\nHost: cache.example\r\n\r\n"));
        client.send(requests.concat());
        client.answer().assert_whole(b"stored");
        assert_eq!(client.head().status, 200);
        late.push(client);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    drop((crawling, late));
}

#[test]
fn a_client_that_closed_its_side_and_makes_room_sees_no_end() {
    let rig = filled(|setup| setup.arg("--max-connections=16").limits("peek_ms=50"));
    let start = Step::Send(b"HTTP/1.0 200 OK\r\n\r\nthe beginning".to_vec());
    rig.origin.script("/long.tar", vec![start, Step::Stall]);
    let mut stream = TcpStream::connect(rig.daemon.address()).unwrap();
    stream.write_all(b"GET /long.tar HTTP/1.0\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"the beginning") {
        let mut some = [0; 1024];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0);
        got.extend_from_slice(&some[..count]);
    }
    // A connection that idles measures the time until its thread has looked.
    std::thread::park_timeout(Duration::from_millis(400));
    let others: Vec<_> = (0..16).map(|_| rig.daemon.client()).collect();
    // Only the close tells that content is whole: this must not be one.
    let end = stream.read(&mut [0; 1024]);
    assert!(
        end.as_ref()
            .is_err_and(|cause| cause.kind() == ErrorKind::ConnectionReset),
        "{end:?}"
    );
    drop(others);
}

#[test]
fn those_that_come_to_two_listeners_at_once_all_wait_for_a_place() {
    let rig = filled(|setup| setup.arg("--host=localhost").arg("--max-connections=16"));
    let port = rig.daemon.address().port();
    // `localhost` has two addresses on most hosts.
    let addresses = ["::1", "127.0.0.1"].map(|host| (host.parse::<IpAddr>().unwrap(), port));
    let connect = |address: &(IpAddr, u16)| TcpStream::connect(address);
    if addresses.iter().any(|address| connect(address).is_err()) {
        return;
    }
    for number in 0..10 {
        // All places are taken by answers that nobody may interrupt.
        let (gate, target) = (Gate::new(), format!("/{number}.tar"));
        rig.origin.script(&target, halves(b"0123456789", &gate));
        let mut others: Vec<Client> = (0..16).map(|_| rig.daemon.begin(&target)).collect();
        for other in &mut others {
            other.assert_begins(b"01234");
        }
        // What comes while it is stopped has come at once.
        rig.daemon.signal("STOP");
        rig.daemon.wait_halted();
        let mut clients: Vec<Client> = addresses
            .iter()
            .map(|address| Client::connect((*address).into()))
            .collect();
        for client in &mut clients {
            client.ask("GET", "/a.tar", &[]);
        }
        rig.daemon.signal("CONT");
        std::thread::park_timeout(Duration::from_millis(50));
        gate.open();
        for client in &mut clients {
            client.answer().assert_whole(b"content of a");
        }
        for mut other in others {
            other.assert_ends(b"56789");
        }
    }
}

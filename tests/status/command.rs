//! `package-cache status`.

use std::fs::{self, File};
use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use super::json;
use crate::support::{Json, LIMIT, PROGRAM, Rig, Setup, program, wait_until, wait_within};

/// Runs the command for the daemon of `rig`: exit status, standard output, standard error.
#[track_caller]
fn status(rig: &Rig, args: &[&str]) -> (i32, String, String) {
    let address = rig.daemon.address();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = program::program(&["status", "--host", &host, "--port", &port]);
    command.env_remove("COLUMNS").args(args);
    program::run(&mut command, LIMIT)
}

#[test]
fn it_shows_what_the_server_shows() {
    let rig = Rig::start();
    let (code, text, stderr) = status(&rig, &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(
        text.starts_with("package-cache ") && text.is_ascii(),
        "{text}"
    );
    assert!(
        text.contains(&format!("up    {}", rig.origin.url())),
        "{text}"
    );
    let (code, text, _) = status(&rig, &["--json"]);
    assert_eq!(code, 0);
    let said = Json::parse(&text);
    assert_eq!(said.keys(""), json(&rig.daemon).keys(""));
}

#[test]
fn without_an_answer_it_is_1_and_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let stranger = taken.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        // Closed at once: no answer at all.
        while let Ok((stream, _)) = taken.accept() {
            drop(stream);
        }
    });
    for (args, word) in [
        (&["--port", "1"] as &[&str], "127.0.0.1:1"),
        (&["--port", &stranger], "127.0.0.1:"),
        (&["--port", "1", "--watch"], "--port"),
    ] {
        let mut command = program::program(&["status", "--host", "127.0.0.1"]);
        let (code, stdout, stderr) = program::run(command.args(args), LIMIT);
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(word), "{stderr}");
    }
    let hidden = Rig::with(|setup: Setup| setup.arg("--no-status"));
    let (code, _, stderr) = status(&hidden, &[]);
    assert!(code == 1 && stderr.contains("--no-status"), "{stderr}");
}

#[test]
fn a_status_that_cannot_be_written_is_a_failure() {
    let rig = Rig::start();
    let port = rig.daemon.address().port().to_string();
    for more in ["--json", "--watch"] {
        let status = Command::new(PROGRAM)
            .args(["status", "--host", "127.0.0.1", more, "--port", &port])
            .stdout(File::create("/dev/full").unwrap())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8(status.stderr).unwrap();
        assert_eq!(status.status.code(), Some(1), "{more}: {said}");
        assert!(said.contains("cannot write the status"), "{more}: {said}");
    }
}

#[test]
fn while_it_watches_in_json_all_that_it_prints_is_json() {
    let mut rig = Rig::start();
    let [out, err] = ["out", "err"].map(|name| rig.cache.outside().join(name));
    let mut child = Command::new(PROGRAM)
        .args(["status", "--json", "--watch=1", "--host", "127.0.0.1"])
        .args(["--port", &rig.daemon.address().port().to_string()])
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let read = |path| fs::read_to_string(path).unwrap();
    let began = wait_within(LIMIT, || read(&out).ends_with("}}\n"));
    rig.daemon.kill();
    // It goes on, and says that nobody answers where no parser reads.
    let said = wait_within(LIMIT, || read(&err).ends_with('\n'));
    child.kill().unwrap();
    child.wait().unwrap();
    let (text, why) = (read(&out), read(&err));
    assert!(began && said, "{text}{why}");
    assert!(why.starts_with("package-cache: no package-cache"), "{why}");
    for one in text.split_terminator("}}\n") {
        Json::parse(&format!("{one}}}}}"));
    }
}

#[test]
fn it_watches_until_it_is_interrupted() {
    let rig = Rig::with(|setup| setup.arg("-v"));
    let address = rig.daemon.address();
    let mut child = Command::new(PROGRAM)
        .args(["status", "--watch=1", "--host", "127.0.0.1", "--port"])
        .arg(address.port().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("it has asked twice", || {
        rig.daemon.logged("package-cache-status/").len() >= 2
    });
    let id = child.id().to_string();
    let killed = Command::new("sh")
        .args(["-c", &format!("kill -INT {id}")])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.matches("From the cache").count() >= 2, "{text}");
    // A line parts one picture from the next.
    assert!(text.contains("\n\npackage-cache "), "{text}");
    // No terminal: nothing is drawn over.
    assert!(!text.contains('\x1b'));
}

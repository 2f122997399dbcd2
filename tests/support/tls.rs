//! TLS before an origin, spoken by the real `openssl s_server`, and certificates for it. One that signs itself is
//! trusted where `SSL_CERT_FILE` names it.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use super::{LIMIT, wait_within};

/// A certificate and its key.
pub struct Certificate {
    dir: TempDir,
}

impl Certificate {
    /// One for these names, as in `DNS:a.example,IP:127.0.0.1`, good for years.
    pub fn of(names: &str) -> Self {
        Self::made(names, "20990101000000Z")
    }

    /// One whose time is over.
    pub fn expired(names: &str) -> Self {
        Self::made(names, "20210101000000Z")
    }

    fn made(names: &str, end: &str) -> Self {
        let certificate = Self {
            dir: TempDir::new().unwrap(),
        };
        let config = format!(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n\
             x509_extensions=x\nrand_serial=yes\n[p]\ncommonName=supplied\n[x]\nsubjectAltName={names}\n"
        );
        fs::write(certificate.file("config"), config).unwrap();
        fs::write(certificate.file("index"), "").unwrap();
        certificate.openssl(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -subj /CN=test -out request",
        );
        certificate.openssl(&format!(
            "ca -batch -notext -config config -selfsign -keyfile key -in request -out certificate \
             -startdate 20200101000000Z -enddate {end}"
        ));
        certificate
    }

    /// The certificate, as a file.
    pub fn path(&self) -> PathBuf {
        self.file("certificate")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace());
        let output = command.current_dir(self.dir.path()).output();
        let output = output.expect("these tests need openssl");
        assert!(output.status.success(), "{arguments}: {output:?}");
    }
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    stopping: AtomicBool,
    /// The daemon's side of each connection.
    streams: Mutex<Vec<TcpStream>>,
}

/// A listener whose connections lead to an origin, through TLS.
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Front {
    /// Speaks TLS before `origin`, with these further options of `s_server`.
    pub fn start(origin: SocketAddr, certificate: &Certificate, options: &'static [&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::<Shared>::default());
        let (accepting, dir) = (Arc::clone(&shared), certificate.dir.path().to_path_buf());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let number = accepting.connections.fetch_add(1, Ordering::SeqCst);
                let kept = stream.try_clone().unwrap();
                accepting.streams.lock().unwrap().push(kept);
                let socket = dir.join(format!("{}-{number}", address.port()));
                let server = s_server(&dir, &socket, origin, options);
                thread::spawn(move || join(stream, &socket, server));
            }
        });
        Self { address, shared }
    }

    /// `https://HOST:PORT`
    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.address.port())
    }

    /// How many connections were accepted until now.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Cuts all connections, without TLS's own end.
    pub fn cut(&self) {
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, LIMIT);
        self.cut();
    }
}

/// One connection's server: TLS on a socket in the file system, plain on a connection to the origin.
fn s_server(dir: &Path, socket: &Path, origin: SocketAddr, options: &[&str]) -> Child {
    let plain = OwnedFd::from(TcpStream::connect(origin).unwrap());
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-naccept", "1"]);
    command.args(["-cert", "certificate", "-key", "key", "-unix"]);
    command.arg(socket).args(options).current_dir(dir);
    command.stdin(plain.try_clone().unwrap()).stdout(plain);
    command.stderr(Stdio::null()).spawn().unwrap()
}

/// Copies between the daemon and the server until one of them closes.
fn join(daemon: TcpStream, socket: &Path, mut server: Child) {
    let mut tls = None;
    wait_within(LIMIT, || {
        tls = UnixStream::connect(socket).ok();
        tls.is_some()
    });
    if let Some(tls) = tls {
        let back = (tls.try_clone().unwrap(), daemon.try_clone().unwrap());
        let forth = thread::spawn(move || copy(daemon, &tls, |tls| tls.shutdown(Shutdown::Write)));
        copy(back.0, &back.1, |daemon| daemon.shutdown(Shutdown::Both));
        let _ = forth.join();
    }
    let _ = server.kill();
    let _ = server.wait();
}

fn copy<T>(mut from: impl Read, to: &T, end: fn(&T) -> io::Result<()>)
where
    for<'a> &'a T: Write,
{
    let _ = io::copy(&mut from, &mut &*to);
    let _ = end(to);
}

/// A program that stands in place of `openssl`: a shell script in a directory of its own.
pub struct Fake {
    dir: TempDir,
}

impl Fake {
    /// The script, of `sh` unless it says otherwise; without one, an empty directory.
    pub fn new(script: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let dir = TempDir::new().unwrap();
        if !script.is_empty() {
            let file = dir.path().join("openssl");
            let interpreter = if script.starts_with("#!") {
                ""
            } else {
                "#!/bin/sh\n"
            };
            fs::write(&file, format!("{interpreter}{script}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { dir }
    }

    /// A PATH that begins with it, or is it alone.
    pub fn path(&self, alone: bool) -> String {
        let own = self.dir.path().display();
        match alone {
            true => own.to_string(),
            false => format!("{own}:{}", std::env::var("PATH").unwrap()),
        }
    }
}

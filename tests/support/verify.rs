//! What the tests of `verify` share: repositories with Manifests, and digests made by the host's tools.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use super::program::{program, run};
use super::{CacheDir, LIMIT};

/// Runs `package-cache verify` of `cache` to its end: exit status, standard output, standard error.
#[track_caller]
pub fn verify(cache: &Path, manifests: &[&Path], args: &[&str]) -> (i32, String, String) {
    let mut command = program(&["verify", "--cache"]);
    command.arg(cache).args(args);
    for dir in manifests {
        command.arg("--manifests").arg(dir);
    }
    run(&mut command, LIMIT * 6)
}

/// The digest of `content` in hexadecimal digits, by `b2sum`, `sha512sum` or `sha256sum`.
pub fn sum(tool: &str, content: &[u8]) -> String {
    let mut child = Process::new(tool)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(content).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

/// The line of a Manifest for a distfile whose content is `content`.
pub fn dist(name: &str, content: &[u8]) -> String {
    let (length, blake2b) = (content.len(), sum("b2sum", content));
    let sha512 = sum("sha512sum", content);
    format!("DIST {name} {length} BLAKE2B {blake2b} SHA512 {sha512}\n")
}

/// An ebuild repository beside the cache.
pub struct Repository(pub PathBuf);

impl Repository {
    /// One of this name, without Manifests.
    pub fn new(cache: &CacheDir, name: &str) -> Self {
        let path = cache.outside().join("repos").join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes the Manifest of a package, such as `app-misc/a`.
    pub fn write(&self, package: &str, text: &str) {
        let dir = self.0.join(package);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("Manifest"), text).unwrap();
    }
}

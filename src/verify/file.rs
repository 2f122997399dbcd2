//! File: one file of the cache, open: what is wrong with it, and its removal.
//!
//! Rules: to prove a file is no use of it, so its time of last use stays; it is removed only if it still is the one that
//! was read.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::manifests::{Expected, Proof};
use crate::sys::calls;

/// A file of the cache, open.
#[derive(Debug)]
pub struct File {
    file: fs::File,
    /// The file as it was opened.
    pub metadata: Metadata,
}

impl File {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        // O_NONBLOCK: it may have become a FIFO, whose writer must not be waited for.
        let with = |flags| {
            let mut options = fs::File::options();
            options.read(true).custom_flags(calls::O_NONBLOCK | flags);
            options.open(path)
        };
        // Its owner alone can leave the time of use as it is.
        let file = with(calls::O_NOATIME).or_else(|_| with(0))?;
        let metadata = file.metadata()?;
        Ok(Self { file, metadata })
    }

    /// Why it is none of what is `expected`, with what it should be; none if it is one. Calls `progress` with the number
    /// of bytes after each piece of at most `buffer` that was read.
    ///
    /// # Errors
    /// What the file system says.
    pub fn fault(
        &mut self,
        expected: &[Expected],
        buffer: &mut [u8],
        progress: &mut dyn FnMut(usize),
    ) -> io::Result<Option<String>> {
        // A wrong length needs no digest.
        let mut proof = match Proof::new(expected, Some(self.metadata.len())) {
            Ok(proof) => proof,
            Err(why) => return Ok(Some(why)),
        };
        loop {
            let read = match self.file.read(buffer) {
                Ok(0) => return Ok(proof.finish(|| expected.to_vec()).err()),
                Ok(read) => read,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(cause),
            };
            proof.update(buffer.get(..read).unwrap_or_default());
            progress(read);
        }
    }

    /// Whether `path` still names this file, and its content has not changed since it was opened. Neither its time of use
    /// nor other names of it matter.
    ///
    /// # Errors
    /// What the file system says, but that `path` names nothing.
    pub fn is_still_at(&self, path: &Path) -> io::Result<bool> {
        let content = |of: &Metadata| {
            let modified = (of.mtime(), of.mtime_nsec());
            (of.dev(), of.ino(), of.len(), modified)
        };
        match fs::symlink_metadata(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            now => now.map(|now| content(&now) == content(&self.metadata)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::digest::Digest;

    fn fault(path: &Path, expected: &[Expected]) -> Option<String> {
        let mut file = File::open(path).unwrap();
        let mut bytes = 0;
        let fault = file.fault(expected, &mut [0; 7], &mut |read| bytes += read);
        assert!(bytes == 0 || bytes as u64 == file.metadata.len());
        fault.unwrap()
    }

    #[test]
    fn what_is_wrong_with_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, b"the content of a").unwrap();
        let right = Digest::Blake2b(Digest::blake2b(b"the content of a"));
        let wrong = Digest::Blake2b([7; 64]);
        let other = Digest::Sha512([9; 64]);
        let of = |size, digest| Expected { size, digest };
        for expected in [
            &[of(Some(16), right)][..],
            &[of(None, right)],
            &[of(Some(3), wrong), of(Some(16), wrong), of(Some(16), right)],
            &[of(None, other), of(None, right)],
        ] {
            assert_eq!(fault(&path, expected), None, "{expected:?}");
        }
        let sizes = [of(Some(3), right), of(Some(3), wrong), of(Some(5), right)];
        let why = fault(&path, &sizes).unwrap();
        assert_eq!(why, "16 bytes, should be 3 or 5");
        let why = fault(&path, &[of(Some(3), right), of(Some(16), wrong)]).unwrap();
        assert_eq!(why, format!("{right}, should be {wrong}"));
        let why = fault(&path, &[of(None, wrong), of(None, other)]).unwrap();
        assert!(why.starts_with(&format!("{right} or SHA512 ")), "{why}");
        assert!(
            why.ends_with(&format!(", should be {wrong} or {other}")),
            "{why}"
        );
    }

    #[test]
    fn a_file_is_still_there_until_it_is_changed_or_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["a", "b"].map(|name| dir.path().join(name));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let write = |path: &Path, time| {
            fs::write(path, b"content").unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_times(FileTimes::new().set_modified(time)).unwrap();
            file
        };
        let written = write(&path, time);
        let file = File::open(&path).unwrap();
        assert!(file.is_still_at(&path).unwrap());
        // A use of it, and another name.
        let used = FileTimes::new().set_accessed(SystemTime::now());
        written.set_times(used).unwrap();
        fs::hard_link(&path, &other).unwrap();
        assert!(file.is_still_at(&path).unwrap() && file.is_still_at(&other).unwrap());
        // Written in place, and back.
        write(&path, time + Duration::from_nanos(1_000));
        assert!(!file.is_still_at(&path).unwrap());
        write(&path, time);
        assert!(file.is_still_at(&path).unwrap());
        // Replaced by another that looks the same, by a link, by nothing.
        write(&dir.path().join("c"), time);
        fs::rename(dir.path().join("c"), &path).unwrap();
        assert!(!file.is_still_at(&path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!file.is_still_at(&path).unwrap());
        std::os::unix::fs::symlink("b", &path).unwrap();
        assert!(!file.is_still_at(&path).unwrap());
    }

    #[test]
    fn a_proof_is_no_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, b"content").unwrap();
        let used = SystemTime::now() - Duration::from_secs(900_000);
        let written = fs::File::options().write(true).open(&path).unwrap();
        written
            .set_times(FileTimes::new().set_accessed(used))
            .unwrap();
        let digest = Digest::Sha256([0; 32]);
        assert!(fault(&path, &[Expected { size: None, digest }]).is_some());
        assert_eq!(fs::metadata(&path).unwrap().accessed().unwrap(), used);
    }
}

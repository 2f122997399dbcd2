//! A cache directory of its own for each test, looked at from outside.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::wait_until;

/// The name of a partial file that nobody writes any more.
pub const LEFTOVER: &str = ".package-cache-0123456789abcdef.part";

/// The name of a partial that a stop has kept.
pub const KEPT: &str = ".package-cache-0123456789abcdef0123456789abcdef.kept";

/// A temporary directory with the cache in it, so that there is also a place outside the cache.
pub struct CacheDir {
    outside: TempDir,
}

impl CacheDir {
    /// An empty cache.
    pub fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(outside.path().join("cache")).unwrap();
        Self { outside }
    }

    /// The cache directory.
    pub fn path(&self) -> PathBuf {
        self.outside.path().join("cache")
    }

    /// The directory that holds the cache directory.
    pub fn outside(&self) -> &Path {
        self.outside.path()
    }

    /// The place of a cached file.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Puts a file there as an administrator would; `modified` is in seconds since the epoch.
    pub fn put(&self, name: impl AsRef<Path>, content: &[u8], modified: u64) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(modified);
        let times = FileTimes::new().set_modified(time).set_accessed(time);
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_times(times)
            .unwrap();
    }

    /// Waits for a name to appear (readers end before it does) and returns the content.
    #[track_caller]
    pub fn wait_stored(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.file(name);
        let what = format!("{} is stored", path.display());
        wait_until(&what, || path.exists());
        fs::read(path).unwrap()
    }

    /// Waits for a name to appear, which must have this content.
    #[track_caller]
    pub fn assert_stored(&self, name: impl AsRef<Path>, content: &[u8]) {
        let name = name.as_ref();
        let stored = self.wait_stored(name);
        let length = stored.len();
        assert!(
            stored == content,
            "{}: {length} other bytes",
            name.display()
        );
    }

    /// Waits until a name has this content, which may have had another before.
    #[track_caller]
    pub fn wait_replaced(&self, name: impl AsRef<Path>, content: &[u8]) {
        let path = self.file(name);
        let what = format!("{} is replaced", path.display());
        wait_until(&what, || {
            fs::read(&path).is_ok_and(|bytes| bytes == content)
        });
    }

    /// The time of last modification, in seconds since the epoch.
    pub fn modified(&self, name: impl AsRef<Path>) -> u64 {
        let time = fs::metadata(self.file(name)).unwrap().modified().unwrap();
        time.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    }

    /// Everything in the cache, directories included, as sorted relative paths.
    pub fn walk(&self) -> Vec<String> {
        let (root, mut found, mut left) = (self.path(), Vec::new(), vec![self.path()]);
        while let Some(dir) = left.pop() {
            // A directory may vanish while we look.
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let path = entry.path();
                found.push(
                    path.strip_prefix(&root)
                        .unwrap()
                        .to_string_lossy()
                        .into_owned(),
                );
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    left.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// Waits until nothing is left in the cache, directories included.
    #[track_caller]
    pub fn wait_empty(&self) {
        wait_until("the cache is empty", || self.walk().is_empty());
    }

    /// The partial files in the cache.
    pub fn partials(&self) -> Vec<String> {
        self.walk()
            .into_iter()
            .filter(|name| is_partial(name))
            .collect()
    }
}

/// Whether the last segment is `.package-cache-<16 hex digits>.part`.
fn is_partial(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.strip_prefix(".package-cache-")
        .and_then(|rest| rest.strip_suffix(".part"))
        .is_some_and(|hex| hex.len() == 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

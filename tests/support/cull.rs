//! What the tests of `cull` share.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::program::{program, run};
use super::{CacheDir, LIMIT};

/// Seconds.
pub const HOUR: u64 = 3_600;

/// Runs a cull of `cache` to its end: exit status, standard output, standard error.
#[track_caller]
pub fn cull(cache: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = program(&["cull", "--cache"]);
    command.arg(cache).args(args);
    run(&mut command, LIMIT * 6)
}

/// Puts a file there that was last used so many hours ago.
pub fn put(cache: &CacheDir, name: &str, length: usize, hours: u64) {
    let path = cache.file(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, vec![b'x'; length]).unwrap();
    let used = SystemTime::now() - Duration::from_secs(hours * HOUR);
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_accessed(used)).unwrap();
}

/// The names of the files in the cache, directories left out.
pub fn files(cache: &CacheDir) -> BTreeSet<String> {
    let mut names: BTreeSet<_> = cache.walk().into_iter().collect();
    names.retain(|name| !cache.file(name).is_dir());
    names
}

//! Verify: `package-cache verify` proves a whole cache by what Manifests and names say of its files.
//!
//! A run is one walk. For each file `manifests::expected` says what it must be, `file` whether it is that, `report` what came of it.
//!
//! Rules: only regular files count, under each of their names, never a link; partials are passed over. A wrong file goes
//! only if that is asked for, only where `cull` would remove files too, and only if it still is the file that was
//! read. Between the last look and the removal another process may put a new file there, which is then fetched again.
//!
//! Memory: the Manifests' index, the paths of the directories, and one buffer; nothing for each file.

use std::fs::{self, DirEntry, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::manifests::{Index, expected};
use crate::store::Guard;
use crate::store::walk::{self, Visited};

mod file;
mod report;

use file::File;
use report::{Finding, Report};

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// What is to be proved, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The cache directory.
    pub cache: PathBuf,
    /// The ebuild repositories; at least one.
    pub manifests: Vec<PathBuf>,
    /// Whether wrong files are removed.
    pub remove: bool,
    /// Whether good and unknown files are named too.
    pub verbose: bool,
}

/// Proves a cache. False: a file is wrong or something failed; what has been said.
///
/// # Errors
/// Why nothing could be proved.
pub fn verify(options: &Options) -> Result<bool, String> {
    let (root, guard) = Guard::open(&options.cache)
        .map_err(|cause| format!("cannot verify {}: {cause}", options.cache.display()))?;
    let index = Index::build(&options.manifests)?;
    let mut report = Report::new(options.verbose);
    let mut buffer = vec![0; PIECE];
    let admit = |dir: &Path, metadata: &Metadata| guard.admit(dir, metadata);
    walk::walk(&root, &admit, &mut |visited| match visited {
        Visited::Directory(_) => {}
        Visited::Entry(entry) => {
            match look(entry, &index, options.remove, &mut buffer, &mut report) {
                // Another process has removed it.
                Err(cause) if cause.kind() == ErrorKind::NotFound => {}
                Err(cause) => report.failed("verify", &entry.path(), &cause),
                Ok(()) => {}
            }
        }
        Visited::Closed(path, cause) => report.failed("look into", path, &cause),
    });
    Ok(report.summary())
}

/// Proves an entry of a directory if it is a file of the cache, and removes it if it is wrong and is to go.
fn look(
    entry: &DirEntry,
    index: &Index,
    remove: bool,
    buffer: &mut [u8],
    report: &mut Report,
) -> io::Result<()> {
    let name = entry.file_name();
    if walk::is_partial(&name) || walk::is_kept(&name) || !entry.file_type()?.is_file() {
        return Ok(());
    }
    let path = entry.path();
    let expected = expected(&path, index);
    let finding = if expected.is_empty() {
        Finding::Unknown
    } else {
        let mut file = File::open(&path)?;
        let fault = file.fault(&expected, buffer, &mut |read| report.progress(read))?;
        match fault {
            None => Finding::Good(file.metadata.len()),
            Some(_) if !file.is_still_at(&path)? => Finding::Replaced,
            Some(why) if !remove => Finding::Bad(why),
            Some(why) => match fs::remove_file(&path) {
                Ok(()) => Finding::Removed(why),
                Err(cause) => {
                    report.failed("remove", &path, &cause);
                    Finding::Bad(why)
                }
            },
        }
    };
    report.found(&path, &finding);
    Ok(())
}

//! Expectation: what is expected of one file that a server fetches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Expected, Live, expected, is_distfile};
use crate::sys::limits::{limits, ms};

/// All that a file may be, as far as anybody says.
#[derive(Debug, Default)]
pub struct Expectation {
    /// The file's path, and where to look again; none of names that prove themselves, or if nothing is expected.
    listed: Option<(PathBuf, Arc<Live>)>,
    /// All that it may be.
    pub all: Vec<Expected>,
}

impl Expectation {
    /// What is expected of the file at `path`.
    pub fn of(path: &Path, live: &Arc<Live>) -> Self {
        let listed = live.has_repositories() && is_distfile(path);
        Self {
            listed: listed.then(|| (path.to_path_buf(), Arc::clone(live))),
            all: now(path, live),
        }
    }

    /// Whether it is a distfile that no Manifest lists.
    pub fn is_unlisted(&self) -> bool {
        self.listed.is_some() && self.all.is_empty()
    }

    /// Whether content that is something else has the Manifests looked at again, which may take `index_ms`.
    pub fn may_take_long(&self) -> bool {
        self.listed.is_some() && !self.all.is_empty()
    }

    /// All that it may be, with what has changed lately in the Manifests; waits for `index_ms` at most until that was read.
    pub fn look_again(&self) -> Vec<Expected> {
        match &self.listed {
            Some((path, live)) => {
                live.look_again(ms(limits().index_ms));
                now(path, live)
            }
            None => self.all.clone(),
        }
    }
}

fn now(path: &Path, live: &Live) -> Vec<Expected> {
    expected(path, &live.index().unwrap_or_default())
}

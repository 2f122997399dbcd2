//! Job: what one transfer is to fetch, and what becomes of it.

use crate::cache_path::CachePath;
use crate::origin::Ask;
use crate::upstream::Wanted;

/// What a transfer is to do.
#[derive(Debug)]
pub struct Job {
    /// What to fetch.
    pub path: CachePath,
    /// How to ask.
    pub ask: Ask,
    /// What becomes of it.
    pub purpose: Purpose,
}

impl Job {
    /// The path as sources get it.
    pub fn encoded(&self) -> String {
        let mut encoded = self.path.encoded();
        if self.purpose == Purpose::RelayListing {
            encoded.push('/');
        }
        encoded
    }

    /// What is asked for; `encoded` is [`Job::encoded`].
    pub fn wanted<'a>(&'a self, encoded: &'a str) -> Wanted<'a> {
        match self.purpose {
            Purpose::RelayListing => Wanted::Listing { encoded },
            Purpose::Store | Purpose::RelayFile => Wanted::File {
                encoded,
                name: self.path.name(),
            },
        }
    }
}

/// What becomes of a transfer's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A file to store.
    Store,
    /// A file to pass on only.
    RelayFile,
    /// A listing to pass on.
    RelayListing,
}

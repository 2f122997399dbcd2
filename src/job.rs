//! Job: what one transfer is to fetch, and what becomes of it.

use crate::cache_path::CachePath;
use crate::http::{Forward, HttpDate, StatusCode};
use crate::origin::{Ask, Response};
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
    /// What is stored already: then the question is whether it has changed.
    pub held: Option<Held>,
}

impl Job {
    /// To fetch what is not there.
    pub fn fetch(path: CachePath, ask: Ask, purpose: Purpose) -> Self {
        Self {
            path,
            ask,
            purpose,
            held: None,
        }
    }

    /// To ask whether what is held has changed, and to fetch it if so.
    pub fn check(path: CachePath, ask: Ask, held: Held) -> Self {
        Self {
            path,
            ask: ask.if_modified_since(held.date),
            purpose: Purpose::Store,
            held: Some(held),
        }
    }

    /// The entity tag of the stored file that is asked about.
    pub fn held_etag(&self) -> Option<&str> {
        self.held.as_ref().map(|held| held.etag.as_str())
    }

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
                stored: self.held.is_some(),
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

/// A stored file that may have changed at its source.
#[derive(Debug)]
pub struct Held {
    /// Its entity tag.
    pub etag: String,
    /// Its time, if that is the source's.
    pub date: Option<HttpDate>,
    /// Why it is not served unasked.
    pub why: Forward,
}

impl Held {
    /// Whether the answer brings nothing newer. A mirror may lag behind the one that gave us the file;
    /// the first source may go back to an older one.
    pub fn is_newest(&self, response: &Response) -> bool {
        if response.head.status == StatusCode::NOT_MODIFIED {
            return true;
        }
        let older = response
            .last_modified()
            .zip(self.date)
            .is_some_and(|(theirs, ours)| theirs < ours);
        older && response.source > 0
    }
}

//! Request: what one transfer is to fetch, and what becomes of it.

use crate::http::cache_control::Confirm;
use crate::http::{Forward, HttpDate, Method, StatusCode};
use crate::store::{CachePath, Given};
use crate::upstream::{self, Kind, Response};

/// What a transfer is to do.
#[derive(Debug)]
pub struct Request {
    /// What to fetch.
    pub path: CachePath,
    /// What the sources are asked.
    pub upstream: upstream::Request,
    /// What becomes of it.
    pub purpose: Purpose,
    /// What is stored already: then the question is whether it has changed.
    pub held: Option<Held>,
}

impl Request {
    /// To fetch what is not stored; `via` is the value of Via to send.
    pub fn new(method: Method, path: CachePath, purpose: Purpose, via: String) -> Self {
        let kind = match purpose {
            Purpose::Store | Purpose::RelayFile => Kind::File,
            Purpose::RelayListing => Kind::Listing,
        };
        Self {
            upstream: upstream::Request::new(method, kind, &path, via),
            path,
            purpose,
            held: None,
        }
    }

    /// The same, for an answer that the origin has confirmed.
    pub fn confirmed(self, confirm: Confirm) -> Self {
        Self {
            upstream: self.upstream.confirmed(confirm),
            ..self
        }
    }

    /// To ask whether what is held has changed, and to fetch it if so. Caches on the way must ask as well.
    pub fn revalidate(path: CachePath, held: Held, via: String, confirm: Confirm) -> Self {
        let request = upstream::Request::new(Method::Get, Kind::StoredFile, &path, via);
        Self {
            upstream: request
                .if_changed(held.date, held.given.clone())
                .confirmed(confirm.max(Confirm::MaxAge0)),
            path,
            purpose: Purpose::Store,
            held: Some(held),
        }
    }

    /// The entity tag of the stored file that is asked about.
    pub fn held_etag(&self) -> Option<&str> {
        self.held.as_ref().map(|held| held.etag.as_str())
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
    /// Its time, if that is the source's and tells something.
    pub date: Option<HttpDate>,
    /// Which server gave it, if that is still known.
    pub given: Option<Given>,
    /// Why it is not served unasked.
    pub why: Forward,
}

impl Held {
    /// Whether the response brings nothing newer. A mirror may lag behind the one that gave us the file, by itself
    /// or behind a redirector; who gave it, and the first source by itself, may go back to an older one.
    pub fn is_newest(&self, response: &Response) -> bool {
        if response.head.status == StatusCode::NOT_MODIFIED {
            return true;
        }
        let theirs = response.last_modified().filter(|date| !date.is_unset());
        let older = theirs
            .zip(self.date)
            .is_some_and(|(theirs, ours)| theirs < ours);
        let given = self.given.as_ref();
        let gave_it = given.is_some_and(|given| given.server == response.url.authority());
        older && !gave_it && !(response.source == 0 && response.by_itself)
    }
}

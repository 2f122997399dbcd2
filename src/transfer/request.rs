//! Request: what one transfer is to fetch, and what becomes of it.

use crate::http::{Forward, HttpDate, Method, StatusCode, media_type};
use crate::store::CachePath;
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

    /// To ask whether what is held has changed, and to fetch it if so.
    pub fn revalidate(path: CachePath, held: Held, via: String) -> Self {
        let request = upstream::Request::new(Method::Get, Kind::StoredFile, &path, via);
        Self {
            upstream: request.if_modified_since(held.date),
            path,
            purpose: Purpose::Store,
            held: Some(held),
        }
    }

    /// Whether it is a listing that is asked for, and not a file.
    pub fn is_listing(&self) -> bool {
        self.purpose == Purpose::RelayListing
    }

    /// Whether what `response` brings is never stored: asked for as such, or a directory.
    pub fn never_stores(&self, response: &Response) -> bool {
        self.purpose != Purpose::Store || response.directory
    }

    /// Whether what `response` brings goes into the cache if there is room. A page for a name without
    /// extension may be a listing: a file of that name would block all below it.
    pub fn may_store(&self, response: &Response) -> bool {
        let media_type = response.head.fields.get("Content-Type").unwrap_or_default();
        let page =
            media_type::is_html(media_type) && media_type::extension(self.path.name()).is_none();
        !page && !self.never_stores(response)
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
    /// Its time, if that is the source's.
    pub date: Option<HttpDate>,
    /// Why it is not served unasked.
    pub why: Forward,
}

impl Held {
    /// Whether the response brings nothing newer. A mirror may lag behind the one that gave us the file;
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

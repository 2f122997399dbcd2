//! Request: what one transfer is to fetch, and what becomes of it.

use super::resume::Part;
use crate::http::cache_control::Confirm;
use crate::http::{Forward, HttpDate, Method, StatusCode, media_type};
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
    /// Whether the client's Via entries are passed on: a source may refuse them, which says nothing to others.
    pub foreign: bool,
    /// Whether a transfer that passes on somebody else's entries will do.
    pub joins_foreign: bool,
}

/// The value of Via to send.
#[derive(Debug)]
pub struct Via {
    /// The value, our own entry last.
    pub value: String,
    /// Whether it has entries of the client's.
    pub foreign: bool,
}

impl Request {
    /// To fetch what is not stored; of HEAD only what GET would announce.
    pub fn new(method: Method, path: CachePath, purpose: Purpose, via: Via) -> Self {
        let kind = match purpose {
            Purpose::RelayListing => Kind::Listing,
            _ => Kind::File,
        };
        Self {
            upstream: upstream::Request::new(method, kind, &path, via.value),
            path,
            purpose,
            held: None,
            foreign: via.foreign,
            joins_foreign: true,
        }
    }

    /// To fetch a part of what `whole` fetches.
    pub fn part(whole: &Self, part: Part) -> Self {
        Self {
            path: whole.path.clone(),
            upstream: whole.upstream.part(part.first(), Some(part.last())),
            purpose: Purpose::Part(part),
            held: None,
            foreign: whole.foreign,
            joins_foreign: false,
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
    pub fn revalidate(path: CachePath, held: Held, via: Via, confirm: Confirm) -> Self {
        let request = upstream::Request::new(Method::Get, Kind::StoredFile, &path, via.value);
        Self {
            upstream: request
                .if_changed(held.date, held.given.clone())
                .confirmed(confirm.max(Confirm::MaxAge0)),
            path,
            purpose: Purpose::Store,
            held: Some(held),
            foreign: via.foreign,
            joins_foreign: true,
        }
    }

    /// Whether others may join its transfer.
    pub fn is_shared(&self) -> bool {
        matches!(self.purpose, Purpose::Store) && !self.is_head()
    }

    /// Whether only the head is asked for.
    pub fn is_head(&self) -> bool {
        self.upstream.method == Method::Head
    }

    /// Whether it is a listing that is asked for, and not a file.
    pub fn is_listing(&self) -> bool {
        self.upstream.kind == Kind::Listing
    }

    /// Whether what `response` brings is never stored: asked for as such, or a directory.
    pub fn never_stores(&self, response: &Response) -> bool {
        self.is_listing() || matches!(self.purpose, Purpose::RelayFile) || response.directory
    }

    /// Whether what `response` brings is a file for the cache. A document for a name without extension may be a
    /// listing: a file of that name would block all below it.
    pub fn is_storable(&self, response: &Response) -> bool {
        let media_type = response.head.fields.get("Content-Type").unwrap_or_default();
        let nameless = media_type::extension(self.path.name()).is_none();
        let may_be_listing = nameless && media_type::is_document(media_type);
        !may_be_listing && !self.never_stores(response)
    }

    /// The entity tag of the stored file that is asked about.
    pub fn held_etag(&self) -> Option<&str> {
        self.held.as_ref().map(|held| held.etag.as_str())
    }
}

/// What becomes of a transfer's content.
#[derive(Debug)]
pub enum Purpose {
    /// A file to store, for everyone who asks for it.
    Store,
    /// A file to pass on only.
    RelayFile,
    /// A listing to pass on.
    RelayListing,
    /// A part of another transfer's content, for one reader of that.
    Part(Part),
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
        older && !gave_it && !(response.is_first && response.by_itself)
    }
}

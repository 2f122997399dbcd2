//! Request: what one transfer fetches, and what becomes of it.

use super::resume::Part;
use crate::http::cache_control::Confirm;
use crate::http::{Forward, HttpDate, Method, StatusCode, media_type};
use crate::manifests::Expectation;
use crate::store::{CachePath, Given};
use crate::upstream::{self, Kind, Response};

/// What a transfer does.
#[derive(Debug)]
pub struct Request {
    /// What to fetch.
    pub path: CachePath,
    /// The request to the sources.
    pub upstream: upstream::Request,
    /// What becomes of it.
    pub purpose: Purpose,
    /// What the content must be, as far as that is known.
    pub expected: Expectation,
    /// The stored file that is validated, if there is one.
    pub held: Option<Held>,
    /// Whether Via entries of the client are passed on. A source may refuse them, which says nothing of other
    /// requests.
    pub foreign: bool,
    /// Whether it may join a transfer that passes on another client's Via entries.
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
    /// Fetches what is not stored; with HEAD only its head.
    pub fn new(method: Method, path: CachePath, purpose: Purpose, via: Via) -> Self {
        let kind = match purpose {
            Purpose::RelayListing => Kind::Listing,
            _ => Kind::File,
        };
        Self {
            upstream: upstream::Request::new(method, kind, &path, via.value),
            path,
            purpose,
            expected: Expectation::default(),
            held: None,
            foreign: via.foreign,
            joins_foreign: true,
        }
    }

    /// Fetches a part of what `whole` fetches.
    pub fn part(whole: &Self, part: Part) -> Self {
        Self {
            path: whole.path.clone(),
            upstream: whole.upstream.part(part.first(), Some(part.last())),
            purpose: Purpose::Part(part),
            expected: Expectation::default(),
            held: None,
            foreign: whole.foreign,
            joins_foreign: false,
        }
    }

    /// The same, for content that must be as `expected`.
    pub fn expecting(self, expected: Expectation) -> Self {
        Self { expected, ..self }
    }

    /// The same, for a response that caches on the way have validated as far as `confirm` says.
    pub fn confirmed(self, confirm: Confirm) -> Self {
        Self {
            upstream: self.upstream.confirmed(confirm),
            ..self
        }
    }

    /// Validates the stored file `held`, and fetches it if it has changed. Caches on the way must validate too.
    pub fn revalidate(path: CachePath, held: Held, via: Via, confirm: Confirm) -> Self {
        let request = upstream::Request::new(Method::Get, Kind::StoredFile, &path, via.value);
        Self {
            upstream: request
                .if_changed(held.date, held.given.clone())
                .confirmed(confirm.max(Confirm::MaxAge0)),
            path,
            purpose: Purpose::Store,
            expected: Expectation::default(),
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

    /// Whether it asks for a listing, not for a file.
    pub fn is_listing(&self) -> bool {
        self.upstream.kind == Kind::Listing
    }

    /// Whether the content of `response` is never stored: a listing, a relayed file or a directory.
    pub fn never_stores(&self, response: &Response) -> bool {
        self.is_listing() || matches!(self.purpose, Purpose::RelayFile) || response.directory
    }

    /// Whether the content of `response` is a file for the cache. A document for a name without extension may
    /// be a listing: a file of that name would block everything below it.
    pub fn is_storable(&self, response: &Response) -> bool {
        let media_type = response.head.fields.get("Content-Type").unwrap_or_default();
        let nameless = media_type::extension(self.path.name()).is_none();
        let may_be_listing = nameless && media_type::is_document(media_type);
        !may_be_listing && !self.never_stores(response)
    }

    /// The entity tag of the stored file that is validated.
    pub fn held_etag(&self) -> Option<&str> {
        self.held.as_ref().map(|held| held.etag.as_str())
    }
}

/// What becomes of a transfer's content.
#[derive(Debug)]
pub enum Purpose {
    /// A file to store, for everyone who asks for it.
    Store,
    /// A file that is relayed and not stored.
    RelayFile,
    /// A listing that is relayed.
    RelayListing,
    /// A part of another transfer's content, for one reader of that transfer.
    Part(Part),
}

/// A stored file that may have changed at its source.
#[derive(Debug)]
pub struct Held {
    /// Its entity tag.
    pub etag: String,
    /// Its modification time, if the source sent that and it is not 1970.
    pub date: Option<HttpDate>,
    /// Which server gave it, if that is still known.
    pub given: Option<Given>,
    /// Why it is validated.
    pub why: Forward,
}

impl Held {
    /// Whether the response has nothing newer than the stored file. An older file does not replace it: a
    /// mirror, asked by itself or behind a redirector, may lag behind the one that gave the stored file. But
    /// the server that gave it, and the first source where it does not redirect, may go back to an older file.
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

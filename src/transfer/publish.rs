//! Publish: what follows once all of a transfer's content has come: sync, then the name.
//!
//! Rules: readers have ended before. A sync may take long, so no client waits for one: a client's thread that has
//! received the content publishes it itself only where syncs are quick (`Unnamed::is_quick`), and when its client has the
//! response (`cache::Ending`).

use std::sync::Arc;

use super::{Representation, Request};
use crate::stats::Outcome;
use crate::store::{Partial, Store, Validation};

/// What a transfer has come to when no reader waits for it any more: a file without a name, or its end.
pub type Received = Result<Unnamed, Outcome>;

/// A file that was received and has no name yet.
#[derive(Debug)]
pub struct Unnamed {
    /// The file.
    pub partial: Partial,
    /// What it is.
    pub representation: Arc<Representation>,
    /// Its length in bytes.
    pub length: u64,
    /// The age of the content in seconds.
    pub age: u64,
}

impl Unnamed {
    /// Whether publishing it takes no longer than sending a short answer, as far as one can tell.
    pub fn is_quick(&self) -> bool {
        self.partial.syncs_quickly()
    }

    /// Syncs the file that `request` fetched and gives it its name.
    pub fn publish(mut self, store: &Store, request: &Request) -> Outcome {
        let (freshness, path) = (store.freshness(), &request.path);
        let published = self.partial.seal().and_then(|modified| {
            let etag = modified.etag(self.length);
            // Noted before the rename: a hit may come as soon as the name is there.
            freshness.note_fresh(path, &etag, self.age);
            freshness.note_given(path, &etag, self.representation.validators.given.clone());
            if request.held.is_some() {
                freshness.note_validation(path, &etag, Validation::Unchanged);
            }
            self.partial.publish(store, path)
        });
        match published {
            Ok(()) => {
                store.succeeded();
                Outcome::Stored
            }
            Err(cause) => {
                store.failed(path, &cause);
                Outcome::Passed
            }
        }
    }
}

//! Fetch: the thread of one transfer, from the question to the published file.
//!
//! Rules: each block goes to the partial and every reader in one step; the order at the end is
//! received (readers end), connection given back, data synced, renamed, left the table; what cannot
//! or must not be stored is relayed by the same connection.
//!
//! Not here: which requests share a transfer (`cache`).

use std::io;
use std::sync::Arc;

use crate::cache_path::CachePath;
use crate::download::{Abandoned, Representation, WriteError, Writer};
use crate::http::media_type;
use crate::limits::limits;
use crate::log;
use crate::origin::{Ask, Response};
use crate::partial::Partial;
use crate::store::Store;
use crate::upstream::{FetchError, Upstream, Wanted};

/// How much is read from a source at a time, in bytes.
const BLOCK: usize = 256 * 1024;

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

/// How a transfer ended.
#[derive(Debug)]
pub enum Outcome {
    /// The file is in the cache, with this entity tag.
    Published(String),
    /// Nothing was stored.
    Unstored,
}

/// Runs one transfer to its end. `unshared` is called once it is certain that it will not be stored.
pub fn run(
    store: &Arc<Store>,
    upstream: &Upstream,
    job: &Job,
    writer: Writer,
    unshared: &dyn Fn(),
) -> Outcome {
    let mut encoded = job.path.encoded();
    let wanted = if job.purpose == Purpose::RelayListing {
        encoded.push('/');
        Wanted::Listing { encoded: &encoded }
    } else {
        Wanted::File {
            encoded: &encoded,
            name: job.path.name(),
        }
    };
    let response = match upstream.fetch(wanted, &job.ask) {
        Ok(response) => response,
        Err(error) => {
            writer.fail(error);
            return Outcome::Unstored;
        }
    };
    let partial = begin(store, job, &response);
    if partial.is_none() {
        unshared();
    }
    announce(job, &response, partial.as_ref(), &writer);
    Transfer {
        store,
        upstream,
        job,
        writer,
        unshared,
        partial,
    }
    .pump(response)
}

/// The partial for content that is to be stored and can be.
fn begin(store: &Arc<Store>, job: &Job, response: &Response) -> Option<Partial> {
    if job.purpose != Purpose::Store || response.directory {
        return None;
    }
    let fields = &response.head.fields;
    let html = media_type::is_html(fields.get("Content-Type").unwrap_or_default());
    // A page for a name without extension may be a listing: a file of that name would block all below it.
    if html && media_type::extension(job.path.name()).is_none() {
        return None;
    }
    store
        .begin(&job.path, response.length(), response.last_modified())
        .ok()
}

fn announce(job: &Job, response: &Response, partial: Option<&Partial>, writer: &Writer) {
    let length = response.length();
    let own_type = media_type::of(job.path.name());
    let representation = match partial {
        Some(partial) => Representation {
            length,
            last_modified: Some(partial.modified().date()),
            etag: length.map(|length| partial.modified().etag(length)),
            media_type: own_type.into(),
            stored: true,
        },
        None => Representation {
            length,
            last_modified: response.last_modified(),
            etag: None,
            media_type: response
                .head
                .fields
                .get("Content-Type")
                .unwrap_or(own_type.as_bytes())
                .to_vec(),
            stored: false,
        },
    };
    let file = partial.map(|partial| Arc::clone(partial.file()));
    writer.announce(representation, file, Arc::clone(response.stream()));
}

/// A transfer whose head is there.
struct Transfer<'a> {
    store: &'a Arc<Store>,
    upstream: &'a Upstream,
    job: &'a Job,
    writer: Writer,
    unshared: &'a dyn Fn(),
    partial: Option<Partial>,
}

impl Transfer<'_> {
    /// Moves the content until its end, then publishes it.
    fn pump(mut self, mut response: Response) -> Outcome {
        let length = response.length();
        let mut block = vec![0; BLOCK];
        loop {
            let moved = response
                .read(&mut block)
                .map(|count| block.get(..count).unwrap_or_default());
            match moved {
                Ok([]) => break,
                Ok(bytes) => {
                    if self.store_block(bytes, length).is_err() {
                        self.writer.fail(FetchError::Broken);
                        return Outcome::Unstored;
                    }
                }
                Err(cause) => {
                    self.broken(&response, &cause);
                    return Outcome::Unstored;
                }
            }
        }
        let end = self.writer.received();
        if self.writer.finish().is_err() {
            self.writer.fail(FetchError::Broken);
            return Outcome::Unstored;
        }
        self.upstream.finish(response);
        self.publish(end)
    }

    fn broken(&self, response: &Response, cause: &io::Error) {
        let at = self.writer.received();
        let of = response
            .length()
            .map_or_else(String::new, |length| format!(" of {length}"));
        log::warning!(
            "source {}: broke off after {at}{of} bytes: {cause}",
            response.url
        );
        self.writer.fail(FetchError::Broken);
    }

    /// One block into the file; into the ring when that fails.
    fn store_block(&mut self, bytes: &[u8], length: Option<u64>) -> Result<(), Abandoned> {
        if length.is_none() {
            if !self.writer.is_read() {
                return Err(Abandoned);
            }
            let most = limits().unknown_bytes;
            if self.partial.is_some()
                && self.writer.received().saturating_add(bytes.len() as u64) > most
            {
                self.stop_storing(&io::Error::other(format!(
                    "of unknown length and over {most} bytes"
                )));
            }
        }
        match self.writer.write(bytes) {
            Ok(()) => Ok(()),
            Err(WriteError::Abandoned) => Err(Abandoned),
            Err(WriteError::Store(cause)) => {
                self.stop_storing(&cause);
                self.writer.write(bytes).map_err(|_| Abandoned)
            }
        }
    }

    fn stop_storing(&mut self, cause: &io::Error) {
        self.store.failed(&self.job.path, cause);
        (self.unshared)();
        self.writer.stop_storing();
        self.partial = None;
    }

    fn publish(self, length: u64) -> Outcome {
        let Some(partial) = self.partial else {
            return Outcome::Unstored;
        };
        let etag = partial.modified().etag(length);
        match partial.publish() {
            Ok(()) => Outcome::Published(etag),
            Err(cause) => {
                self.store.failed(&self.job.path, &cause);
                Outcome::Unstored
            }
        }
    }
}

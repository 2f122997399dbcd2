//! The bounds, and what is still to go until they hold.
//!
//! Rules: reckoned, not measured again: a file system may show freed room much later, and files must
//! not go because of that. Free space that all files together could not make costs none of them.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::cull::survey::{Candidate, Census, Names};

/// What the bounds ask for.
#[derive(Debug)]
pub struct Goal {
    /// Files last used before this time go.
    before: Option<SystemTime>,
    /// Bytes that all files may take.
    max_size: Option<u64>,
    /// Bytes that they take.
    size: u64,
    /// Bytes that are to be freed.
    shortage: u64,
    /// The device on which they are to be freed.
    device: u64,
    /// Files with several names.
    names: HashMap<(u64, u64), Names>,
}

impl Goal {
    /// For the files of `census`; `shortage` bytes are to be freed on `device`.
    pub fn new(
        before: Option<SystemTime>,
        max_size: Option<u64>,
        (device, shortage): (u64, u64),
        census: &mut Census,
    ) -> Self {
        Self {
            before,
            max_size,
            size: census.bytes,
            shortage,
            device,
            names: std::mem::take(&mut census.names),
        }
    }

    /// Whether `file` is among those that are to go, now that those before it have gone.
    pub fn wants(&self, file: &Candidate) -> bool {
        self.is_expired(file) || self.is_too_large() || (self.shortage > 0 && self.frees(file))
    }

    /// Whether neither `file` nor any that sorts behind it is to go.
    pub fn is_reached(&self, file: &Candidate) -> bool {
        !self.is_expired(file) && !self.is_too_large() && self.shortage == 0
    }

    /// Takes note that `file` has gone; the bytes that all files take less now.
    pub fn gone(&mut self, file: &Candidate) -> u64 {
        let frees = self.frees(file);
        if file.linked
            && let Some(names) = self.names.get_mut(&file.identity)
        {
            names.here = names.here.saturating_sub(1);
            if names.here > 0 {
                return 0;
            }
        }
        self.size = self.size.saturating_sub(file.size);
        if frees {
            self.shortage = self.shortage.saturating_sub(file.size);
        }
        file.size
    }

    /// Bytes that all files take.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether they are more than they may be.
    pub fn is_too_large(&self) -> bool {
        self.max_size.is_some_and(|most| self.size > most)
    }

    /// Bytes that are still to be freed.
    pub fn shortage(&self) -> u64 {
        self.shortage
    }

    fn is_expired(&self, file: &Candidate) -> bool {
        self.before.is_some_and(|before| file.used < before)
    }

    /// Whether removing the file, all its names in the cache, frees room where it is short.
    fn frees(&self, file: &Candidate) -> bool {
        let elsewhere = self.names.get(&file.identity).map(|names| names.elsewhere);
        file.identity.0 == self.device && !(file.linked && elsewhere.unwrap_or(true))
    }
}

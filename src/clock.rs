//! The wall clock as HTTP reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::http::HttpDate;

/// Now, in whole seconds; the epoch if the clock stands before it.
pub fn now() -> HttpDate {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    HttpDate::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

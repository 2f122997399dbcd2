//! The wall clock as HTTP reads it.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::http::HttpDate;

/// Now, in whole seconds; the epoch if the clock stands before it.
pub fn now() -> HttpDate {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    HttpDate::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Now as the text of a Date field, which many answers share.
pub fn date() -> [u8; 29] {
    thread_local! {
        static LAST: Cell<Option<(HttpDate, [u8; 29])>> = const { Cell::new(None) };
    }
    let now = now();
    match LAST.get() {
        Some((last, text)) if last == now => text,
        _ => {
            LAST.set(Some((now, now.text())));
            now.text()
        }
    }
}

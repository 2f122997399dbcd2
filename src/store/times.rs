//! Times: what the times of a stored file are set to.
//!
//! Rules: a Last-Modified is kept, unless it is later than the clock of the source that sent it. Any other time
//! is marked by a nanosecond part that is not zero. A host without a battery may boot in 1970 and learn the
//! time later: as long as our clock cannot be right, the source's Date is used in its place.

use std::fs::FileTimes;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::HttpDate;

/// The times for one stored file.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The modification time: the source's Last-Modified, or the present, marked.
    pub modified: SystemTime,
    present: SystemTime,
}

impl Times {
    /// The times for a response with this Last-Modified and this Date, while our clock says `now`.
    pub fn new(last_modified: Option<HttpDate>, date: Option<HttpDate>, now: SystemTime) -> Self {
        let now = Some(now).filter(|now| is_possible(*now));
        let date = date.and_then(time);
        let latest = date.or(now);
        let source = last_modified
            .and_then(time)
            .filter(|modified| latest.is_none_or(|latest| *modified <= latest));
        let present = now.or(date).or(time(HttpDate::WRITTEN));
        let present = present.unwrap_or(UNIX_EPOCH);
        Self {
            modified: source.unwrap_or_else(|| mark(present)),
            present,
        }
    }

    /// The times for a file that has its modification time already, while our clock says `now`.
    pub fn again(modified: SystemTime, now: SystemTime) -> Self {
        Self {
            modified,
            present: now,
        }
    }

    /// All of them for a file of which all is there.
    pub fn all(&self) -> FileTimes {
        FileTimes::new()
            .set_modified(self.modified)
            .set_accessed(self.present)
    }

    /// The time of the first use (atime), while our clock says `now`.
    pub fn used(&self, now: SystemTime) -> SystemTime {
        if is_possible(now) { now } else { self.present }
    }
}

/// Whether a clock that says `now` can be right.
pub fn is_possible(now: SystemTime) -> bool {
    HttpDate::of(now) >= HttpDate::WRITTEN
}

/// A date as a time for the file system; none before the epoch.
fn time(date: HttpDate) -> Option<SystemTime> {
    let seconds = u64::try_from(date.unix()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// `now` with a nanosecond part that is not zero.
fn mark(now: SystemTime) -> SystemTime {
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) if since.subsec_nanos() == 0 => {
            now.checked_add(Duration::from_nanos(1)).unwrap_or(now)
        }
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-10-09T08:53:20Z and the days around it.
    const DATE: i64 = 1_760_000_000;
    const DAY: i64 = 86_400;

    fn at(seconds: i64) -> SystemTime {
        time(HttpDate::from_unix(seconds)).unwrap()
    }

    #[test]
    fn a_last_modified_is_measured_by_the_clock_of_its_source() {
        let marked = |seconds| at(seconds) + Duration::from_nanos(1);
        for (last_modified, date, now, expected) in [
            // Our clock is right, fast, slow by a day, in 1970.
            (DATE - DAY, Some(DATE), DATE, at(DATE - DAY)),
            (DATE - DAY, Some(DATE), DATE + DAY, at(DATE - DAY)),
            (DATE, Some(DATE), DATE - DAY, at(DATE)),
            (DATE, Some(DATE), 5, at(DATE)),
            (DATE + 1, Some(DATE), DATE, marked(DATE)),
            (DATE + 1, Some(DATE), DATE + DAY, marked(DATE + DAY)),
            (DATE + 1, Some(DATE), 5, marked(DATE)),
            // The source does not say what its clock says.
            (DATE, None, DATE, at(DATE)),
            (DATE + 1, None, DATE, marked(DATE)),
            (DATE, None, 5, at(DATE)),
            // Before the epoch.
            (-1, Some(DATE), DATE, marked(DATE)),
        ] {
            let date = date.map(HttpDate::from_unix);
            let times = Times::new(Some(HttpDate::from_unix(last_modified)), date, at(now));
            assert_eq!(times.modified, expected, "{last_modified} {date:?} {now}");
        }
        let times = Times::new(None, None, at(DATE));
        assert_eq!(times.modified, marked(DATE));
    }

    #[test]
    fn a_clock_in_1970_is_nobodys_time_of_use() {
        let date = Some(HttpDate::from_unix(DATE));
        for (date, begun, now, expected) in [
            (date, DATE, DATE + DAY, DATE + DAY),
            (date, 5, DATE + DAY, DATE + DAY),
            (date, 5, 9, DATE),
            (None, 5, 9, HttpDate::WRITTEN.unix()),
        ] {
            let times = Times::new(None, date, at(begun));
            assert_eq!(times.used(at(now)), at(expected));
        }
    }
}

//! Health: whether a source is asked in its place, last, or not at all for now.
//!
//! Rules: a source that could not be reached or was silent goes to the end of the order for `demote_ms`; so
//! does one that has been silent to a running request for `suspect_ms`. At the end it is asked for what no
//! other source gave. If the others say that there is no such file, a source whose failures take time is tried
//! by one request at a time, and by none after two failures in a row. If the outcome is another than 404 all the
//! same, for one of the others failed, it is asked at last, by `WAITING` requests at a time. When its time at the
//! end is over, it is back in its place, and the first request that comes to ask it tries it for all: for others it is at
//! the end meanwhile. So a dead mirror costs one timeout, not one per file.
//!
//! Not here: what a failure means to a client (`error`).

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sys::limits::{limits, ms};
use crate::sys::lock::lock;

/// A failure that took at least this long is slow: trying the source costs every client time.
const SLOW: Duration = Duration::from_secs(1);

/// So many requests, at most, wait for a source that may be silent, for files that another one lacks.
const WAITING: u32 = 32;

/// How a source stands for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has answered lately.
    InPlace,
    /// It has failed before, and this request finds out for all whether it still does.
    OnTrial,
    /// It is asked last.
    Last,
}

/// What is known of one source.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Until when it is asked last.
    demoted: Option<Instant>,
    /// Whether its last failure took long.
    slow: bool,
    /// Failures since its last response.
    failures: u32,
    /// Requests that wait for it.
    waiting: u32,
    /// Since when it has been silent to all of them.
    silent: Option<Instant>,
}

impl State {
    /// Whether it has answered nobody for `time`, though somebody waits.
    fn is_silent(&self, now: Instant, time: Duration) -> bool {
        let silence = self
            .silent
            .map(|since| now.saturating_duration_since(since));
        self.waiting > 0 && silence.is_some_and(|silence| silence > time)
    }

    fn is_suspect(&self, now: Instant) -> bool {
        self.is_silent(now, ms(limits().suspect_ms))
    }

    /// Whether those who ask it for what another source lacks would only wait: it may just be slow, and the only one
    /// that has the file, so some are let wait for a while.
    fn is_hopeless(&self, now: Instant) -> bool {
        self.is_silent(now, ms(limits().silent_ms)) || (self.is_crowded() && self.is_suspect(now))
    }

    fn is_crowded(&self) -> bool {
        self.waiting >= WAITING
    }
}

impl Health {
    /// How it stands for a request that is to ask it now, and asks it then unless it stands last. Not for the order of the
    /// sources: many a request that would ask it too has its answer before.
    pub fn standing(&self, now: Instant) -> Standing {
        let mut state = lock(&self.state);
        match state.demoted {
            Some(until) if until > now => Standing::Last,
            Some(_) if state.slow => {
                // Longer than the one can take to find out.
                let most = limits().connect_ms.saturating_add(limits().patience_ms);
                state.demoted = Some(now + ms(most.max(limits().demote_ms)));
                Standing::OnTrial
            }
            _ if state.is_suspect(now) => Standing::Last,
            _ => Standing::InPlace,
        }
    }

    /// Whether it is at the end of the order.
    pub fn is_demoted(&self, now: Instant) -> bool {
        let state = lock(&self.state);
        state.demoted.is_some_and(|until| until > now) || state.is_suspect(now)
    }

    /// Whether it is asked, at the end of the order, for a file that another source lacks.
    pub fn is_worth_asking(&self, now: Instant) -> bool {
        let state = lock(&self.state);
        match state.demoted {
            Some(until) if until > now && state.slow => state.waiting == 0 && state.failures < 2,
            _ => !state.is_hopeless(now),
        }
    }

    /// Whether so many wait for it that one more, for a file that another source lacks, does better without it.
    pub fn is_crowded(&self) -> bool {
        lock(&self.state).is_crowded()
    }

    /// A request begins to wait for it.
    pub fn asked(&self, now: Instant) {
        let mut state = lock(&self.state);
        if state.waiting == 0 {
            state.silent = Some(now);
        }
        state.waiting += 1;
    }

    /// It has sent a response head; whatever its status, the source is there.
    pub fn answered(&self) {
        let mut state = lock(&self.state);
        state.waiting = state.waiting.saturating_sub(1);
        state.silent = Some(Instant::now());
        state.failures = 0;
        state.demoted = None;
    }

    /// A request no longer waits for it, and nothing was learned of the source.
    pub fn left(&self) {
        let mut state = lock(&self.state);
        state.waiting = state.waiting.saturating_sub(1);
    }

    /// It could not be reached or was silent, and finding out took this long.
    pub fn failed(&self, took: Duration) {
        self.left();
        self.demote(took);
    }

    /// Puts it at the end of the order for `demote_ms`, after a failure that took this long.
    pub fn demote(&self, took: Duration) {
        let mut state = lock(&self.state);
        state.failures += 1;
        state.slow = took >= SLOW.min(ms(limits().patience_ms));
        state.demoted = Some(Instant::now() + ms(limits().demote_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(5);

    #[test]
    fn a_silent_source_is_tried_by_one_request_at_a_time_and_then_by_none() {
        let health = Health::default();
        let now = Instant::now();
        assert!(!health.is_demoted(now) && health.is_worth_asking(now));
        assert_eq!(health.standing(now), Standing::InPlace);
        health.asked(now);
        health.failed(LONG);
        assert!(health.is_demoted(now));
        assert_eq!(health.standing(now), Standing::Last);
        assert!(health.is_worth_asking(now));
        health.asked(now);
        assert!(!health.is_worth_asking(now));
        health.failed(LONG);
        assert!(!health.is_worth_asking(now));
        let later = Instant::now() + ms(limits().demote_ms);
        for _ in 0..2 {
            assert!(!health.is_demoted(later), "to look at it is no trial");
        }
        assert_eq!(health.standing(later), Standing::OnTrial);
        assert!(health.is_demoted(later), "the others do not try it");
        assert_eq!(health.standing(later), Standing::Last);
        health.asked(later);
        health.answered();
        assert_eq!(health.standing(later), Standing::InPlace);
    }

    #[test]
    fn a_source_that_refuses_at_once_is_always_worth_asking() {
        let health = Health::default();
        let now = Instant::now();
        for _ in 0..3 {
            health.asked(now);
            health.failed(Duration::ZERO);
            assert!(health.is_demoted(now) && health.is_worth_asking(now));
        }
    }

    #[test]
    fn a_source_that_is_silent_to_one_is_asked_last_by_others() {
        let health = Health::default();
        let now = Instant::now();
        health.asked(now);
        assert!(!health.is_demoted(now));
        let later = now + ms(limits().suspect_ms) + Duration::from_millis(1);
        assert!(health.is_demoted(later) && health.is_worth_asking(later));
        // A few may wait for it, and none once it has been silent for long.
        let long = now + ms(limits().silent_ms) + Duration::from_millis(1);
        assert!(!health.is_worth_asking(long));
        for _ in 1..WAITING {
            health.asked(now);
        }
        assert!(!health.is_worth_asking(later));
        for _ in 0..WAITING {
            health.left();
        }
        assert!(!health.is_demoted(later) && health.is_worth_asking(long));
    }
}

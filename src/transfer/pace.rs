//! Pace: how fast content comes, for whoever looks.
//!
//! Rules: it is measured from look to look, so that one who watches sees what happens now, a stall too, and the writer
//! has nothing to do for it. Looks within one second are one, or the figures would jump.

use std::time::{Duration, Instant};

/// The shortest time that tells a speed.
const WINDOW: Duration = Duration::from_secs(1);

/// How fast content comes.
#[derive(Debug)]
pub struct Pace {
    /// The last look, or when the content began, and how many bytes there were then.
    since: Instant,
    received: u64,
    /// What was seen then, in bytes a second; none before the first look.
    seen: Option<u64>,
}

impl Pace {
    /// Of content that begins now, when so many bytes of it are there.
    pub fn begin(received: u64) -> Self {
        Self {
            since: Instant::now(),
            received,
            seen: None,
        }
    }

    /// Bytes a second since the last look, when at `now` so many are there.
    pub fn look(&mut self, now: Instant, received: u64) -> u64 {
        let passed = now.saturating_duration_since(self.since);
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let came = received.saturating_sub(self.received);
        let speed = came.saturating_mul(1_000) / millis.max(1);
        if passed < WINDOW {
            return self.seen.unwrap_or(speed);
        }
        *self = Self {
            since: now,
            received,
            seen: Some(speed),
        };
        speed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_measured_from_look_to_look() {
        let mut pace = Pace::begin(5_000);
        let begun = pace.since;
        for (millis, received, speed) in [
            (500, 6_000, 2_000),
            (2_000, 11_000, 3_000),
            // Too soon to tell anything else.
            (2_900, 99_000, 3_000),
            (4_000, 11_000, 0),
            (6_000, 12_000, 500),
        ] {
            let now = begun + Duration::from_millis(millis);
            assert_eq!(pace.look(now, received), speed, "{millis}");
        }
    }
}

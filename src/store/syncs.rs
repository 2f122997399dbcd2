//! Syncs: on which devices a sync is quick, as where no disk is behind the file system.
//!
//! Rules: a device is not known to be quick before one of its syncs was. A single slow one says little, since a busy
//! machine may stop a thread at any point: so many in a row do, or one that stalls.

use std::sync::Mutex;
use std::time::Duration;

use crate::sys::lock::lock;

/// A sync that takes less is quick; a disk needs more.
const QUICK: Duration = Duration::from_micros(100);

/// A sync that takes so long stalls.
const STALL: Duration = Duration::from_millis(10);

/// After so many slow ones in a row a device is slow.
const SLOW: u32 = 3;

/// The most devices that are known.
const DEVICES: usize = 16;

/// The devices with a quick sync lately, and how many slow ones there were since.
#[derive(Debug, Default)]
pub struct Syncs(Mutex<Vec<(u64, u32)>>);

impl Syncs {
    /// Notes that a sync on `device` took this long.
    pub fn note(&self, device: u64, took: Duration) {
        let mut known = lock(&self.0);
        let (quick, full) = (took < QUICK, known.len() >= DEVICES);
        match known.iter_mut().find(|(other, _)| *other == device) {
            Some((_, slow)) if quick => *slow = 0,
            Some((_, slow)) if took >= STALL => *slow = SLOW,
            Some((_, slow)) => *slow = slow.saturating_add(1),
            None if quick && !full => known.push((device, 0)),
            None => {}
        }
    }

    /// Whether a sync on `device` will be quick, as far as one can tell.
    pub fn are_quick(&self, device: u64) -> bool {
        let known = lock(&self.0);
        let mut known = known.iter();
        known.any(|(other, slow)| *other == device && *slow < SLOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_quick_from_a_quick_sync_to_some_slow_ones_in_a_row() {
        let (syncs, slow, quick) = (Syncs::default(), QUICK, QUICK / 2);
        let quick_after = |took| {
            syncs.note(1, took);
            syncs.are_quick(1)
        };
        assert!(!syncs.are_quick(1));
        for (took, expected) in [
            (slow, false),
            (quick, true),
            (slow, true),
            (slow, true),
            (quick, true),
            (slow, true),
            (slow, true),
            (slow, false),
            (slow, false),
            (quick, true),
            (STALL, false),
            (quick, true),
        ] {
            assert_eq!(quick_after(took), expected);
        }
        assert!(!syncs.are_quick(2), "another device is another matter");
        for device in 0..100 {
            syncs.note(device, quick);
        }
        assert_eq!(lock(&syncs.0).len(), DEVICES);
    }
}

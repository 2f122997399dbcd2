//! What is true: which versions of a file there have been, and which one each source has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::SOURCES;
use crate::support::Dice;
use crate::support::MODIFIED_UNIX;

/// All files.
pub struct World {
    seed: u64,
    files: Mutex<HashMap<String, File>>,
}

/// A file that changes.
struct File {
    number: u64,
    /// From the first one on; each has a time of its own.
    versions: Vec<Arc<Vec<u8>>>,
    /// Which version each source has; the first source gets new ones first.
    at: [usize; SOURCES],
    /// The oldest version that any source has had since then.
    floors: Vec<(Instant, usize)>,
    /// Which versions an entity tag can mean, by what came with it.
    tags: HashMap<String, Vec<usize>>,
}

/// The time of a version, in seconds since the epoch.
pub fn time(version: usize) -> u64 {
    MODIFIED_UNIX + version as u64
}

/// The same as a field value: all times are of one hour.
pub fn date(version: usize) -> String {
    let second = 28 * 60 + version;
    assert!(second < 3600, "too many versions");
    let (minute, second) = (second / 60, second % 60);
    format!("Wed, 21 Oct 2015 07:{minute:02}:{second:02} GMT")
}

impl World {
    /// Nothing yet.
    pub fn new(seed: u64) -> Self {
        let files = Mutex::default();
        Self { seed, files }
    }

    fn with<T>(&self, path: &str, look: impl FnOnce(&mut File) -> T) -> Option<T> {
        self.files.lock().unwrap().get_mut(path).map(look)
    }

    /// The sources have a file from now on.
    pub fn add(&self, path: &str) {
        let mut files = self.files.lock().unwrap();
        let mut file = File {
            number: files.len() as u64,
            versions: Vec::new(),
            at: [0; SOURCES],
            floors: Vec::new(),
            tags: HashMap::new(),
        };
        file.grow(self.seed);
        files.insert(path.to_owned(), file);
    }

    /// Nothing is asked now: the file may change, and the mirrors may catch up. What comes later is of these
    /// versions or newer ones.
    pub fn settle(&self, path: &str, dice: &mut Dice) {
        self.with(path, |file| {
            if dice.chance(70) {
                file.grow(self.seed);
            }
            if dice.chance(70) {
                file.at = [file.versions.len() - 1; SOURCES];
            }
            let floor = file.at.into_iter().min().unwrap_or(0);
            file.floors.push((Instant::now(), floor));
        });
    }

    /// The oldest version that somebody may be told of as confirmed who asked at `asked`, if what one check
    /// found holds for `share`.
    pub fn floor(&self, path: &str, asked: Instant, share: Duration) -> usize {
        let before = |noted: Instant| noted + share <= asked;
        self.with(path, |file| {
            let since = file.floors.iter().rposition(|(noted, _)| before(*noted));
            let since = file.floors.get(since.unwrap_or(0)..).unwrap_or_default();
            since.iter().map(|(_, floor)| *floor).min()
        })
        .flatten()
        .unwrap_or(0)
    }

    /// What a source has when it is asked, its number and its bytes; it may have changed just now.
    pub fn turn(
        &self,
        source: usize,
        path: &str,
        dice: &mut Dice,
    ) -> Option<(usize, Arc<Vec<u8>>)> {
        let seed = self.seed;
        self.with(path, |file| {
            file.turn(source, dice, seed);
            let version = file.at[source];
            (version, Arc::clone(&file.versions[version]))
        })
    }

    /// The length of the longest version.
    pub fn longest(&self, path: &str) -> usize {
        let longest = |file: &mut File| file.versions.iter().map(|content| content.len()).max();
        self.with(path, longest).flatten().unwrap_or(0)
    }

    /// The versions of which this holds.
    pub fn versions(&self, path: &str, holds: impl Fn(usize, &[u8]) -> bool) -> Vec<usize> {
        let all = self.with(path, |file| file.versions.clone());
        let all = all.unwrap_or_default().into_iter().enumerate();
        all.filter(|(number, content)| holds(*number, content))
            .map(|(number, _)| number)
            .collect()
    }

    /// Whether a tag can mean any of these versions; from now on it means no other.
    pub fn narrow(&self, path: &str, tag: &str, to: &[usize]) -> Vec<usize> {
        self.with(path, |file| {
            let known = file
                .tags
                .entry(tag.to_owned())
                .or_insert_with(|| to.to_vec());
            known.retain(|version| to.contains(version));
            known.clone()
        })
        .unwrap_or_default()
    }
}

impl File {
    fn grow(&mut self, seed: u64) {
        let mut dice = Dice::of(&[seed, self.number, self.versions.len() as u64]);
        let length = match (dice.below(10), self.versions.last()) {
            (0..4, Some(last)) => last.len(),
            (4, _) => dice.up_to(9),
            (5, _) => 200_000 + dice.up_to(600_000),
            _ => 100 + dice.up_to(40_000),
        };
        let bytes = std::iter::repeat_with(|| dice.roll().to_le_bytes());
        self.versions
            .push(Arc::new(bytes.flatten().take(length).collect()));
    }

    fn turn(&mut self, source: usize, dice: &mut Dice, seed: u64) {
        let (newest, mine) = (self.versions.len() - 1, self.at[source]);
        let next = match (source, dice.below(100)) {
            (0, 0..20) if mine == newest => {
                self.grow(seed);
                newest + 1
            }
            (0, 0..20) => newest,
            // The first source takes a version back.
            (0, 20..23) => mine.saturating_sub(1 + dice.up_to(2)),
            (1.., 0..25) => mine.max(self.at[0]),
            _ => mine,
        };
        self.at[source] = next;
        if let Some((_, floor)) = self.floors.last_mut() {
            *floor = next.min(*floor);
        }
    }
}

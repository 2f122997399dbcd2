//! Files whose every byte follows from file, version and offset, so that any byte can be checked.

use std::sync::{Arc, Mutex};

use crate::support::MODIFIED_UNIX;
use crate::support::{Dice, mix};

/// One state of a file at the sources.
pub struct Version {
    /// Its bytes: two versions differ everywhere.
    pub content: Vec<u8>,
    /// Its Last-Modified, as seconds after `MODIFIED`, below 60.
    pub second: Option<u64>,
    /// Whether sources give it a strong entity tag.
    pub tagged: bool,
}

impl Version {
    /// The field line, if it has a Last-Modified.
    pub fn modified(&self) -> Option<String> {
        let second = self.second?;
        Some(format!(
            "Last-Modified: Wed, 21 Oct 2015 07:28:{second:02} GMT"
        ))
    }

    /// The time that a stored copy must have, if the source told one.
    pub fn unix(&self) -> Option<u64> {
        self.second.map(|second| MODIFIED_UNIX + second)
    }
}

/// How a source treats one file.
#[derive(Clone, Copy, Debug)]
pub enum Mood {
    /// It serves what it is asked for.
    Honest,
    /// So many answers out of a hundred are spoilt.
    Faulty(u64),
    /// Every answer breaks off soon.
    Dying,
}

/// A file as the sources have it.
pub struct File {
    /// Its target.
    pub path: String,
    /// One honest source has it, all mean the same version, and what proves that is there: every
    /// client must be served whole.
    pub sure: bool,
    /// Its states, the first one first; of a sure file all but the first are lies.
    pub versions: Vec<Version>,
    /// Each source's mood.
    pub moods: Vec<Mood>,
    /// Two versions bear the same validators, so that the cache's entity tag cannot tell them apart.
    pub twins: bool,
    /// Other bytes under right validators, told in answer to closed ranges: where nothing came before, there
    /// is nothing to compare them with.
    lies: Mutex<Vec<Arc<Lie>>>,
}

/// Content that is of no version.
struct Lie {
    /// Where it begins in the file.
    start: usize,
    bytes: Vec<u8>,
}

impl File {
    /// A file of chance.
    pub fn roll(path: String, dice: &mut Dice, sources: usize, large: bool) -> Self {
        let sure = dice.chance(50);
        let length = match large {
            // More than two sockets hold for a client that does not read.
            true => 12_000_000 + dice.up_to(4_000_000),
            false => length(dice),
        };
        let dated = sure || dice.chance(85);
        let (mut versions, mut twins) = (Vec::new(), false);
        for number in 0..3 {
            let twin = number > 0 && dice.chance(30);
            twins |= twin || !dated;
            let length = match dice.chance(60) || twin || number == 0 {
                true => length,
                false => length + dice.up_to(1_000),
            };
            versions.push(Version {
                content: content(dice.roll(), number as u8, length),
                second: dated.then_some(if twin { 0 } else { number * 7 }),
                tagged: dice.chance(60),
            });
        }
        let honest = dice.up_to(sources - 1);
        let moods = (0..sources)
            .map(|source| match dice.below(100) {
                _ if sure && source == honest => Mood::Honest,
                0..20 => Mood::Honest,
                20..30 => Mood::Dying,
                _ => Mood::Faulty(dice.pick(&[20, 50, 80, 100])),
            })
            .collect();
        Self {
            path,
            sure,
            versions,
            moods,
            twins,
            lies: Mutex::default(),
        }
    }

    /// Notes a lie before it is told.
    pub fn lie(&self, start: usize, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        let lie = Arc::new(Lie { start, bytes });
        self.lies.lock().unwrap().push(lie);
    }

    /// The length of its longest version.
    pub fn longest(&self) -> usize {
        let lengths = self.versions.iter().map(|version| version.content.len());
        lengths.max().unwrap_or(0)
    }

    /// The name below the cache directory.
    pub fn name(&self) -> &str {
        self.path.trim_start_matches('/')
    }
}

/// Lengths about the sizes at which the program changes its ways, and others.
fn length(dice: &mut Dice) -> usize {
    match dice.below(10) {
        0 => dice.pick(&[0, 1, 2, 1_000]),
        1 => dice.pick(&[32 << 10, 64 << 10, 256 << 10]) - 1 + dice.up_to(2),
        2..=4 => 1_000 + dice.up_to(100_000),
        5..=7 => 100_000 + dice.up_to(400_000),
        _ => 500_000 + dice.up_to(2_500_000),
    }
}

/// The first byte tells the versions apart, however little there is to compare.
fn content(key: u64, first: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    let mut block = key;
    while bytes.len() <= length {
        block = block.wrapping_add(1);
        bytes.extend_from_slice(&mix(block).to_le_bytes());
    }
    bytes[0] = first;
    bytes.truncate(length);
    bytes
}

/// Checks one answer's content: all of it must be of one version, or of the lie that it began with.
pub struct Witness<'a> {
    file: &'a File,
    /// Where the answer begins.
    start: usize,
    at: usize,
    /// The versions that it can be so far.
    left: Vec<&'a Version>,
    lies: Vec<Arc<Lie>>,
}

impl<'a> Witness<'a> {
    /// Nothing seen yet; the content begins at `at`.
    pub fn new(file: &'a File, at: usize) -> Self {
        Self {
            file,
            start: at,
            at,
            left: file.versions.iter().collect(),
            lies: Vec::new(),
        }
    }

    /// Goes on with another answer of the same file.
    pub fn resume(mut self) -> Self {
        self.start = self.at;
        self
    }

    /// Keeps the versions of which this holds.
    pub fn only(&mut self, holds: impl Fn(&Version) -> bool, what: &str) -> Result<(), String> {
        self.left.retain(|version| holds(version));
        match self.left.is_empty() && self.lies.is_empty() {
            true => Err(format!(
                "{}: no version {what} at byte {}",
                self.file.path, self.at
            )),
            false => Ok(()),
        }
    }

    /// The next bytes of the content.
    pub fn see(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (at, end) = (self.at, self.at + bytes.len());
        if at == self.start {
            let lies = self.file.lies.lock().unwrap();
            let here = lies.iter().filter(|lie| lie.start == at);
            self.lies = here.cloned().collect();
        }
        self.lies
            .retain(|lie| lie.bytes.get(at - lie.start..end - lie.start) == Some(bytes));
        self.only(
            |version| version.content.get(at..end) == Some(bytes),
            "has these bytes",
        )?;
        self.at = end;
        Ok(())
    }

    /// Whether it can be nothing but a lie; of a sure file all versions but the first are lies too.
    pub fn is_deceived(&self) -> bool {
        let first = &self.file.versions[0];
        let true_one = |version: &&Version| !self.file.sure || std::ptr::eq(*version, first);
        !self.left.iter().any(true_one)
    }

    /// Where the content has come to.
    pub fn at(&self) -> usize {
        self.at
    }
}

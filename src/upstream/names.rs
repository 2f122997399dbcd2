//! Names: which sources serve a path, by its first segment.
//!
//! Rules: if sources have that name, these alone; else those without a name. Each request asks for it, hits
//! too, so a name is found by a binary search.

use super::Source;

/// The names, in order, and the numbers of the sources of each in the order given. Sources without a name have an empty
/// one.
#[derive(Debug)]
pub struct Names(Vec<(String, Vec<usize>)>);

impl Names {
    /// The names of `sources`, whose numbers are their places.
    pub fn of(sources: &[Source]) -> Self {
        let mut names: Vec<(String, Vec<usize>)> = Vec::new();
        for (number, source) in sources.iter().enumerate() {
            let name = source.name.clone().unwrap_or_default();
            let at = names.partition_point(|(other, _)| *other < name);
            match names.get_mut(at) {
                Some((other, numbers)) if *other == name => numbers.push(number),
                _ => names.insert(at, (name, vec![number])),
            }
        }
        Self(names)
    }

    /// The numbers of the sources that serve the paths with such a first segment, in the order given.
    pub fn serving(&self, first: &[u8]) -> &[usize] {
        let named = self.find(first).or_else(|| self.find(b""));
        named.unwrap_or_default()
    }

    /// Whether sources have this name.
    pub fn has(&self, name: &[u8]) -> bool {
        !name.is_empty() && self.find(name).is_some()
    }

    fn find(&self, name: &[u8]) -> Option<&[usize]> {
        let names = &self.0;
        let found = names.binary_search_by(|(other, _)| other.as_bytes().cmp(name));
        names.get(found.ok()?).map(|(_, numbers)| &**numbers)
    }
}

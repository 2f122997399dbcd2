//! Proof: whether content that comes piece by piece is one of the things that it may be.

use std::fmt::Display;
use std::mem::discriminant;

use super::Expected;
use crate::digest::{Digest, Hasher};

/// Computes the digests of one content that are needed to prove it.
#[derive(Debug)]
pub struct Proof {
    /// All that it may be.
    possible: Vec<Expected>,
    /// One of each kind that one of `possible` has.
    hashers: Vec<Hasher>,
    /// The bytes so far.
    length: u64,
}

impl Proof {
    /// A proof that the content is one of what is `expected`; `length` is that of the content in bytes, if it is known
    /// beforehand.
    ///
    /// # Errors
    /// That no content of this length is expected, and what is.
    pub fn new(expected: &[Expected], length: Option<u64>) -> Result<Self, String> {
        let possible = match length {
            Some(length) => of_length(expected, length)?,
            None => expected.to_vec(),
        };
        let mut hashers: Vec<(Digest, Hasher)> = Vec::new();
        for Expected { digest, .. } in &possible {
            let is_new = |(known, _): &(Digest, _)| discriminant(known) != discriminant(digest);
            if hashers.iter().all(is_new) {
                hashers.push((*digest, Hasher::like(digest)));
            }
        }
        Ok(Self {
            possible,
            hashers: hashers.into_iter().map(|(_, hasher)| hasher).collect(),
            length: 0,
        })
    }

    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len() as u64);
        let hashers = &mut self.hashers;
        hashers.iter_mut().for_each(|hasher| hasher.update(bytes));
    }

    /// Whether the content is longer already than all that was expected, and than what `again` says is expected now.
    pub fn is_refuted(&mut self, again: impl FnOnce() -> Vec<Expected>) -> bool {
        let is_longer = |than: &[Expected]| {
            let mut sizes = than.iter().map(|it| it.size);
            sizes.all(|size| size.is_some_and(|size| size < self.length))
        };
        if is_longer(&self.possible) {
            let now = again();
            if is_longer(&now) {
                return true;
            }
            self.possible = now;
        }
        false
    }

    /// The end of the content: whether it is what was expected, or else what `again` says is expected now.
    ///
    /// # Errors
    /// That it is none of these, and what it should be.
    pub fn finish(self, again: impl FnOnce() -> Vec<Expected>) -> Result<(), String> {
        let digests: Vec<_> = self.hashers.into_iter().map(Hasher::finish).collect();
        let check = |expected: &[Expected]| {
            let possible = of_length(expected, self.length)?;
            match possible.iter().any(|it| digests.contains(&it.digest)) {
                true => Ok(()),
                false => {
                    let should = any(possible.iter().map(|it| it.digest));
                    Err(format!("{}, should be {should}", any(digests.iter())))
                }
            }
        };
        check(&self.possible).or_else(|_| check(&again()))
    }
}

/// Those that may be of this length.
///
/// # Errors
/// That there are none, and which lengths there are.
fn of_length(expected: &[Expected], length: u64) -> Result<Vec<Expected>, String> {
    let has_length = |it: &&Expected| it.size.is_none_or(|size| size == length);
    let possible: Vec<_> = expected.iter().filter(has_length).copied().collect();
    if possible.is_empty() {
        let sizes = any(expected.iter().filter_map(|it| it.size));
        return Err(match sizes.is_empty() {
            true => format!("{length} bytes, and no Manifest lists it any more"),
            false => format!("{length} bytes, should be {sizes}"),
        });
    }
    Ok(possible)
}

/// These, each once: `a`, `a or b`.
fn any<T: Display>(those: impl Iterator<Item = T>) -> String {
    let mut texts: Vec<_> = those.map(|it| it.to_string()).collect();
    texts.dedup();
    texts.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"the whole content";

    fn blake2b(size: Option<u64>, content: &[u8]) -> Expected {
        let digest = Digest::Blake2b(Digest::blake2b(content));
        Expected { size, digest }
    }

    fn sha512(size: Option<u64>, content: &[u8]) -> Expected {
        let mut hasher = Hasher::like(&Digest::Sha512([0; 64]));
        hasher.update(content);
        Expected {
            size,
            digest: hasher.finish(),
        }
    }

    /// What is wrong with `content`, which comes in pieces.
    fn fault(expected: &[Expected], length: Option<u64>, content: &[u8]) -> Option<String> {
        let mut proof = match Proof::new(expected, length) {
            Ok(proof) => proof,
            Err(why) => return Some(why),
        };
        content.chunks(5).for_each(|piece| proof.update(piece));
        proof.finish(|| expected.to_vec()).err()
    }

    #[test]
    fn content_is_right_or_it_is_said_why_not() {
        let of = Some(WHOLE.len() as u64);
        for expected in [
            vec![blake2b(of, WHOLE)],
            vec![blake2b(None, WHOLE)],
            vec![
                sha512(of, b"another"),
                blake2b(Some(1), b"x"),
                blake2b(None, WHOLE),
            ],
            vec![blake2b(of, b"another"), sha512(of, WHOLE)],
        ] {
            for length in [None, of] {
                assert_eq!(fault(&expected, length, WHOLE), None, "{expected:?}");
            }
        }
        let two_sizes = [blake2b(Some(3), b"abc"), sha512(Some(4), b"abcd")];
        let sizes = Some("17 bytes, should be 3 or 4".to_owned());
        assert_eq!(fault(&two_sizes, of, WHOLE), sizes);
        assert_eq!(fault(&two_sizes, None, WHOLE), sizes);
        let wrong = fault(&[blake2b(of, b"another")], of, WHOLE).unwrap();
        let (is, should) = (blake2b(of, WHOLE).digest, blake2b(of, b"another").digest);
        assert_eq!(wrong, format!("{is}, should be {should}"));
        let refuted = |expected: &[Expected], content: &[u8]| {
            let mut proof = Proof::new(expected, None).unwrap();
            proof.update(content);
            proof.is_refuted(|| expected.to_vec())
        };
        assert!(!refuted(&two_sizes, b"abc") && !refuted(&two_sizes, b"abcd"));
        assert!(refuted(&two_sizes, b"abcde"));
        assert!(!refuted(&[blake2b(None, b"x"), two_sizes[0]], b"abcde"));
        // A sync brings a longer one meanwhile.
        let mut proof = Proof::new(&two_sizes, None).unwrap();
        proof.update(b"abcde");
        let longer = blake2b(Some(6), b"abcdef");
        assert!(!proof.is_refuted(|| vec![longer]));
        proof.update(b"f");
        assert_eq!(proof.finish(|| panic!("it is right")), Ok(()));
        // The digest is right, the length that goes with it is not.
        let mixed = [blake2b(Some(3), WHOLE), sha512(of, b"another")];
        assert!(fault(&mixed, None, WHOLE).is_some());
    }
}

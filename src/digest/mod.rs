//! Digest: what bytes must be, and the hashers that say what they are.
//!
//! Rules: a hasher takes pieces of any length, allocates nothing and cannot fail.
//!
//! Not here: where the digest of a file is written down (`manifests`), or whose digest is asked for (`verify`).

use std::fmt;

mod blake2b;
mod block;
mod sha2;

use blake2b::Blake2b;
use sha2::{Sha256, Sha512};

/// A digest, and the algorithm that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Digest {
    /// BLAKE2b-512 (RFC 7693).
    Blake2b([u8; 64]),
    /// SHA-512 (FIPS 180-4).
    Sha512([u8; 64]),
    /// SHA-256 (FIPS 180-4).
    Sha256([u8; 32]),
}

impl Digest {
    /// The BLAKE2b-512 of `bytes`.
    pub fn blake2b(bytes: &[u8]) -> [u8; 64] {
        let mut hasher = Blake2b::new();
        hasher.update(bytes);
        hasher.finish()
    }
}

/// As Manifests name it: the algorithm and hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes): (_, &[u8]) = match self {
            Self::Blake2b(bytes) => ("BLAKE2B", bytes),
            Self::Sha512(bytes) => ("SHA512", bytes),
            Self::Sha256(bytes) => ("SHA256", bytes),
        };
        write!(f, "{name} ")?;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Computes one digest of bytes that come piece by piece.
#[derive(Debug)]
pub enum Hasher {
    /// BLAKE2b-512.
    Blake2b(Blake2b),
    /// SHA-512.
    Sha512(Sha512),
    /// SHA-256.
    Sha256(Sha256),
}

impl Hasher {
    /// A hasher whose digest can be compared with `digest`.
    pub fn like(digest: &Digest) -> Self {
        match digest {
            Digest::Blake2b(_) => Self::Blake2b(Blake2b::new()),
            Digest::Sha512(_) => Self::Sha512(Sha512::new()),
            Digest::Sha256(_) => Self::Sha256(Sha256::new()),
        }
    }

    /// Takes `bytes` in.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake2b(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all bytes.
    pub fn finish(self) -> Digest {
        match self {
            Self::Blake2b(hasher) => Digest::Blake2b(hasher.finish()),
            Self::Sha512(hasher) => Digest::Sha512(hasher.finish()),
            Self::Sha256(hasher) => Digest::Sha256(hasher.finish()),
        }
    }
}

/// The `N` bytes that are written as twice as many hexadecimal digits, of either case.
pub fn from_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? * 16 + low?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;

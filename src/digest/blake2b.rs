//! Blake2b: BLAKE2b-512 without a key (RFC 7693).
//!
//! The message and the work vector are variables of their own, and the schedule (RFC 7693 §2.7) is the order in which
//! the rounds name them: so no word is looked up by a number.

use super::block::Block;

/// The initialization vector (RFC 7693 §2.6).
#[rustfmt::skip]
const IV: [u64; 8] = [
    0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
];

/// The parameter block's first word: a digest of 64 bytes, no key, one node (RFC 7693 §2.5).
const PARAMETERS: u64 = 0x0101_0040;

/// BLAKE2b-512 of bytes that come piece by piece.
#[derive(Debug, Clone)]
pub struct Blake2b {
    state: [u64; 8],
    block: Block<128>,
    /// Bytes that have been compressed.
    total: u128,
}

impl Blake2b {
    /// Of no bytes yet.
    pub const fn new() -> Self {
        let [first, rest @ ..] = IV;
        let [i1, i2, i3, i4, i5, i6, i7] = rest;
        Self {
            state: [first ^ PARAMETERS, i1, i2, i3, i4, i5, i6, i7],
            block: Block::new(),
            total: 0,
        }
    }

    /// Takes `bytes` in.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // Not before more comes: the last block, which may be a full one, is marked (RFC 7693 §3.3).
            if self.block.is_full() {
                self.compress(false);
            }
            bytes = self.block.fill(bytes);
        }
    }

    /// The digest of all bytes.
    pub fn finish(mut self) -> [u8; 64] {
        self.compress(true);
        let mut digest = [0; 64];
        for (bytes, word) in digest.chunks_exact_mut(8).zip(self.state) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }

    /// Takes the block in and empties it (RFC 7693 §3.2).
    fn compress(&mut self, is_last: bool) {
        self.total = self.total.wrapping_add(self.block.length() as u128);
        self.block.pad();
        let (words, _) = self.block.bytes().as_chunks();
        let mut message = [0; 16];
        for (word, bytes) in message.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        let [
            m0,
            m1,
            m2,
            m3,
            m4,
            m5,
            m6,
            m7,
            m8,
            m9,
            m10,
            m11,
            m12,
            m13,
            m14,
            m15,
        ] = message;
        let [
            mut v0,
            mut v1,
            mut v2,
            mut v3,
            mut v4,
            mut v5,
            mut v6,
            mut v7,
        ] = self.state;
        let [
            mut v8,
            mut v9,
            mut v10,
            mut v11,
            mut v12,
            mut v13,
            mut v14,
            mut v15,
        ] = IV;
        v12 ^= self.total as u64;
        v13 ^= (self.total >> 64) as u64;
        if is_last {
            v14 = !v14;
        }
        // RFC 7693 §3.1.
        macro_rules! mix {
            ($a:ident $b:ident $c:ident $d:ident; $x:ident $y:ident) => {
                $a = $a.wrapping_add($b).wrapping_add($x);
                $d = ($d ^ $a).rotate_right(32);
                $c = $c.wrapping_add($d);
                $b = ($b ^ $c).rotate_right(24);
                $a = $a.wrapping_add($b).wrapping_add($y);
                $d = ($d ^ $a).rotate_right(16);
                $c = $c.wrapping_add($d);
                $b = ($b ^ $c).rotate_right(63);
            };
        }
        macro_rules! round {
            (
                $s0:ident $s1:ident $s2:ident $s3:ident $s4:ident $s5:ident $s6:ident $s7:ident
                $s8:ident $s9:ident $s10:ident $s11:ident $s12:ident $s13:ident $s14:ident $s15:ident
            ) => {
                mix!(v0 v4 v8 v12; $s0 $s1);
                mix!(v1 v5 v9 v13; $s2 $s3);
                mix!(v2 v6 v10 v14; $s4 $s5);
                mix!(v3 v7 v11 v15; $s6 $s7);
                mix!(v0 v5 v10 v15; $s8 $s9);
                mix!(v1 v6 v11 v12; $s10 $s11);
                mix!(v2 v7 v8 v13; $s12 $s13);
                mix!(v3 v4 v9 v14; $s14 $s15);
            };
        }
        round!(m0 m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 m11 m12 m13 m14 m15);
        round!(m14 m10 m4 m8 m9 m15 m13 m6 m1 m12 m0 m2 m11 m7 m5 m3);
        round!(m11 m8 m12 m0 m5 m2 m15 m13 m10 m14 m3 m6 m7 m1 m9 m4);
        round!(m7 m9 m3 m1 m13 m12 m11 m14 m2 m6 m5 m10 m4 m0 m15 m8);
        round!(m9 m0 m5 m7 m2 m4 m10 m15 m14 m1 m11 m12 m6 m8 m3 m13);
        round!(m2 m12 m6 m10 m0 m11 m8 m3 m4 m13 m7 m5 m15 m14 m1 m9);
        round!(m12 m5 m1 m15 m14 m13 m4 m10 m0 m7 m6 m3 m9 m2 m8 m11);
        round!(m13 m11 m7 m14 m12 m1 m3 m9 m5 m0 m15 m4 m8 m6 m2 m10);
        round!(m6 m15 m14 m9 m11 m3 m0 m8 m12 m2 m13 m7 m1 m4 m10 m5);
        round!(m10 m2 m8 m4 m7 m6 m1 m5 m15 m11 m9 m14 m3 m12 m13 m0);
        round!(m0 m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 m11 m12 m13 m14 m15);
        round!(m14 m10 m4 m8 m9 m15 m13 m6 m1 m12 m0 m2 m11 m7 m5 m3);
        let low = [v0, v1, v2, v3, v4, v5, v6, v7];
        let high = [v8, v9, v10, v11, v12, v13, v14, v15];
        for (word, (low, high)) in self.state.iter_mut().zip(low.into_iter().zip(high)) {
            *word ^= low ^ high;
        }
        self.block.clear();
    }
}

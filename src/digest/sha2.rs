//! Sha2: SHA-256 and SHA-512 (FIPS 180-4), which are one algorithm for words of 32 and of 64 bits.
//!
//! The sixteen words of the schedule and the eight of the state are variables of their own and change names from
//! round to round: so all of them stay in registers, and no word is looked up by a number.

use super::block::Block;

/// The constants of SHA-256 (FIPS 180-4 §4.2.2), sixteen rounds a row.
#[rustfmt::skip]
const K256: [[u32; 16]; 4] = [
    [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5,
        0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3,
        0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    ],
    [
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc,
        0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7,
        0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    ],
    [
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13,
        0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3,
        0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    ],
    [
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5,
        0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208,
        0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ],
];

/// The constants of SHA-512 (FIPS 180-4 §4.2.3), sixteen rounds a row.
#[rustfmt::skip]
const K512: [[u64; 16]; 5] = [
    [
        0x428a_2f98_d728_ae22, 0x7137_4491_23ef_65cd, 0xb5c0_fbcf_ec4d_3b2f, 0xe9b5_dba5_8189_dbbc,
        0x3956_c25b_f348_b538, 0x59f1_11f1_b605_d019, 0x923f_82a4_af19_4f9b, 0xab1c_5ed5_da6d_8118,
        0xd807_aa98_a303_0242, 0x1283_5b01_4570_6fbe, 0x2431_85be_4ee4_b28c, 0x550c_7dc3_d5ff_b4e2,
        0x72be_5d74_f27b_896f, 0x80de_b1fe_3b16_96b1, 0x9bdc_06a7_25c7_1235, 0xc19b_f174_cf69_2694,
    ],
    [
        0xe49b_69c1_9ef1_4ad2, 0xefbe_4786_384f_25e3, 0x0fc1_9dc6_8b8c_d5b5, 0x240c_a1cc_77ac_9c65,
        0x2de9_2c6f_592b_0275, 0x4a74_84aa_6ea6_e483, 0x5cb0_a9dc_bd41_fbd4, 0x76f9_88da_8311_53b5,
        0x983e_5152_ee66_dfab, 0xa831_c66d_2db4_3210, 0xb003_27c8_98fb_213f, 0xbf59_7fc7_beef_0ee4,
        0xc6e0_0bf3_3da8_8fc2, 0xd5a7_9147_930a_a725, 0x06ca_6351_e003_826f, 0x1429_2967_0a0e_6e70,
    ],
    [
        0x27b7_0a85_46d2_2ffc, 0x2e1b_2138_5c26_c926, 0x4d2c_6dfc_5ac4_2aed, 0x5338_0d13_9d95_b3df,
        0x650a_7354_8baf_63de, 0x766a_0abb_3c77_b2a8, 0x81c2_c92e_47ed_aee6, 0x9272_2c85_1482_353b,
        0xa2bf_e8a1_4cf1_0364, 0xa81a_664b_bc42_3001, 0xc24b_8b70_d0f8_9791, 0xc76c_51a3_0654_be30,
        0xd192_e819_d6ef_5218, 0xd699_0624_5565_a910, 0xf40e_3585_5771_202a, 0x106a_a070_32bb_d1b8,
    ],
    [
        0x19a4_c116_b8d2_d0c8, 0x1e37_6c08_5141_ab53, 0x2748_774c_df8e_eb99, 0x34b0_bcb5_e19b_48a8,
        0x391c_0cb3_c5c9_5a63, 0x4ed8_aa4a_e341_8acb, 0x5b9c_ca4f_7763_e373, 0x682e_6ff3_d6b2_b8a3,
        0x748f_82ee_5def_b2fc, 0x78a5_636f_4317_2f60, 0x84c8_7814_a1f0_ab72, 0x8cc7_0208_1a64_39ec,
        0x90be_fffa_2363_1e28, 0xa450_6ceb_de82_bde9, 0xbef9_a3f7_b2c6_7915, 0xc671_78f2_e372_532b,
    ],
    [
        0xca27_3ece_ea26_619c, 0xd186_b8c7_21c0_c207, 0xeada_7dd6_cde0_eb1e, 0xf57d_4f7f_ee6e_d178,
        0x06f0_67aa_7217_6fba, 0x0a63_7dc5_a2c8_98a6, 0x113f_9804_bef9_0dae, 0x1b71_0b35_131c_471b,
        0x28db_77f5_2304_7d84, 0x32ca_ab7b_40c7_2493, 0x3c9e_be0a_15c9_bebc, 0x431d_67c4_9c10_0d4c,
        0x4cc5_d4be_cb3e_42b6, 0x597f_299c_fc65_7e2a, 0x5fcb_6fab_3ad6_faec, 0x6c44_198c_4a47_5817,
    ],
];

/// The initial hash value of SHA-256 (FIPS 180-4 §5.3.3).
#[rustfmt::skip]
const H256: [u32; 8] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
    0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

/// The initial hash value of SHA-512 (FIPS 180-4 §5.3.5).
#[rustfmt::skip]
const H512: [u64; 8] = [
    0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
];

/// One round (FIPS 180-4 §6.2.2 step 3, §6.4.2 step 3); what is `h` here is `a` in the next one.
macro_rules! round {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident; $key:ident $word:ident) => {
        let choice = $g ^ ($e & ($f ^ $g));
        let majority = ($a & $b) | ($c & ($a | $b));
        $h = $h
            .wrapping_add(Self::sum($e, Self::UPPER1))
            .wrapping_add(choice);
        $h = $h.wrapping_add($key).wrapping_add($word);
        $d = $d.wrapping_add($h);
        $h = $h
            .wrapping_add(Self::sum($a, Self::UPPER0))
            .wrapping_add(majority);
    };
}

/// The word of the schedule sixteen rounds later (step 1 there).
macro_rules! expand {
    ($word:ident $next:ident $ninth:ident $fourteenth:ident) => {
        $word = $word
            .wrapping_add(Self::spread($next, Self::LOWER0))
            .wrapping_add($ninth);
        $word = $word.wrapping_add(Self::spread($fourteenth, Self::LOWER1));
    };
}

/// One of the two. `$length` is the type of the number of bits that ends the message; the last line has the distances
/// of the functions Σ0, Σ1, σ0 and σ1 (FIPS 180-4 §4.1.2, §4.1.3).
macro_rules! sha2 {
    (
        $(#[$doc:meta])* $name:ident, $word:ty, $length:ty, $bytes:literal, $keys:ident, $initial:ident,
        $upper0:expr, $upper1:expr, $lower0:expr, $lower1:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            state: [$word; 8],
            block: Block<{ 16 * size_of::<$word>() }>,
            /// Bytes so far.
            total: $length,
        }

        impl $name {
            const UPPER0: [u32; 3] = $upper0;
            const UPPER1: [u32; 3] = $upper1;
            const LOWER0: [u32; 3] = $lower0;
            const LOWER1: [u32; 3] = $lower1;

            /// Of no bytes yet.
            pub const fn new() -> Self {
                Self { state: $initial, block: Block::new(), total: 0 }
            }

            /// Takes `bytes` in.
            pub fn update(&mut self, mut bytes: &[u8]) {
                self.total = self.total.wrapping_add(bytes.len() as $length);
                while !bytes.is_empty() {
                    bytes = self.block.fill(bytes);
                    if self.block.is_full() {
                        self.compress();
                    }
                }
            }

            /// The digest of all bytes.
            pub fn finish(mut self) -> [u8; $bytes] {
                // FIPS 180-4 §5.1: a 1, zeros, and the number of bits at the end of a block.
                let bits = self.total.wrapping_mul(8).to_be_bytes();
                self.block.fill(&[0x80]);
                if self.block.room() < bits.len() {
                    self.block.pad();
                    self.compress();
                }
                self.block.pad();
                self.block.end(&bits);
                self.compress();
                let mut digest = [0; $bytes];
                let words = digest.chunks_exact_mut(size_of::<$word>());
                for (bytes, word) in words.zip(self.state) {
                    bytes.copy_from_slice(&word.to_be_bytes());
                }
                digest
            }

            /// Three rotations, as of Σ0 and Σ1.
            #[inline(always)]
            const fn sum(word: $word, [i, j, k]: [u32; 3]) -> $word {
                word.rotate_right(i) ^ word.rotate_right(j) ^ word.rotate_right(k)
            }

            /// Two rotations and a shift, as of σ0 and σ1.
            #[inline(always)]
            const fn spread(word: $word, [i, j, k]: [u32; 3]) -> $word {
                word.rotate_right(i) ^ word.rotate_right(j) ^ (word >> k)
            }

            /// Takes the full block in and empties it (FIPS 180-4 §6.2.2, §6.4.2).
            fn compress(&mut self) {
                let (words, _) = self.block.bytes().as_chunks();
                let mut schedule = [0; 16];
                for (word, bytes) in schedule.iter_mut().zip(words) {
                    *word = <$word>::from_be_bytes(*bytes);
                }
                let [mut w0, mut w1, mut w2, mut w3, mut w4, mut w5, mut w6, mut w7, ..] = schedule;
                let [.., mut w8, mut w9, mut w10, mut w11, mut w12, mut w13, mut w14, mut w15] =
                    schedule;
                let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = self.state;
                for (row, keys) in $keys.into_iter().enumerate() {
                    if row > 0 {
                        expand!(w0 w1 w9 w14);
                        expand!(w1 w2 w10 w15);
                        expand!(w2 w3 w11 w0);
                        expand!(w3 w4 w12 w1);
                        expand!(w4 w5 w13 w2);
                        expand!(w5 w6 w14 w3);
                        expand!(w6 w7 w15 w4);
                        expand!(w7 w8 w0 w5);
                        expand!(w8 w9 w1 w6);
                        expand!(w9 w10 w2 w7);
                        expand!(w10 w11 w3 w8);
                        expand!(w11 w12 w4 w9);
                        expand!(w12 w13 w5 w10);
                        expand!(w13 w14 w6 w11);
                        expand!(w14 w15 w7 w12);
                        expand!(w15 w0 w8 w13);
                    }
                    let [k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11, k12, k13, k14, k15] = keys;
                    round!(a b c d e f g h; k0 w0);
                    round!(h a b c d e f g; k1 w1);
                    round!(g h a b c d e f; k2 w2);
                    round!(f g h a b c d e; k3 w3);
                    round!(e f g h a b c d; k4 w4);
                    round!(d e f g h a b c; k5 w5);
                    round!(c d e f g h a b; k6 w6);
                    round!(b c d e f g h a; k7 w7);
                    round!(a b c d e f g h; k8 w8);
                    round!(h a b c d e f g; k9 w9);
                    round!(g h a b c d e f; k10 w10);
                    round!(f g h a b c d e; k11 w11);
                    round!(e f g h a b c d; k12 w12);
                    round!(d e f g h a b c; k13 w13);
                    round!(c d e f g h a b; k14 w14);
                    round!(b c d e f g h a; k15 w15);
                }
                for (word, of) in self.state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
                    *word = word.wrapping_add(of);
                }
                self.block.clear();
            }
        }
    };
}

sha2! {
    /// SHA-256 of bytes that come piece by piece.
    Sha256, u32, u64, 32, K256, H256, [2, 13, 22], [6, 11, 25], [7, 18, 3], [17, 19, 10]
}

sha2! {
    /// SHA-512 of bytes that come piece by piece.
    Sha512, u64, u128, 64, K512, H512, [28, 34, 39], [14, 18, 41], [1, 8, 7], [19, 61, 6]
}

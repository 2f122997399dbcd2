use super::*;

const BLAKE2B: Digest = Digest::Blake2b([0; 64]);
const SHA512: Digest = Digest::Sha512([0; 64]);
const SHA256: Digest = Digest::Sha256([0; 32]);

/// The digest of pieces, in hexadecimal digits.
fn digest<'a>(kind: &Digest, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Hasher::like(kind);
    pieces.into_iter().for_each(|piece| hasher.update(piece));
    let digest = hasher.finish().to_string();
    digest.split_once(' ').unwrap().1.to_owned()
}

#[test]
fn official_vectors() {
    let two_blocks_256: &[u8] = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    let two_blocks_512: &[u8] = b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn\
        hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    for (kind, message, expected) in [
        // RFC 7693 appendix A, and the reference's test of no bytes without a key.
        (
            BLAKE2B,
            &b"abc"[..],
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        ),
        (
            BLAKE2B,
            b"",
            "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce",
        ),
        // FIPS 180-4, the examples published with it.
        (
            SHA256,
            b"abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            SHA256,
            b"",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            SHA256,
            two_blocks_256,
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            SHA512,
            b"abc",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (
            SHA512,
            b"",
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
        ),
        (
            SHA512,
            two_blocks_512,
            "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
        ),
    ] {
        assert_eq!(digest(&kind, [message]), expected);
    }
}

#[test]
fn a_million_times_a() {
    let piece = [b'a'; 1_000];
    for (kind, expected) in [
        (
            BLAKE2B,
            "98fb3efb7206fd19ebf69b6f312cf7b64e3b94dbe1a17107913975a793f177e1d077609d7fba363cbba00d05f7aa4e4fa8715d6428104c0a75643b0ff3fd3eaf",
        ),
        (
            SHA256,
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ),
        (
            SHA512,
            "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973ebde0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b",
        ),
    ] {
        assert_eq!(digest(&kind, [&piece[..]; 1_000]), expected);
    }
}

/// So many bytes, others for each length.
fn message(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + length) as u8).collect()
}

/// The expected digests were made with another implementation, Python's hashlib: each is that of the digests of the
/// messages of 0 to 300 bytes, one after the other.
#[test]
fn every_length_around_the_blocks() {
    for (kind, expected) in [
        (
            BLAKE2B,
            "37c508666a6ac79e9eb4c6d15501b2c460bfa5461083ff1c94985b3a4d677ea29fcef134f3b3765ded58067b3f670b17a733c24f7ea5e301880b389b260ff32a",
        ),
        (
            SHA256,
            "60d63ff40b5558727a9b786ac0be9300f7ca58fd9ddd3b2f3681b369018a87dc",
        ),
        (
            SHA512,
            "e1f2f7d5d8fc48db06ec2a0eed639593f549caffa40245747258761214a3ec07134903fde52ace6cfae161a82097ba01f33a97d48dd6a80d4521d96d7401357e",
        ),
    ] {
        let mut all = Hasher::like(&kind);
        for length in 0..=300 {
            let mut hasher = Hasher::like(&kind);
            hasher.update(&message(length));
            match hasher.finish() {
                Digest::Blake2b(bytes) | Digest::Sha512(bytes) => all.update(&bytes),
                Digest::Sha256(bytes) => all.update(&bytes),
            }
        }
        let all = all.finish().to_string();
        assert_eq!(all.split_once(' ').unwrap().1, expected);
    }
}

#[test]
fn pieces_make_the_digest_of_the_whole_wherever_they_are_cut() {
    for kind in [BLAKE2B, SHA256, SHA512] {
        for length in 0..=300 {
            let message = message(length);
            let whole = digest(&kind, [&message[..]]);
            for cut in 0..=length {
                let (head, tail) = message.split_at(cut);
                assert_eq!(digest(&kind, [head, tail]), whole, "{length} {cut}");
            }
            assert_eq!(digest(&kind, message.chunks(1)), whole, "{length}");
        }
    }
}

#[test]
fn hexadecimal_digits_come_back_as_they_went() {
    let bytes: [u8; 64] = std::array::from_fn(|at| at as u8 * 4);
    let text = Digest::Blake2b(bytes).to_string();
    let hex = text.strip_prefix("BLAKE2B ").unwrap();
    assert_eq!(from_hex(hex.as_bytes()), Some(bytes));
    assert_eq!(from_hex(hex.to_uppercase().as_bytes()), Some(bytes));
    assert_eq!(from_hex(b"00fF"), Some([0, 255]));
    for wrong in ["00f", "00ff0", "00ff00", "", "00fg", "0x00", "+1ff", " 0ff"] {
        assert_eq!(from_hex::<2>(wrong.as_bytes()), None, "{wrong}");
    }
}

//! Comparing a password with its bcrypt hash, step by step.
//!
//! The library does it all at once: tens of milliseconds without a pause. A thread that wakes up on
//! the same core then waits until the slice of time has ended, some milliseconds, whatever the
//! priorities are. So this walks through the same rounds and asks after each whether to pause.

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use bcrypt::{HashParts, Version};
use blowfish::Blowfish;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const ENCODING: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);
/// What the hash looks at, with the zero byte at the end of a shorter password.
const KEY_BYTES_MAX: usize = 72;
/// The text that is encrypted.
const TEXT: &[u8; 24] = b"OrpheanBeholderScryDoubt";
/// How often.
const TIMES: usize = 64;
/// Where the digest begins in a hash, and what of it is kept.
const DIGEST_AT: usize = 29;
const DIGEST_BYTES: usize = 23;

/// Whether a password has this hash; none if it is no hash. `step` is called after each round.
pub(super) fn fits(hash: &str, password: &[u8], step: impl FnMut()) -> Option<bool> {
    let parts: HashParts = hash.parse().ok()?;
    let cost = parts.get_cost();
    if !(4..=31).contains(&cost) {
        return None;
    }
    let digest = digest(cost, &parts.get_salt_raw(), password, step);
    let digest = ENCODING.encode(&digest[..DIGEST_BYTES]);
    // Written anew, for one digest can be spelled in several ways.
    let expected = parts.format_for_version(Version::TwoB);
    let expected = expected.as_bytes().get(DIGEST_AT..)?;
    Some(digest.as_bytes().ct_eq(expected).into())
}

fn digest(cost: u32, salt: &[u8; 16], password: &[u8], mut step: impl FnMut()) -> [u8; 24] {
    let mut key = Zeroizing::new([password, &[0]].concat());
    key.truncate(KEY_BYTES_MAX);
    let mut state = Blowfish::bc_init_state();
    state.salted_expand_key(salt, &key);
    for _ in 0..1_u32 << cost {
        state.bc_expand_key(&key);
        state.bc_expand_key(salt);
        step();
    }
    let mut digest = *TEXT;
    for block in digest.chunks_exact_mut(8) {
        let (left, right) = block.split_at_mut(4);
        let word = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |word, &byte| word << 8 | u32::from(byte))
        };
        let mut words = [word(left), word(right)];
        for _ in 0..TIMES {
            words = state.bc_encrypt(words);
        }
        left.copy_from_slice(&words[0].to_be_bytes());
        right.copy_from_slice(&words[1].to_be_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// The library is the judge.
        #[test]
        fn as_the_library(
            password in prop::collection::vec(any::<u8>(), 0..90),
            other in prop::collection::vec(any::<u8>(), 0..90),
            salt: [u8; 16],
        ) {
            let hash = bcrypt::hash_with_salt(&password, 4, salt).unwrap().to_string();
            let mut steps = 0;
            prop_assert_eq!(fits(&hash, &password, || steps += 1), Some(true));
            prop_assert_eq!(steps, 16);
            let same = bcrypt::verify(&other, &hash).unwrap();
            prop_assert_eq!(fits(&hash, &other, || {}), Some(same));
        }

        /// Anything may stand in the place of a hash.
        #[test]
        fn no_hashes(hash in "\\PC{0,70}", tail in "[./A-Za-z0-9$]{53}", cost in 0..100) {
            prop_assert_eq!(fits(&hash, b"pw", || {}), None);
            if !(4..=31).contains(&cost) {
                let hash = format!("$2a${cost:02}${tail}");
                prop_assert_eq!(fits(&hash, b"pw", || {}), None);
            }
        }
    }

    /// The letters at the beginning say who has made a hash.
    #[test]
    fn makers() {
        let hash = bcrypt::hash("pw", 6).unwrap();
        for maker in ["$2a$", "$2b$", "$2y$"] {
            let hash = hash.replacen("$2b$", maker, 1);
            assert_eq!(fits(&hash, b"pw", || {}), Some(true), "{maker}");
            assert_eq!(fits(&hash, b"pW", || {}), Some(false), "{maker}");
        }
    }
}

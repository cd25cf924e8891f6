//! A key in PEM, for the algorithm that the first byte names.
//!
//! The second byte says how: `t` a text, with placeholders for good keys; `e` the DER of a block
//! whose label the third byte names; `c` a good key that the third byte names, with changes of three
//! bytes each: where (two of them), and what to.
#![no_main]

use std::sync::LazyLock;

use auth_core::{Algorithm, Key, KeyRing, Settings};
use fuzz::fill;
use fuzz::keys::{ALGORITHMS, PEM, check};
use libfuzzer_sys::fuzz_target;
use pem::Pem;

static BLOCKS: LazyLock<Vec<Pem>> = LazyLock::new(|| {
    // A good key is taken: otherwise nothing that follows would mean anything.
    let text = |name| PEM.iter().find(|(known, _)| *known == name).unwrap().1.as_bytes();
    assert!(Key::from_private_pem(Algorithm::ES256, text(b'e')).is_ok());
    assert!(Key::from_public_pem(Algorithm::RS256, text(b'c')).is_ok());
    let key = |text: &str| pem::parse_many(text).unwrap().pop().unwrap();
    PEM.iter().map(|(_, text)| key(text)).collect()
});

const LABELS: [&str; 8] = [
    "PRIVATE KEY",
    "PUBLIC KEY",
    "RSA PRIVATE KEY",
    "RSA PUBLIC KEY",
    "EC PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "CERTIFICATE",
    "EC PARAMETERS",
];

/// The text that the rest of the input stands for.
fn text_of(mode: u8, input: &[u8]) -> Option<Vec<u8>> {
    let keys: Vec<_> = PEM.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    match (mode % 4, input) {
        (0, text) => Some(fill(text, &keys)),
        (1 | 2, [which, der @ ..]) => {
            let label = LABELS[usize::from(*which) % LABELS.len()];
            Some(pem::encode(&Pem::new(label, der)).into_bytes())
        }
        (_, [which, changes @ ..]) => {
            let block = &BLOCKS[usize::from(*which) % BLOCKS.len()];
            let mut der = block.contents().to_vec();
            for change in changes.chunks(3) {
                match *change {
                    [high, low, value] => {
                        let place = usize::from(u16::from_be_bytes([high, low])) % der.len();
                        der[place] = value;
                    }
                    // How much of it is cut off.
                    [length, ..] => {
                        der.truncate(der.len() - usize::from(length).min(der.len() - 1));
                    }
                    [] => {}
                }
            }
            Some(pem::encode(&Pem::new(block.tag(), der)).into_bytes())
        }
        _ => None,
    }
}

fuzz_target!(|input: &[u8]| {
    let [which, mode, input @ ..] = input else { return };
    let algorithm = ALGORITHMS[usize::from(*which) % ALGORITHMS.len()];
    let Some(text) = text_of(*mode, input) else { return };

    let private = Key::from_private_pem(algorithm, &text);
    let public = Key::from_public_pem(algorithm, &text);
    let (is_private, is_public) = (private.is_ok(), public.is_ok());
    assert!(!(is_private && is_public), "private and public at once");
    if is_private || is_public {
        let blocks = pem::parse_many(&text).expect("accepted, and not PEM");
        let keys: Vec<_> = blocks.iter().filter(|block| block.tag() != "EC PARAMETERS").collect();
        let [block] = keys.as_slice() else { panic!("accepted, with {} keys", keys.len()) };
        assert_eq!(block.tag().contains("PRIVATE"), is_private);
        assert!(!block.tag().contains("ENCRYPTED") && block.tag().ends_with("KEY"));
        for secret in ALGORITHMS {
            assert!(Key::hmac(secret, &text).is_err(), "the text of a key as a secret");
        }
    }
    if let Ok(text) = String::from_utf8(text.clone()) {
        check_settings(algorithm, &text, is_private, is_public);
    }
    if let Ok(key) = public {
        assert!(!key.can_sign());
        check(key, algorithm);
    }
    if let Ok(key) = private {
        assert!(key.can_sign());
        check(key, algorithm);
    }
});

/// A setting takes the same keys, and secrets and JWKs.
fn check_settings(algorithm: Algorithm, text: &str, is_private: bool, is_public: bool) {
    let is_jwk = text.trim_start().starts_with('{');
    let is_hmac = matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
    let signing = Settings { algorithm, ..Settings::with_signing_key(text) };
    let signing = KeyRing::from_settings(&signing);
    let verifying = Settings { algorithm, verifying_key: Some(text.into()), ..Settings::default() };
    let verifying = KeyRing::from_settings(&verifying);
    if !is_jwk {
        assert!(is_hmac || signing.is_ok() == is_private);
        assert_eq!(verifying.is_ok(), is_public);
    }
    assert!(signing.is_err() || verifying.is_err(), "private and public at once");
    assert!(signing.is_ok_and(|ring| ring.can_sign()) || !is_private);
    assert!(!verifying.is_ok_and(|ring| ring.can_sign()));
}

//! The keys of the tests, in the forms that go from one library to another.
//!
//! Made with `openssl genpkey`, for nothing but tests: everybody knows them. Of the `short` ones the
//! private number and both coordinates begin with a zero byte, which a JWK must not leave out; `2049`
//! has as many bits, of which one is in a byte of its own (with PSS the hash is then not padded to it).

use auth_core::{Algorithm, Key};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::AlgorithmFamily;
use serde::Serialize;
use serde_json::Value;

/// A key as text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyText {
    /// Base64url.
    Secret(String),
    Pem(String),
    Jwk(Value),
    /// A JWK Set, from which the `kid` of a token chooses.
    Jwks(Value),
}

impl KeyText {
    /// The key here: one that signs, from a secret, a private key in PEM or a JWK.
    #[track_caller]
    pub(crate) fn ours(&self, algorithm: Algorithm) -> Key {
        let key = match self {
            Self::Secret(_) => Key::hmac(algorithm, &self.secret()),
            Self::Pem(pem) => Key::from_private_pem(algorithm, pem.as_bytes()),
            Self::Jwk(jwk) => Key::from_jwk(jwk.to_string().as_bytes()),
            Self::Jwks(_) => panic!("a set is not one key"),
        };
        key.unwrap_or_else(|error| panic!("{algorithm:?}: {error}"))
    }

    /// The bytes of a secret.
    pub(crate) fn secret(&self) -> Vec<u8> {
        match self {
            Self::Secret(text) => BASE64.decode_to_vec(text).expect("it is base64url"),
            other => panic!("{other:?} is no secret"),
        }
    }
}

/// A key of each algorithm.
#[derive(Debug)]
pub(crate) struct Keys {
    /// What signs.
    pub(crate) private: KeyText,
    /// What verifies: the same, for a secret.
    pub(crate) public: KeyText,
    /// What signs for somebody else.
    pub(crate) stranger: KeyText,
}

macro_rules! pem {
    ($name:literal) => {
        KeyText::Pem(include_str!(concat!("keys/", $name, ".pem")).to_owned())
    };
}

impl Keys {
    pub(crate) fn of(algorithm: Algorithm) -> Self {
        use Algorithm::*;
        match algorithm {
            HS256 | HS384 | HS512 => {
                Self { private: secret(0x5c), public: secret(0x5c), stranger: secret(0x36) }
            }
            RS256 | RS384 | RS512 | PS256 | PS384 | PS512 => Self {
                private: pem!("rsa.private"),
                public: pem!("rsa.public"),
                stranger: pem!("stranger.rsa.private"),
            },
            ES256 => Self {
                private: pem!("p256.private"),
                public: pem!("p256.public"),
                stranger: pem!("stranger.p256.private"),
            },
            ES384 => Self {
                private: pem!("p384.private"),
                public: pem!("p384.public"),
                stranger: pem!("stranger.p384.private"),
            },
            EdDSA => Self {
                private: pem!("ed25519.private"),
                public: pem!("ed25519.public"),
                stranger: pem!("stranger.ed25519.private"),
            },
            other => panic!("there is no key for {other:?}"),
        }
    }
}

impl Keys {
    /// Those of [`Keys::of`], and others whose numbers have an unusual length.
    pub(crate) fn of_each_length(algorithm: Algorithm) -> Vec<Self> {
        let usual = Self::of(algorithm);
        let stranger = usual.private.clone();
        let (private, public) = match algorithm.family() {
            AlgorithmFamily::Rsa => (pem!("rsa.2049.private"), pem!("rsa.2049.public")),
            AlgorithmFamily::Ec if algorithm == Algorithm::ES256 => {
                (pem!("p256.short.private"), pem!("p256.short.public"))
            }
            AlgorithmFamily::Ec => (pem!("p384.short.private"), pem!("p384.short.public")),
            _ => return vec![usual],
        };
        vec![usual, Self { private, public, stranger }]
    }
}

/// Sixty-four bytes of which most are no text.
fn secret(first: u8) -> KeyText {
    let bytes: Vec<u8> = (0..64).map(|i: u8| first.wrapping_add(i.wrapping_mul(167))).collect();
    KeyText::Secret(BASE64.encode_to_string(bytes))
}

/// Another algorithm for which a key of `algorithm` would do.
pub(crate) fn sibling(algorithm: Algorithm) -> Option<Algorithm> {
    use Algorithm::*;
    match algorithm {
        HS256 => Some(HS384),
        HS384 => Some(HS512),
        HS512 => Some(HS256),
        RS256 => Some(PS256),
        RS384 => Some(RS256),
        RS512 => Some(RS384),
        PS256 => Some(RS256),
        PS384 => Some(PS512),
        PS512 => Some(PS256),
        _ => None,
    }
}

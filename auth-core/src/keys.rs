//! Keys, and the ring that holds them.
//!
//! The algorithm belongs to the key, never to the token (RFC 8725 §3.1): a public RSA key can
//! not be used as an HMAC secret, whatever a header says.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::ParsedPublicKey;
use aws_lc_rs::{digest, hmac};
use jsonwebtoken::Algorithm;

use crate::random;

mod asymmetric;
mod directory;
mod jwk;
mod pem;
mod ring;
mod source;

pub use directory::{KeyDirectory, KeyDirectoryError, StoredKey};
pub use jwk::{JwkSet, PublicJwk};
pub use ring::{KeyRing, KeyState};
pub use source::KeySource;

use asymmetric::{Family, Pair, PublicParts};

/// Why a key was not taken. The key itself is never told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// RFC 7518 §3.2: a key for an HMAC must be at least as long as its hash.
    #[error("the secret for {algorithm:?} must be at least {needed} bytes, this one has {given}")]
    TooShort {
        /// The algorithm that it was for.
        algorithm: Algorithm,
        /// The length of its hash in bytes.
        needed: usize,
        /// The length of the secret in bytes.
        given: usize,
    },
    /// One character again and again is no secret.
    #[error("the secret has too few different bytes to be a secret")]
    TooSimple,
    /// The text of a key pair as a shared secret: who knows the public half could sign.
    #[error("a PEM is not a secret, nor is a JWK: set `algorithm` to that of the key")]
    KeyAsSecret,
    /// RFC 7518 §3.3 and §3.5.
    #[error("an RSA key must have 2048 to 8192 bits")]
    RsaSize,
    /// Another algorithm, another shape.
    #[error("not a key for {0:?}: {1}")]
    Unfit(Algorithm, &'static str),
    /// An algorithm of a later version of the library that reads their names.
    #[error("the algorithm {0:?} is not supported")]
    Unsupported(Algorithm),
    /// It does not belong where only a public one is needed: whoever reads it there could sign.
    #[error("a private key where a public one is meant")]
    PrivateKey,
    /// It cannot sign.
    #[error("a public key where a private one is needed")]
    PublicKey,
    /// Not a JSON Web Key, or not one for signatures.
    #[error("not a JWK for signatures: {0}")]
    Jwk(&'static str),
    /// RFC 7518 §6: a number that is missing, or not written as it must be.
    #[error("the member `{0}` of the JWK is missing, not base64url, or of the wrong length")]
    JwkMember(&'static str),
    /// Two keys could not be told apart.
    #[error("two keys have the same kid")]
    DuplicateKid,
    /// RFC 8725 §3.1: one algorithm a key.
    #[error("one key is there for two algorithms")]
    TwoAlgorithms,
    /// Only a key that can sign can be the active one.
    #[error("no key of the ring can sign: none has a private half")]
    CannotSign,
}

/// One key with its algorithm.
pub struct Key {
    algorithm: Algorithm,
    kid: Option<String>,
    verifier: Verifier,
    signer: Option<Signer>,
    public: Option<PublicJwk>,
    /// The same for the same key, whatever its name and algorithm.
    identity: [u8; 32],
}

enum Verifier {
    Hmac(Arc<hmac::Key>),
    Public(ParsedPublicKey),
}

enum Signer {
    Hmac(Arc<hmac::Key>),
    Pair(Pair),
}

impl Key {
    /// A shared secret for HS256, HS384 or HS512. It has no `kid`, which keeps its tokens
    /// readable for every library that knows only the secret.
    ///
    /// # Errors
    /// Another algorithm, or a secret shorter than the hash.
    pub fn hmac(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let hash = match algorithm {
            Algorithm::HS256 => hmac::HMAC_SHA256,
            Algorithm::HS384 => hmac::HMAC_SHA384,
            Algorithm::HS512 => hmac::HMAC_SHA512,
            other => return Err(KeyError::Unfit(other, "a secret is for HS256, HS384, HS512")),
        };
        if is_text_of_a_key(secret) {
            return Err(KeyError::KeyAsSecret);
        }
        let needed = hash.digest_algorithm().output_len();
        if secret.len() < needed {
            return Err(KeyError::TooShort { algorithm, needed, given: secret.len() });
        }
        let mut different = [false; 256];
        secret.iter().for_each(|byte| different[usize::from(*byte)] = true);
        if different.into_iter().filter(|seen| *seen).count() < 5 {
            return Err(KeyError::TooSimple);
        }
        let key = Arc::new(hmac::Key::new(hash, secret));
        Ok(Self {
            algorithm,
            kid: None,
            verifier: Verifier::Hmac(Arc::clone(&key)),
            signer: Some(Signer::Hmac(key)),
            public: None,
            identity: sha256(secret),
        })
    }

    /// A private key in PEM, with its `kid` from RFC 7638: PKCS#8, for RSA also PKCS#1, for ECDSA
    /// also SEC 1.
    ///
    /// # Errors
    /// Not a private key, not one for this algorithm, or RSA of fewer than 2048 bits.
    pub fn from_private_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        Self::from_pair(algorithm, pem::private_key(algorithm, pem)?)
    }

    /// A public key in PEM, which verifies and does not sign: SPKI, for RSA also PKCS#1.
    ///
    /// # Errors
    /// Not a public key (a private one is refused: it does not belong where only a public one
    /// is needed), not one for this algorithm, or RSA of fewer than 2048 bits.
    pub fn from_public_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        Self::from_parts(algorithm, &pem::public_key(algorithm, pem)?)
    }

    /// A JSON Web Key (RFC 7517): a secret (`oct`), a private or a public key. It keeps its `kid`;
    /// without one it has its thumbprint (a secret has none). Without `alg` it is for HS256, RS256,
    /// or the algorithm of its curve.
    ///
    /// # Errors
    /// Not a key for signatures, or not written as RFC 7518 §6 says: canonical base64url, numbers
    /// without leading zeros, coordinates in full length.
    pub fn from_jwk(json: &[u8]) -> Result<Self, KeyError> {
        jwk::parse(json, None)
    }

    /// The same for an algorithm that is known.
    pub(crate) fn from_jwk_for(algorithm: Algorithm, json: &[u8]) -> Result<Self, KeyError> {
        jwk::parse(json, Some(algorithm))
    }

    /// All keys of a JWK set, each one good or bad (RFC 7517 §5: a reader ignores those that it does
    /// not understand). `rsa` is what RSA keys without an `alg` are for: RS256 if not given.
    ///
    /// # Errors
    /// Not a set of at most a hundred keys.
    pub fn from_jwk_set(
        json: &[u8],
        rsa: Option<Algorithm>,
    ) -> Result<Vec<Result<Self, KeyError>>, KeyError> {
        jwk::parse_set(json, rsa)
    }

    fn from_pair(algorithm: Algorithm, pair: Pair) -> Result<Self, KeyError> {
        let public = pair.public().ok_or(KeyError::Unfit(algorithm, "it has no public half"))?;
        let mut key = Self::from_parts(algorithm, &public)?;
        key.signer = Some(Signer::Pair(pair));
        Ok(key)
    }

    fn from_parts(algorithm: Algorithm, parts: &PublicParts) -> Result<Self, KeyError> {
        let verifier = Verifier::Public(parts.verifier(algorithm)?);
        let public = PublicJwk::new(algorithm, parts);
        let kid = public.kid().to_owned();
        let identity = sha256(kid.as_bytes());
        Ok(Self {
            algorithm,
            kid: Some(kid),
            verifier,
            signer: None,
            public: Some(public),
            identity,
        })
    }

    /// The same key under a name of the application's own.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        let kid = kid.into();
        if let Some(public) = &mut self.public {
            public.rename(&kid);
        }
        self.kid = Some(kid);
        self
    }

    /// The same key without its private half. A secret is both halves, and stays what it is.
    #[must_use]
    pub fn verifying_only(mut self) -> Self {
        self.signer = None;
        self
    }

    /// What it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name in the header of a token.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether it has a private half, or is a secret.
    pub fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    /// Whether it is the same key, under another name or for another algorithm perhaps.
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.identity == other.identity
    }

    /// Its public half; a secret has none.
    pub fn public_jwk(&self) -> Option<&PublicJwk> {
        self.public.as_ref()
    }

    /// Whether `signature` is one of `message` by this key. HMACs are compared in constant time.
    ///
    /// For tokens there is [`Authority::authenticate`](crate::Authority::authenticate), which
    /// checks the rest too.
    pub fn verify_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.verifier {
            Verifier::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Verifier::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }

    /// The signature of `message`; `None` for a key that only verifies.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self.signer.as_ref()? {
            Signer::Hmac(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
            Signer::Pair(pair) => pair.sign(self.algorithm, message),
        }
    }
}

/// Key confusion by configuration: a text that may well be public is no secret (CVE-2017-11424 and
/// CVE-2022-29217 of PyJWT, CVE-2024-33663 of python-jose, CVE-2026-34950 of fast-jwt).
fn is_text_of_a_key(secret: &[u8]) -> bool {
    /// PEM, RFC 4716, JWK: wherever it stands.
    const INSIDE: [&[u8]; 3] = [b"-----BEGIN ", b"---- BEGIN ", b"\"kty\""];
    /// OpenSSH.
    const FIRST: [&str; 4] = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];
    let text = String::from_utf8_lossy(secret);
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    FIRST.iter().any(|mark| text.starts_with(mark))
        || INSIDE.iter().any(|mark| secret.windows(mark.len()).any(|window| window == *mark))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// A new key as text: a private key in PEM (PKCS#8), or 512 random bits in base64url. RSA keys have
/// 3072 bits.
///
/// # Errors
/// An algorithm that is not supported.
pub fn generate(algorithm: Algorithm) -> Result<String, KeyError> {
    if Family::of(algorithm)? == Family::Hmac {
        return Ok(random::token() + &random::token());
    }
    let pem = Pair::generate(algorithm).and_then(|pair| pem::to_pem(&pair));
    pem.ok_or(KeyError::Unfit(algorithm, "none could be made"))
}

/// The key that a text holds: a secret, a private key in PEM, or a JWK of either.
pub(crate) fn from_text(algorithm: Algorithm, text: &[u8]) -> Result<Key, KeyError> {
    if jwk::is_jwk(text) {
        let key = Key::from_jwk_for(algorithm, text)?;
        return if key.can_sign() { Ok(key) } else { Err(KeyError::PublicKey) };
    }
    match Family::of(algorithm)? {
        Family::Hmac => Key::hmac(algorithm, text),
        _ => Key::from_private_pem(algorithm, text),
    }
}

/// The public key that a text holds, in PEM or as a JWK.
pub(crate) fn from_public_text(algorithm: Algorithm, text: &[u8]) -> Result<Key, KeyError> {
    if jwk::is_jwk(text) {
        let key = Key::from_jwk_for(algorithm, text)?;
        return if key.can_sign() { Err(KeyError::PrivateKey) } else { Ok(key) };
    }
    Key::from_public_pem(algorithm, text)
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

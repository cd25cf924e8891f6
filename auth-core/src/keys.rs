//! Keys, and the ring that holds them.
//!
//! The algorithm belongs to the key, never to the token (RFC 8725 §3.1): a public RSA key can
//! not be used as an HMAC secret, whatever a header says.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use crate::error::Fault;
use crate::settings::Settings;

/// Why a key was not taken. The key itself is never told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    #[error("a PEM is not a secret: set `algorithm` to that of the key")]
    PemAsSecret,
    /// Another algorithm, another shape.
    #[error("not a key for {0:?}: {1}")]
    Unfit(Algorithm, &'static str),
    /// Known, but not built yet.
    #[error("the algorithm {0:?} is not supported by this version")]
    Unsupported(Algorithm),
    /// Two keys could not be told apart.
    #[error("two keys have the same kid")]
    DuplicateKid,
    /// Only a key that can sign can be the active one.
    #[error("the active key cannot sign: it has no private half")]
    CannotSign,
}

/// One key with its algorithm.
pub struct Key {
    algorithm: Algorithm,
    kid: Option<String>,
    verifier: Verifier,
    signer: Option<Signer>,
    public: Option<Jwk>,
}

enum Verifier {
    Hmac(Arc<hmac::Key>),
    Public(ParsedPublicKey),
}

enum Signer {
    Hmac(Arc<hmac::Key>),
    Ed25519(Box<Ed25519KeyPair>),
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
        // Key confusion by configuration: CVE-2017-11424 and CVE-2022-29217 of PyJWT.
        let is_key_text = |mark: &[u8]| secret.windows(mark.len()).any(|window| window == mark);
        if is_key_text(b"-----BEGIN ")
            || [&b"ssh-"[..], b"ecdsa-"].iter().any(|m| secret.starts_with(m))
        {
            return Err(KeyError::PemAsSecret);
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
        })
    }

    /// A private key in PEM (PKCS#8), with its `kid` from RFC 7638. Only EdDSA (Ed25519) so far.
    ///
    /// # Errors
    /// Not a private key, or not one for this algorithm.
    pub fn from_private_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        let unfit = |why| move |_| KeyError::Unfit(algorithm, why);
        match algorithm {
            Algorithm::EdDSA => {
                let why = "expected an Ed25519 private key in PEM (PKCS#8)";
                let encoding = EncodingKey::from_ed_pem(pem).map_err(unfit(why))?;
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(encoding.as_bytes())
                    .map_err(|_| KeyError::Unfit(algorithm, why))?;
                let decoding = DecodingKey::from_ed_der(pair.public_key().as_ref());
                let mut key = Self::ed25519(&decoding)?;
                key.signer = Some(Signer::Ed25519(Box::new(pair)));
                Ok(key)
            }
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                Err(KeyError::Unfit(algorithm, "HMAC has a secret, not a PEM"))
            }
            other => Err(KeyError::Unsupported(other)),
        }
    }

    /// A public key in PEM, which verifies and does not sign. Only EdDSA (Ed25519) so far.
    ///
    /// # Errors
    /// Not a public key (a private one is refused: it does not belong where only a public one
    /// is needed), or not one for this algorithm.
    pub fn from_public_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::EdDSA => {
                let why = "expected an Ed25519 public key in PEM (SPKI)";
                let decoding =
                    DecodingKey::from_ed_pem(pem).map_err(|_| KeyError::Unfit(algorithm, why))?;
                Self::ed25519(&decoding)
            }
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                Err(KeyError::Unfit(algorithm, "HMAC has no public key"))
            }
            other => Err(KeyError::Unsupported(other)),
        }
    }

    fn ed25519(public: &DecodingKey) -> Result<Self, KeyError> {
        let algorithm = Algorithm::EdDSA;
        let unfit = || KeyError::Unfit(algorithm, "not an Ed25519 public key");
        let bytes = public.try_get_as_bytes().map_err(|_| unfit())?;
        let verifier = ParsedPublicKey::new(&ED25519, bytes).map_err(|_| unfit())?;
        let mut jwk = Jwk::from_decoding_key(public, Some(algorithm)).map_err(|_| unfit())?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| unfit())?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let verifier = Verifier::Public(verifier);
        Ok(Self { algorithm, kid: Some(kid), verifier, signer: None, public: Some(jwk) })
    }

    /// The same key under a name of the application's own.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        let kid = kid.into();
        if let Some(jwk) = &mut self.public {
            jwk.common.key_id = Some(kid.clone());
        }
        self.kid = Some(kid);
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

    /// Whether `signature` is one of `message` by this key. HMACs are compared in constant time.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.verifier {
            Verifier::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Verifier::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }

    /// The signature of `message`; `None` for a key that only verifies.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(match self.signer.as_ref()? {
            Signer::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            Signer::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// The keys of an authority: one that signs, and others whose tokens are still accepted.
#[derive(Debug)]
pub struct KeyRing {
    keys: Vec<Key>,
}

impl KeyRing {
    /// A ring with the key that signs.
    pub fn new(active: Key) -> Self {
        Self { keys: vec![active] }
    }

    /// Adds a key whose tokens are accepted: the next one, which other nodes may sign with
    /// already, or one that is retired until its last token has expired.
    #[must_use]
    pub fn also_accept(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// The ring that `algorithm`, `signing_key` and `verifying_key` describe.
    ///
    /// # Errors
    /// The setting that is wrong. The key itself is never told.
    pub fn from_settings(settings: &Settings) -> Result<Self, Fault> {
        let algorithm = settings.algorithm;
        let fault = |name: &str| {
            let name = name.to_owned();
            move |error: KeyError| Fault::new(name, error.to_string())
        };
        let Some(signing_key) = &settings.signing_key else {
            let problem = "is required: a secret of at least 32 random bytes (HS256), or a \
                           private key in PEM (EdDSA); there is no default";
            return Err(Fault::new("signing_key", problem));
        };
        let secret = signing_key.expose().as_bytes();
        let key = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => Key::hmac(algorithm, secret),
            _ => Key::from_private_pem(algorithm, secret),
        };
        let key = key.map_err(fault("signing_key"))?;
        if let Some(pem) = &settings.verifying_key {
            let public = Key::from_public_pem(algorithm, pem.as_bytes());
            let public = public.map_err(fault("verifying_key"))?;
            if public.kid() != key.kid() {
                let problem = "is not the public half of signing_key";
                return Err(Fault::new("verifying_key", problem));
            }
        }
        Ok(Self::new(key))
    }

    /// Checks the ring as a whole.
    pub(crate) fn check(&self) -> Result<(), KeyError> {
        if self.active().signer.is_none() {
            return Err(KeyError::CannotSign);
        }
        for (i, key) in self.keys.iter().enumerate() {
            // Secrets without a name are told apart by trying them.
            if key.kid.is_some() && self.keys[..i].iter().any(|other| other.kid == key.kid) {
                return Err(KeyError::DuplicateKid);
            }
        }
        Ok(())
    }

    /// The key that signs.
    pub(crate) fn active(&self) -> &Key {
        &self.keys[0]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// The public halves, as `/.well-known/jwks.json` answers them (RFC 7517 §5). Secrets have
    /// none.
    pub fn jwks(&self) -> JwkSet {
        JwkSet { keys: self.keys.iter().filter_map(|key| key.public.clone()).collect() }
    }
}

//! RSA, ECDSA and EdDSA: what a public key consists of, and what signs.

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaParameters, RsaPublicKeyComponents,
};
use jsonwebtoken::Algorithm;

use super::KeyError;
use crate::random;

/// RFC 7518 §3.3 and §3.5 ask for 2048 bits or more; longer than 8192 costs a verifier more than a
/// sender should be able to ask of it.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The families of algorithms, by the keys that they use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Hmac,
    Rsa,
    Ec(Curve),
    Ed25519,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

impl Family {
    pub(super) fn of(algorithm: Algorithm) -> Result<Self, KeyError> {
        Ok(match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => Self::Hmac,
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => Self::Rsa,
            Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => Self::Rsa,
            Algorithm::ES256 => Self::Ec(Curve::P256),
            Algorithm::ES384 => Self::Ec(Curve::P384),
            Algorithm::EdDSA => Self::Ed25519,
            other => return Err(KeyError::Unsupported(other)),
        })
    }
}

impl Curve {
    /// The length of a coordinate in bytes.
    pub(super) fn len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }

    fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        }
    }
}

/// What a public key consists of, each number in as many bytes as it needs or its curve says, big
/// endian.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PublicParts {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
}

impl PublicParts {
    /// From an uncompressed point (SEC 1 §2.3.3).
    pub(super) fn from_point(curve: Curve, point: &[u8]) -> Option<Self> {
        let coordinates = point.strip_prefix(&[4])?;
        if coordinates.len() != 2 * curve.len() {
            return None;
        }
        let (x, y) = coordinates.split_at(curve.len());
        Some(Self::Ec { curve, x: x.to_vec(), y: y.to_vec() })
    }

    /// From an RSA public key, in PKCS#1 or SPKI.
    pub(super) fn from_rsa_der(der: &[u8]) -> Option<Self> {
        /// id-RSASSA-PSS (RFC 4055 §3.1): a key with parameters of its own, which would be ignored.
        const PSS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
        if der.windows(PSS.len()).take(16).any(|window| window == PSS) {
            return None;
        }
        let key = rsa::PublicKey::from_der(der).ok()?;
        Some(Self::of_rsa(&key))
    }

    fn of_rsa(key: &rsa::PublicKey) -> Self {
        let number = |positive: aws_lc_rs::io::Positive<'_>| {
            positive.big_endian_without_leading_zero().to_vec()
        };
        Self::Rsa { n: number(key.modulus()), e: number(key.exponent()) }
    }

    /// The key with which signatures of `algorithm` are checked. A point must be one of its curve
    /// (RFC 8725 §3.4).
    pub(super) fn verifier(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
        let unfit = |why| move |_| KeyError::Unfit(algorithm, why);
        match (self, Family::of(algorithm)?) {
            (Self::Rsa { n, e }, Family::Rsa) => {
                let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
                if !RSA_BITS.contains(&bits) {
                    return Err(KeyError::RsaSize);
                }
                // With an exponent of 1 anything is its own signature.
                if e.as_slice() == [1] || e.last().is_none_or(|last| last % 2 == 0) {
                    return Err(KeyError::Unfit(algorithm, "its exponent is even or 1"));
                }
                RsaPublicKeyComponents { n, e }
                    .to_parsed_public_key(rsa_verification(algorithm))
                    .map_err(unfit("not an RSA public key"))
            }
            (Self::Ec { curve, x, y }, Family::Ec(wanted)) if *curve == wanted => {
                let point = [&[4], &x[..], &y[..]].concat();
                let parsed = match curve {
                    Curve::P256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point),
                    Curve::P384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point),
                };
                parsed.map_err(unfit("not a point of its curve"))
            }
            (Self::Ed25519 { x }, Family::Ed25519) => {
                ParsedPublicKey::new(&ED25519, x).map_err(unfit("not an Ed25519 public key"))
            }
            _ => Err(KeyError::Unfit(algorithm, "the key is for another algorithm")),
        }
    }
}

/// A private key.
pub(super) enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(Curve, Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// The numbers of a private RSA key (RFC 7518 §6.3.2).
pub(super) struct RsaNumbers {
    pub(super) n: Vec<u8>,
    pub(super) e: Vec<u8>,
    pub(super) d: Vec<u8>,
    pub(super) p: Vec<u8>,
    pub(super) q: Vec<u8>,
    pub(super) dp: Vec<u8>,
    pub(super) dq: Vec<u8>,
    pub(super) qi: Vec<u8>,
}

impl Pair {
    /// A new one; RSA of 3072 bits (NIST SP 800-57 part 1: good beyond 2030).
    pub(super) fn generate(algorithm: Algorithm) -> Option<Self> {
        Some(match Family::of(algorithm).ok()? {
            Family::Hmac => return None,
            Family::Rsa => Self::Rsa(Box::new(RsaKeyPair::generate(rsa::KeySize::Rsa3072).ok()?)),
            Family::Ec(curve) => {
                Self::Ec(curve, Box::new(EcdsaKeyPair::generate(curve.signing()).ok()?))
            }
            Family::Ed25519 => Self::Ed25519(Box::new(Ed25519KeyPair::generate().ok()?)),
        })
    }

    /// The PKCS#8 document of the key.
    pub(super) fn to_pkcs8(&self) -> Option<Vec<u8>> {
        use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
        Some(match self {
            Self::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
                der.as_ref().to_vec()
            }
            Self::Ec(_, pair) => pair.to_pkcs8v1().ok()?.as_ref().to_vec(),
            Self::Ed25519(pair) => pair.to_pkcs8v1().ok()?.as_ref().to_vec(),
        })
    }

    /// From PKCS#8 (RFC 5958).
    pub(super) fn from_pkcs8(family: Family, der: &[u8]) -> Result<Self, KeyRejected> {
        Ok(match family {
            Family::Rsa | Family::Hmac => Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(der)?)),
            Family::Ec(curve) => {
                Self::Ec(curve, Box::new(EcdsaKeyPair::from_pkcs8(curve.signing(), der)?))
            }
            // Version 1, which OpenSSL writes, has no public half to check.
            Family::Ed25519 => {
                Self::Ed25519(Box::new(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)?))
            }
        })
    }

    /// From PKCS#1 (RFC 8017 A.1.2).
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyRejected> {
        Ok(Self::Rsa(Box::new(RsaKeyPair::from_der(der)?)))
    }

    /// From SEC 1 (RFC 5915).
    pub(super) fn from_sec1(curve: Curve, der: &[u8]) -> Result<Self, KeyRejected> {
        let pair = EcdsaKeyPair::from_private_key_der(curve.signing(), der)?;
        Ok(Self::Ec(curve, Box::new(pair)))
    }

    pub(super) fn from_rsa_numbers(numbers: &RsaNumbers) -> Result<Self, KeyRejected> {
        let components = rsa::KeyPairComponents {
            public_key: RsaPublicKeyComponents { n: &numbers.n, e: &numbers.e },
            d: &numbers.d,
            p: &numbers.p,
            q: &numbers.q,
            dP: &numbers.dp,
            dQ: &numbers.dq,
            qInv: &numbers.qi,
        };
        Ok(Self::Rsa(Box::new(RsaKeyPair::from_components(&components)?)))
    }

    pub(super) fn from_ec_numbers(
        curve: Curve,
        d: &[u8],
        x: &[u8],
        y: &[u8],
    ) -> Result<Self, KeyRejected> {
        let point = [&[4], x, y].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.signing(), d, &point)?;
        Ok(Self::Ec(curve, Box::new(pair)))
    }

    pub(super) fn from_ed25519_numbers(d: &[u8], x: &[u8]) -> Result<Self, KeyRejected> {
        Ok(Self::Ed25519(Box::new(Ed25519KeyPair::from_seed_and_public_key(d, x)?)))
    }

    pub(super) fn public(&self) -> Option<PublicParts> {
        match self {
            Self::Rsa(pair) => Some(PublicParts::of_rsa(pair.public_key())),
            Self::Ec(curve, pair) => PublicParts::from_point(*curve, pair.public_key().as_ref()),
            Self::Ed25519(pair) => {
                Some(PublicParts::Ed25519 { x: pair.public_key().as_ref().to_vec() })
            }
        }
    }

    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let encoding = rsa_encoding(algorithm)?;
                pair.sign(encoding, &random::source(), message, &mut signature).ok()?;
                Some(signature)
            }
            Self::Ec(_, pair) => {
                Some(pair.sign(&random::source(), message).ok()?.as_ref().to_vec())
            }
            Self::Ed25519(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
        }
    }
}

fn rsa_verification(algorithm: Algorithm) -> &'static RsaParameters {
    match algorithm {
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        _ => &RSA_PKCS1_2048_8192_SHA256,
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_SHA512,
        Algorithm::PS256 => &RSA_PSS_SHA256,
        Algorithm::PS384 => &RSA_PSS_SHA384,
        Algorithm::PS512 => &RSA_PSS_SHA512,
        _ => return None,
    })
}

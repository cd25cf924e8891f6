//! JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037 §2): read strictly, published without what is
//! private.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::digest;
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::Algorithm;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::asymmetric::{Curve, Family, Pair, PublicParts, RsaNumbers};
use super::pem::refused;
use super::{Key, KeyError};

/// Longer names are nobody's: a `kid` is in every token.
const MAX_KID_BYTES: usize = 255;

/// More keys in a set are no key ring.
const MAX_KEYS: usize = 100;

/// The public half of a key, as others see it (RFC 7517 §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    #[serde(flatten)]
    numbers: Numbers,
    kid: String,
    #[serde(rename = "use")]
    key_use: &'static str,
    alg: Algorithm,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kty")]
enum Numbers {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    Ec { crv: &'static str, x: String, y: String },
    #[serde(rename = "OKP")]
    Okp { crv: &'static str, x: String },
}

/// The public halves of the keys of a ring (RFC 7517 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The keys. The order means nothing.
    pub keys: Vec<PublicJwk>,
}

impl PublicJwk {
    /// Under its thumbprint.
    pub(super) fn new(algorithm: Algorithm, parts: &PublicParts) -> Self {
        let text = |bytes: &[u8]| BASE64.encode_to_string(bytes);
        let numbers = match parts {
            PublicParts::Rsa { n, e } => Numbers::Rsa { n: text(n), e: text(e) },
            PublicParts::Ec { curve, x, y } => {
                Numbers::Ec { crv: curve.name(), x: text(x), y: text(y) }
            }
            PublicParts::Ed25519 { x } => Numbers::Okp { crv: "Ed25519", x: text(x) },
        };
        let kid = numbers.thumbprint();
        Self { numbers, kid, key_use: "sig", alg: algorithm }
    }

    pub(super) fn rename(&mut self, kid: &str) {
        kid.clone_into(&mut self.kid);
    }

    /// The name of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// RFC 7638 with SHA-256: a name that everybody who has the key can compute.
    pub fn thumbprint(&self) -> String {
        self.numbers.thumbprint()
    }
}

impl Numbers {
    fn thumbprint(&self) -> String {
        // RFC 7638 §3.2: the required members in the order of their names, without white space.
        // None of the values has a character that would need an escape.
        let text = match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Ec { crv, x, y } => {
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
        };
        BASE64.encode_to_string(digest::digest(&digest::SHA256, text.as_bytes()))
    }
}

/// A key as it stands in JSON. Members that are not here mean nothing to us and are ignored (RFC
/// 7517 §4), those with a URL or a certificate (`x5u`, `x5c`) among them.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    key_use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<String>,
    p: Option<String>,
    q: Option<String>,
    dp: Option<String>,
    dq: Option<String>,
    qi: Option<String>,
    oth: Option<IgnoredAny>,
    k: Option<String>,
}

#[derive(Deserialize)]
struct Set<'a> {
    /// Each one is read on its own: one that makes no sense does not spoil the others.
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// An object, in UTF-8 (a list with the members in the right order would do for serde).
fn object<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Option<T> {
    let text = std::str::from_utf8(json).ok()?;
    text.trim_ascii_start().starts_with('{').then(|| serde_json::from_str(text).ok())?
}

/// Whether a text is meant to be a JWK, and not a secret or a PEM.
pub(super) fn is_jwk(text: &[u8]) -> bool {
    has_member(text, "kty")
}

/// Whether a text is meant to be a set of JWKs.
pub(super) fn is_set(text: &[u8]) -> bool {
    has_member(text, "keys")
}

fn has_member(text: &[u8], name: &str) -> bool {
    let members: Option<HashMap<String, IgnoredAny>> = object(text);
    members.is_some_and(|members| members.contains_key(name))
}

/// One key. `algorithm` is what it is wanted for, where that is known.
pub(super) fn parse(json: &[u8], algorithm: Option<Algorithm>) -> Result<Key, KeyError> {
    let jwk: Jwk = object(json).ok_or(KeyError::Jwk("not an object that is a key"))?;
    jwk.into_key(algorithm)
}

/// All keys of a set, good or bad.
pub(super) fn parse_set(
    json: &[u8],
    rsa: Option<Algorithm>,
) -> Result<Vec<Result<Key, KeyError>>, KeyError> {
    let set: Set<'_> = object(json).ok_or(KeyError::Jwk("not an object with a list of keys"))?;
    if set.keys.len() > MAX_KEYS {
        return Err(KeyError::Jwk("the set has more than a hundred keys"));
    }
    let parse = |element: &RawValue| {
        let jwk: Jwk =
            object(element.get().as_bytes()).ok_or(KeyError::Jwk("not an object that is a key"))?;
        let algorithm = rsa.filter(|_| jwk.kty == "RSA" && jwk.alg.is_none());
        jwk.into_key(algorithm)
    };
    Ok(set.keys.into_iter().map(parse).collect())
}

impl Jwk {
    fn into_key(self, wanted: Option<Algorithm>) -> Result<Key, KeyError> {
        let algorithm = self.algorithm(wanted)?;
        let is_private = self.d.is_some() || self.k.is_some();
        self.check_use(is_private)?;
        let kid = self.kid.clone();
        if kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > MAX_KID_BYTES) {
            return Err(KeyError::Jwk("`kid` must have 1 to 255 bytes"));
        }
        let key = match Family::of(algorithm)? {
            Family::Hmac => Key::hmac(algorithm, &number(self.k.as_deref(), "k")?)?,
            _ if is_private => Key::from_pair(algorithm, self.pair(algorithm)?)?,
            _ => Key::from_parts(algorithm, &self.parts(algorithm)?)?,
        };
        Ok(match kid {
            Some(kid) => key.with_kid(kid),
            None => key,
        })
    }

    /// One algorithm a key (RFC 8725 §3.1): the one that it names, or the one that its type has.
    fn algorithm(&self, wanted: Option<Algorithm>) -> Result<Algorithm, KeyError> {
        let of_type = match (self.kty.as_str(), self.crv.as_deref()) {
            ("oct", _) => Algorithm::HS256,
            ("RSA", _) => Algorithm::RS256,
            ("EC", Some("P-256")) => Algorithm::ES256,
            ("EC", Some("P-384")) => Algorithm::ES384,
            ("OKP", Some("Ed25519")) => Algorithm::EdDSA,
            _ => return Err(KeyError::Jwk("`kty` or `crv` is of no supported kind of key")),
        };
        let named = match &self.alg {
            Some(name) => Some(name.parse().map_err(|_| KeyError::Jwk("`alg` is not supported"))?),
            None => None,
        };
        let algorithm = named.or(wanted).unwrap_or(of_type);
        if wanted.is_some_and(|wanted| wanted != algorithm) {
            return Err(KeyError::Unfit(algorithm, "another algorithm is configured"));
        }
        if Family::of(algorithm)? != Family::of(of_type)? {
            return Err(KeyError::Unfit(algorithm, "`kty` and `crv` are of another algorithm"));
        }
        Ok(algorithm)
    }

    /// RFC 7517 §4.2 and §4.3: a key for something else is not for signatures.
    fn check_use(&self, is_private: bool) -> Result<(), KeyError> {
        if self.key_use.as_deref().is_some_and(|key_use| key_use != "sig") {
            return Err(KeyError::Jwk("`use` is not `sig`"));
        }
        let needed = if is_private { "sign" } else { "verify" };
        match &self.key_ops {
            Some(operations) if !operations.iter().any(|operation| operation == needed) => {
                Err(KeyError::Jwk("`key_ops` does not allow it"))
            }
            _ => Ok(()),
        }
    }

    fn parts(&self, algorithm: Algorithm) -> Result<PublicParts, KeyError> {
        if [&self.p, &self.q, &self.dp, &self.dq, &self.qi].iter().any(|number| number.is_some()) {
            return Err(KeyError::Jwk("half of a private key"));
        }
        Ok(match Family::of(algorithm)? {
            Family::Rsa => PublicParts::Rsa {
                n: shortest(self.n.as_deref(), "n")?,
                e: shortest(self.e.as_deref(), "e")?,
            },
            Family::Ec(curve) => PublicParts::Ec {
                curve,
                x: coordinate(self.x.as_deref(), "x", curve)?,
                y: coordinate(self.y.as_deref(), "y", curve)?,
            },
            Family::Ed25519 | Family::Hmac => {
                PublicParts::Ed25519 { x: sized(self.x.as_deref(), "x", 32)? }
            }
        })
    }

    fn pair(&self, algorithm: Algorithm) -> Result<Pair, KeyError> {
        let d = self.d.as_deref();
        let pair = match Family::of(algorithm)? {
            Family::Rsa => {
                // RFC 7518 §6.3.2.7: more than two primes.
                if self.oth.is_some() {
                    return Err(KeyError::Jwk("`oth` is not supported"));
                }
                Pair::from_rsa_numbers(&RsaNumbers {
                    n: shortest(self.n.as_deref(), "n")?,
                    e: shortest(self.e.as_deref(), "e")?,
                    d: number(d, "d")?,
                    p: number(self.p.as_deref(), "p")?,
                    q: number(self.q.as_deref(), "q")?,
                    dp: number(self.dp.as_deref(), "dp")?,
                    dq: number(self.dq.as_deref(), "dq")?,
                    qi: number(self.qi.as_deref(), "qi")?,
                })
            }
            Family::Ec(curve) => Pair::from_ec_numbers(
                curve,
                &coordinate(d, "d", curve)?,
                &coordinate(self.x.as_deref(), "x", curve)?,
                &coordinate(self.y.as_deref(), "y", curve)?,
            ),
            Family::Ed25519 | Family::Hmac => {
                Pair::from_ed25519_numbers(&sized(d, "d", 32)?, &sized(self.x.as_deref(), "x", 32)?)
            }
        };
        pair.map_err(|rejected| refused(algorithm, "the numbers are not those of a key", rejected))
    }
}

/// Canonical base64url without padding.
fn number(text: Option<&str>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    let text = text.ok_or(KeyError::JwkMember(name))?;
    BASE64.decode_to_vec(text).map_err(|_| KeyError::JwkMember(name))
}

/// RFC 7518 §6.3.1.1 and §2: in as few bytes as it needs.
fn shortest(text: Option<&str>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    let bytes = number(text, name)?;
    if bytes.first().is_none_or(|first| *first == 0) {
        return Err(KeyError::JwkMember(name));
    }
    Ok(bytes)
}

/// RFC 7518 §6.2.1.2: in as many bytes as its curve says.
fn coordinate(text: Option<&str>, name: &'static str, curve: Curve) -> Result<Vec<u8>, KeyError> {
    sized(text, name, curve.len())
}

fn sized(text: Option<&str>, name: &'static str, len: usize) -> Result<Vec<u8>, KeyError> {
    let bytes = number(text, name)?;
    if bytes.len() != len {
        return Err(KeyError::JwkMember(name));
    }
    Ok(bytes)
}

impl fmt::Display for PublicJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

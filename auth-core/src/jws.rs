//! RFC 7515 compact serialization: split, match the header, verify, sign.
//!
//! The header of a token is matched against the few that our keys write, byte by byte; the key
//! and its algorithm follow from that. Only a header that none of them wrote is parsed, to see
//! whether another library wrote it for a key of ours.

use std::sync::Arc;

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use crate::error::VerifyError;
use crate::keys::{Key, KeyRing};

/// Longer texts are not looked at: what fits into a request header, with room for claims.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// RFC 7515 §4 knows eleven. Nothing is signed yet when they are counted.
const MAX_HEADER_MEMBERS: usize = 16;

/// A key ring with the headers that its keys write.
pub(crate) struct Jws {
    ring: Arc<KeyRing>,
    /// In the order of the ring.
    headers: Vec<String>,
}

impl Jws {
    pub(crate) fn new(ring: KeyRing) -> Self {
        let headers = ring.iter().map(|key| BASE64.encode_to_string(header_of(key))).collect();
        Self { ring: Arc::new(ring), headers }
    }

    pub(crate) fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// Signs a payload with the active key.
    pub(crate) fn sign(&self, payload: &[u8]) -> Option<String> {
        let mut token = self.headers[0].clone();
        token.push('.');
        BASE64.encode_append(payload, &mut token);
        let signature = self.ring.active().sign(token.as_bytes())?;
        token.push('.');
        BASE64.encode_append(&signature, &mut token);
        Some(token)
    }

    /// The payload of a token with a good signature of one of our keys.
    pub(crate) fn verify(&self, token: &str) -> Result<String, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::Invalid("too long"));
        }
        // Exactly three segments (RFC 7515 §3.1); five would be encrypted.
        let (message, signature) = token.rsplit_once('.').ok_or(VerifyError::Invalid("shape"))?;
        let (header, payload) = message.split_once('.').ok_or(VerifyError::Invalid("shape"))?;
        if payload.contains('.') {
            return Err(VerifyError::Invalid("shape"));
        }
        let signature = decode(signature)?;
        let signed = |key: &Key| key.verifies(message.as_bytes(), &signature);

        let known = self.headers.iter().zip(self.ring.iter());
        let mut writers = known.filter(|(ours, _)| *ours == header).peekable();
        let good = if writers.peek().is_some() {
            writers.any(|(_, key)| signed(key))
        } else {
            let header = ForeignHeader::parse(&decode(header)?)?;
            self.ring.iter().filter(|key| header.fits(key)).any(signed)
        };
        if !good {
            return Err(VerifyError::Invalid("signature"));
        }
        String::from_utf8(decode(payload)?).map_err(|_| VerifyError::Invalid("payload"))
    }
}

/// Canonical base64url without padding: a second spelling of the same bytes is refused.
fn decode(segment: &str) -> Result<Vec<u8>, VerifyError> {
    BASE64.decode_to_vec(segment).map_err(|_| VerifyError::Invalid("base64url"))
}

fn header_of(key: &Key) -> String {
    let alg = format!("{:?}", key.algorithm());
    match key.kid() {
        None => format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#),
        Some(kid) => {
            let kid = serde_json::Value::from(kid);
            format!(r#"{{"alg":"{alg}","typ":"JWT","kid":{kid}}}"#)
        }
    }
}

/// A header that we did not write. `jku`, `x5u`, `jwk` and `x5c`, which name a key of the
/// sender's, are never looked at (RFC 8725 §3.10).
#[derive(Default)]
struct ForeignHeader {
    alg: Option<String>,
    kid: Option<String>,
}

impl ForeignHeader {
    fn parse(json: &[u8]) -> Result<Self, VerifyError> {
        serde_json::from_slice(json).map_err(|_| VerifyError::Invalid("header"))
    }

    /// Whether `key` may verify the token: the algorithm is the key's own, and a `kid`, where
    /// token and key have one, is the key's name. (It is a hint; the signature decides.)
    fn fits(&self, key: &Key) -> bool {
        let alg = format!("{:?}", key.algorithm());
        self.alg.as_deref() == Some(&alg)
            && (self.kid.is_none() || key.kid().is_none() || self.kid.as_deref() == key.kid())
    }
}

impl<'de> Deserialize<'de> for ForeignHeader {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;

        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = ForeignHeader;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ForeignHeader, A::Error> {
                use serde::de::Error;

                let mut header = ForeignHeader::default();
                let mut seen = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if seen.contains(&name) || seen.len() == MAX_HEADER_MEMBERS {
                        return Err(A::Error::custom("duplicate member, or too many"));
                    }
                    match name.as_str() {
                        "alg" => header.alg = Some(map.next_value()?),
                        "kid" => header.kid = Some(map.next_value()?),
                        "typ" => {
                            let typ: String = map.next_value()?;
                            if !typ.eq_ignore_ascii_case("JWT") {
                                return Err(A::Error::custom("not a JWT"));
                            }
                        }
                        // Extensions that change what is signed or read: all unknown to us, so
                        // RFC 7515 §4.1.11 says to refuse.
                        "crit" | "b64" | "zip" | "enc" => {
                            return Err(A::Error::custom("unknown extension"));
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                    seen.push(name);
                }
                Ok(header)
            }
        }

        deserializer.deserialize_map(HeaderVisitor)
    }
}

//! RFC 7515 compact serialization: split, match the header, verify, sign.
//!
//! The header of a token is matched against the few that our keys write, byte by byte; the key
//! and its algorithm follow from that. Only a header that none of them wrote is parsed, to see
//! whether another library wrote it for a key of ours.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use base64_simd::{AsOut as _, URL_SAFE_NO_PAD as BASE64};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use crate::clock::from_millis;
use crate::error::VerifyError;
use crate::json::{Names, Skipped, Text};
use crate::keys::{JwkSet, Key, KeyRing};

/// Longer texts are not looked at: what fits into a request header, with room for claims.
pub(crate) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Of an RSA key of 8192 bits.
const MAX_SIGNATURE_BYTES: usize = 1024;

/// Of all but RSA and ECDSA on P-384.
const USUAL_SIGNATURE_CHARS: usize = 86;

/// RFC 7515 §4 knows eleven. Nothing is signed yet when they are counted.
const MAX_HEADER_MEMBERS: usize = 16;

/// What a good signature is for.
#[derive(Clone, Copy)]
pub(crate) struct Signed<'r> {
    pub(crate) payload: &'r str,
    /// The ring that had the key.
    pub(crate) ring: u64,
    /// When the key is no longer used, in milliseconds.
    pub(crate) key_ends: i64,
    /// Whether the header says that it is an access token (RFC 9068 §2.1). Ours do not.
    pub(crate) is_typed_access: bool,
}

/// A key ring with the headers that its keys write. It can be replaced while it is used.
pub(crate) struct Jws {
    ring: ArcSwap<Headed>,
    /// No token lives longer.
    lifetime: Duration,
}

/// A ring, and of each key, in the order of the ring:
struct Headed {
    ring: Arc<KeyRing>,
    /// the header that it writes,
    headers: Vec<String>,
    /// and when its tokens have all expired, in milliseconds.
    ends: Vec<i64>,
    /// Another number for each ring.
    number: u64,
}

/// A key with the header that it writes, and when its tokens have all expired.
struct Writer<'r> {
    header: &'r str,
    key: &'r Key,
    end: i64,
}

static RINGS: AtomicU64 = AtomicU64::new(0);

impl Headed {
    fn new(ring: KeyRing, lifetime: Duration) -> Self {
        let members = ring.members();
        let headers = members.iter().map(|member| BASE64.encode_to_string(header_of(&member.key)));
        let end = |i| ring.end_of(i, lifetime).map_or(i64::MAX, |end| end.timestamp_millis());
        Self {
            headers: headers.collect(),
            ends: (0..members.len()).map(end).collect(),
            number: RINGS.fetch_add(1, Ordering::Relaxed),
            ring: Arc::new(ring),
        }
    }

    /// The keys whose tokens are accepted at `now`.
    fn keys(&self, now: i64) -> impl Iterator<Item = Writer<'_>> {
        let all = self.headers.iter().zip(self.ring.members()).zip(&self.ends);
        all.filter(move |(_, end)| now < **end).map(|((header, member), end)| Writer {
            header,
            key: &member.key,
            end: *end,
        })
    }
}

impl Jws {
    pub(crate) fn new(ring: KeyRing, lifetime: Duration) -> Self {
        Self { ring: ArcSwap::from_pointee(Headed::new(ring, lifetime)), lifetime }
    }

    pub(crate) fn replace(&self, ring: KeyRing) {
        // What was verified stays so.
        if self.ring.load().ring.is_same(&ring) {
            return;
        }
        self.ring.store(Arc::new(Headed::new(ring, self.lifetime)));
    }

    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.load().ring)
    }

    /// A number that another ring does not have.
    pub(crate) fn ring_number(&self) -> u64 {
        self.ring.load().number
    }

    /// No token lives longer.
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// The public halves of the keys that are accepted at `now`, in milliseconds.
    pub(crate) fn jwks(&self, now: i64) -> JwkSet {
        let ring = self.ring.load();
        let keys = ring.keys(now).filter_map(|writer| writer.key.public_jwk().cloned());
        JwkSet { keys: keys.collect() }
    }

    /// Signs a payload with the key that is active at `now`, in milliseconds.
    pub(crate) fn sign(&self, payload: &[u8], now: i64) -> Option<String> {
        let ring = self.ring.load();
        let active = ring.ring.active_at(from_millis(now))?;
        let header = &ring.headers[active];
        let room = header.len() + BASE64.encoded_length(payload.len()) + USUAL_SIGNATURE_CHARS + 2;
        let mut token = String::with_capacity(room);
        token.push_str(header);
        token.push('.');
        BASE64.encode_append(payload, &mut token);
        let signature = ring.ring.members()[active].key.sign(token.as_bytes())?;
        token.push('.');
        BASE64.encode_append(&signature, &mut token);
        Some(token)
    }

    /// The payload of a token with a good signature of a key that is accepted at `now`, in
    /// milliseconds. It is decoded into `room`, which is [`MAX_TOKEN_BYTES`] long.
    pub(crate) fn verify<'r>(
        &self,
        token: &str,
        now: i64,
        room: &'r mut [MaybeUninit<u8>],
    ) -> Result<Signed<'r>, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::Invalid("too long"));
        }
        // Exactly three segments (RFC 7515 §3.1); five would be encrypted.
        let (message, signature) = token.rsplit_once('.').ok_or(VerifyError::Invalid("shape"))?;
        let (header, payload) = message.split_once('.').ok_or(VerifyError::Invalid("shape"))?;
        if payload.contains('.') {
            return Err(VerifyError::Invalid("shape"));
        }
        let mut signature_room = [const { MaybeUninit::uninit() }; MAX_SIGNATURE_BYTES];
        let signature = decode_into(signature, &mut signature_room)?;
        let signed =
            |writer: &Writer<'_>| writer.key.verify_signature(message.as_bytes(), signature);

        let ring = self.ring.load();
        let mut writers = ring.keys(now).filter(|writer| writer.header == header).peekable();
        let mut is_typed_access = false;
        let signer = if writers.peek().is_some() {
            writers.find(signed)
        } else {
            let header = ForeignHeader::parse(&decode(header)?)?;
            is_typed_access = header.is_typed_access;
            if ring.ring.is_empty() {
                return Err(VerifyError::Stale);
            }
            let mut fitting = ring.keys(now).filter(|writer| header.fits(writer.key)).peekable();
            if fitting.peek().is_none() && header.names_none_of(&ring.ring) {
                return Err(VerifyError::UnknownKey);
            }
            fitting.find(signed)
        };
        let signer = signer.ok_or(VerifyError::Invalid("signature"))?;
        let payload = std::str::from_utf8(decode_into(payload, room)?);
        let payload = payload.map_err(|_| VerifyError::Invalid("payload"))?;
        Ok(Signed { payload, ring: ring.number, key_ends: signer.end, is_typed_access })
    }
}

/// Canonical base64url without padding: a second spelling of the same bytes is refused.
fn decode(segment: &str) -> Result<Vec<u8>, VerifyError> {
    BASE64.decode_to_vec(segment).map_err(|_| VerifyError::Invalid("base64url"))
}

/// The same into room that is there, which a good segment fits into.
fn decode_into<'r>(
    segment: &str,
    room: &'r mut [MaybeUninit<u8>],
) -> Result<&'r [u8], VerifyError> {
    let invalid = |_| VerifyError::Invalid("base64url");
    let len = BASE64.decoded_length(segment.as_bytes()).map_err(invalid)?;
    let room = room.get_mut(..len).ok_or(VerifyError::Invalid("length"))?;
    let decoded = BASE64.decode(segment.as_bytes(), room.as_out()).map_err(invalid)?;
    Ok(decoded)
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
    is_typed_access: bool,
}

impl ForeignHeader {
    fn parse(json: &[u8]) -> Result<Self, VerifyError> {
        let text = std::str::from_utf8(json).map_err(|_| VerifyError::Invalid("header"))?;
        serde_json::from_str(text).map_err(|_| VerifyError::Invalid("header"))
    }

    /// Whether `key` may verify the token: the algorithm is the key's own, and a `kid`, where
    /// token and key have one, is the key's name. (It is a hint; the signature decides.)
    fn fits(&self, key: &Key) -> bool {
        let alg = format!("{:?}", key.algorithm());
        self.alg.as_deref() == Some(&alg)
            && (self.kid.is_none() || key.kid().is_none() || self.kid.as_deref() == key.kid())
    }

    /// Whether the token names a key, and there is none of that name.
    fn names_none_of(&self, ring: &KeyRing) -> bool {
        let mut names = ring.members().iter().map(|member| member.key.kid());
        self.kid.as_deref().is_some_and(|kid| !names.any(|name| name == Some(kid)))
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
                let mut names = Names::default();
                while let Some(Text(name)) = map.next_key()? {
                    if names.len() == MAX_HEADER_MEMBERS {
                        return Err(A::Error::custom("too many members"));
                    }
                    match &*name {
                        "alg" => header.alg = Some(map.next_value()?),
                        "kid" => header.kid = Some(map.next_value()?),
                        "typ" => {
                            let typ: String = map.next_value()?;
                            // RFC 7515 §4.1.9: `application/` can be left out.
                            let typ = typ.to_ascii_lowercase();
                            match typ.strip_prefix("application/").unwrap_or(&typ) {
                                "jwt" => {}
                                "at+jwt" => header.is_typed_access = true,
                                _ => return Err(A::Error::custom("not a JWT")),
                            }
                        }
                        // Extensions that change what is signed or read: all unknown to us, so
                        // RFC 7515 §4.1.11 says to refuse.
                        "crit" | "b64" | "zip" | "enc" => {
                            return Err(A::Error::custom("unknown extension"));
                        }
                        _ => {
                            map.next_value::<Skipped>()?;
                        }
                    }
                    names.add(name)?;
                }
                Ok(header)
            }
        }

        deserializer.deserialize_map(HeaderVisitor)
    }
}

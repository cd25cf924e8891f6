//! An issuer for each algorithm, and the same keys for jsonwebtoken, which is the oracle.

use std::fmt;
use std::sync::OnceLock;

use auth_core::{Algorithm, Key, KeyRing};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{DecodingKey, EncodingKey, Validation, crypto};
use serde_json::{Value, json};

use crate::common::World;

/// What the clock of every issuer shows.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) const ALGORITHMS: [Algorithm; 12] = [
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

pub(crate) const RSA: &str = include_str!("../keys/rsa.pkcs8.pem");
const RSA_PUBLIC: &str = include_str!("../keys/rsa.spki.pem");
pub(crate) const P256: &str = include_str!("../keys/p256.pkcs8.pem");
const P256_PUBLIC: &str = include_str!("../keys/p256.spki.pem");
pub(crate) const P384: &str = include_str!("../keys/p384.pkcs8.pem");
const P384_PUBLIC: &str = include_str!("../keys/p384.spki.pem");
pub(crate) const ED25519: &str = include_str!("../keys/ed25519.pkcs8.pem");
const ED25519_PUBLIC: &str = include_str!("../keys/ed25519.spki.pem");
const SECRET: &[u8] = b"an honest secret of sixty-four bytes, which is enough for SHA-512";

/// Somebody who issues tokens with one algorithm.
pub(crate) struct Issuer {
    pub(crate) algorithm: Algorithm,
    pub(crate) world: World,
    /// A token pair of theirs.
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the issuer with {:?}", self.algorithm)
    }
}

impl Issuer {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let key = match pem(algorithm) {
            None => Key::hmac(algorithm, SECRET),
            Some((private, _)) => Key::from_private_pem(algorithm, private.as_bytes()),
        };
        wait(async {
            let world = World::with_keys(KeyRing::new(key.unwrap())).await;
            let (access, refresh) = world.pair().await;
            Self { algorithm, world, access, refresh }
        })
    }

    /// One for each algorithm, and each for all cases: they change nothing in it.
    pub(crate) fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Issuer>> = OnceLock::new();
        ALL.get_or_init(|| ALGORITHMS.into_iter().map(Self::new).collect())
    }

    /// The one with this algorithm.
    pub(crate) fn with(algorithm: Algorithm) -> &'static Self {
        Self::all().iter().find(|issuer| issuer.algorithm == algorithm).unwrap()
    }

    pub(crate) fn accepts(&self, token: &str) -> bool {
        self.world.authenticate(token).is_ok()
    }

    /// What jsonwebtoken reads from a token, if it accepts its signature and finds an `exp`. Times
    /// are left to the caller, whose clock is another.
    pub(crate) fn oracle(&self, token: &str) -> Option<Value> {
        let key = match pem(self.algorithm) {
            None => DecodingKey::from_secret(SECRET),
            Some((_, public)) => {
                let public = public.as_bytes();
                match self.algorithm {
                    Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(public),
                    Algorithm::EdDSA => DecodingKey::from_ed_pem(public),
                    _ => DecodingKey::from_rsa_pem(public),
                }
                .unwrap()
            }
        };
        let mut validation = Validation::new(self.algorithm);
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp"]);
        jsonwebtoken::decode::<Value>(token, &key, &validation).ok().map(|token| token.claims)
    }
}

fn pem(algorithm: Algorithm) -> Option<(&'static str, &'static str)> {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => None,
        Algorithm::ES256 => Some((P256, P256_PUBLIC)),
        Algorithm::ES384 => Some((P384, P384_PUBLIC)),
        Algorithm::EdDSA => Some((ED25519, ED25519_PUBLIC)),
        _ => Some((RSA, RSA_PUBLIC)),
    }
}

/// A token with any header and any payload, signed by jsonwebtoken with the issuer's key.
pub(crate) fn signed(header: &[u8], payload: &[u8], algorithm: Algorithm) -> String {
    let message =
        format!("{}.{}", BASE64.encode_to_string(header), BASE64.encode_to_string(payload));
    let key = match pem(algorithm) {
        None => EncodingKey::from_secret(SECRET),
        Some((private, _)) => {
            let private = private.as_bytes();
            match algorithm {
                Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(private),
                Algorithm::EdDSA => EncodingKey::from_ed_pem(private),
                _ => EncodingKey::from_rsa_pem(private),
            }
            .unwrap()
        }
    };
    let signature = crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// The claims of a good access token of another issuer.
pub(crate) fn good_claims() -> Value {
    json!({
        "token_type": "access", "exp": NOW + 300, "iat": NOW,
        "jti": "0123456789abcdef0123456789abcdef", "user_id": "1",
    })
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

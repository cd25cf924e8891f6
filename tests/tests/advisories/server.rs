//! A server to attack, and what an attacker needs.

use async_trait::async_trait;
use auth_core::password::PasswordHash;
use auth_core::{
    Account, Authority, Key, KeyRing, ManualClock, MemoryStore, Outage, Settings, UserDirectory,
    VerifyError,
};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use tests::token::SIGNING_KEY;

/// What the clock of every server shows.
pub(crate) const NOW: i64 = 1_800_000_000;

/// A key pair, as its owner and as everybody else may have it.
pub(crate) struct Pair {
    pub(crate) private: &'static str,
    pub(crate) public: &'static str,
    pub(crate) ssh: &'static str,
}

macro_rules! pair {
    ($name:literal) => {
        Pair {
            private: include_str!(concat!("keys/", $name, ".pem")),
            public: include_str!(concat!("keys/", $name, ".public.pem")),
            ssh: include_str!(concat!("keys/", $name, ".ssh")),
        }
    };
}

/// RFC 7515, appendix A.2.
pub(crate) const RSA: Pair = pair!("rsa");
/// The public half of [`RSA`] as `-----BEGIN RSA PUBLIC KEY-----`.
pub(crate) const RSA_PKCS1: &str = include_str!("keys/rsa.pkcs1.public.pem");
/// RFC 7515, appendix A.3.
pub(crate) const P256: Pair = pair!("p256");
pub(crate) const P384: Pair = pair!("p384");
/// RFC 8037, appendix A.1.
pub(crate) const ED25519: Pair = pair!("ed25519");
/// A pair of the attacker's own, RSA.
pub(crate) const ATTACKER: &str = include_str!("keys/attacker.pem");

/// The pair that is for `algorithm`.
pub(crate) fn pair(algorithm: Algorithm) -> Pair {
    match algorithm {
        Algorithm::ES256 => P256,
        Algorithm::ES384 => P384,
        Algorithm::EdDSA => ED25519,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => panic!("HMAC has no pair"),
        _ => RSA,
    }
}

pub(crate) fn private_key(algorithm: Algorithm) -> Key {
    Key::from_private_pem(algorithm, pair(algorithm).private.as_bytes()).unwrap()
}

pub(crate) fn secret_key() -> Key {
    Key::hmac(Algorithm::HS256, SIGNING_KEY.as_bytes()).unwrap()
}

/// An authority with some keys.
pub(crate) struct Server(Authority);

impl Server {
    /// One that signs with `key`, and verifies with it.
    pub(crate) fn of(key: Key) -> Self {
        Self::with(KeyRing::new(key), Settings::default())
    }

    /// One with the shared secret, which is what most installations have.
    pub(crate) fn with_secret() -> Self {
        Self::of(secret_key())
    }

    pub(crate) fn with(ring: KeyRing, settings: Settings) -> Self {
        let clock = ManualClock::at_unix_seconds(NOW);
        let authority = Authority::builder(settings)
            .keys(ring)
            .store(MemoryStore::new())
            .users(Nobody)
            .clock(clock.clock())
            .build()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(authority.sync()).unwrap();
        Self(authority)
    }

    /// What it says to a token.
    pub(crate) fn authenticate(&self, token: &str) -> Result<String, VerifyError> {
        self.0.authenticate(token).map(|verified| verified.user_id().to_owned())
    }

    #[track_caller]
    pub(crate) fn accepts(&self, token: &str) {
        if let Err(error) = self.authenticate(token) {
            panic!("{error}: {}", shown(token));
        }
    }

    /// Not only not accepted: not told apart from noise.
    #[track_caller]
    pub(crate) fn refuses(&self, token: &str) {
        match self.authenticate(token) {
            Err(VerifyError::Invalid(_) | VerifyError::UnknownKey) => {}
            Err(error) => panic!("refused as {error}: {}", shown(token)),
            Ok(user) => panic!("accepted for user {user}: {}", shown(token)),
        }
    }

    /// The public halves of its keys, byte by byte as everybody can read them.
    pub(crate) fn published(&self) -> String {
        serde_json::to_string(&self.0.jwks()).unwrap()
    }

    /// The same to look into.
    pub(crate) fn jwks(&self) -> Value {
        serde_json::from_str(&self.published()).unwrap()
    }
}

fn shown(token: &str) -> String {
    let header = token.split('.').next().and_then(|header| BASE64.decode_to_vec(header).ok());
    format!("{:?} {token:.200}", header.map(|header| String::from_utf8_lossy(&header).into_owned()))
}

struct Nobody;

#[async_trait]
impl UserDirectory for Nobody {
    async fn find_by_login(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(None)
    }

    async fn load(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(None)
    }

    async fn upgrade_password_hash(
        &self,
        _: &str,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<(), Outage> {
        Ok(())
    }
}

/// The claims of a good access token.
pub(crate) fn claims() -> Value {
    tests::token::simplejwt_claims("1", NOW)
}

/// The header that other libraries write.
pub(crate) fn header(algorithm: Algorithm) -> Value {
    json!({ "alg": format!("{algorithm:?}"), "typ": "JWT" })
}

/// A good token, as another library makes it with the server's own key.
pub(crate) fn honest(algorithm: Algorithm) -> String {
    token(&header(algorithm), &claims(), algorithm, &signing_key(algorithm))
}

/// The private half of the server's key, or its secret.
pub(crate) fn signing_key(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::HS256 => EncodingKey::from_secret(SIGNING_KEY.as_bytes()),
        Algorithm::ES256 | Algorithm::ES384 => {
            EncodingKey::from_ec_pem(pair(algorithm).private.as_bytes()).unwrap()
        }
        Algorithm::EdDSA => EncodingKey::from_ed_pem(ED25519.private.as_bytes()).unwrap(),
        _ => EncodingKey::from_rsa_pem(RSA.private.as_bytes()).unwrap(),
    }
}

/// A token that says what it likes in its header, and is signed in another way.
pub(crate) fn token(
    header: &Value,
    claims: &Value,
    algorithm: Algorithm,
    key: &EncodingKey,
) -> String {
    let message = message(header, claims);
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// The same with a secret: what an HMAC makes of everything that is known of the server.
pub(crate) fn hmac_token(header: &Value, algorithm: Algorithm, secret: &[u8]) -> String {
    token(header, &claims(), algorithm, &EncodingKey::from_secret(secret))
}

/// A token with these bytes in the place of its signature.
pub(crate) fn signed_with(header: &Value, signature: &[u8]) -> String {
    format!("{}.{}", message(header, &claims()), BASE64.encode_to_string(signature))
}

/// The two first segments of a token.
pub(crate) fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header), encoded(claims))
}

/// A segment.
pub(crate) fn encoded(value: &Value) -> String {
    BASE64.encode_to_string(value.to_string())
}

//! Our side: an authority over a store in memory, by the clock of the machine, as the peers'.

use async_trait::async_trait;
use auth_core::password::PasswordHash;
use auth_core::session::Method;
use auth_core::{
    Account, Algorithm, Authority, ClientInfo, Clock, Key, KeyRing, MemoryStore, Outage, Principal,
    Proof, Settings, UserDirectory,
};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use crate::keys::Keys;

/// An authority with the key of this algorithm.
pub(crate) async fn authority(algorithm: Algorithm) -> Authority {
    authority_of(Keys::of(algorithm).private.ours(algorithm)).await
}

/// An authority with this key.
pub(crate) async fn authority_of(key: Key) -> Authority {
    authority_with(KeyRing::new(key), Settings::default(), Clock::system()).await
}

pub(crate) async fn authority_with(ring: KeyRing, settings: Settings, clock: Clock) -> Authority {
    let builder = Authority::builder(settings).keys(ring).clock(clock);
    let builder = builder.store(MemoryStore::new()).users(Alice).claims(|_, claims| {
        claims.insert("name".into(), NAME.into());
    });
    let authority = builder.build().unwrap();
    authority.sync().await.unwrap();
    authority
}

/// The access token of a login.
pub(crate) async fn access_token(authority: &Authority) -> String {
    let proof = Proof::vouched(Principal::new("user", "1"), [Method::Password]);
    let login = authority.start_pair(proof, &ClientInfo::default()).await.unwrap();
    login.granted.access.into_string()
}

/// The public keys that it publishes.
pub(crate) fn jwks(authority: &Authority) -> Vec<Value> {
    let mut jwks = serde_json::to_value(authority.jwks()).expect("a JWK Set is JSON");
    serde_json::from_value(jwks["keys"].take()).expect("the keys are a list")
}

/// The name of its first key, where that is one of a pair: a secret has none.
pub(crate) fn kid(authority: &Authority) -> Option<String> {
    Some(jwks(authority).first()?["kid"].as_str()?.to_owned())
}

/// What an access token of another library has to say.
pub(crate) fn good_claims() -> Value {
    let now = now();
    json!({
        "token_type": "access", "exp": now + 300, "iat": now,
        "jti": "0123456789abcdef0123456789abcdef", "user_id": "1", "name": NAME,
    })
}

/// Each library escapes it in its own way.
pub(crate) const NAME: &str = "Zoë \"/\\\" 李\u{1f980}\u{2028}\u{7f}\t?????";

pub(crate) fn now() -> i64 {
    Clock::system().now_seconds()
}

/// The header (0) or the payload (1) of a token.
pub(crate) fn segment(token: &str, index: usize) -> Value {
    let segment = token.split('.').nth(index).expect("it has three");
    let json = BASE64.decode_to_vec(segment).expect("it is base64url");
    serde_json::from_slice(&json).expect("it is JSON")
}

/// The directory: Alice, who is vouched for.
struct Alice;

#[async_trait]
impl UserDirectory for Alice {
    async fn find_by_login(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(None)
    }

    async fn load(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(Some(Account::new(Principal::new("user", "1"), "alice")))
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

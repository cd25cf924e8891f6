//! An authority with fixed keys, one user and a clock that stands still.

use auth_core::{
    Account, Algorithm, Authority, ClientInfo, Key, KeyRing, ManualClock, MemoryStore, Outage,
    Principal, Proof, Settings, UserDirectory, async_trait,
};
use futures_util::FutureExt;
use jsonwebtoken::EncodingKey;

use crate::base64url;

pub const NOW: u64 = 1_800_000_000;
pub const SECRET: &[u8] = b"an honest secret of more than thirty-two bytes";
/// For HS512, and with a name.
pub const SECOND_SECRET: &[u8] =
    b"another honest secret, of the sixty-four bytes at least that HS512 wants";
pub const SECOND_KID: &str = "second";
pub const THIRD_KID: &str = "third";

/// Nobody waits for a [`MemoryStore`].
pub fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("there is nothing to wait for")
}

/// One user, `1`, who is no staff.
pub struct Users;

pub fn user() -> Principal {
    Principal::new("user", "1")
}

#[async_trait]
impl UserDirectory for Users {
    async fn find_by_login(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(None)
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        Ok((user_id == "1").then(|| Account::new(user(), "alice")))
    }
}

/// HS256 without a name, which signs; HS512 with one; and a public key for ES256, which is not to be
/// taken for a secret, whatever a header says.
pub fn ring() -> KeyRing {
    let first = Key::hmac(Algorithm::HS256, SECRET).unwrap();
    let second = Key::hmac(Algorithm::HS512, SECOND_SECRET).unwrap();
    let public = include_bytes!("../../../auth-core/tests/keys/p256.spki.pem");
    let third = Key::from_public_pem(Algorithm::ES256, public).unwrap();
    KeyRing::new(first)
        .also_accept(second.with_kid(SECOND_KID))
        .also_accept(third.with_kid(THIRD_KID))
}

pub fn authority(settings: Settings, store: MemoryStore) -> Authority {
    authority_of(Users, settings, store, &clock())
}

/// It stands still, unless it is moved.
pub fn clock() -> ManualClock {
    ManualClock::at_unix_seconds(NOW as i64)
}

pub fn authority_of(
    users: impl UserDirectory,
    settings: Settings,
    store: MemoryStore,
    clock: &ManualClock,
) -> Authority {
    let builder = Authority::builder(settings).keys(ring()).store(store);
    let authority = builder.users(users).clock(clock.clock()).build().unwrap();
    now(authority.sync()).unwrap();
    authority
}

pub fn proof_of(user: Principal) -> (Proof, ClientInfo) {
    (Proof::vouched(user, []), ClientInfo::default())
}

/// An access token and a refresh token.
pub fn pair(authority: &Authority) -> (String, String) {
    pair_of(authority, user())
}

pub fn pair_of(authority: &Authority, user: Principal) -> (String, String) {
    let (proof, client) = proof_of(user);
    let pair = now(authority.start_pair(proof, &client)).unwrap().granted;
    (pair.access.into_string(), pair.refresh.into_string())
}

pub fn single(authority: &Authority) -> String {
    single_of(authority, user())
}

pub fn single_of(authority: &Authority, user: Principal) -> String {
    let (proof, client) = proof_of(user);
    now(authority.start_single(proof, &client)).unwrap().granted.into_string()
}

pub fn cookie(authority: &Authority) -> String {
    cookie_of(authority, user())
}

pub fn cookie_of(authority: &Authority, user: Principal) -> String {
    let (proof, client) = proof_of(user);
    now(authority.start_cookie(proof, &client)).unwrap().granted.into_string()
}

/// A token with this header and this payload, whatever they are, and a good signature.
pub fn signed(algorithm: Algorithm, secret: &[u8], header: &[u8], payload: &[u8]) -> String {
    let message = format!("{}.{}", base64url(header), base64url(payload));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{signature}")
}

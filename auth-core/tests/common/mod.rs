//! An authority over a store in memory, with users that a test can change and a clock that it
//! sets.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::password::PasswordHash;
use auth_core::session::RevocationReason;
use auth_core::token::{Login, TokenPair};
use auth_core::{
    Account, AuthEvent, Authority, AuthorityBuilder, ClientInfo, KeyRing, ManualClock, MemoryStore,
    Outage, Principal, SessionStore, Settings, UserDirectory, Verified, VerifyError,
};

pub const SECRET: &str = "an honest secret of more than thirty-two bytes";
pub const PASSWORD: &str = "correct horse";

#[derive(Clone, Default)]
pub struct Users(Arc<Mutex<Vec<Account>>>);

impl Users {
    pub fn with_alice() -> Self {
        let mut alice = Account::new(Principal::new("user", "1"), "alice");
        static HASH: OnceLock<PasswordHash> = OnceLock::new();
        let hash = HASH.get_or_init(|| PasswordHash::create(PASSWORD).unwrap());
        alice.password_hash = Some(hash.clone());
        Self(Arc::new(Mutex::new(vec![alice])))
    }

    pub fn change(&self, change: impl FnOnce(&mut Account)) {
        change(&mut self.0.lock().unwrap()[0]);
    }

    pub fn add(&self, account: Account) {
        self.0.lock().unwrap().push(account);
    }

    pub fn delete(&self) {
        self.0.lock().unwrap().clear();
    }

    pub fn account(&self) -> Account {
        self.0.lock().unwrap()[0].clone()
    }

    pub fn password_hash(&self) -> Option<PasswordHash> {
        self.0.lock().unwrap()[0].password_hash.clone()
    }

    fn find(&self, which: impl Fn(&Account) -> bool) -> Option<Account> {
        self.0.lock().unwrap().iter().find(|account| which(account)).cloned()
    }
}

#[async_trait]
impl UserDirectory for Users {
    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        Ok(self.find(|account| account.username == login))
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        Ok(self.find(|account| account.principal.user_id() == user_id))
    }

    async fn upgrade_password_hash(
        &self,
        _: &str,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), Outage> {
        self.change(|account| {
            if account.password_hash.as_ref() == Some(old) {
                account.password_hash = Some(new.clone());
            }
        });
        Ok(())
    }
}

pub struct World {
    pub authority: Authority,
    pub users: Users,
    pub hands: ManualClock,
    pub events: Arc<Mutex<Vec<AuthEvent>>>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Settings::with_signing_key(SECRET)).await
    }

    pub async fn with(settings: Settings) -> Self {
        Self::over(MemoryStore::new(), settings).await
    }

    pub async fn over(store: impl SessionStore, settings: Settings) -> Self {
        let hands = ManualClock::at_unix_seconds(1_800_000_000);
        Self::of(store, Users::with_alice(), hands, settings).await
    }

    /// With these keys instead of a signing key.
    pub async fn with_keys(keys: KeyRing) -> Self {
        Self::with_settings_and_keys(Settings::default(), keys).await
    }

    pub async fn with_settings_and_keys(settings: Settings, keys: KeyRing) -> Self {
        let hands = ManualClock::at_unix_seconds(1_800_000_000);
        let builder = Authority::builder(settings).keys(keys);
        Self::build(builder, MemoryStore::new(), Users::with_alice(), hands).await
    }

    pub async fn of(
        store: impl SessionStore,
        users: Users,
        hands: ManualClock,
        settings: Settings,
    ) -> Self {
        Self::build(Authority::builder(settings), store, users, hands).await
    }

    async fn build(
        builder: AuthorityBuilder,
        store: impl SessionStore,
        users: Users,
        hands: ManualClock,
    ) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        let authority = builder
            .store(store)
            .users(users.clone())
            .clock(hands.clock())
            .claims(|account, claims| {
                claims.insert("username".into(), account.username.as_str().into());
                claims.insert("exp".into(), 1.into());
            })
            .on_event(move |event| log.lock().unwrap().push(event.clone()))
            .build()
            .unwrap();
        authority.sync().await.unwrap();
        Self { authority, users, hands, events }
    }

    pub async fn login(&self) -> Login<TokenPair> {
        let client = ClientInfo::default();
        self.authority.login("user", "alice", PASSWORD, &client).await.unwrap()
    }

    pub async fn pair(&self) -> (String, String) {
        let TokenPair { access, refresh } = self.login().await.granted;
        (access.into_string(), refresh.into_string())
    }

    /// Moves the clock; the follower runs as it does in a server.
    pub async fn wait(&self, time: Duration) {
        self.hands.advance(time);
        self.authority.sync().await.unwrap();
    }

    pub fn authenticate(&self, token: &str) -> Result<Verified, VerifyError> {
        self.authority.authenticate(token)
    }

    pub async fn refresh(&self, token: &str) -> Result<(String, String), auth_core::RefreshError> {
        let refreshed = self.authority.refresh(token, &ClientInfo::default()).await?;
        let refresh = refreshed.refresh.map(|token| token.into_string()).unwrap_or_default();
        Ok((refreshed.access.into_string(), refresh))
    }
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[track_caller]
pub fn assert_revoked<T: std::fmt::Debug>(
    result: Result<T, impl Into<auth_core::RefreshError>>,
    reason: RevocationReason,
) {
    match result.map_err(Into::into) {
        Err(auth_core::RefreshError::Token(VerifyError::Revoked(found))) => {
            assert_eq!(found, reason);
        }
        other => panic!("expected Revoked({reason:?}), got {other:?}"),
    }
}

//! Puts an [`Authority`] together, and refuses what would not work.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Authority, ClaimsHook, Directories, Inner, RuleHook, SecretMemory};
use crate::cache::TokenCache;
use crate::claims::DEFAULT_USER_TYPE;
use crate::clock::Clock;
use crate::directory::{Account, UserDirectory};
use crate::error::{Fault, Outage, SettingsError};
use crate::event::{AuthEvent, Subscriber};
use crate::jws::Jws;
use crate::keys::KeyRing;
use crate::otp::seal::Seals;
use crate::password::PasswordLanes;
use crate::revocation::RevocationView;
use crate::settings::{MAY_BE_EMPTY, Settings};
use crate::store::{MemoryStore, SessionStore};

/// Builds an [`Authority`].
#[must_use]
pub struct AuthorityBuilder {
    settings: Settings,
    keys: Option<KeyRing>,
    verifies_only: bool,
    store: Option<Arc<dyn SessionStore>>,
    directories: Directories,
    clock: Clock,
    claims: Option<ClaimsHook>,
    rule: Option<RuleHook>,
    subscribers: Vec<Subscriber>,
}

impl AuthorityBuilder {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            keys: None,
            verifies_only: false,
            store: None,
            directories: Directories::default(),
            clock: Clock::system(),
            claims: None,
            rule: None,
            subscribers: Vec::new(),
        }
    }

    pub(super) fn verifier(settings: Settings) -> Self {
        let has_keys = settings.verifying_key.is_some()
            || settings.jwk_url.is_some()
            || settings.signing_key.is_some();
        let builder = Self::new(settings).store(MemoryStore::new()).users(NoUsers);
        let builder = Self { verifies_only: true, ..builder };
        if has_keys { builder } else { builder.keys(KeyRing::verifying([])) }
    }

    /// Where sessions are kept. Required.
    pub fn store(mut self, store: impl SessionStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// The users. Required.
    pub fn users(self, directory: impl UserDirectory) -> Self {
        self.users_of_type(DEFAULT_USER_TYPE, directory)
    }

    /// Another kind of users, with a directory of their own. The same id under two kinds is two
    /// principals, and where there are several kinds every token says which it means
    /// ([`Settings::user_type_claim`]).
    pub fn users_of_type(
        mut self,
        user_type: impl Into<String>,
        directory: impl UserDirectory,
    ) -> Self {
        self.directories.insert(user_type.into(), Arc::new(directory));
        self
    }

    /// The keys, instead of [`Settings::signing_key`].
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Another clock than the machine's: for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Adds claims to access, sliding and single tokens and to cookie sessions. Standard claims
    /// cannot be replaced: such a name is left out, and logged.
    ///
    /// ```
    /// # use auth_core::{Authority, Settings};
    /// let builder = Authority::builder(Settings::default()).claims(|account, claims| {
    ///     claims.insert("username".into(), account.username.as_str().into());
    /// });
    /// ```
    pub fn claims(
        mut self,
        add: impl Fn(&Account, &mut Map<String, Value>) + Send + Sync + 'static,
    ) -> Self {
        self.claims = Some(Arc::new(add));
        self
    }

    /// Which accounts may log in and refresh, instead of "active ones".
    pub fn user_authentication_rule(
        mut self,
        rule: impl Fn(&Account) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.rule = Some(Arc::new(rule));
        self
    }

    /// Calls `subscriber` with every event, where it happens: it must be quick.
    pub fn on_event(mut self, subscriber: impl Fn(&AuthEvent) + Send + Sync + 'static) -> Self {
        self.subscribers.push(Arc::new(subscriber));
        self
    }

    /// Checks everything and builds.
    ///
    /// # Errors
    /// Every fault of the settings, the keys and the parts, in one.
    pub fn build(self) -> Result<Authority, SettingsError> {
        let mut faults = self.settings.check();

        let ring = match self.keys {
            Some(ring) => {
                for (name, is_set) in [
                    ("signing_key", self.settings.signing_key.is_some()),
                    ("verifying_key", self.settings.verifying_key.is_some()),
                    ("jwk_url", self.settings.jwk_url.is_some()),
                ] {
                    if is_set {
                        let problem = "is set, and a key ring is given: only one can hold";
                        faults.push(Fault::new(name, problem));
                    }
                }
                Ok(ring)
            }
            None => KeyRing::from_settings(&self.settings),
        };
        let ring = ring.and_then(|ring| {
            ring.check().map_err(|error| Fault::new("keys", error.to_string()))?;
            Ok(if self.verifies_only { ring.into_verifying() } else { ring })
        });
        let ring = ring.map_err(|fault| faults.push(fault)).ok();

        if ring.as_ref().is_some_and(KeyRing::can_sign) {
            for name in MAY_BE_EMPTY {
                let claim = match name {
                    "jti_claim" => &self.settings.jti_claim,
                    _ => &self.settings.token_type_claim,
                };
                if claim.is_empty() {
                    faults.push(Fault::new(name, "must not be empty where tokens are issued"));
                }
            }
        }
        if self.store.is_none() {
            faults.push(Fault::new("store", "is required: call .store(…)"));
        }
        if self.directories.is_empty() {
            faults.push(Fault::new("users", "is required: call .users(…)"));
        }
        for (user_type, directory) in &self.directories {
            if user_type.is_empty() {
                faults.push(Fault::new("users", "a kind of user needs a name"));
            }
            if directory.id_field() != self.settings.user_id_field {
                let problem = format!(
                    "is not `{}`, by which the directory of `{user_type}` identifies",
                    directory.id_field(),
                );
                faults.push(Fault::new("user_id_field", problem));
            }
        }

        let (Some(ring), Some(store), true) = (ring, self.store, faults.is_empty()) else {
            return Err(SettingsError(faults));
        };
        let tokens = TokenCache::new(self.settings.token_cache_bytes).map_err(|error| {
            SettingsError(vec![Fault::new("token_cache_bytes", error.to_string())])
        })?;
        let lanes =
            PasswordLanes::start(self.settings.password_lanes, self.settings.password_queue);
        let passwords = lanes.map_err(|outage| {
            SettingsError(vec![Fault::new("password_lanes", outage.to_string())])
        })?;
        let seals = Seals::new(&self.settings.totp_encryption_keys).ok_or_else(|| {
            let problem = "no key can be made of them";
            SettingsError(vec![Fault::new("totp_encryption_keys", problem)])
        })?;
        Ok(Authority(Arc::new(Inner {
            issues: ring.can_sign(),
            jws: Jws::new(ring, self.settings.longest_token_lifetime()),
            clock: self.clock,
            store,
            directories: self.directories,
            passwords,
            seals,
            revocations: RevocationView::new(),
            tokens,
            cookies: SecretMemory::new(),
            personal: SecretMemory::new(),
            claims: self.claims,
            rule: self.rule,
            subscribers: self.subscribers,
            settings: self.settings,
        })))
    }
}

/// The users of a service that has none.
struct NoUsers;

#[async_trait::async_trait]
impl UserDirectory for NoUsers {
    async fn find_by_login(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(None)
    }

    async fn load(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(None)
    }
}

impl fmt::Debug for AuthorityBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorityBuilder").finish_non_exhaustive()
    }
}

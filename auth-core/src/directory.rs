//! The application's users, as authentication sees them.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::error::Outage;
use crate::password::PasswordHash;
use crate::session::Principal;

/// A user of the application.
#[derive(Clone)]
pub struct Account {
    /// The kind of user and the id.
    pub principal: Principal,
    /// The name shown and typed.
    pub username: String,
    /// The address, empty when there is none.
    pub email: String,
    /// The stored hash; `None` for a user who cannot log in by password.
    pub password_hash: Option<PasswordHash>,
    /// Whether the user may log in.
    pub is_active: bool,
    /// Whether [`IsStaff`](crate::permission::IsStaff) holds.
    pub is_staff: bool,
    /// What [`HasRole`](crate::permission::HasRole) compares.
    pub role: Option<String>,
    /// What [`HasScope`](crate::permission::HasScope) looks in.
    pub scopes: Vec<String>,
    /// Whatever else the application wants at hand when it makes claims or answers.
    pub attributes: Map<String, Value>,
}

impl Account {
    /// An active account without a password, an address or any right.
    pub fn new(principal: Principal, username: impl Into<String>) -> Self {
        Self {
            principal,
            username: username.into(),
            email: String::new(),
            password_hash: None,
            is_active: true,
            is_staff: false,
            role: None,
            scopes: Vec::new(),
            attributes: Map::new(),
        }
    }

    /// The account as a credential with these scopes shows it: those of them that the user still has, and
    /// no other right.
    pub(crate) fn limited_to<S: AsRef<str>>(self, scopes: impl Iterator<Item = S>) -> Self {
        let scopes: Vec<S> = scopes.collect();
        let is_held = |held: &String| scopes.iter().any(|scope| scope.as_ref() == held);
        let held = self.scopes.into_iter().filter(is_held).collect();
        Self { scopes: held, is_staff: false, role: None, ..self }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("principal", &self.principal)
            .field("is_active", &self.is_active)
            .finish_non_exhaustive()
    }
}

/// Finds users. The application implements it over its own tables.
///
/// An error is an outage, never "not found": a database that is away must not look like a user
/// who does not exist.
#[async_trait]
pub trait UserDirectory: Send + Sync + 'static {
    /// The field that [`Principal::user_id`] holds. It must be what
    /// [`Settings::user_id_field`](crate::Settings) names.
    fn id_field(&self) -> &str {
        "id"
    }

    /// The user who logs in as `login`, active or not. What a login is (a user name, an
    /// address) is the directory's to say, and so is whether case matters.
    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage>;

    /// The user with this id, active or not. An id that cannot be one (letters where ids are
    /// numbers) is nobody's: `None`.
    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage>;

    /// As [`UserDirectory::load`], but with the changes of the user that are being committed at this moment:
    /// asked right after a session was stored. Where revoking is done by a trigger, in the
    /// transaction that changes the user, that transaction may not see the new session, and this must
    /// wait for it (PostgreSQL: `FOR SHARE`). Where the application changes the user first and
    /// then calls [`Authority::revoke`](crate::Authority::revoke), there is nothing to do.
    async fn load_settled(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        self.load(user_id).await
    }

    /// Replaces the stored hash `old` by `new`, a stronger one of the same password. Must do
    /// nothing when the stored hash is no longer `old`: the password was changed meanwhile, or
    /// another login was first. Without an implementation old hashes stay.
    async fn upgrade_password_hash(
        &self,
        user_id: &str,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), Outage> {
        let _ = (user_id, old, new);
        Ok(())
    }

    /// Notes that the user logged in. Called where
    /// [`Settings::update_last_login`](crate::Settings) is on.
    async fn record_login(&self, user_id: &str, at: DateTime<Utc>) -> Result<(), Outage> {
        let _ = (user_id, at);
        Ok(())
    }
}

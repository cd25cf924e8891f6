//! The users: a table, what is done with it, and how authentication sees it.
//!
//! All SQL about users is here, in `import`, and in the migrations, whose triggers end the sessions of a user
//! who is deleted or deactivated, and the access tokens of one whose rights change.

use std::fmt;

use async_trait::async_trait;
use auth_core::password::{self, PasswordHash, WeakPassword};
use auth_core::{Account, Authority, Outage, Principal, UserDirectory};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Map;

use crate::db::{Db, run};
mod import;

pub use import::{Import, Imported, Refused, WhyRefused};

use schema::users;

const USER_TYPE: &str = auth_core::claims::DEFAULT_USER_TYPE;

const MAX_NAME_CHARS: usize = 150;
const MAX_EMAIL_CHARS: usize = 254;

mod schema {
    diesel::table! {
        users (id) {
            id -> BigInt,
            username -> Text,
            email -> Text,
            password_hash -> Nullable<Text>,
            is_active -> Bool,
            is_staff -> Bool,
            role -> Nullable<Text>,
            created_at -> BigInt,
            last_login_at -> Nullable<BigInt>,
            scopes -> Text,
        }
    }
}

/// A row of `users`. Times are milliseconds since 1970.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = users)]
#[expect(missing_docs, reason = "the columns")]
pub struct User {
    pub id: i64,
    pub username: String,
    pub email: String,
    pub password_hash: Option<String>,
    pub is_active: bool,
    pub is_staff: bool,
    pub role: Option<String>,
    pub created_at: i64,
    pub last_login_at: Option<i64>,
    /// Separated by spaces.
    pub scopes: String,
}

impl User {
    /// The user as authentication names them.
    pub fn principal(&self) -> Principal {
        Principal::new(USER_TYPE, self.id.to_string())
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self {
            principal: user.principal(),
            username: user.username,
            email: user.email,
            password_hash: user.password_hash.map(PasswordHash::from_stored),
            is_active: user.is_active,
            is_staff: user.is_staff,
            role: user.role,
            scopes: user.scopes.split_ascii_whitespace().map(str::to_owned).collect(),
            attributes: Map::new(),
        }
    }
}

/// What it takes to create a user.
pub struct NewUser {
    /// Letters, digits and `@ . + - _`, at most 150.
    pub username: String,
    /// Empty for none.
    pub email: String,
    /// At least 8 characters.
    pub password: String,
    /// Whether the user is staff.
    pub is_staff: bool,
    /// Whether the user may log in.
    pub is_active: bool,
    /// A word that permissions compare.
    pub role: Option<String>,
    /// More such words; personal tokens can be limited to some of them.
    pub scopes: Vec<String>,
}

impl NewUser {
    /// An active user without an address or any right.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            email: String::new(),
            password: password.into(),
            is_staff: false,
            is_active: true,
            role: None,
            scopes: Vec::new(),
        }
    }

    fn check(&self) -> Result<(), UserError> {
        check_name(&self.username)?;
        check_email(&self.email)?;
        check_rights(self.role.as_deref(), &self.scopes)?;
        Ok(password::check_new(&self.password)?)
    }
}

/// What a user may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Whether the user is staff.
    pub is_staff: bool,
    /// A word that permissions compare.
    pub role: Option<String>,
    /// More such words; personal tokens can be limited to some of them.
    pub scopes: Vec<String>,
}

fn check_rights(role: Option<&str>, scopes: &[String]) -> Result<(), UserError> {
    if role.is_some_and(|role| !is_role(role)) {
        return Err(UserError::BadRole);
    }
    // RFC 6749 §3.3
    let is_scope = |scope: &String| {
        (1..=MAX_NAME_CHARS).contains(&scope.len())
            && scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    };
    scopes.iter().all(is_scope).then_some(()).ok_or(UserError::BadScope)
}

fn check_name(name: &str) -> Result<(), UserError> {
    if !(1..=MAX_NAME_CHARS).contains(&name.chars().count()) || !name.chars().all(is_name_char) {
        return Err(UserError::BadName);
    }
    Ok(())
}

/// An empty one is none.
fn check_email(email: &str) -> Result<(), UserError> {
    let is_address = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    if !email.is_empty()
        && (!is_address
            || email.chars().count() > MAX_EMAIL_CHARS
            || email.contains(|c: char| c.is_whitespace() || c.is_control()))
    {
        return Err(UserError::BadEmail);
    }
    Ok(())
}

fn is_role(role: &str) -> bool {
    (1..=MAX_NAME_CHARS).contains(&role.chars().count()) && role.chars().all(is_name_char)
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || "@.+-_".contains(c)
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Why a user was not created or changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The user name cannot be one.
    #[error("a user name has 1 to {MAX_NAME_CHARS} letters, digits and @ . + - _")]
    BadName,
    /// The address cannot be one.
    #[error("an e-mail address has the form name@example.org, without spaces")]
    BadEmail,
    /// The role cannot be one.
    #[error("a role has 1 to {MAX_NAME_CHARS} letters, digits and @ . + - _")]
    BadRole,
    /// A scope cannot be one.
    #[error(
        "a scope has 1 to {MAX_NAME_CHARS} printable ASCII characters without blanks and quotes"
    )]
    BadScope,
    /// The password is not taken.
    #[error(transparent)]
    Password(#[from] WeakPassword),
    /// The name is taken.
    #[error("there is a user of this name already")]
    Taken,
    /// Nobody has this name.
    #[error("there is no user of this name")]
    Unknown,
    /// The database or the hashing lane is away.
    #[error(transparent)]
    Outage(#[from] Outage),
}

/// The users of the application. Clones share the database.
#[derive(Clone, Debug)]
pub struct Users {
    db: Db,
}

impl Users {
    /// The users in this database.
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Creates a user.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn create(&self, authority: &Authority, new: NewUser) -> Result<User, UserError> {
        new.check()?;
        let hash = authority.hash_password(&new.password).await?;
        let created_at = authority.clock().now_millis();
        let created = run!(&self.db, write, move |conn| {
            diesel::insert_into(users::table)
                .values((
                    users::username.eq(&new.username),
                    users::email.eq(&new.email),
                    users::password_hash.eq(hash.as_str()),
                    users::is_active.eq(new.is_active),
                    users::is_staff.eq(new.is_staff),
                    users::role.eq(&new.role),
                    users::scopes.eq(new.scopes.join(" ")),
                    users::created_at.eq(created_at),
                ))
                .on_conflict(users::username)
                .do_nothing()
                .returning(User::as_returning())
                .get_result(conn)
                .optional()
        });
        created?.ok_or(UserError::Taken)
    }

    /// The user of this name.
    ///
    /// # Errors
    /// The database is away.
    pub async fn find(&self, username: &str) -> Result<Option<User>, Outage> {
        // PostgreSQL has no text with NUL, and refuses to look for one.
        if username.contains('\0') {
            return Ok(None);
        }
        let username = username.to_owned();
        run!(&self.db, read, move |conn| {
            users::table
                .filter(users::username.eq(username))
                .select(User::as_select())
                .first(conn)
                .optional()
        })
    }

    /// Whether there is no user yet.
    ///
    /// # Errors
    /// The database is away.
    pub async fn is_empty(&self) -> Result<bool, Outage> {
        let first = run!(&self.db, read, |conn| {
            users::table.select(users::id).first::<i64>(conn).optional()
        });
        Ok(first?.is_none())
    }

    /// Gives a user another password and ends their sessions.
    ///
    /// # Errors
    /// [`UserError`]. After an outage it is safe, and needed, to do it again: the password may
    /// be set while sessions are left.
    pub async fn set_password(
        &self,
        authority: &Authority,
        username: &str,
        password: &str,
    ) -> Result<(), UserError> {
        password::check_new(password)?;
        let user = self.find(username).await?.ok_or(UserError::Unknown)?;
        let hash = authority.hash_password(password).await?;
        let changed = run!(&self.db, write, move |conn| {
            diesel::update(users::table.find(user.id))
                .set(users::password_hash.eq(hash.as_str()))
                .execute(conn)
        });
        if changed? == 0 {
            return Err(UserError::Unknown);
        }
        // In this order: a login with the old password that is under way reads the account again
        // after its session can be found here.
        Ok(authority.password_changed(user.principal()).await?)
    }

    /// Lets a user log in, or no longer; then their sessions end.
    ///
    /// # Errors
    /// [`UserError::Unknown`] or an outage.
    pub async fn set_active(
        &self,
        authority: &Authority,
        username: &str,
        active: bool,
    ) -> Result<(), UserError> {
        let user = self.find(username).await?.ok_or(UserError::Unknown)?;
        let changed = run!(&self.db, write, move |conn| {
            diesel::update(users::table.find(user.id))
                .set(users::is_active.eq(active))
                .execute(conn)
        });
        if changed? == 0 {
            return Err(UserError::Unknown);
        }
        // The trigger has ended the sessions; this process is told at once.
        Ok(authority.sync().await?)
    }

    /// Gives a user other rights. They apply at once, and the user stays logged in.
    ///
    /// # Errors
    /// [`UserError::Unknown`], [`UserError::BadRole`], [`UserError::BadScope`] or an outage.
    pub async fn set_rights(
        &self,
        authority: &Authority,
        username: &str,
        rights: Rights,
    ) -> Result<User, UserError> {
        check_rights(rights.role.as_deref(), &rights.scopes)?;
        let user = self.find(username).await?.ok_or(UserError::Unknown)?;
        let changed: Option<User> = run!(&self.db, write, move |conn| {
            diesel::update(users::table.find(user.id))
                .set((
                    users::is_staff.eq(rights.is_staff),
                    users::role.eq(rights.role),
                    users::scopes.eq(rights.scopes.join(" ")),
                ))
                .returning(User::as_returning())
                .get_result(conn)
                .optional()
        })?;
        // The trigger has revoked the access tokens; this process is told at once.
        authority.sync().await?;
        changed.ok_or(UserError::Unknown)
    }
}

#[async_trait]
impl UserDirectory for Users {
    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        Ok(self.find(login).await?.map(Account::from))
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        let Some(id) = parse_id(user_id) else { return Ok(None) };
        let user: Option<User> = run!(&self.db, read, move |conn| {
            users::table.find(id).select(User::as_select()).first(conn).optional()
        })?;
        Ok(user.map(Account::from))
    }

    /// The triggers end sessions in the transaction that changes the user, and do not see one that is
    /// stored at that moment: on PostgreSQL this waits for them. SQLite has one writer.
    async fn load_settled(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        let (Some(id), Db::Postgres(db)) = (parse_id(user_id), &self.db) else {
            return self.load(user_id).await;
        };
        let user: Option<User> = db
            .run(move |conn| {
                let user = users::table.find(id).select(User::as_select());
                user.for_share().first(conn).optional()
            })
            .await?;
        Ok(user.map(Account::from))
    }

    async fn upgrade_password_hash(
        &self,
        user_id: &str,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), Outage> {
        let Some(id) = parse_id(user_id) else { return Ok(()) };
        let (old, new) = (old.clone(), new.clone());
        run!(&self.db, write, move |conn| {
            diesel::update(users::table.find(id).filter(users::password_hash.eq(old.as_str())))
                .set(users::password_hash.eq(new.as_str()))
                .execute(conn)
        })?;
        Ok(())
    }

    async fn record_login(&self, user_id: &str, at: DateTime<Utc>) -> Result<(), Outage> {
        let Some(id) = parse_id(user_id) else { return Ok(()) };
        let at = at.timestamp_millis();
        run!(&self.db, write, move |conn| {
            diesel::update(users::table.find(id)).set(users::last_login_at.eq(at)).execute(conn)
        })?;
        Ok(())
    }
}

/// The id in the one way in which we write it: `01` would be another principal with the same
/// row, and revocations name principals.
pub(crate) fn parse_id(text: &str) -> Option<i64> {
    text.parse().ok().filter(|id: &i64| id.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_one_way_only() {
        assert_eq!(parse_id("42"), Some(42));
        for other in ["", "042", "+42", " 42", "4.2", "x", "42\0", "9223372036854775808"] {
            assert_eq!(parse_id(other), None, "{other:?}");
        }
    }

    #[test]
    fn names_addresses_and_roles_are_checked() {
        let check = |change: fn(&mut NewUser)| {
            let mut new = NewUser::new("zoë.k+1@x_-", "long enough");
            change(&mut new);
            new.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(|_| {}), Ok(()));
        assert_eq!(check(|new| new.email = "a@example.org".into()), Ok(()));
        for bad in [
            check(|new| new.username = String::new()),
            check(|new| new.username = "a b".into()),
            check(|new| new.username = "a\0".into()),
            check(|new| new.username = "a".repeat(151)),
            check(|new| new.email = "example.org".into()),
            check(|new| new.email = "a@b@c".into()),
            check(|new| new.email = "a@b c".into()),
            check(|new| new.role = Some(String::new())),
            check(|new| new.scopes = vec!["a b".into()]),
            check(|new| new.password = "short".into()),
        ] {
            assert!(bad.is_err());
        }
    }
}

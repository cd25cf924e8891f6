//! What a token says, and the proof that it was checked.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock::from_millis;
use crate::session::{Method, Principal, SessionId};

mod facts;
mod read;
mod write;

pub(crate) use facts::Facts;
pub(crate) use read::RawClaims;
pub(crate) use write::{NewClaims, unsigned_payload};

/// The kind of user of a token that names none.
pub const DEFAULT_USER_TYPE: &str = "user";

/// Claims whose names cannot be configured. Custom claims cannot be called so either.
pub(crate) const FIXED_NAMES: &[&str] = &[
    "exp",
    "iat",
    "nbf",
    "iss",
    "aud",
    "sid",
    "gen",
    "rights_version",
    "auth_time",
    "amr",
    "is_staff",
    "role",
    "scope",
];

/// The claim with the user of a [`TokenKind::Single`].
pub(crate) const SINGLE_USER_CLAIM: &str = "id";

/// What a token is for. A token of one kind is never accepted as another (RFC 8725 §3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Opens routes for some minutes.
    Access,
    /// Gets access tokens.
    Refresh,
    /// Opens routes, and is exchanged for a later one of its kind.
    Sliding,
    /// The one token of a login without refresh. It has no kind claim, and its user is in `id`.
    Single,
    /// Not a token: a session cookie.
    Cookie,
    /// A personal token: opaque, kept as a hash, made by a user for a program of theirs.
    Personal,
    /// Not a token: a login and a password, shown with the request itself.
    Password,
}

impl TokenKind {
    /// The value of the kind claim; what has none is named for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Sliding => "sliding",
            Self::Single => "single",
            Self::Cookie => "cookie",
            Self::Personal => "personal",
            Self::Password => "password",
        }
    }

    /// SimpleJWT's name of the class.
    pub const fn class_name(self) -> &'static str {
        match self {
            Self::Access => "AccessToken",
            Self::Refresh => "RefreshToken",
            Self::Sliding => "SlidingToken",
            Self::Single => "SingleToken",
            Self::Cookie => "SessionCookie",
            Self::Personal => "PersonalToken",
            Self::Password => "Password",
        }
    }
}

/// The proof that a credential was checked: signature, kind, times, issuer, audience, user and
/// revocation. Only an [`Authority`](crate::Authority) makes one.
///
/// Cloning costs a reference count.
#[derive(Clone)]
pub struct Verified(Arc<Facts>);

impl Verified {
    pub(crate) fn new(facts: Arc<Facts>) -> Self {
        Self(facts)
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.0
    }

    /// Who it is.
    pub fn principal(&self) -> &Principal {
        self.0.principal()
    }

    /// The user's id, as text.
    pub fn user_id(&self) -> &str {
        self.0.user_id()
    }

    /// What was shown.
    pub fn kind(&self) -> TokenKind {
        self.0.kind
    }

    /// The session that it belongs to. A token of another issuer that names no session stands
    /// for one of its own.
    pub fn session(&self) -> SessionId {
        self.0.session()
    }

    /// Whether another issuer with the same key wrote it: it names no session of ours.
    pub fn is_foreign(&self) -> bool {
        !self.0.has_session()
    }

    /// The token's own id (`jti`).
    pub fn token_id(&self) -> Option<&str> {
        self.0.token_id()
    }

    /// When it was issued, to the second.
    pub fn issued_at(&self) -> Option<DateTime<Utc>> {
        self.0.issued_at.map(from_seconds)
    }

    /// When it expires, to the second.
    pub fn expires_at(&self) -> DateTime<Utc> {
        from_seconds(self.0.expires_at)
    }

    /// When the user proved who they are (`auth_time`).
    pub fn authenticated_at(&self) -> Option<DateTime<Utc>> {
        self.0.authenticated_at.map(from_seconds)
    }

    /// Whether the login was proven by this method (`amr`).
    pub fn has_method(&self, method: Method) -> bool {
        self.0.methods.contains(&method)
    }

    /// Whether the user is staff.
    pub fn is_staff(&self) -> bool {
        self.0.is_staff
    }

    /// The user's role.
    pub fn role(&self) -> Option<&str> {
        self.0.role()
    }

    /// The scopes of the token (RFC 8693 §4.2).
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.scope().split_ascii_whitespace()
    }

    /// Whether there is, or is due to be, a new value for the session cookie
    /// ([`Authority::renew_cookie`](crate::Authority::renew_cookie)).
    pub fn has_new_cookie(&self) -> bool {
        self.0.has_new_cookie
    }

    /// All claims as the application's own type, which may borrow its texts: as `Cow<str>` with
    /// `#[serde(borrow)]`, for a text with escapes in it cannot be a `&str`.
    ///
    /// # Errors
    /// The claims do not have the shape of `T`.
    pub fn claims<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.payload())
    }

    /// The same, read once for as long as the token is remembered
    /// ([`token_cache_bytes`](crate::Settings::token_cache_bytes)): for the type that is asked for
    /// first. All requests with that token share them. Their memory is not counted.
    ///
    /// # Errors
    /// The claims do not have the shape of `T`.
    pub fn shared_claims<T>(&self) -> Result<Arc<T>, serde_json::Error>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.0.shared_claims()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("kind", &self.0.kind)
            .field("principal", self.0.principal())
            .field("session", &self.0.session())
            .finish_non_exhaustive()
    }
}

fn from_seconds(time: i64) -> DateTime<Utc> {
    from_millis(time.saturating_mul(1000))
}

//! What can go wrong: one enum per verb.
//!
//! None of them carries a token, a password or a hash. Causes are for the log; what a client
//! may read is decided where HTTP is known.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use crate::session::RevocationReason;

/// Something outside this process did not answer: a database, a queue that is full. It says
/// nothing about the user, so it must never become "anonymous" or "forbidden": over HTTP, 503.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Outage {
    /// There is more work than the queue takes. Try again in a second.
    #[error("too much work is waiting")]
    Busy,
    /// It is away, or it failed.
    #[error("unavailable: {0}")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
}

impl Outage {
    /// An outage with its cause.
    pub fn because(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into().into())
    }
}

/// Why a login did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown user, wrong password, inactive user: one answer for all, after the same time
    /// (ASVS 6.3.8).
    #[error("no active account with these credentials")]
    InvalidCredentials,
    /// The authority has no directory of this kind of user.
    #[error("unknown kind of user")]
    UnknownUserType,
    /// What was proven is right, and not enough: the account has a second factor
    /// ([`Authority::prove_second_factor`](crate::Authority::prove_second_factor)).
    #[error("a second factor is required")]
    SecondFactorRequired,
    /// The store, the directory or the hashing lane is away.
    #[error(transparent)]
    Outage(#[from] Outage),
}

/// Why a second factor could not be confirmed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FactorError {
    /// None has been begun, or it is confirmed already.
    #[error("no second factor is being enrolled")]
    NotEnrolling,
    /// It is not the code that the app shows now.
    #[error("wrong code")]
    WrongCode,
    /// The store is away.
    #[error(transparent)]
    Outage(#[from] Outage),
}

/// Why a link was not accepted. Only who has the link is told, so each may be told apart.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such link for this purpose, or not any more.
    #[error("unknown link")]
    Invalid,
    /// It, or another one for the same purpose, was used before.
    #[error("used link")]
    Used,
    /// Its time is over.
    #[error("expired link")]
    Expired,
    /// What it was to prove no longer holds: the account is gone, or has another address.
    #[error("outdated link")]
    Outdated,
    /// The store or the directory is away.
    #[error(transparent)]
    Outage(#[from] Outage),
}

/// Why a token was not accepted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyError {
    /// Its shape, header, signature or a claim is wrong. The text is for the log.
    #[error("invalid token: {0}")]
    Invalid(&'static str),
    /// It names a key that is not in the ring. Where the keys come from somewhere else
    /// ([`KeySource`](crate::keys::KeySource)), there may be a new one. Otherwise as `Invalid`.
    #[error("invalid token: unknown key")]
    UnknownKey,
    /// `exp` has passed.
    #[error("expired token")]
    Expired,
    /// A good token of a kind that is not accepted here.
    #[error("wrong kind of token")]
    WrongType,
    /// It does not say what kind it is.
    #[error("token without a kind")]
    NoType,
    /// It does not say whose it is.
    #[error("token without a user")]
    NoUser,
    /// It, its session or its user was revoked.
    #[error("revoked token: {}", .0.as_str())]
    Revoked(RevocationReason),
    /// This process has not heard of revocations for longer than it may trust its memory
    /// ([`Settings::revocation_max_staleness`](crate::Settings)), or has no keys of the issuer, or
    /// only old ones.
    #[error("what is known of revocations or keys is too old")]
    Stale,
    /// The store is away.
    #[error(transparent)]
    Outage(#[from] Outage),
}

/// Why a refresh did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RefreshError {
    /// The token itself was not accepted.
    #[error(transparent)]
    Token(#[from] VerifyError),
    /// The token was good; its user is gone or inactive.
    #[error("no active account for this token")]
    NoActiveAccount,
}

impl From<Outage> for RefreshError {
    fn from(outage: Outage) -> Self {
        Self::Token(outage.into())
    }
}

/// Why a personal token was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PersonalTokenError {
    /// It needs a name.
    #[error("a name has 1 to 100 characters")]
    Name,
    /// Its user does not have this scope.
    #[error("not a scope of this user: {0}")]
    Scope(String),
    /// It is to live for no time, or for longer than this.
    #[error("a personal token lives for at least a second and at most {} seconds", .0.as_secs())]
    Lifetime(Duration),
    /// Its user has as many already.
    #[error("there are {0} personal tokens already")]
    TooMany(usize),
    /// Who asks has not logged in here, or is logged out by now.
    #[error("not by a login that lives")]
    NoLogin,
    /// The user is gone or inactive.
    #[error("no active account")]
    NoActiveAccount,
    /// The store or the directory is away.
    #[error(transparent)]
    Outage(#[from] Outage),
}

/// Everything that is wrong with a configuration, at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(.0))]
pub struct SettingsError(pub Vec<Fault>);

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct Fault {
    /// The name of the setting.
    pub setting: String,
    /// What is wrong and what would be right. Never the value of a secret.
    pub problem: String,
}

impl Fault {
    /// A fault of `setting`.
    pub fn new(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { setting: setting.into(), problem: problem.into() }
    }
}

fn list(faults: &[Fault]) -> String {
    let lines: Vec<_> = faults.iter().map(|fault| format!("  - {fault}")).collect();
    let count = faults.len();
    let noun = if count == 1 { "fault" } else { "faults" };
    format!("{count} {noun} in the settings:\n{}", lines.join("\n"))
}

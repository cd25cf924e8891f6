//! The audit vocabulary: what happened, for logs, alarms and metrics.

use std::sync::Arc;

use crate::otp::Purpose;
use crate::session::{ClientInfo, Principal, RevocationReason, SessionId};

/// Something that an auditor would want to know. No variant carries a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthEvent {
    /// A session began.
    LoginSucceeded {
        /// Who.
        principal: Principal,
        /// The new session.
        session: SessionId,
        /// From where.
        client: ClientInfo,
    },
    /// A password was refused. The login that was typed is not told: people type their
    /// password into the wrong field.
    LoginFailed {
        /// Whose, if there is such a user.
        principal: Option<Principal>,
        /// From where.
        client: ClientInfo,
    },
    /// The stored hash was replaced by a stronger one of the same password.
    PasswordRehashed {
        /// Whose.
        principal: Principal,
    },
    /// A one-time code was asked for.
    CodeRequested {
        /// By whom, if there is such a user and they may log in.
        principal: Option<Principal>,
        /// What for.
        purpose: Purpose,
        /// Whether there is a new one: not where there is no such user, the last one was made a moment
        /// ago, or no tries are left.
        issued: bool,
        /// From where.
        client: ClientInfo,
    },
    /// A one-time code was refused: a wrong one, or one that is expired or used.
    CodeRefused {
        /// Whose, if there is such a user.
        principal: Option<Principal>,
        /// What for.
        purpose: Purpose,
        /// From where.
        client: ClientInfo,
    },
    /// The last try was spent, without success: somebody guesses, or types badly.
    CodesExhausted {
        /// Whose, if there is such a user.
        principal: Option<Principal>,
        /// What for.
        purpose: Purpose,
        /// From where, the last time.
        client: ClientInfo,
    },
    /// A link was used.
    LinkRedeemed {
        /// Whose.
        principal: Principal,
        /// What for.
        purpose: Purpose,
    },
    /// An account has a second factor now.
    SecondFactorAdded {
        /// Whose.
        principal: Principal,
    },
    /// An account has no second factor any more.
    SecondFactorRemoved {
        /// Whose.
        principal: Principal,
    },
    /// The password was right and the second factor was not: somebody may know the password.
    SecondFactorRefused {
        /// Whose.
        principal: Principal,
        /// Whether this was the last try for some minutes, or longer (a day at most).
        exhausted: bool,
        /// From where.
        client: ClientInfo,
    },
    /// A recovery code was used in the place of the second factor.
    RecoveryCodeUsed {
        /// Whose.
        principal: Principal,
        /// How many are left.
        left: usize,
    },
    /// New recovery codes were made.
    RecoveryCodesRenewed {
        /// Whose.
        principal: Principal,
    },
    /// A refresh token was exchanged.
    Refreshed {
        /// Who.
        principal: Principal,
        /// Their session.
        session: SessionId,
        /// The current generation now.
        generation: u64,
    },
    /// A refresh token was presented again within the grace and got the same answer.
    RefreshRepeated {
        /// Who.
        principal: Principal,
        /// Their session.
        session: SessionId,
    },
    /// A spent refresh token was used again: the session has been ended. Someone has a copy.
    ReuseDetected {
        /// Whose.
        principal: Principal,
        /// The session that was ended.
        session: SessionId,
        /// The generation that was presented.
        presented: u64,
        /// The generation that was current.
        current: u64,
    },
    /// A refresh token was ahead of the store, which must have been set back to a backup.
    StoreWasBehind {
        /// Who.
        principal: Principal,
        /// Their session.
        session: SessionId,
        /// The generation that was presented.
        presented: u64,
    },
    /// A refresh token or a cookie was shown from another network or by another agent than
    /// before: the user travels, or someone has a copy.
    ClientChanged {
        /// Whose.
        principal: Principal,
        /// Their session.
        session: SessionId,
        /// The client before.
        before: ClientInfo,
        /// The client now.
        now: ClientInfo,
        /// Whether it was refused, by [`Settings::bind_session`](crate::Settings::bind_session).
        refused: bool,
    },
    /// A session has been refreshed far more often than the life of an access token explains.
    RefreshedTooOften {
        /// Whose.
        principal: Principal,
        /// Their session.
        session: SessionId,
        /// By whom, the last time.
        client: ClientInfo,
    },
    /// The secret of a cookie was replaced, because the user's rights changed.
    CookieRenewed {
        /// Whose.
        principal: Principal,
        /// Their session.
        session: SessionId,
    },
    /// The secret that a cookie had before it was replaced was shown, past the grace, and refused:
    /// an answer was lost, or someone has a copy.
    SpentCookieShown {
        /// Whose.
        principal: Principal,
        /// Their session.
        session: SessionId,
    },
    /// The access tokens of somebody were revoked and their sessions were not.
    AccessTokensRevoked {
        /// Whose.
        principal: Principal,
        /// Why.
        reason: RevocationReason,
    },
    /// A user made a personal token.
    PersonalTokenCreated {
        /// Whose.
        principal: Principal,
        /// What names it.
        session: SessionId,
    },
    /// Sessions were ended.
    Revoked {
        /// Which.
        sessions: Vec<SessionId>,
        /// Why.
        reason: RevocationReason,
    },
}

/// What is called with every event, on the thread where it happened: it must be quick.
pub(crate) type Subscriber = Arc<dyn Fn(&AuthEvent) + Send + Sync>;

//! The audit vocabulary: what happened, for logs, alarms and metrics.

use std::sync::Arc;

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

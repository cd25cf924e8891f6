//! Where sessions and revocations are kept.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::Outage;
use crate::rotation::{Decision, RotationPolicy};
use crate::session::{Principal, RevocationReason, Session, SessionId};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod diesel;
mod memory;

pub use memory::MemoryStore;

/// Keeps sessions and revocations.
///
/// Every verb is one atomic transition: two callers at once see the same as one after the
/// other, and what a verb answered has been made durable. A revocation is appended in the same
/// transaction that marks the rows. Errors are outages only; everything else is an answer.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Stores a new session. Its id is new: an existing row is never overwritten, so that a
    /// request in flight cannot bring back what was revoked.
    async fn create(&self, session: &Session) -> Result<(), Outage>;

    /// The session, dead or alive; `None` when there is none (any more).
    async fn find(&self, id: SessionId) -> Result<Option<Session>, Outage>;

    /// Notes a sign of life of a session that is not revoked: where `seen_at` is later than
    /// `last_seen_at`, both it and `idle_expires_at` are set. Nothing happens to one that is
    /// revoked or gone.
    async fn touch(
        &self,
        id: SessionId,
        seen_at: DateTime<Utc>,
        idle_expires_at: DateTime<Utc>,
    ) -> Result<(), Outage>;

    /// Applies [`decide`](crate::rotation::decide) to the refresh token of generation
    /// `presented`:
    ///
    /// * `Rotate` sets `generation`, `rotated_at`, `last_seen_at` and `idle_expires_at` (`now` and
    ///   [`RotationPolicy::idle`]);
    /// * `Reused` revokes the session with [`RevocationReason::Reuse`] and appends the
    ///   revocation;
    /// * everything else changes nothing.
    ///
    /// Answers the decision with the session as it is afterwards, `None` without a session.
    async fn rotate(
        &self,
        id: SessionId,
        presented: u64,
        now: DateTime<Utc>,
        policy: &RotationPolicy,
    ) -> Result<Option<Rotation>, Outage>;

    /// Ends what `revoke` names and appends the revocations. Answers the sessions that this
    /// call ended: not those that were ended before.
    async fn revoke(&self, revoke: &Revoke, stamp: Stamp) -> Result<Vec<SessionId>, Outage>;

    /// The sessions of a principal that are not revoked and whose `expires_at` and
    /// `idle_expires_at` are later than `now`, the last seen first.
    async fn sessions_of(
        &self,
        principal: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Vec<Session>, Outage>;

    /// The revocations after sequence number `after` that still concern a token at `now`, in
    /// the order of their numbers. Numbers may become visible out of order: callers read an
    /// overlap again.
    async fn revocations(&self, after: i64, now: DateTime<Utc>) -> Result<News, Outage>;

    /// Removes at most `limit` sessions whose `expires_at` or `idle_expires_at` is `before` or
    /// earlier, and at most `limit` revocations whose `until` is. Answers how many rows went;
    /// fewer than `limit` means that nothing is left.
    async fn prune(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, Outage>;
}

/// What [`SessionStore::revocations`] answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// What is new.
    pub revocations: Vec<Revocation>,
    /// The highest number there is, 0 for none. If it is lower than one that was heard of
    /// before, the store was set back to an older state (or pruned), and what it says must be read
    /// from the beginning.
    pub last_seq: i64,
}

/// What [`SessionStore::rotate`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// What was decided.
    pub decision: Decision,
    /// The session afterwards.
    pub session: Session,
}

/// What to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// One session. It need not have a row: the token of another issuer is a session too.
    Session(SessionId),
    /// Every session of a principal.
    Principal(Principal),
    /// The tokens of a principal that belong to no session of ours: those of other issuers.
    Foreign(Principal),
    /// Every session of a principal but one: "log out my other devices".
    OtherSessions {
        /// Whose.
        principal: Principal,
        /// The one that stays.
        keep: SessionId,
    },
}

/// When and why something was revoked, and until when that must be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Now.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: RevocationReason,
    /// The end of the last token that the revocation can concern.
    pub until: DateTime<Utc>,
}

/// A row of `auth_revocations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Grows with every revocation.
    pub seq: i64,
    /// What is revoked.
    pub target: Target,
    /// When, why, and for how long.
    pub stamp: Stamp,
}

/// What a revocation concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The tokens and the cookie of one session.
    Session(SessionId),
    /// The tokens of a principal that belong to no session of ours and were issued before the
    /// revocation. (Their sessions are revoked one by one.)
    Foreign(Principal),
}

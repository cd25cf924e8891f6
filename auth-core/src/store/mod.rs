//! Where sessions and revocations are kept.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::Outage;
use crate::rotation::{Decision, RotationPolicy};
use crate::session::{Carrier, Principal, RevocationReason, Session, SessionId};

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

    /// Notes a sign of life of a session that is not revoked: `last_seen_at` becomes the later
    /// of itself and `seen_at`. Nothing happens to one that is revoked or gone.
    async fn touch(&self, id: SessionId, seen_at: DateTime<Utc>) -> Result<(), Outage>;

    /// Applies [`decide`](crate::rotation::decide) to the refresh token of generation
    /// `presented`:
    ///
    /// * `Rotate` sets `generation`, `rotated_at` and `last_seen_at`;
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

    /// The live sessions of a principal at `now`, the last seen first.
    async fn sessions_of(
        &self,
        principal: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Vec<Session>, Outage>;

    /// The revocations after sequence number `after` that still concern a token at `now`, in
    /// the order of their numbers. Numbers may become visible out of order: callers read an
    /// overlap again.
    async fn revocations(&self, after: i64, now: DateTime<Utc>) -> Result<Vec<Revocation>, Outage>;

    /// Removes at most `limit` sessions that are over and at most `limit` revocations that
    /// concern no token any more. Answers how many rows went; fewer than `limit` means that
    /// nothing is left.
    async fn prune(&self, over: &Over, limit: u32) -> Result<u64, Outage>;
}

/// What is over: a session past its absolute end, one that was idle for too long, a revocation
/// past its `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// Sessions that end, and revocations that hold, until this time at the latest are over.
    pub ended_by: DateTime<Utc>,
    /// [`Carrier::Token`](crate::session::Carrier) sessions with `rotated_at` up to this time
    /// are over.
    pub rotated_by: DateTime<Utc>,
    /// [`Carrier::Cookie`](crate::session::Carrier) sessions with `last_seen_at` up to this time
    /// are over.
    pub seen_by: DateTime<Utc>,
}

impl Over {
    /// Whether `session` is over.
    pub fn includes(&self, session: &Session) -> bool {
        session.expires_at <= self.ended_by
            || match session.carrier {
                Carrier::Token => session.rotated_at <= self.rotated_by,
                Carrier::Cookie => session.last_seen_at <= self.seen_by,
                Carrier::Single => false,
            }
    }
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
    /// Every session of a principal, and every token of theirs without a session.
    Principal(Principal),
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

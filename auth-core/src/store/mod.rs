//! Where sessions, revocations, codes, links and second factors are kept.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::error::Outage;
use crate::otp::{Changed, CodePolicy, Errand, FactorChange, StoredCode, StoredFactor, StoredLink};
use crate::password::PasswordHash;
use crate::rotation::{Decision, Presented, RotationPolicy};
use crate::session::{ClientInfo, Principal, RevocationReason, SecretHash, Session, SessionId};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod diesel;
mod memory;

pub use memory::MemoryStore;

/// Keeps sessions and revocations, one-time codes and links, second factors.
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
    /// `last_seen_at`, it, `idle_expires_at` and `client` are set. Nothing happens to one that is
    /// revoked or gone.
    async fn touch(
        &self,
        id: SessionId,
        seen_at: DateTime<Utc>,
        idle_expires_at: DateTime<Utc>,
        client: &ClientInfo,
    ) -> Result<(), Outage>;

    /// Gives a cookie session that is not revoked the secret of `renewal` in the place of the
    /// one whose hash is `from`: `secret_hash` and `secret_nonce` are set, `generation` grows by
    /// one, `rotated_at` becomes [`Renewal::at`]. Answers whether the session was like that: of
    /// several callers at once, one succeeds.
    async fn renew_secret(
        &self,
        id: SessionId,
        from: SecretHash,
        renewal: &Renewal,
    ) -> Result<bool, Outage>;

    /// Applies [`decide`](crate::rotation::decide) to a refresh token:
    ///
    /// * `Rotate` sets `generation`, `rotated_at` and `last_seen_at`, `idle_expires_at` (`now` and
    ///   [`RotationPolicy::idle`]), `refreshes_until` ([`RotationPolicy::paced`]) and `client`
    ///   (what is not known of it [stays](ClientInfo::or));
    /// * `Reused` revokes the session with [`RevocationReason::Reuse`] and appends the
    ///   revocation;
    /// * everything else changes nothing.
    ///
    /// Answers the decision with the session as it is afterwards, `None` without a session.
    async fn rotate(
        &self,
        id: SessionId,
        presented: &Presented,
        now: DateTime<Utc>,
        policy: &RotationPolicy,
    ) -> Result<Option<Rotation>, Outage>;

    /// Revokes what `revoke` names, and appends the revocations. [`Revoke::AccessTokens`] sets
    /// the `rights_version` of each session to [`next_rights_version`]; everything else ends
    /// sessions.
    async fn revoke(&self, revoke: &Revoke, stamp: Stamp) -> Result<Revoked, Outage>;

    /// The sessions of a principal that are not revoked and whose `expires_at` and
    /// `idle_expires_at` are later than `now`, the last seen first.
    async fn sessions_of(
        &self,
        principal: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Vec<Session>, Outage>;

    /// The revocations after sequence number `after` that still concern a token at `now`, in
    /// the order of their numbers. Numbers may become visible out of order: callers read an
    /// overlap again, and a store may answer lower numbers too that became visible late. Of
    /// several revocations of one principal's foreign tokens the last is enough.
    async fn revocations(&self, after: i64, now: DateTime<Utc>) -> Result<News, Outage>;

    /// A number that changes whenever revocations may have been appended, by whatever process,
    /// so that they are asked for at once; it may change without reason, and may miss some.
    /// `None` where only asking now and then tells.
    fn nudges(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    /// Asks for a code: what is outstanding for `errand` becomes what [`StoredCode::requested`] says, or
    /// [`StoredCode::first`] where nothing is. Answers what is outstanding now, where that is a new
    /// code, with `hash`: of several callers at once, one is answered it.
    async fn request_code(
        &self,
        errand: &Errand,
        hash: &PasswordHash,
        now: DateTime<Utc>,
        policy: &CodePolicy,
    ) -> Result<Option<StoredCode>, Outage>;

    /// Counts a try: the `tries` of the code that is outstanding, expired or not, grow by one; where there
    /// is none, [`StoredCode::tried_for_nothing`] is outstanding then. Answers what is; whether it may be
    /// compared says [`StoredCode::admits_try`].
    async fn try_code(&self, errand: &Errand) -> Result<StoredCode, Outage>;

    /// Removes the outstanding code if it is the one with this hash. Answers whether it was: of several
    /// callers at once, one succeeds.
    async fn use_code(&self, errand: &Errand, hash: &PasswordHash) -> Result<bool, Outage>;

    /// Stores a new link.
    async fn create_link(&self, link: &StoredLink) -> Result<(), Outage>;

    /// The link, used or not; `None` when there is none (any more).
    async fn find_link(&self, hash: SecretHash) -> Result<Option<StoredLink>, Outage>;

    /// Marks every link of an errand as used that is not. Answers those that this call marked: of
    /// several callers at once, one is answered a link.
    async fn use_links(
        &self,
        errand: &Errand,
        now: DateTime<Utc>,
    ) -> Result<Vec<SecretHash>, Outage>;

    /// The second factor of a principal, confirmed or not.
    async fn find_factor(&self, principal: &Principal) -> Result<Option<StoredFactor>, Outage>;

    /// Changes the second factor of a principal as [`FactorChange::apply`] says. Answers what it made of it,
    /// `None` where nothing was to be changed.
    async fn change_factor(
        &self,
        principal: &Principal,
        change: &FactorChange,
    ) -> Result<Option<Changed>, Outage>;

    /// Removes sessions whose `expires_at` or `idle_expires_at` is `before` or earlier, and
    /// revocations whose `until`, codes and links whose `expires_at` is. It may stop once `limit` of
    /// any kind, or of several together, are gone. Answers how many rows went; fewer than `limit` means that nothing is left.
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
    /// The client as it was before, where the token was presented by one that is not the same in
    /// every respect.
    pub client_before: Option<ClientInfo>,
}

/// What [`SessionStore::revoke`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    /// The sessions that this call ended: not those that were ended before.
    pub ended: Vec<SessionId>,
    /// What was appended.
    pub targets: Vec<Target>,
}

/// A new secret for a cookie session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The hash of the new secret.
    pub hash: SecretHash,
    /// What made it out of the one before.
    pub nonce: [u8; 16],
    /// When.
    pub at: DateTime<Utc>,
}

/// What [`Session::rights_version`] becomes when the rights change at `now`: milliseconds since
/// 1970, so that a glance tells when that was, but always more than before, and more than
/// `rotated_at`, which tells whether a cookie's secret is older than its rights. So it does not
/// matter whether the clocks of several nodes agree.
pub fn next_rights_version(session: &Session, now: DateTime<Utc>) -> u64 {
    let millis = |time: DateTime<Utc>| u64::try_from(time.timestamp_millis()).unwrap_or(0);
    let newer = session.rights_version.max(millis(session.rotated_at)).saturating_add(1);
    newer.max(millis(now))
}

/// What to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// One session. It need not have a row: the token of another issuer is a session too.
    Session(SessionId),
    /// Every session of a principal, and their personal tokens.
    Principal(Principal),
    /// The tokens of a principal that belong to no session of ours: those of other issuers.
    Foreign(Principal),
    /// Every login of a principal: "log out everywhere". Personal tokens stay.
    Logins(Principal),
    /// Every login of a principal but one: "log out my other devices". Personal tokens stay.
    OtherSessions {
        /// Whose.
        principal: Principal,
        /// The one that stays.
        keep: SessionId,
    },
    /// The access tokens (and sliding and single ones) of every session of a principal, but not
    /// the sessions: what rights the principal has was changed, and is to apply at once. The next
    /// refresh gives a token with the new ones; a cookie goes on with them.
    AccessTokens(Principal),
    /// The access tokens of a principal that belong to no session of ours.
    ForeignAccess(Principal),
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
    /// The tokens of one session, refresh tokens apart, that were issued with a lower
    /// `rights_version`.
    Rights {
        /// Which session.
        session: SessionId,
        /// Its `rights_version` now.
        version: u64,
    },
    /// As `Foreign`, refresh tokens apart.
    ForeignAccess(Principal),
}

//! The SQL, and the transitions that are made of it.
//!
//! Each [`Statements`] method is one statement. Diesel types a query for one backend, so a macro
//! writes them out for each; what combines them is generic.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::Error::QueryBuilderError;

use super::row::{NewRevocation, RevocationRow, SessionRow, generation_to_column, session_id};
use super::schema::{auth_revocations, auth_sessions};
use crate::rotation::{Decision, RotationPolicy, decide, later};
use crate::session::{Carrier, Principal, RevocationReason, Session, SessionId};
use crate::store::{Revocation, Revoke, Rotation, Stamp, Target};

/// Losing a compare-and-swap means that another caller succeeded, and a session can be moved on
/// by one presented token once and ended once.
const MAX_ATTEMPTS: usize = 8;

/// Revocations per `INSERT`: PostgreSQL numbers parameters with 16 bits.
const INSERT_ROWS: usize = 500;

pub trait Statements: Connection {
    /// Stores a session unless its id is there.
    fn insert(&mut self, session: &Session) -> QueryResult<()>;

    fn find(&mut self, id: SessionId) -> QueryResult<Option<Session>>;

    fn exists(&mut self, id: SessionId) -> QueryResult<bool>;

    /// Moves `last_seen_at` of a session that is not revoked forward, and with it
    /// `idle_expires_at`.
    fn touch(
        &mut self,
        id: SessionId,
        seen_at: DateTime<Utc>,
        idle_expires_at: DateTime<Utc>,
    ) -> QueryResult<()>;

    /// Moves a token session that is not revoked and not over at `alive_at` from generation `from` to
    /// generation `to` of `step`; `None` when no row is like that.
    fn swap(
        &mut self,
        id: SessionId,
        from: u64,
        step: Step,
        alive_at: DateTime<Utc>,
    ) -> QueryResult<Option<Session>>;

    /// Marks a session as revoked. Whether this call did it.
    fn end(&mut self, id: SessionId, stamp: Stamp) -> QueryResult<bool>;

    fn append(&mut self, targets: &[Target], stamp: Stamp) -> QueryResult<()>;

    /// The sessions of a principal that are not revoked, in the order of their ids.
    fn ids_of(&mut self, principal: &Principal) -> QueryResult<Vec<SessionId>>;

    fn sessions_of(
        &mut self,
        principal: &Principal,
        now: DateTime<Utc>,
    ) -> QueryResult<Vec<Session>>;

    fn revocations(&mut self, after: i64, now: DateTime<Utc>) -> QueryResult<Vec<Revocation>>;

    /// The highest number of a revocation, 0 for none.
    fn last_seq(&mut self) -> QueryResult<i64>;

    /// At most `limit` sessions that were over `before`.
    fn over_sessions(&mut self, before: DateTime<Utc>, limit: i64) -> QueryResult<Vec<SessionId>>;

    /// Deletes those of `ids` that are (still) over and that nobody is changing.
    fn delete_sessions(&mut self, before: DateTime<Utc>, ids: &[SessionId]) -> QueryResult<usize>;

    /// At most `limit` revocations that were over `before`.
    fn over_revocations(&mut self, before: DateTime<Utc>, limit: i64) -> QueryResult<Vec<i64>>;

    fn delete_revocations(&mut self, seqs: &[i64]) -> QueryResult<usize>;
}

/// Where a rotation leads.
#[derive(Clone, Copy)]
pub struct Step {
    to: u64,
    now: DateTime<Utc>,
    idle_expires_at: DateTime<Utc>,
}

/// What [`SessionStore::prune`](crate::SessionStore::prune) removes.
#[diesel::dsl::auto_type(no_type_alias)]
fn is_over(before: i64) -> _ {
    auth_sessions::expires_at.le(before).or(auth_sessions::idle_expires_at.le(before))
}

macro_rules! statements {
    ($connection:ty, locking: [$($locking:tt)*]) => {
        impl Statements for $connection {
            fn insert(&mut self, session: &Session) -> QueryResult<()> {
                diesel::insert_into(auth_sessions::table)
                    .values(SessionRow::from(session))
                    .on_conflict_do_nothing()
                    .execute(self)?;
                Ok(())
            }

            fn find(&mut self, id: SessionId) -> QueryResult<Option<Session>> {
                auth_sessions::table
                    .find(&id.as_bytes()[..])
                    .select(SessionRow::as_select())
                    .first(self)
                    .optional()?
                    .map(SessionRow::into_session)
                    .transpose()
            }

            fn exists(&mut self, id: SessionId) -> QueryResult<bool> {
                let session = auth_sessions::table.find(&id.as_bytes()[..]);
                diesel::select(diesel::dsl::exists(session)).get_result(self)
            }

            fn touch(
                &mut self,
                id: SessionId,
                seen_at: DateTime<Utc>,
                idle_expires_at: DateTime<Utc>,
            ) -> QueryResult<()> {
                let seen_at = seen_at.timestamp_millis();
                let session = auth_sessions::table
                    .find(&id.as_bytes()[..])
                    .filter(auth_sessions::revoked_at.is_null())
                    .filter(auth_sessions::last_seen_at.lt(seen_at));
                diesel::update(session)
                    .set((
                        auth_sessions::last_seen_at.eq(seen_at),
                        auth_sessions::idle_expires_at.eq(idle_expires_at.timestamp_millis()),
                    ))
                    .execute(self)?;
                Ok(())
            }

            fn swap(
                &mut self,
                id: SessionId,
                from: u64,
                step: Step,
                alive_at: DateTime<Utc>,
            ) -> QueryResult<Option<Session>> {
                let now = step.now.timestamp_millis();
                let session = auth_sessions::table
                    .find(&id.as_bytes()[..])
                    .filter(auth_sessions::carrier.eq(Carrier::Token.as_str()))
                    .filter(auth_sessions::revoked_at.is_null())
                    .filter(auth_sessions::generation.eq(generation_to_column(from)))
                    .filter(auth_sessions::expires_at.gt(alive_at.timestamp_millis()))
                    .filter(auth_sessions::idle_expires_at.gt(alive_at.timestamp_millis()));
                diesel::update(session)
                    .set((
                        auth_sessions::generation.eq(generation_to_column(step.to)),
                        auth_sessions::rotated_at.eq(now),
                        auth_sessions::last_seen_at.eq(now),
                        auth_sessions::idle_expires_at.eq(step.idle_expires_at.timestamp_millis()),
                    ))
                    .returning(SessionRow::as_returning())
                    .get_result(self)
                    .optional()?
                    .map(SessionRow::into_session)
                    .transpose()
            }

            fn end(&mut self, id: SessionId, stamp: Stamp) -> QueryResult<bool> {
                let session = auth_sessions::table
                    .find(&id.as_bytes()[..])
                    .filter(auth_sessions::revoked_at.is_null());
                let ended = diesel::update(session)
                    .set((
                        auth_sessions::revoked_at.eq(stamp.at.timestamp_millis()),
                        auth_sessions::revoked_reason.eq(stamp.reason.as_str()),
                    ))
                    .execute(self)?;
                Ok(ended > 0)
            }

            fn append(&mut self, targets: &[Target], stamp: Stamp) -> QueryResult<()> {
                for targets in targets.chunks(INSERT_ROWS) {
                    let rows: Vec<_> =
                        targets.iter().map(|target| NewRevocation::new(target, stamp)).collect();
                    diesel::insert_into(auth_revocations::table).values(rows).execute(self)?;
                }
                Ok(())
            }

            fn ids_of(&mut self, principal: &Principal) -> QueryResult<Vec<SessionId>> {
                auth_sessions::table
                    .filter(auth_sessions::user_type.eq(principal.user_type()))
                    .filter(auth_sessions::user_id.eq(principal.user_id()))
                    .filter(auth_sessions::revoked_at.is_null())
                    .order(auth_sessions::id)
                    .select(auth_sessions::id)
                    .load::<Vec<u8>>(self)?
                    .iter()
                    .map(|id| session_id(id))
                    .collect()
            }

            fn sessions_of(
                &mut self,
                principal: &Principal,
                now: DateTime<Utc>,
            ) -> QueryResult<Vec<Session>> {
                auth_sessions::table
                    .filter(auth_sessions::user_type.eq(principal.user_type()))
                    .filter(auth_sessions::user_id.eq(principal.user_id()))
                    .filter(auth_sessions::revoked_at.is_null())
                    .filter(auth_sessions::expires_at.gt(now.timestamp_millis()))
                    .filter(auth_sessions::idle_expires_at.gt(now.timestamp_millis()))
                    .order((auth_sessions::last_seen_at.desc(), auth_sessions::id))
                    .select(SessionRow::as_select())
                    .load(self)?
                    .into_iter()
                    .map(SessionRow::into_session)
                    .collect()
            }

            fn revocations(
                &mut self,
                after: i64,
                now: DateTime<Utc>,
            ) -> QueryResult<Vec<Revocation>> {
                let rows = auth_revocations::table
                    .filter(auth_revocations::seq.gt(after))
                    .filter(auth_revocations::expires_at.gt(now.timestamp_millis()))
                    .order(auth_revocations::seq)
                    .select(RevocationRow::as_select())
                    .load(self)?;
                Ok(rows.into_iter().filter_map(RevocationRow::into_revocation).collect())
            }

            fn last_seq(&mut self) -> QueryResult<i64> {
                let last = diesel::dsl::max(auth_revocations::seq);
                let last: Option<i64> = auth_revocations::table.select(last).get_result(self)?;
                Ok(last.unwrap_or(0))
            }

            fn over_sessions(
                &mut self,
                before: DateTime<Utc>,
                limit: i64,
            ) -> QueryResult<Vec<SessionId>> {
                auth_sessions::table
                    .filter(is_over(before.timestamp_millis()))
                    .limit(limit)
                    .select(auth_sessions::id)
                    .load::<Vec<u8>>(self)?
                    .iter()
                    .map(|id| session_id(id))
                    .collect()
            }

            fn delete_sessions(
                &mut self,
                before: DateTime<Utc>,
                ids: &[SessionId],
            ) -> QueryResult<usize> {
                self.transaction(|conn| {
                    let still_over = auth_sessions::table
                        .filter(auth_sessions::id.eq_any(ids.iter().map(|id| &id.as_bytes()[..])))
                        .filter(is_over(before.timestamp_millis()))
                        .select(auth_sessions::id)
                        $($locking)*
                        .load::<Vec<u8>>(conn)?;
                    let doomed = auth_sessions::table.filter(auth_sessions::id.eq_any(still_over));
                    diesel::delete(doomed).execute(conn)
                })
            }

            fn over_revocations(
                &mut self,
                before: DateTime<Utc>,
                limit: i64,
            ) -> QueryResult<Vec<i64>> {
                auth_revocations::table
                    .filter(auth_revocations::expires_at.le(before.timestamp_millis()))
                    .order(auth_revocations::seq)
                    .limit(limit)
                    .select(auth_revocations::seq)
                    .load(self)
            }

            fn delete_revocations(&mut self, seqs: &[i64]) -> QueryResult<usize> {
                diesel::delete(auth_revocations::table)
                    .filter(auth_revocations::seq.eq_any(seqs))
                    .execute(self)
            }
        }
    };
}

#[cfg(feature = "sqlite")]
statements!(diesel::SqliteConnection, locking: []);

// A row that someone holds is being rotated or revoked; waiting for it could also deadlock.
#[cfg(feature = "postgres")]
statements!(diesel::PgConnection, locking: [.for_update().skip_locked()]);

/// See [`SessionStore::rotate`](crate::SessionStore::rotate).
pub(super) fn rotate<C: Statements>(
    conn: &mut C,
    id: SessionId,
    presented: u64,
    now: DateTime<Utc>,
    policy: &RotationPolicy,
) -> QueryResult<Option<Rotation>> {
    let idle_expires_at = later(now, policy.idle);
    // Nearly every refresh presents the current token: one statement, no transaction.
    if policy.rotate {
        let to = presented.saturating_add(1);
        let step = Step { to, now, idle_expires_at };
        if let Some(session) = conn.swap(id, presented, step, now)? {
            let decision = Decision::Rotate { to, store_was_behind: false };
            return Ok(Some(Rotation { decision, session }));
        }
    }
    for _ in 0..MAX_ATTEMPTS {
        let Some(session) = conn.find(id)? else { return Ok(None) };
        let decision = decide(&session, presented, now, policy);
        let applied = match decision {
            Decision::Rotate { to, .. } => {
                // What `decide` has seen can only have changed together with the generation or
                // by a revocation, and both are in the condition.
                let decided = DateTime::<Utc>::MIN_UTC;
                conn.swap(id, session.generation, Step { to, now, idle_expires_at }, decided)?
            }
            Decision::Reused => {
                let until = later(now, policy.revocation_lifetime);
                let stamp = Stamp { at: now, reason: RevocationReason::Reuse, until };
                end_reused(conn, &session, stamp)?
            }
            Decision::Keep | Decision::Repeat | Decision::Refused(_) => Some(session),
        };
        if let Some(session) = applied {
            return Ok(Some(Rotation { decision, session }));
        }
    }
    Err(QueryBuilderError(format!("auth_sessions {id}: changes faster than it is read").into()))
}

fn end_reused<C: Statements>(
    conn: &mut C,
    session: &Session,
    stamp: Stamp,
) -> QueryResult<Option<Session>> {
    conn.transaction(|conn| {
        if !conn.end(session.id, stamp)? {
            return Ok(None);
        }
        conn.append(&[Target::Session(session.id)], stamp)?;
        conn.find(session.id)
    })
}

/// See [`SessionStore::revoke`](crate::SessionStore::revoke).
pub(super) fn revoke<C: Statements>(
    conn: &mut C,
    revoke: &Revoke,
    stamp: Stamp,
) -> QueryResult<Vec<SessionId>> {
    conn.transaction(|conn| {
        let mut targets = Vec::new();
        let ended = match revoke {
            Revoke::Session(id) => {
                let ended = end_all(conn, &[*id], stamp)?;
                if !ended.is_empty() {
                    ended
                } else if conn.exists(*id)? {
                    // Ended before, or created since the first look.
                    end_all(conn, &[*id], stamp)?
                } else {
                    targets.push(Target::Session(*id));
                    ended
                }
            }
            Revoke::Foreign(principal) => {
                targets.push(Target::Foreign(principal.clone()));
                Vec::new()
            }
            Revoke::Principal(principal) => {
                let theirs = conn.ids_of(principal)?;
                end_all(conn, &theirs, stamp)?
            }
            Revoke::OtherSessions { principal, keep } => {
                let mut others = conn.ids_of(principal)?;
                others.retain(|id| id != keep);
                end_all(conn, &others, stamp)?
            }
        };
        targets.extend(ended.iter().copied().map(Target::Session));
        conn.append(&targets, stamp)?;
        Ok(ended)
    })
}

/// One statement a session and in the order of `ids`: two calls that end the same sessions then
/// wait for each other instead of locking each other out.
fn end_all<C: Statements>(
    conn: &mut C,
    ids: &[SessionId],
    stamp: Stamp,
) -> QueryResult<Vec<SessionId>> {
    let mut ended = Vec::new();
    for &id in ids {
        if conn.end(id, stamp)? {
            ended.push(id);
        }
    }
    Ok(ended)
}

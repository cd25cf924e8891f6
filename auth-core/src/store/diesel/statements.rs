//! The SQL, and the transitions that are made of it.
//!
//! Each [`Statements`] method is one statement. Diesel types a query for one backend, so a macro
//! writes them out for each; what combines them is generic.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::Error::{DatabaseError, QueryBuilderError};
use diesel::sql_types::{Bool, Nullable, Text};

use super::codes::Codes;
use super::factors::Factors;
use super::fixed::Fixed;
use super::look::{Found, LOOK_ROWS, Look};
use super::row::{NewRevocation, RevocationRow, SessionRow, number_to_column, session_id};
use super::schema::{auth_revocations, auth_sessions};
use crate::clock::millis;
use crate::rotation::{Decision, Presented, RotationPolicy, decide, later};
use crate::session::{
    Carrier, ClientInfo, Principal, RevocationReason, SecretHash, Session, SessionId,
};
use crate::store::{Renewal, Revocation, Revoke, Revoked, Rotation, Stamp, Target};

/// Losing a compare-and-swap means that another caller succeeded, and a session can be moved on
/// by one presented token once and ended once.
const MAX_ATTEMPTS: usize = 8;

/// Rows per statement: PostgreSQL numbers parameters with 16 bits, SQLite takes 32,766.
pub(super) const ROWS: usize = 500;

pub trait Statements: Connection + Horizon + Look + Codes + Factors {
    /// Stores a session unless its id is there.
    fn insert(&mut self, session: &Session) -> QueryResult<()>;

    fn find(&mut self, id: SessionId) -> QueryResult<Option<Session>>;

    fn exists(&mut self, id: SessionId) -> QueryResult<bool>;

    /// Moves `last_seen_at` of a session that is not revoked forward, and with it
    /// `idle_expires_at` and the client.
    fn touch(
        &mut self,
        id: SessionId,
        seen_at: DateTime<Utc>,
        idle_expires_at: DateTime<Utc>,
        client: &ClientInfo,
    ) -> QueryResult<()>;

    /// Replaces the secret of a session that is not revoked. Whether it was `from`.
    fn renew_secret(
        &mut self,
        id: SessionId,
        from: SecretHash,
        renewal: &Renewal,
    ) -> QueryResult<bool>;

    /// Moves a token session that is not revoked from generation `from` on by `step`; `None` when
    /// no row is like that.
    fn swap(&mut self, id: SessionId, from: u64, step: &Step<'_>) -> QueryResult<Option<Session>>;

    /// Marks sessions as revoked. Answers those that were not.
    fn end(&mut self, ids: &[SessionId], stamp: Stamp) -> QueryResult<Vec<SessionId>>;

    /// Moves the rights of sessions that are not revoked on, as
    /// [`next_rights_version`](crate::store::next_rights_version) says. Answers the new versions.
    fn change_rights(
        &mut self,
        ids: &[SessionId],
        now: DateTime<Utc>,
    ) -> QueryResult<Vec<(SessionId, u64)>>;

    /// Removes what was appended before about the foreign tokens that `target` is about.
    fn forget_foreign(&mut self, target: &Target) -> QueryResult<()>;

    fn append(&mut self, targets: &[Target], stamp: Stamp) -> QueryResult<()>;

    /// The sessions of a principal that are not revoked, in the order of their ids and
    /// locked in that order: two calls that change the same sessions wait for each other instead
    /// of locking each other out.
    fn lock_sessions_of(&mut self, principal: &Principal) -> QueryResult<Vec<Session>>;

    fn sessions_of(
        &mut self,
        principal: &Principal,
        now: DateTime<Utc>,
    ) -> QueryResult<Vec<Session>>;

    /// A page of revocations in the order of their numbers, and the number after which to go on
    /// where it is not the last.
    fn revocations(
        &mut self,
        page: &Page,
        now: DateTime<Utc>,
    ) -> QueryResult<(Vec<Revocation>, Option<i64>)>;

    /// The highest number of a revocation, 0 for none.
    fn last_seq(&mut self) -> QueryResult<i64>;

    /// Deletes those of `ids` that are (still) over and that nobody is changing.
    fn delete_sessions(&mut self, before: DateTime<Utc>, ids: &[SessionId]) -> QueryResult<usize>;

    /// Revocations that were over `before`: a part of them, from `from` on.
    fn over_revocations(&mut self, before: DateTime<Utc>, from: i64) -> QueryResult<Found<i64>>;

    /// Deletes those of `seqs` that are (still) over.
    fn delete_revocations(&mut self, before: DateTime<Utc>, seqs: &[i64]) -> QueryResult<usize>;
}

/// Revocations per page: an answer of any length must keep within the deadline of a call.
const PAGE: i64 = 10_000;

/// Which revocations are asked for.
#[derive(Clone)]
pub struct Page {
    /// Those with a higher number are new.
    pub(super) new_after: i64,
    /// So are those of transactions that were not over when this was told.
    pub(super) horizon: Option<String>,
    /// The pages before ended here.
    pub(super) after: i64,
}

/// Which transactions are over.
pub trait Horizon {
    /// All with a lower id; `None` where rows become visible in the order of their numbers.
    fn horizon(&mut self) -> QueryResult<Option<String>>;
}

/// One writer at a time.
#[cfg(feature = "sqlite")]
impl Horizon for diesel::SqliteConnection {
    fn horizon(&mut self) -> QueryResult<Option<String>> {
        Ok(None)
    }
}

#[cfg(feature = "postgres")]
impl Horizon for diesel::PgConnection {
    fn horizon(&mut self) -> QueryResult<Option<String>> {
        let oldest = diesel::dsl::sql::<Text>("pg_snapshot_xmin(pg_current_snapshot())::text");
        diesel::select(oldest).get_result(self).map(Some)
    }
}

/// The name of the statement of [`Statements::swap`].
struct Swap;

/// Where a rotation leads.
pub struct Step<'a> {
    to: u64,
    now: DateTime<Utc>,
    policy: &'a RotationPolicy,
    client: &'a ClientInfo,
    /// Nothing has been decided yet: only where nothing has to be, because the session is not over
    /// and this is the client that it knows.
    undecided: bool,
}

// SQLite's `max` of two numbers is an aggregate elsewhere.
#[cfg(feature = "sqlite")]
#[diesel::declare_sql_function]
extern "SQL" {
    #[sql_name = "max"]
    fn sqlite_later(
        a: diesel::sql_types::BigInt,
        b: diesel::sql_types::BigInt,
    ) -> diesel::sql_types::BigInt;
}

#[cfg(feature = "postgres")]
#[diesel::declare_sql_function]
extern "SQL" {
    #[sql_name = "greatest"]
    fn postgres_later(
        a: diesel::sql_types::BigInt,
        b: diesel::sql_types::BigInt,
    ) -> diesel::sql_types::BigInt;
}

/// What [`SessionStore::prune`](crate::SessionStore::prune) removes.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn is_over(before: i64) -> _ {
    auth_sessions::expires_at.le(before).or(auth_sessions::idle_expires_at.le(before))
}

macro_rules! statements {
    ($connection:ty, later: $later:ident, same: $same:ident, overdue: $overdue:expr, lock: [$($lock:tt)*], skip: [$($skip:tt)*]) => {
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
                client: &ClientInfo,
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
                        auth_sessions::ip.eq(client.ip.as_deref()),
                        auth_sessions::user_agent.eq(client.user_agent.as_deref()),
                    ))
                    .execute(self)?;
                Ok(())
            }

            fn renew_secret(
                &mut self,
                id: SessionId,
                from: SecretHash,
                renewal: &Renewal,
            ) -> QueryResult<bool> {
                let session = auth_sessions::table
                    .find(&id.as_bytes()[..])
                    .filter(auth_sessions::revoked_at.is_null())
                    .filter(auth_sessions::secret_hash.eq(&from.as_bytes()[..]));
                let renewed = diesel::update(session)
                    .set((
                        auth_sessions::secret_hash.eq(&renewal.hash.as_bytes()[..]),
                        auth_sessions::secret_nonce.eq(&renewal.nonce[..]),
                        auth_sessions::generation.eq(auth_sessions::generation + 1),
                        auth_sessions::rotated_at.eq(renewal.at.timestamp_millis()),
                    ))
                    .execute(self)?;
                Ok(renewed > 0)
            }

            fn swap(
                &mut self,
                id: SessionId,
                from: u64,
                step: &Step<'_>,
            ) -> QueryResult<Option<Session>> {
                let now = step.now.timestamp_millis();
                let ip = step.client.ip.as_deref();
                let user_agent = step.client.user_agent.as_deref();
                let nothing_to_decide = auth_sessions::expires_at
                    .gt(now)
                    .and(auth_sessions::idle_expires_at.gt(now))
                    .and(auth_sessions::ip.$same(ip))
                    .and(auth_sessions::user_agent.$same(user_agent));
                let session = auth_sessions::table
                    .find(&id.as_bytes()[..])
                    .filter(auth_sessions::carrier.eq(Carrier::Token.as_str()))
                    .filter(auth_sessions::revoked_at.is_null())
                    .filter(auth_sessions::generation.eq(number_to_column(from)))
                    .filter((!step.undecided).into_sql::<Bool>().or(nothing_to_decide));
                let pace = $later(auth_sessions::refreshes_until, now)
                    + millis(step.policy.usual_interval);
                let idle_expires_at = later(step.now, step.policy.idle).timestamp_millis();
                // Values may differ, the text may not: it is prepared once.
                let swap = diesel::update(session)
                    .set((
                        auth_sessions::generation.eq(number_to_column(step.to)),
                        auth_sessions::rotated_at.eq(now),
                        auth_sessions::last_seen_at.eq(now),
                        auth_sessions::idle_expires_at.eq(idle_expires_at),
                        auth_sessions::refreshes_until.eq(pace),
                        auth_sessions::ip.eq(ip),
                        auth_sessions::user_agent.eq(user_agent),
                    ))
                    .returning(SessionRow::as_returning());
                Fixed::<_, Swap>::new(swap)
                    .get_result(self)
                    .optional()?
                    .map(SessionRow::into_session)
                    .transpose()
            }

            fn end(&mut self, ids: &[SessionId], stamp: Stamp) -> QueryResult<Vec<SessionId>> {
                let mut ended = Vec::with_capacity(ids.len());
                for ids in ids.chunks(ROWS) {
                    let sessions = auth_sessions::table
                        .filter(auth_sessions::id.eq_any(ids.iter().map(|id| &id.as_bytes()[..])))
                        .filter(auth_sessions::revoked_at.is_null());
                    let rows = diesel::update(sessions)
                        .set((
                            auth_sessions::revoked_at.eq(stamp.at.timestamp_millis()),
                            auth_sessions::revoked_reason.eq(stamp.reason.as_str()),
                        ))
                        .returning(auth_sessions::id)
                        .get_results::<Vec<u8>>(self)?;
                    for id in rows {
                        ended.push(session_id(&id)?);
                    }
                }
                Ok(ended)
            }

            fn change_rights(
                &mut self,
                ids: &[SessionId],
                now: DateTime<Utc>,
            ) -> QueryResult<Vec<(SessionId, u64)>> {
                let newer = $later(auth_sessions::rights_version, auth_sessions::rotated_at) + 1;
                let version = $later(newer, now.timestamp_millis());
                let mut changed = Vec::with_capacity(ids.len());
                for ids in ids.chunks(ROWS) {
                    let sessions = auth_sessions::table
                        .filter(auth_sessions::id.eq_any(ids.iter().map(|id| &id.as_bytes()[..])))
                        .filter(auth_sessions::revoked_at.is_null());
                    let rows = diesel::update(sessions)
                        .set(auth_sessions::rights_version.eq(version))
                        .returning((auth_sessions::id, auth_sessions::rights_version))
                        .get_results::<(Vec<u8>, i64)>(self)?;
                    for (id, version) in rows {
                        changed.push((session_id(&id)?, version.cast_unsigned()));
                    }
                }
                Ok(changed)
            }

            fn forget_foreign(&mut self, target: &Target) -> QueryResult<()> {
                let (principal, only_access) = match target {
                    Target::Foreign(principal) => (principal, false),
                    Target::ForeignAccess(principal) => (principal, true),
                    Target::Session(_) | Target::Rights { .. } => return Ok(()),
                };
                let is_access = auth_revocations::rights_version.is_not_null();
                diesel::delete(auth_revocations::table)
                    .filter(auth_revocations::kind.eq("foreign"))
                    .filter(auth_revocations::user_type.eq(principal.user_type()))
                    .filter(auth_revocations::user_id.eq(principal.user_id()))
                    .filter(is_access.eq(only_access))
                    .execute(self)?;
                Ok(())
            }

            fn append(&mut self, targets: &[Target], stamp: Stamp) -> QueryResult<()> {
                for targets in targets.chunks(ROWS) {
                    let rows: Vec<_> =
                        targets.iter().map(|target| NewRevocation::new(target, stamp)).collect();
                    diesel::insert_into(auth_revocations::table).values(rows).execute(self)?;
                }
                Ok(())
            }

            fn lock_sessions_of(&mut self, principal: &Principal) -> QueryResult<Vec<Session>> {
                auth_sessions::table
                    .filter(auth_sessions::user_type.eq(principal.user_type()))
                    .filter(auth_sessions::user_id.eq(principal.user_id()))
                    .filter(auth_sessions::revoked_at.is_null())
                    .order(auth_sessions::id)
                    .select(SessionRow::as_select())
                    $($lock)*
                    .load(self)?
                    .into_iter()
                    .map(SessionRow::into_session)
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
                page: &Page,
                now: DateTime<Utc>,
            ) -> QueryResult<(Vec<Revocation>, Option<i64>)> {
                let is_new = auth_revocations::seq.gt(page.new_after);
                let rows = auth_revocations::table
                    .filter(auth_revocations::seq.gt(page.after))
                    .filter(is_new.or($overdue(&page.horizon)))
                    .filter(auth_revocations::expires_at.gt(now.timestamp_millis()))
                    .order(auth_revocations::seq)
                    .limit(PAGE)
                    .select(RevocationRow::as_select())
                    .load(self)?;
                let is_last = (rows.len() as i64) < PAGE;
                let goes_on_after = rows.last().map(RevocationRow::seq).filter(|_| !is_last);
                let revocations = rows.into_iter().filter_map(RevocationRow::into_revocation);
                Ok((revocations.collect(), goes_on_after))
            }

            fn last_seq(&mut self) -> QueryResult<i64> {
                let last = diesel::dsl::max(auth_revocations::seq);
                let last: Option<i64> = auth_revocations::table.select(last).get_result(self)?;
                Ok(last.unwrap_or(0))
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
                        $($skip)*
                        .load::<Vec<u8>>(conn)?;
                    let doomed = auth_sessions::table.filter(auth_sessions::id.eq_any(still_over));
                    diesel::delete(doomed).execute(conn)
                })
            }

            fn over_revocations(
                &mut self,
                before: DateTime<Utc>,
                from: i64,
            ) -> QueryResult<Found<i64>> {
                let over = auth_revocations::table
                    .filter(auth_revocations::expires_at.le(before.timestamp_millis()))
                    .filter(auth_revocations::seq.ge(from))
                    .order(auth_revocations::seq)
                    .limit(LOOK_ROWS)
                    .select(auth_revocations::seq)
                    .load(self)?;
                let is_last = (over.len() as i64) < LOOK_ROWS;
                let goes_on_from = over.last().filter(|_| !is_last).map(|seq| seq + 1);
                Ok(Found { over, goes_on_from })
            }

            fn delete_revocations(
                &mut self,
                before: DateTime<Utc>,
                seqs: &[i64],
            ) -> QueryResult<usize> {
                diesel::delete(auth_revocations::table)
                    .filter(auth_revocations::seq.eq_any(seqs))
                    .filter(auth_revocations::expires_at.le(before.timestamp_millis()))
                    .execute(self)
            }
        }
    };
}

#[cfg(feature = "sqlite")]
statements!(
    diesel::SqliteConnection,
    later: sqlite_later,
    same: is,
    overdue: |_: &Option<String>| false.into_sql::<Bool>(),
    lock: [],
    skip: []
);

#[cfg(feature = "postgres")]
statements!(
    diesel::PgConnection,
    later: postgres_later,
    same: is_not_distinct_from,
    overdue: |horizon: &Option<String>| {
        let is_later = diesel::dsl::sql::<Bool>("auth_revocations.xid >= ");
        is_later.bind::<Nullable<Text>, _>(horizon.clone()).sql("::xid8")
    },
    lock: [.for_update()],
    // A row that someone holds is being rotated or revoked; waiting for it could also deadlock.
    skip: [.for_update().skip_locked()]
);

/// See [`SessionStore::rotate`](crate::SessionStore::rotate).
pub(super) fn rotate<C: Statements>(
    conn: &mut C,
    id: SessionId,
    presented: &Presented,
    now: DateTime<Utc>,
    policy: &RotationPolicy,
) -> QueryResult<Option<Rotation>> {
    // Nearly every refresh presents the current token from the same client: one statement, no
    // transaction.
    if policy.rotate {
        let to = presented.generation.saturating_add(1);
        let step = Step { to, now, policy, client: &presented.client, undecided: true };
        if let Some(session) = conn.swap(id, presented.generation, &step)? {
            let decision = Decision::Rotate { to, store_was_behind: false };
            return Ok(Some(Rotation { decision, session, client_before: None }));
        }
    }
    for _ in 0..MAX_ATTEMPTS {
        let Some(session) = conn.find(id)? else { return Ok(None) };
        let client = presented.client.clone().or(&session.client);
        let client_before = (client != session.client).then(|| session.client.clone());
        let decision = decide(&session, presented, now, policy);
        let applied = match decision {
            Decision::Rotate { to, .. } => {
                // What `decide` has seen can only have changed together with the generation or
                // by a revocation, and both are in the condition.
                let step = Step { to, now, policy, client: &client, undecided: false };
                conn.swap(id, session.generation, &step)?
            }
            Decision::Reused => {
                let until = later(now, policy.revocation_lifetime);
                let stamp = Stamp { at: now, reason: RevocationReason::Reuse, until };
                end_reused(conn, &session, stamp)?
            }
            Decision::Keep | Decision::Repeat | Decision::Refused(_) => Some(session),
        };
        if let Some(session) = applied {
            return Ok(Some(Rotation { decision, session, client_before }));
        }
    }
    Err(changes_too_fast(id))
}

fn changes_too_fast(id: SessionId) -> diesel::result::Error {
    QueryBuilderError(format!("auth_sessions {id}: changes faster than it is read").into())
}

fn end_reused<C: Statements>(
    conn: &mut C,
    session: &Session,
    stamp: Stamp,
) -> QueryResult<Option<Session>> {
    conn.transaction(|conn| {
        if conn.end(&[session.id], stamp)?.is_empty() {
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
) -> QueryResult<Revoked> {
    conn.transaction(|conn| {
        let revoked = match revoke {
            Revoke::Session(id) => {
                let mut ended = conn.end(&[*id], stamp)?;
                let mut targets = Vec::new();
                if ended.is_empty() {
                    if conn.exists(*id)? {
                        // Ended before, or created since the first look.
                        ended = conn.end(&[*id], stamp)?;
                    } else {
                        targets.push(Target::Session(*id));
                    }
                }
                targets.extend(ended.iter().copied().map(Target::Session));
                Revoked { ended, targets }
            }
            Revoke::Principal(principal) => end_those(conn, principal, |_| true, stamp)?,
            Revoke::Logins(principal) => end_those(conn, principal, Session::is_login, stamp)?,
            Revoke::OtherSessions { principal, keep } => {
                let others = |session: &Session| session.is_login() && session.id != *keep;
                end_those(conn, principal, others, stamp)?
            }
            Revoke::Foreign(principal) => only(Target::Foreign(principal.clone())),
            Revoke::ForeignAccess(principal) => only(Target::ForeignAccess(principal.clone())),
            Revoke::AccessTokens(principal) => change_rights(conn, principal, stamp)?,
        };
        for target in &revoked.targets {
            conn.forget_foreign(target)?;
        }
        conn.append(&revoked.targets, stamp)?;
        Ok(revoked)
    })
}

/// Repeats what the database gave up because it locked itself out with somebody else, such as a
/// trigger of the application.
pub(super) fn unless_deadlocked<T>(mut work: impl FnMut() -> QueryResult<T>) -> QueryResult<T> {
    for _ in 1..MAX_ATTEMPTS {
        match work() {
            Err(DatabaseError(_, info)) if info.message().contains("deadlock") => {}
            done => return done,
        }
    }
    work()
}

fn only(target: Target) -> Revoked {
    Revoked { targets: vec![target], ..Revoked::default() }
}

fn end_those<C: Statements>(
    conn: &mut C,
    principal: &Principal,
    which: impl Fn(&Session) -> bool,
    stamp: Stamp,
) -> QueryResult<Revoked> {
    let sessions = conn.lock_sessions_of(principal)?;
    let ids: Vec<_> = sessions.iter().filter(|s| which(s)).map(|session| session.id).collect();
    let ended = conn.end(&ids, stamp)?;
    let targets = ended.iter().copied().map(Target::Session).collect();
    Ok(Revoked { ended, targets })
}

fn change_rights<C: Statements>(
    conn: &mut C,
    principal: &Principal,
    stamp: Stamp,
) -> QueryResult<Revoked> {
    let ids: Vec<_> =
        conn.lock_sessions_of(principal)?.into_iter().map(|session| session.id).collect();
    let changed = conn.change_rights(&ids, stamp.at)?;
    let target = |(session, version)| Target::Rights { session, version };
    let targets = changed.into_iter().map(target).collect();
    Ok(Revoked { targets, ..Revoked::default() })
}

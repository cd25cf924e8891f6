//! Sessions in SQLite and PostgreSQL, over Diesel.
//!
//! A handle (`SqliteDb`, `PgDb`) runs Diesel closures away from the async workers, bounded
//! in number and in time. A store (`SqliteStore`, `PgStore`) keeps sessions over a handle;
//! the application can keep its own tables over the same one.
//!
//! ```no_run
//! # #[cfg(feature = "sqlite")]
//! # async fn example() -> Result<(), auth_core::Outage> {
//! use auth_core::store::diesel::{SqliteDb, SqliteOptions, SqliteStore};
//!
//! let db = SqliteDb::open("app.sqlite3", SqliteOptions::default())?;
//! let store = SqliteStore::new(db.clone());
//! store.migrate().await?;
//! // db.migrate(MIGRATIONS_OF_THE_APPLICATION).await?;
//! # Ok(()) }
//! ```
//!
//! The tables are described in the migrations (`migrations/sqlite`, `migrations/postgres`).
//! Times are kept in whole milliseconds, as [`Clock`](crate::Clock) tells them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use tokio::sync::watch;

use self::codes::Codes;
use self::database::Database;
use self::factors::Factors;
use self::look::{Found, Look};
use self::statements::{Horizon, Page, Statements, unless_deadlocked};
use super::{News, Renewal, Revoke, Revoked, Rotation, SessionStore, Stamp};
use crate::error::Outage;
use crate::otp::{Changed, CodePolicy, Errand, FactorChange, StoredCode, StoredFactor, StoredLink};
use crate::password::PasswordHash;
use crate::rotation::{Presented, RotationPolicy};
use crate::session::{ClientInfo, Principal, SecretHash, Session, SessionId};

mod codes;
mod database;
mod factors;
mod fixed;
mod lane;
#[cfg(feature = "postgres")]
mod listener;
mod look;
mod migrate;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod schema;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;
#[cfg(feature = "postgres")]
mod url;
#[cfg(feature = "sqlite")]
mod writer;

#[cfg(feature = "postgres")]
pub use postgres::{PgDb, PgOptions};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteDb, SqliteOptions};
#[cfg(feature = "postgres")]
pub use url::UrlError;

/// Sessions in an SQLite file.
#[cfg(feature = "sqlite")]
pub type SqliteStore = DieselStore<SqliteDb>;

/// Sessions in a PostgreSQL database.
#[cfg(feature = "postgres")]
pub type PgStore = DieselStore<PgDb>;

/// For a look: it may have to read a whole table to find anything. (A million sessions: 0.2 s.)
const LOOK_DEADLINE: Duration = Duration::from_secs(60);

/// How far back a question about revocations reaches.
const HORIZON_MILLIS: i64 = 10_000;

/// Rows per `DELETE`: what else is written has to wait for it.
const DELETE_ROWS: usize = 100;

/// Sessions over a database handle; see `SqliteStore` and `PgStore`. Clones share it.
#[derive(Clone, Debug)]
pub struct DieselStore<D> {
    db: D,
    /// Held by the call that goes through the tables: one at a time.
    pruning: Arc<tokio::sync::Mutex<Pruning>>,
    /// Which transactions were over, and when that was asked, the oldest first.
    horizons: Arc<Mutex<VecDeque<(i64, String)>>>,
}

/// How far pruning is.
#[derive(Debug, Default)]
struct Pruning {
    sessions: Search<SessionId>,
    revocations: Search<i64>,
    /// The last call ended in the midst of revocations: the next need not read the sessions again.
    in_revocations: bool,
}

/// A search of a table for what is over. There is no index that rotations would have to pay for:
/// the table is read from its beginning to its end, once for all the calls that are needed to
/// remove what is found.
#[derive(Debug)]
struct Search<T> {
    /// What was over when it was looked at.
    found: Vec<T>,
    /// Where the next look begins; 0 is the beginning of the table.
    from: i64,
}

impl<T> Default for Search<T> {
    fn default() -> Self {
        Self { found: Vec::new(), from: 0 }
    }
}

impl<D: Database> DieselStore<D> {
    /// A store over `db`.
    pub fn new(db: D) -> Self {
        Self { db, pruning: Arc::default(), horizons: Arc::default() }
    }

    /// Creates the tables, or brings them up to date, and answers the names of the migrations
    /// applied. Processes that start at once do it one after the other.
    ///
    /// # Errors
    /// When the database is away, a migration fails, or another process has been migrating for
    /// a minute.
    pub async fn migrate(&self) -> Result<Vec<String>, Outage> {
        self.db.apply(D::MIGRATIONS).await
    }

    /// The names of the migrations that have not been applied; for a readiness probe.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn pending(&self) -> Result<Vec<String>, Outage> {
        self.db.missing(D::MIGRATIONS).await
    }

    /// Deletes up to `limit` rows of those that `look` finds; `delete` checks again that they are over.
    /// Fewer than `limit` where the search found the end of the table, having begun at its beginning.
    async fn prune_table<T: Send + 'static>(
        &self,
        search: &mut Search<T>,
        limit: usize,
        look: impl Fn(&mut D::Connection, i64) -> QueryResult<Found<T>> + Copy + Send + 'static,
        delete: impl Fn(&mut D::Connection, &[T]) -> QueryResult<usize> + Copy + Send + 'static,
    ) -> Result<usize, Outage> {
        let mut removed = 0;
        let mut from_the_beginning = false;
        let mut seen_all = false;
        while removed < limit {
            let count = search.found.len().min(DELETE_ROWS).min(limit - removed);
            let rows = search.found.split_off(search.found.len() - count);
            if !rows.is_empty() {
                removed += self.db.write(move |conn| delete(conn, &rows)).await?;
            } else if seen_all {
                break;
            } else {
                let from = search.from;
                from_the_beginning |= from == 0;
                let found =
                    self.db.read_slowly(LOOK_DEADLINE, move |conn| look(conn, from)).await?;
                seen_all = from_the_beginning && found.goes_on_from.is_none();
                search.from = found.goes_on_from.unwrap_or(0);
                search.found.extend(found.over);
            }
        }
        Ok(removed)
    }

    async fn prune_sessions(
        &self,
        search: &mut Search<SessionId>,
        before: DateTime<Utc>,
        limit: usize,
    ) -> Result<usize, Outage> {
        let look = move |conn: &mut D::Connection, from| conn.over_sessions(before, from);
        let delete = move |conn: &mut D::Connection, ids: &[_]| conn.delete_sessions(before, ids);
        self.prune_table(search, limit, look, delete).await
    }

    async fn prune_revocations(
        &self,
        search: &mut Search<i64>,
        before: DateTime<Utc>,
        limit: usize,
    ) -> Result<usize, Outage> {
        let look = move |conn: &mut D::Connection, from| conn.over_revocations(before, from);
        let delete =
            move |conn: &mut D::Connection, seqs: &[_]| conn.delete_revocations(before, seqs);
        self.prune_table(search, limit, look, delete).await
    }

    /// Codes and links that are over, which an index finds.
    async fn prune_codes(&self, before: DateTime<Utc>, limit: usize) -> Result<usize, Outage> {
        let mut removed = 0;
        while removed < limit {
            let count = DELETE_ROWS.min(limit - removed);
            let delete = move |conn: &mut D::Connection| {
                let codes = conn.delete_codes(before, count as i64)?;
                let links = conn.delete_links(before, (count - codes) as i64)?;
                Ok(codes + links)
            };
            let deleted = self.db.write(delete).await?;
            removed += deleted;
            if deleted < count {
                break;
            }
        }
        Ok(removed)
    }

    /// The horizon from which to read again: some seconds old, for there may be several who ask.
    fn horizon_before(&self, now: DateTime<Utc>) -> Option<String> {
        let mut horizons = self.horizons.lock().unwrap_or_else(PoisonError::into_inner);
        let old = now.timestamp_millis() - HORIZON_MILLIS;
        while horizons.get(1).is_some_and(|(asked_at, _)| *asked_at <= old) {
            horizons.pop_front();
        }
        horizons.front().map(|(_, horizon)| horizon.clone())
    }

    fn note_horizon(&self, now: DateTime<Utc>, horizon: String) {
        let mut horizons = self.horizons.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.timestamp_millis();
        // A clock that was set back starts anew, from the oldest that is known.
        if horizons.back().is_some_and(|(asked_at, _)| now < *asked_at) {
            horizons.truncate(1);
        }
        horizons.push_back((now, horizon));
    }
}

#[async_trait]
impl<D: Database> SessionStore for DieselStore<D> {
    async fn create(&self, session: &Session) -> Result<(), Outage> {
        let session = session.clone();
        self.db.write(move |conn| conn.insert(&session)).await
    }

    async fn find(&self, id: SessionId) -> Result<Option<Session>, Outage> {
        self.db.read(move |conn| conn.find(id)).await
    }

    async fn touch(
        &self,
        id: SessionId,
        seen_at: DateTime<Utc>,
        idle_expires_at: DateTime<Utc>,
        client: &ClientInfo,
    ) -> Result<(), Outage> {
        let client = row::storable(client);
        self.db.write(move |conn| conn.touch(id, seen_at, idle_expires_at, &client)).await
    }

    async fn renew_secret(
        &self,
        id: SessionId,
        from: SecretHash,
        renewal: &Renewal,
    ) -> Result<bool, Outage> {
        let renewal = *renewal;
        self.db.write(move |conn| conn.renew_secret(id, from, &renewal)).await
    }

    async fn rotate(
        &self,
        id: SessionId,
        presented: &Presented,
        now: DateTime<Utc>,
        policy: &RotationPolicy,
    ) -> Result<Option<Rotation>, Outage> {
        let client = row::storable(&presented.client);
        let presented = Presented { client, ..*presented };
        let policy = policy.clone();
        let rotate = move |conn: &mut D::Connection| {
            unless_deadlocked(|| statements::rotate(conn, id, &presented, now, &policy))
        };
        self.db.write(rotate).await
    }

    async fn revoke(&self, revoke: &Revoke, stamp: Stamp) -> Result<Revoked, Outage> {
        let revoke = revoke.clone();
        let end = move |conn: &mut D::Connection| {
            unless_deadlocked(|| statements::revoke(conn, &revoke, stamp))
        };
        self.db.write(end).await
    }

    async fn sessions_of(
        &self,
        principal: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Vec<Session>, Outage> {
        let principal = principal.clone();
        self.db.read(move |conn| conn.sessions_of(&principal, now)).await
    }

    async fn revocations(&self, after: i64, now: DateTime<Utc>) -> Result<News, Outage> {
        // The number and the horizon first: what is appended in between is then new next time as
        // well.
        let first = move |conn: &mut D::Connection| Ok((conn.last_seq()?, conn.horizon()?));
        let (last_seq, horizon) = self.db.read(first).await?;
        let mut page =
            Page { new_after: after, horizon: self.horizon_before(now), after: i64::MIN };
        let mut revocations = Vec::new();
        loop {
            let asked = page.clone();
            let read = move |conn: &mut D::Connection| conn.revocations(&asked, now);
            let (found, goes_on_after) = self.db.read(read).await?;
            revocations.extend(found);
            match goes_on_after {
                Some(seq) => page.after = seq,
                None => break,
            }
        }
        if let Some(horizon) = horizon {
            self.note_horizon(now, horizon);
        }
        Ok(News { revocations, last_seq })
    }

    fn nudges(&self) -> Option<watch::Receiver<u64>> {
        self.db.nudges()
    }

    async fn request_code(
        &self,
        errand: &Errand,
        hash: &PasswordHash,
        now: DateTime<Utc>,
        policy: &CodePolicy,
    ) -> Result<Option<StoredCode>, Outage> {
        let (errand, hash, policy) = (errand.clone(), hash.clone(), *policy);
        let request =
            move |conn: &mut D::Connection| codes::request_code(conn, &errand, &hash, now, &policy);
        self.db.write(request).await
    }

    async fn try_code(&self, errand: &Errand) -> Result<StoredCode, Outage> {
        let errand = errand.clone();
        self.db.write(move |conn| conn.try_code(&errand)).await
    }

    async fn use_code(&self, errand: &Errand, hash: &PasswordHash) -> Result<bool, Outage> {
        let (errand, hash) = (errand.clone(), hash.clone());
        self.db.write(move |conn| conn.use_code(&errand, &hash)).await
    }

    async fn create_link(&self, link: &StoredLink) -> Result<(), Outage> {
        let link = link.clone();
        self.db.write(move |conn| conn.create_link(&link)).await
    }

    async fn find_link(&self, hash: SecretHash) -> Result<Option<StoredLink>, Outage> {
        self.db.read(move |conn| conn.find_link(hash)).await
    }

    async fn use_links(
        &self,
        errand: &Errand,
        now: DateTime<Utc>,
    ) -> Result<Vec<SecretHash>, Outage> {
        let errand = errand.clone();
        self.db.write(move |conn| conn.use_links(&errand, now)).await
    }

    async fn find_factor(&self, principal: &Principal) -> Result<Option<StoredFactor>, Outage> {
        let principal = principal.clone();
        self.db.read(move |conn| conn.find_factor(&principal)).await
    }

    async fn change_factor(
        &self,
        principal: &Principal,
        change: &FactorChange,
    ) -> Result<Option<Changed>, Outage> {
        let (principal, change) = (principal.clone(), change.clone());
        let change =
            move |conn: &mut D::Connection| factors::change_factor(conn, &principal, &change);
        self.db.write(change).await
    }

    async fn prune(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, Outage> {
        let mut pruning = self.pruning.lock().await;
        let mut rest = limit as usize;
        rest -= self.prune_codes(before, rest).await?;
        if rest == 0 {
            return Ok(u64::from(limit));
        }
        let revocations_first = pruning.in_revocations;
        for revocations in [revocations_first, !revocations_first] {
            rest -= if revocations {
                self.prune_revocations(&mut pruning.revocations, before, rest).await?
            } else {
                self.prune_sessions(&mut pruning.sessions, before, rest).await?
            };
            if rest == 0 {
                pruning.in_revocations = revocations;
                break;
            }
        }
        Ok(u64::from(limit) - rest as u64)
    }
}

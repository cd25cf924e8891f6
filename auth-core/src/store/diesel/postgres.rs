//! A PostgreSQL database behind a pool.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection;
use diesel::result::{DatabaseErrorKind, Error};
use r2d2::{ManageConnection, NopErrorHandler, Pool};
use tokio::sync::watch;

use super::lane::Lane;
use super::listener;
use super::migrate::{self, APPLIED, MigrationResult, Name};
use super::url::{self, UrlError};
use crate::error::Outage;

/// A connection that rested for longer is asked whether it still works.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// How long to wait for a connection when the last attempt to make one failed. (r2d2 goes on
/// trying in the background, twice a second.)
const PATIENCE_WHEN_AWAY: Duration = Duration::from_millis(100);

/// The number ("auth_cor" in ASCII) only has to be the same in every process.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_lock(7022647185579929458)";

/// How [`PgDb`] uses its database.
#[derive(Clone, Debug)]
pub struct PgOptions {
    /// How many connections there are at the most.
    pub connections: u32,
    /// How many calls may wait for one. Beyond that, [`Outage::Busy`].
    pub queue: u32,
    /// How long a call waits for a connection when all have to be made first.
    pub checkout_timeout: Duration,
    /// How long a call takes at the most, its waiting included. It is also the
    /// `statement_timeout` and the `idle_in_transaction_session_timeout` where the URL (by
    /// `options`), the role or the database sets none.
    pub deadline: Duration,
}

impl Default for PgOptions {
    /// 10 connections, a queue of 1024, 3 seconds in all of which 1 for a connection.
    fn default() -> Self {
        Self {
            connections: 10,
            queue: 1024,
            checkout_timeout: Duration::from_secs(1),
            deadline: Duration::from_secs(3),
        }
    }
}

/// A handle to a PostgreSQL database: for sessions, and for the application's own tables.
/// Clones share its connections.
///
/// A database that is away, refuses connections or has stopped answering is an [`Outage`] by
/// the deadline at the latest; when it is back, so is the handle.
///
/// Transactions are READ COMMITTED, on which the stores rely, unless they say otherwise.
#[derive(Clone)]
pub struct PgDb(Arc<Shared>);

struct Shared {
    opener: Arc<Opener>,
    pool: Pool<Pooling>,
    lane: Lane,
    options: PgOptions,
    listener: OnceLock<Option<Arc<watch::Sender<u64>>>>,
}

impl PgDb {
    /// A handle to the database at `url` (`postgres://user:password@host/name`). It does not
    /// wait for a connection, so it works while the database is away: [`PgDb::ping`] tells.
    ///
    /// Where the URL sets none: a connection is given up after 2 seconds, and one whose other
    /// end has vanished after 5 to 19.
    ///
    /// # Errors
    /// When the URL cannot work; [`UrlError::NoTls`] when it needs a build with TLS.
    pub fn open(url: &str, options: PgOptions) -> Result<Self, UrlError> {
        let conninfo = conninfo(url)?;
        let opener =
            Arc::new(Opener { conninfo, deadline: options.deadline, away: AtomicBool::new(false) });
        let connections = options.connections.max(1);
        let pool = Pool::builder()
            .max_size(connections)
            .min_idle(Some(1))
            .connection_timeout(options.checkout_timeout.max(Duration::from_millis(100)))
            .error_handler(Box::new(NopErrorHandler))
            .build_unchecked(Pooling(Arc::clone(&opener)));
        let lane = Lane::new(connections, options.queue);
        let listener = OnceLock::new();
        Ok(Self(Arc::new(Shared { opener, pool, lane, options, listener })))
    }

    /// Checks a URL without opening anything: for configurations that tell all faults at once.
    ///
    /// # Errors
    /// As for [`PgDb::open`].
    pub fn check_url(url: &str) -> Result<(), UrlError> {
        conninfo(url).map(|_| ())
    }

    /// Runs `work` on a connection of the pool. A single statement is a transaction by itself;
    /// for more there is [`Connection::transaction`].
    ///
    /// # Errors
    /// An error of `work` becomes an [`Outage`] with the error as its cause, so what is an
    /// answer (`NotFound`, `UniqueViolation`: the name is taken) has to be made a value inside.
    /// Otherwise a full queue, a database that is away, and the deadline: after that one it is
    /// unknown whether `work` will have happened.
    pub async fn run<T, F>(&self, work: F) -> Result<T, Outage>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> QueryResult<T> + Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        self.0.lane.run(self.0.options.deadline, move || shared.run(work)).await
    }

    /// [`PgDb::run`] with a deadline (and statement time-out) of its own, for what takes long.
    ///
    /// # Errors
    /// As for [`PgDb::run`].
    pub async fn run_within<T, F>(&self, deadline: Duration, work: F) -> Result<T, Outage>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> QueryResult<T> + Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        let slowly = move || {
            let usual = shared.options.deadline;
            shared.run(|conn| {
                let limit = format!("SET statement_timeout = {}", deadline.as_millis());
                conn.batch_execute(&limit)?;
                let answer = work(conn);
                conn.batch_execute("RESET statement_timeout")?;
                set_timeouts(conn, usual)?;
                answer
            })
        };
        self.0.lane.run(deadline, slowly).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// As for [`PgDb::run`].
    pub async fn ping(&self) -> Result<(), Outage> {
        self.run(R2D2Connection::ping).await
    }

    /// Begins to listen for revocations, unless this has begun before: one more connection.
    pub(super) fn listen(&self) -> Option<watch::Receiver<u64>> {
        let begin = || match listener::listen(Arc::clone(&self.0.opener)) {
            Ok(nudges) => Some(nudges),
            Err(outage) => {
                tracing::warn!(error = %outage, "revocations of other processes are not listened for");
                None
            }
        };
        self.0.listener.get_or_init(begin).as_ref().map(|nudges| nudges.subscribe())
    }

    /// Applies the migrations that are missing, each in a transaction of its own, and answers
    /// their names. Processes that start at once do it one after the other, by an advisory lock
    /// of the session: connect directly, not through a pooler that shares sessions.
    ///
    /// # Errors
    /// When the database is away, a migration fails (those before it are done), or another
    /// process has been migrating for a minute.
    pub async fn migrate<M>(&self, migrations: M) -> Result<Vec<String>, Outage>
    where
        M: MigrationSource<Pg> + Send + 'static,
    {
        let opener = Arc::clone(&self.0.opener);
        let apply = move || apply(&opener, migrations).map_err(Outage::because);
        tokio::task::spawn_blocking(apply).await.map_err(Outage::because)?
    }

    /// The names of the migrations that have not been applied; for a readiness probe. Writes
    /// nothing.
    ///
    /// # Errors
    /// As for [`PgDb::run`].
    pub async fn pending<M>(&self, migrations: M) -> Result<Vec<String>, Outage>
    where
        M: MigrationSource<Pg> + Send + 'static,
    {
        let applied = self.run(applied).await?;
        migrate::missing(&migrations, applied).map_err(Outage::because)
    }
}

fn conninfo(url: &str) -> Result<String, UrlError> {
    url::prepare(url, cfg!(feature = "postgres-tls"), |name| std::env::var(name).ok())
}

/// Neither the URL nor the pool, whose last error may name hosts and users.
impl fmt::Debug for PgDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgDb").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Shared {
    fn run<T>(&self, work: impl FnOnce(&mut PgConnection) -> QueryResult<T>) -> Result<T, Outage> {
        let patience = if self.opener.away.load(Ordering::Relaxed) {
            PATIENCE_WHEN_AWAY.min(self.options.checkout_timeout)
        } else {
            self.options.checkout_timeout
        };
        let mut connection = self.pool.get_timeout(patience).map_err(Outage::because)?;
        let answer = work(&mut connection.inner);
        if let Err(error) = &answer {
            connection.health = match error {
                // A server that only reads has been demoted; another may have taken over.
                Error::DatabaseError(
                    DatabaseErrorKind::ReadOnlyTransaction
                    | DatabaseErrorKind::ClosedConnection
                    | DatabaseErrorKind::UnableToSendCommand,
                    _,
                ) => Health::Broken,
                _ => Health::Suspect,
            };
        }
        answer.map_err(Outage::because)
    }
}

fn apply<M: MigrationSource<Pg>>(opener: &Opener, migrations: M) -> MigrationResult<Vec<String>> {
    // On a connection of its own: closing it releases the lock, whatever happened.
    let conn = &mut opener.connect()?;
    // A look first: a role that may not create tables can still start where nothing is missing.
    if migrate::missing(&migrations, applied(conn)?)?.is_empty() {
        return Ok(Vec::new());
    }
    conn.batch_execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")?;
    conn.batch_execute("SET lock_timeout = '60s'")?;
    conn.batch_execute(MIGRATION_LOCK)?;
    conn.batch_execute("RESET lock_timeout")?;
    migrate::run(conn, migrations)
}

fn applied(conn: &mut PgConnection) -> QueryResult<Vec<Name>> {
    let list = "SELECT '' AS name WHERE to_regclass('__diesel_schema_migrations') IS NOT NULL";
    if diesel::sql_query(list).load::<Name>(conn)?.is_empty() {
        return Ok(Vec::new());
    }
    diesel::sql_query(APPLIED).load(conn)
}

/// Only where nobody else has set them.
fn set_timeouts(conn: &mut PgConnection, limit: Duration) -> QueryResult<()> {
    let set = |name| {
        let millis = limit.as_millis();
        format!(
            "SELECT set_config('{name}', '{millis}', false) WHERE current_setting('{name}') = '0';"
        )
    };
    let both = set("statement_timeout") + &set("idle_in_transaction_session_timeout");
    // What the stores rely on, whatever the database's default is.
    conn.batch_execute(&(both + "SET default_transaction_isolation = 'read committed'"))
}

pub(super) struct Opener {
    conninfo: String,
    deadline: Duration,
    /// Whether the last attempt to connect failed.
    away: AtomicBool,
}

impl Opener {
    /// A connection of the pool, or of somebody who is waiting for one.
    fn connect(&self) -> Result<PgConnection, ConnectError> {
        let connected = self.connect_aside();
        self.away.store(connected.is_err(), Ordering::Relaxed);
        connected
    }

    /// A connection about which the pool learns nothing: a server may have no more of them to give.
    pub(super) fn connect_aside(&self) -> Result<PgConnection, ConnectError> {
        let mut conn = PgConnection::establish(&self.conninfo)?;
        set_timeouts(&mut conn, self.deadline).map_err(ConnectError::Setup)?;
        Ok(conn)
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{0}")]
    Refused(String),
    /// libpq quotes what it cannot parse or resolve, which may be a part of the password.
    #[error("no connection, for a reason that may quote the database URL: is the URL correct?")]
    Withheld,
    #[error("the host of the database cannot be resolved")]
    UnknownHost,
    #[error("{0}")]
    Setup(#[source] Error),
}

impl From<ConnectionError> for ConnectError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::BadConnection(words) if words.starts_with("connection to server") => {
                Self::Refused(words.trim_end().to_owned())
            }
            ConnectionError::BadConnection(words)
                if words.starts_with("could not translate host name") =>
            {
                Self::UnknownHost
            }
            ConnectionError::CouldntSetupConfiguration(error) => Self::Setup(error),
            _ => Self::Withheld,
        }
    }
}

struct Pooling(Arc<Opener>);

struct Pooled {
    inner: PgConnection,
    idle_since: Instant,
    health: Health,
}

enum Health {
    Good,
    /// Something failed on it. Diesel does not notice every connection that is lost.
    Suspect,
    Broken,
}

impl ManageConnection for Pooling {
    type Connection = Pooled;
    type Error = ConnectError;

    fn connect(&self) -> Result<Pooled, ConnectError> {
        let inner = self.0.connect()?;
        Ok(Pooled { inner, idle_since: Instant::now(), health: Health::Good })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), ConnectError> {
        if matches!(pooled.health, Health::Good) && pooled.idle_since.elapsed() < TRUSTED_FOR {
            return Ok(());
        }
        pooled.inner.ping().map_err(ConnectError::Setup)?;
        pooled.health = Health::Good;
        Ok(())
    }

    /// Called when a connection comes back.
    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.idle_since = Instant::now();
        std::thread::panicking()
            || matches!(pooled.health, Health::Broken)
            || pooled.inner.is_broken()
    }
}

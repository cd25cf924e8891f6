//! The database: one SQLite file, or PostgreSQL.

use std::time::Duration;

use auth_core::store::diesel::{
    PgDb, PgOptions, PgStore, SqliteDb, SqliteOptions, SqliteStore, UrlError,
};
use auth_core::{AuthorityBuilder, Outage};
use diesel::connection::SimpleConnection;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use crate::config::DatabaseUrl;

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// A handle to the database of users and sessions. Clones share it.
#[derive(Clone, Debug)]
pub enum Db {
    /// One file.
    Sqlite(SqliteDb),
    /// A server.
    Postgres(PgDb),
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL cannot work.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// It did not answer.
    #[error(transparent)]
    Outage(#[from] Outage),
}

/// Runs one Diesel closure on whichever database it is. Diesel types a query for one backend,
/// so the closure is compiled for each. On SQLite, `write` goes through the one writer.
macro_rules! run {
    ($db:expr, $verb:ident, $work:expr) => {
        match $db {
            $crate::db::Db::Sqlite(db) => db.$verb($work).await,
            $crate::db::Db::Postgres(db) => db.run($work).await,
        }
    };
}
pub(crate) use run;

impl Db {
    /// Opens it. An SQLite file is created when there is none.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        Self::open_with(url, SqliteOptions::default(), PgOptions::default())
    }

    /// Opens it for work that may take as long as `deadline`: for commands, not for a server.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_for_long(url: &DatabaseUrl, deadline: Duration) -> Result<Self, OpenError> {
        let sqlite = SqliteOptions { deadline, ..SqliteOptions::default() };
        Self::open_with(url, sqlite, PgOptions { deadline, ..PgOptions::default() })
    }

    fn open_with(
        url: &DatabaseUrl,
        sqlite: SqliteOptions,
        postgres: PgOptions,
    ) -> Result<Self, OpenError> {
        Ok(match url {
            DatabaseUrl::Sqlite(path) => Self::Sqlite(SqliteDb::open(path, sqlite)?),
            DatabaseUrl::Postgres(url) => Self::Postgres(PgDb::open(url.expose(), postgres)?),
        })
    }

    /// Brings the tables up to date and answers the names of the migrations that were applied.
    /// The sessions go first: triggers of the users end them.
    ///
    /// # Errors
    /// The database is away, or a migration failed.
    pub async fn migrate(&self) -> Result<Vec<String>, Outage> {
        let mut applied = match self {
            Self::Sqlite(db) => SqliteStore::new(db.clone()).migrate().await?,
            Self::Postgres(db) => PgStore::new(db.clone()).migrate().await?,
        };
        applied.extend(match self {
            Self::Sqlite(db) => db.migrate(SQLITE_MIGRATIONS).await?,
            Self::Postgres(db) => db.migrate(POSTGRES_MIGRATIONS).await?,
        });
        Ok(applied)
    }

    /// The names of the migrations that have not been applied.
    ///
    /// # Errors
    /// The database is away.
    pub async fn pending(&self) -> Result<Vec<String>, Outage> {
        let mut pending = match self {
            Self::Sqlite(db) => SqliteStore::new(db.clone()).pending().await?,
            Self::Postgres(db) => PgStore::new(db.clone()).pending().await?,
        };
        pending.extend(match self {
            Self::Sqlite(db) => db.pending(SQLITE_MIGRATIONS).await?,
            Self::Postgres(db) => db.pending(POSTGRES_MIGRATIONS).await?,
        });
        Ok(pending)
    }

    /// Puts what was written on SQLite into the file itself, out of the log beside it, unless somebody
    /// else is reading or writing.
    ///
    /// # Errors
    /// The database is away.
    pub async fn checkpoint(&self) -> Result<(), Outage> {
        match self {
            // Writes are transactions, inside of which there is no checkpoint.
            Self::Sqlite(db) => {
                db.read(|conn| conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")).await
            }
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Keeps the sessions of an authority here.
    pub(crate) fn keep_sessions_of(&self, authority: AuthorityBuilder) -> AuthorityBuilder {
        match self {
            Self::Sqlite(db) => authority.store(SqliteStore::new(db.clone())),
            Self::Postgres(db) => authority.store(PgStore::new(db.clone())),
        }
    }
}

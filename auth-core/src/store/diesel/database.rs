//! What [`DieselStore`](super::DieselStore) needs of a handle.

use std::future::Future;
use std::time::Duration;

use diesel::QueryResult;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use tokio::sync::watch;

#[cfg(feature = "postgres")]
use super::PgDb;
#[cfg(feature = "sqlite")]
use super::SqliteDb;
use super::statements::Statements;
use crate::error::Outage;

/// A handle that runs closures on its connections. Public because a public type names it, in a
/// private module because the two handles are all there is.
pub trait Database: Clone + Send + Sync + 'static {
    type Connection: Statements;

    const MIGRATIONS: EmbeddedMigrations;

    fn read<T, F>(&self, work: F) -> impl Future<Output = Result<T, Outage>> + Send
    where
        T: Send + 'static,
        F: FnOnce(&mut Self::Connection) -> QueryResult<T> + Send + 'static;

    fn read_slowly<T, F>(
        &self,
        deadline: Duration,
        work: F,
    ) -> impl Future<Output = Result<T, Outage>> + Send
    where
        T: Send + 'static,
        F: FnOnce(&mut Self::Connection) -> QueryResult<T> + Send + 'static;

    fn write<T, F>(&self, work: F) -> impl Future<Output = Result<T, Outage>> + Send
    where
        T: Send + 'static,
        F: FnOnce(&mut Self::Connection) -> QueryResult<T> + Send + 'static;

    fn apply(
        &self,
        migrations: EmbeddedMigrations,
    ) -> impl Future<Output = Result<Vec<String>, Outage>> + Send;

    fn missing(
        &self,
        migrations: EmbeddedMigrations,
    ) -> impl Future<Output = Result<Vec<String>, Outage>> + Send;

    /// See [`SessionStore::nudges`](crate::SessionStore::nudges).
    fn nudges(&self) -> Option<watch::Receiver<u64>>;
}

macro_rules! database {
    ($handle:ty, $connection:ty, $migrations:literal, $read:ident, $within:ident, $write:ident, $nudges:expr) => {
        impl Database for $handle {
            type Connection = $connection;

            const MIGRATIONS: EmbeddedMigrations = embed_migrations!($migrations);

            async fn read<T, F>(&self, work: F) -> Result<T, Outage>
            where
                T: Send + 'static,
                F: FnOnce(&mut $connection) -> QueryResult<T> + Send + 'static,
            {
                <$handle>::$read(self, work).await
            }

            async fn read_slowly<T, F>(&self, deadline: Duration, work: F) -> Result<T, Outage>
            where
                T: Send + 'static,
                F: FnOnce(&mut $connection) -> QueryResult<T> + Send + 'static,
            {
                <$handle>::$within(self, deadline, work).await
            }

            async fn write<T, F>(&self, work: F) -> Result<T, Outage>
            where
                T: Send + 'static,
                F: FnOnce(&mut $connection) -> QueryResult<T> + Send + 'static,
            {
                <$handle>::$write(self, work).await
            }

            async fn apply(&self, migrations: EmbeddedMigrations) -> Result<Vec<String>, Outage> {
                self.migrate(migrations).await
            }

            async fn missing(&self, migrations: EmbeddedMigrations) -> Result<Vec<String>, Outage> {
                self.pending(migrations).await
            }

            fn nudges(&self) -> Option<watch::Receiver<u64>> {
                $nudges(self)
            }
        }
    };
}

#[cfg(feature = "sqlite")]
database!(
    SqliteDb,
    diesel::SqliteConnection,
    "migrations/sqlite",
    read,
    read_within,
    write,
    |_| None
);
#[cfg(feature = "postgres")]
database!(PgDb, diesel::PgConnection, "migrations/postgres", run, run_within, run, PgDb::listen);

//! Running migrations, and asking which are missing.
//!
//! The session tables and the tables of an application share diesel's list of what has been
//! applied (`__diesel_schema_migrations`); each source only looks at its own versions.

use std::collections::HashSet;
use std::error::Error;

use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel_migrations::MigrationHarness;

pub(super) type MigrationResult<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A row of one column called `name`.
#[derive(QueryableByName)]
pub(super) struct Name {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

/// The versions that have been applied.
pub(super) const APPLIED: &str = "SELECT version AS name FROM __diesel_schema_migrations";

/// Applies what is missing; answers the names. The caller holds the lock.
pub(super) fn run<C, M>(conn: &mut C, source: M) -> MigrationResult<Vec<String>>
where
    C: Connection + MigrationHarness<C::Backend>,
    M: MigrationSource<C::Backend>,
{
    let mut names = Vec::new();
    for migration in conn.pending_migrations(source)? {
        conn.run_migration(&migration)?;
        names.push(migration.name().to_string());
    }
    Ok(names)
}

/// The names of the migrations in `source` that are not in `applied`.
pub(super) fn missing<DB: Backend>(
    source: &impl MigrationSource<DB>,
    applied: Vec<Name>,
) -> MigrationResult<Vec<String>> {
    let applied: HashSet<_> = applied.into_iter().map(|row| row.name).collect();
    let migrations = source.migrations()?;
    let missing = migrations.iter().filter(|m| !applied.contains(&m.name().version().to_string()));
    let mut names: Vec<_> = missing.map(|migration| migration.name().to_string()).collect();
    names.sort();
    Ok(names)
}

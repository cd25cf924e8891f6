//! The migrations, up and down: however many there are, each takes back exactly what it made.

use std::path::Path;
use std::sync::Arc;

use auth_core::conformance;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

/// The files that the library has compiled in. (That it has these and no others is checked.)
fn files(database: &str) -> FileBasedMigrations {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
    FileBasedMigrations::from_path(folder).unwrap()
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// A connection that tells what there is beside diesel's own table, as lines in an order.
trait Schema: Connection + MigrationHarness<<Self as Connection>::Backend> {
    fn schema(&mut self) -> Vec<String>;
}

/// From everything to nothing and back, one migration at a time. Each leads to the schema that
/// was there before it, and so does the way down from it.
fn down_and_up_and_down(conn: &mut impl Schema, files: &FileBasedMigrations) {
    let complete = conn.schema();
    while !conn.applied_migrations().unwrap().is_empty() {
        conn.revert_last_migration(files.clone()).unwrap();
    }
    assert_eq!(conn.schema(), [""; 0], "nothing is left behind");

    let mut stages = Vec::new();
    while conn.has_pending_migration(files.clone()).unwrap() {
        stages.push(conn.schema());
        conn.run_next_migration(files.clone()).unwrap();
    }
    assert_eq!(conn.schema(), complete);
    while let Some(before) = stages.pop() {
        conn.revert_last_migration(files.clone()).unwrap();
        assert_eq!(conn.schema(), before, "stage {}", stages.len());
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use auth_core::store::diesel::{SqliteDb, SqliteOptions, SqliteStore};

    use super::*;

    impl Schema for SqliteConnection {
        fn schema(&mut self) -> Vec<String> {
            let query = "
                SELECT concat_ws(' ', type, tbl_name, sql) AS line FROM sqlite_schema
                WHERE name NOT GLOB 'sqlite_*' AND tbl_name NOT GLOB '__diesel_*'
                ORDER BY line";
            let lines: Vec<Line> = diesel::sql_query(query).load(self).unwrap();
            lines.into_iter().map(|line| line.line).collect()
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn down_and_up_again_is_the_same_schema_on_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite3");
        let db = SqliteDb::open(&path, SqliteOptions::default()).unwrap();
        let store = SqliteStore::new(db);
        let applied = store.migrate().await.unwrap();

        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        let complete = conn.schema();
        assert!(complete.len() >= 3, "two tables and an index: {complete:#?}");
        down_and_up_and_down(&mut conn, &files("sqlite"));

        assert_eq!(store.pending().await.unwrap(), applied);
        assert_eq!(store.migrate().await.unwrap(), applied);
        assert_eq!(conn.schema(), complete);
        conformance::run(Arc::new(store)).await;
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use auth_core::store::diesel::PgStore;

    use super::*;
    use crate::database::{TestDatabase, database};

    impl Schema for PgConnection {
        fn schema(&mut self) -> Vec<String> {
            let query = "
                WITH ours AS (
                    SELECT oid, relname, relkind, reloptions FROM pg_class
                    WHERE relnamespace = 'public'::regnamespace
                        AND NOT starts_with(relname::text, '__diesel_'))
                SELECT concat_ws(' ', 'relation', relname, relkind, reloptions) AS line FROM ours
                UNION ALL
                SELECT concat_ws(' ', 'column', table_name, column_name, data_type, column_default,
                        'nullable', is_nullable, 'identity', is_identity, identity_generation)
                    FROM information_schema.columns JOIN ours ON relname = table_name
                    WHERE table_schema = 'public'
                UNION ALL
                SELECT 'index ' || pg_get_indexdef(oid) FROM ours WHERE relkind = 'i'
                UNION ALL
                SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname,
                        pg_get_constraintdef(c.oid))
                    FROM pg_constraint c JOIN ours ON ours.oid = conrelid
                UNION ALL
                SELECT 'trigger ' || pg_get_triggerdef(t.oid)
                    FROM pg_trigger t JOIN ours ON ours.oid = tgrelid WHERE NOT tgisinternal
                UNION ALL
                SELECT 'function ' || pg_get_functiondef(oid)
                    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                ORDER BY line";
            let lines: Vec<Line> = diesel::sql_query(query).load(self).unwrap();
            lines.into_iter().map(|line| line.line).collect()
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn down_and_up_again_is_the_same_schema_on_postgres() {
        let database = database!();
        let store = PgStore::new(database.open());
        let applied = store.migrate().await.unwrap();

        let mut conn = PgConnection::establish(&database.url).unwrap();
        let complete = conn.schema();
        assert!(complete.len() >= 20, "the columns alone are more: {complete:#?}");
        down_and_up_and_down(&mut conn, &files("postgres"));

        assert_eq!(store.pending().await.unwrap(), applied);
        assert_eq!(store.migrate().await.unwrap(), applied);
        assert_eq!(conn.schema(), complete);
        conformance::run(Arc::new(store)).await;
    }
}

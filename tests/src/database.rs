//! A database of its own for every test, on SQLite and on PostgreSQL.

use std::env;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tempfile::TempDir;
use url::Url;

use crate::say;

/// No test takes longer, unless something hangs. (The first one may have to build the program.)
const LIMIT: Duration = Duration::from_secs(300);

/// Each application has a pool, and PostgreSQL takes 100 connections by default.
const MOST_POSTGRES_TESTS_AT_ONCE: u32 = 6;

/// Where the tests find PostgreSQL, with the right to create databases.
const POSTGRES: &str = "TEST_DATABASE_URL";
/// When set, a test that cannot run fails instead of being skipped.
const REQUIRE_ALL: &str = "REQUIRE_ALL_DATABASES";

/// What a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file, always at hand.
    Sqlite,
    /// The server of `TEST_DATABASE_URL`.
    Postgres,
}

/// Makes two tests of each function: `name::sqlite` and `name::postgres`.
#[macro_export]
macro_rules! on_each_database {
    ($($test:ident),+ $(,)?) => { $(
        mod $test {
            #[test]
            fn sqlite() {
                $crate::run(module_path!(), $crate::Database::Sqlite, super::$test);
            }

            #[test]
            fn postgres() {
                $crate::run(module_path!(), $crate::Database::Postgres, super::$test);
            }
        }
    )+ };
}

/// Makes a test of each function that only PostgreSQL can show: `name::postgres`.
#[macro_export]
macro_rules! on_postgres {
    ($($test:ident),+ $(,)?) => { $(
        mod $test {
            #[test]
            fn postgres() {
                $crate::run(module_path!(), $crate::Database::Postgres, super::$test);
            }
        }
    )+ };
}

/// Runs a test, or says that it was skipped. For [`on_each_database!`].
pub fn run<F: Future<Output = ()>>(
    name: &str,
    database: Database,
    test: impl FnOnce(Database) -> F,
) {
    if database == Database::Postgres && env::var_os(POSTGRES).is_none() {
        return skip(name, &format!("{POSTGRES} is not set"));
    }
    let _place = (database == Database::Postgres).then(Place::take);
    block_on(test(database));
}

/// Says that a test on PostgreSQL cannot run here, or fails where all have to.
pub(crate) fn skip(name: &str, problem: &str) {
    let problem = format!("{name}::postgres: {problem}");
    assert!(env::var_os(REQUIRE_ALL).is_none(), "{problem}");
    say(&format!("SKIPPED {problem}"));
}

/// Runs a test to its end, which has to come within the limit.
pub(crate) fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime
        .block_on(async { tokio::time::timeout(LIMIT, test).await })
        .expect("the test ends within its limit");
}

/// The right to be one of the tests that use PostgreSQL now.
struct Place;

static TAKEN: Mutex<u32> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

impl Place {
    fn take() -> Self {
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |taken: &mut u32| *taken >= MOST_POSTGRES_TESTS_AT_ONCE;
        *FREED.wait_while(taken, full).unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}

/// An empty database. It is gone when this is dropped, whatever became of the test.
pub struct TestDb {
    url: String,
    kind: Kind,
}

enum Kind {
    Sqlite {
        _directory: TempDir,
    },
    Postgres {
        server: String,
        name: String,
    },
    #[cfg(unix)]
    Elsewhere,
}

enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl TestDb {
    /// Creates one.
    pub fn create(database: Database) -> Self {
        match database {
            Database::Sqlite => {
                let directory = TempDir::new().expect("a temporary directory can be made");
                let path = directory.path().join("test.db");
                let url = format!("sqlite://{}", path.display());
                Self { url, kind: Kind::Sqlite { _directory: directory } }
            }
            Database::Postgres => {
                static COUNTER: AtomicU32 = AtomicU32::new(0);

                let server = env::var(POSTGRES).expect("checked before the test began");
                let number = COUNTER.fetch_add(1, Ordering::Relaxed);
                let name = format!("auth_test_{}_{number}", process::id());
                let sql = format!(r#"CREATE DATABASE "{name}" TEMPLATE template0"#);
                Link::open(&server).execute(&sql);
                let mut url = Url::parse(&server).expect("TEST_DATABASE_URL is a URL");
                url.set_path(&name);
                Self { url: url.into(), kind: Kind::Postgres { server, name } }
            }
        }
    }

    /// The database at `url`, which somebody else makes and removes.
    #[cfg(unix)]
    pub(crate) fn elsewhere(url: String) -> Self {
        Self { url, kind: Kind::Elsewhere }
    }

    /// Its URL, as `DATABASE_URL` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs one statement behind the application's back. Answers how many rows it changed.
    pub fn execute(&self, sql: &str) -> usize {
        Link::open(&self.url).execute(sql)
    }

    /// Counts the rows of a table, as `auth_sessions` or `auth_sessions WHERE …`.
    pub fn count(&self, rows: &str) -> i64 {
        self.number(&format!("SELECT count(*) AS number FROM {rows}"))
    }

    /// Asks for one number, in a column `number`.
    pub fn number(&self, sql: &str) -> i64 {
        let row: Number = match Link::open(&self.url) {
            Link::Sqlite(mut connection) => diesel::sql_query(sql).get_result(&mut connection),
            Link::Postgres(mut connection) => diesel::sql_query(sql).get_result(&mut connection),
        }
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
        row.number
    }
}

impl Link {
    fn open(url: &str) -> Self {
        match url.strip_prefix("sqlite://") {
            Some(path) => {
                let mut connection = SqliteConnection::establish(path).expect("the file opens");
                let wait = "PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON";
                connection.batch_execute(wait).expect("SQLite takes its own settings");
                Self::Sqlite(connection)
            }
            None => Self::Postgres(PgConnection::establish(url).expect("the server is there")),
        }
    }

    fn execute(&mut self, sql: &str) -> usize {
        match self {
            Self::Sqlite(connection) => diesel::sql_query(sql).execute(connection),
            Self::Postgres(connection) => diesel::sql_query(sql).execute(connection),
        }
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if let Kind::Postgres { server, name } = &self.kind {
            // A second panic while the test is failing would hide the first one.
            let sql = format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#);
            let dropped = PgConnection::establish(server)
                .map_err(|error| error.to_string())
                .and_then(|mut connection| {
                    diesel::sql_query(sql).execute(&mut connection).map_err(|e| e.to_string())
                });
            if let Err(error) = dropped {
                eprintln!("the database {name} could not be dropped: {error}");
            }
        }
    }
}

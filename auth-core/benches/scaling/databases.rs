//! Databases that are filled by SQL, which takes seconds where calls would take hours.

use std::path::Path;

use auth_core::store::diesel::{PgDb, PgOptions, PgStore, SqliteDb, SqliteOptions, SqliteStore};
use auth_core::{ClientInfo, Clock, SessionId};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use tempfile::TempDir;

use crate::AWAY;
use crate::postgres_server::TestDatabase;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
    Postgres,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        let kinds = [Self::Memory, Self::Sqlite, Self::Postgres];
        kinds.into_iter().find(|kind| kind.name() == name).expect("the name of a kind")
    }
}

/// Where a database is: a path or a URL.
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) address: String,
}

/// A database that is removed at the end.
pub(crate) struct Database {
    place: Place,
    _held: Held,
}

#[allow(dead_code, reason = "they are held to be dropped")]
enum Held {
    Folder(TempDir),
    OnServer(TestDatabase),
}

impl Database {
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}

/// `None` where there is no server.
pub(crate) fn create(kind: Kind) -> Option<Database> {
    let (address, held) = match kind {
        Kind::Memory => return None,
        Kind::Sqlite => {
            let folder = tempfile::tempdir().expect("a folder can be made");
            let path = folder.path().join("db.sqlite3");
            (path.to_str().expect("Unicode").to_owned(), Held::Folder(folder))
        }
        Kind::Postgres => {
            let database = TestDatabase::create("PostgreSQL")?;
            (database.url.clone(), Held::OnServer(database))
        }
    };
    Some(Database { place: Place { kind, address }, _held: held })
}

/// As a server opens it: tables may be missing.
pub(crate) async fn sqlite(place: &Place) -> SqliteStore {
    let db = SqliteDb::open(Path::new(&place.address), SqliteOptions::default()).expect(AWAY);
    let store = SqliteStore::new(db);
    store.migrate().await.expect(AWAY);
    store
}

/// As a server opens it: tables may be missing.
pub(crate) async fn postgres(place: &Place) -> PgStore {
    let store = PgStore::new(PgDb::open(&place.address, PgOptions::default()).expect(AWAY));
    store.migrate().await.expect(AWAY);
    store
}

#[derive(Clone, Copy)]
pub(crate) enum Sessions {
    Live,
    Expired,
}

const ADDRESS: &str = "192.0.2.7";
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// Adds sessions of a tenth as many users.
pub(crate) fn fill(place: &Place, sessions: Sessions, count: usize) {
    const DAY: i64 = 86_400_000;
    let now = Clock::system().now_millis();
    let begun = match sessions {
        Sessions::Live => now,
        Sessions::Expired => now - 10 * DAY,
    };
    let end = begun + DAY;
    let insert = |id: &str, text: &str, numbers: &str| {
        format!(
            "INSERT INTO auth_sessions (id, user_type, user_id, carrier, generation, rotated_at,
                created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at, methods,
                ip, user_agent)
             SELECT {id}, 'user', CAST(n / 10 AS {text}), 'token', 0, {begun}, {begun}, {begun},
                {begun}, {end}, {end}, 'pwd', '{ADDRESS}', '{USER_AGENT}'
             FROM {numbers};"
        )
    };
    execute(place, count, "auth_sessions", insert);
}

/// Who refreshes the sessions: the one who logged in.
pub(crate) fn client() -> ClientInfo {
    ClientInfo::new(Some(ADDRESS), Some(USER_AGENT))
}

/// Adds revocations of sessions that are gone, to be remembered for so many seconds more.
pub(crate) fn fill_revocations(place: &Place, seconds: i64, count: usize) {
    let now = Clock::system().now_millis();
    let end = now + seconds * 1000;
    let insert = |id: &str, _: &str, numbers: &str| {
        format!(
            "INSERT INTO auth_revocations (kind, session_id, revoked_at, reason, expires_at)
             SELECT 'session', {id}, {now}, 'logout', {end} FROM {numbers};"
        )
    };
    execute(place, count, "auth_revocations", insert);
}

fn execute(place: &Place, count: usize, table: &str, insert: impl Fn(&str, &str, &str) -> String) {
    match place.kind {
        Kind::Memory => {}
        Kind::Sqlite => {
            let numbers = format!(
                "(WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers
                    WHERE n < {count}) SELECT n FROM numbers)"
            );
            let insert = insert("randomblob(16)", "TEXT", &numbers);
            // It need not survive, and is to be quick.
            let quickly = "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;";
            // The disk is to be at rest afterwards.
            let durably = "PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)";
            let sql = format!("{quickly} {insert} ANALYZE; {durably}");
            to_sqlite(place).batch_execute(&sql).expect("the database is there");
        }
        Kind::Postgres => {
            let numbers = format!("generate_series(1, {count}) AS numbers (n)");
            let random = "decode(replace(gen_random_uuid()::text, '-', ''), 'hex')";
            let insert = insert(random, "text", &numbers);
            let mut conn = to_postgres(place);
            conn.batch_execute(&insert).expect("the database is there");
            // As a server leaves it that has been running for a while.
            conn.batch_execute(&format!("VACUUM ANALYZE {table}")).expect("the database is there");
            conn.batch_execute("CHECKPOINT").expect("the role may do that");
        }
    }
}

/// Of the table and its indexes, on disk.
pub(crate) fn bytes_of_sessions(place: &Place) -> i64 {
    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    let row = match place.kind {
        Kind::Memory => return 0,
        Kind::Sqlite => diesel::sql_query(
            "SELECT page_count * page_size AS number FROM pragma_page_count, pragma_page_size",
        )
        .get_result::<Number>(&mut to_sqlite(place)),
        Kind::Postgres => {
            diesel::sql_query("SELECT pg_total_relation_size('auth_sessions') AS number")
                .get_result::<Number>(&mut to_postgres(place))
        }
    };
    row.expect("the database is there").number
}

/// Live sessions from anywhere in the table.
pub(crate) fn live_sessions(place: &Place, count: usize) -> Vec<SessionId> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = Binary)]
        id: Vec<u8>,
    }
    let now = Clock::system().now_millis();
    let sql = format!(
        "SELECT id FROM auth_sessions WHERE expires_at > {now} AND generation = 0 \
         ORDER BY id LIMIT {count}"
    );
    let rows: Vec<Id> = match place.kind {
        Kind::Memory => return Vec::new(),
        Kind::Sqlite => diesel::sql_query(sql).load(&mut to_sqlite(place)),
        Kind::Postgres => diesel::sql_query(sql).load(&mut to_postgres(place)),
    }
    .expect("the database is there");
    let id = |row: Id| SessionId::from_bytes(row.id.try_into().expect("sixteen bytes"));
    rows.into_iter().map(id).collect()
}

fn to_sqlite(place: &Place) -> SqliteConnection {
    SqliteConnection::establish(&place.address).expect("the database is there")
}

fn to_postgres(place: &Place) -> PgConnection {
    PgConnection::establish(&place.address).expect("the database is there")
}

//! Ten thousand refreshes of one login: one row, and the room that it takes beside tables with a
//! row for every token.

use auth_core::{Principal, Session, SessionStore};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::sample::{now, policy, presented, session};
use crate::say;

const REFRESHES: u64 = 10_000;

/// What SimpleJWT's `token_blacklist` keeps, with `ROTATE_REFRESH_TOKENS` and
/// `BLACKLIST_AFTER_ROTATION`: every token, and that it was spent.
fn tables_of_simplejwt(id: &str, moment: &str) -> String {
    format!(
        "CREATE TABLE outstanding (
             id {id},
             token text NOT NULL,
             created_at {moment},
             expires_at {moment} NOT NULL,
             user_id bigint,
             jti varchar(255) NOT NULL UNIQUE);
         CREATE INDEX outstanding_user ON outstanding (user_id);
         CREATE TABLE blacklisted (
             id {id},
             blacklisted_at {moment} NOT NULL,
             token_id bigint NOT NULL UNIQUE REFERENCES outstanding (id));"
    )
}

/// A token of 231 characters, as SimpleJWT writes them with HS256. Of `random`, 32 characters
/// that depend on `n`, any will do: nothing compresses or shares them.
fn rows_of_simplejwt(random: &str, moment: &str, numbers: &str) -> String {
    let token = [random; 6].join(" || ");
    format!(
        "INSERT INTO outstanding (token, created_at, expires_at, user_id, jti)
             SELECT 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.' || {token} || '..', {moment}, {moment},
                 1, {random}
             FROM {numbers};
         INSERT INTO blacklisted (blacklisted_at, token_id) SELECT {moment}, id FROM outstanding;"
    )
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// One login that has not been refreshed.
async fn log_in(store: &impl SessionStore) -> Session {
    let login = session(&Principal::new("user", "1"));
    store.create(&login).await.unwrap();
    login
}

async fn check_generation(store: &impl SessionStore, login: &Session) {
    let stored = store.find(login.id).await.unwrap().unwrap();
    assert_eq!(stored.generation, REFRESHES);
}

const ROWS: &str = "SELECT (SELECT count(*) FROM auth_sessions) + (SELECT count(*) FROM auth_revocations) AS number";

fn compare(database: &str, ours: i64, cleaned: i64, theirs: i64) {
    say(&format!(
        "{database}: {REFRESHES} refreshes of a login take {ours} bytes, {cleaned} after VACUUM, \
         with a row per token {theirs}"
    ));
    assert!(ours < theirs);
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use auth_core::store::diesel::{SqliteDb, SqliteOptions, SqliteStore};
    use diesel::connection::SimpleConnection;

    use super::*;

    const BYTES: &str =
        "SELECT page_count * page_size AS number FROM pragma_page_count, pragma_page_size";

    fn number(conn: &mut SqliteConnection, query: &str) -> i64 {
        diesel::sql_query(query).get_result::<Number>(conn).unwrap().number
    }

    #[tokio::test]
    async fn ten_thousand_refreshes_of_a_login_are_one_row_on_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite3");
        let store = SqliteStore::new(SqliteDb::open(&path, SqliteOptions::default()).unwrap());
        store.migrate().await.unwrap();
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        let empty = number(&mut conn, BYTES);

        let login = log_in(&store).await;
        let generations: Vec<_> = (0..REFRESHES).collect();
        // As many at once as the writer puts into one transaction. A runtime with one thread
        // begins them in their order.
        for generations in generations.chunks(250) {
            let refreshes: Vec<_> = generations
                .iter()
                .map(|&generation| {
                    let (store, id) = (store.clone(), login.id);
                    tokio::spawn(async move {
                        store.rotate(id, &presented(generation), now(), &policy()).await
                    })
                })
                .collect();
            for refresh in refreshes {
                refresh.await.unwrap().unwrap().unwrap();
            }
        }
        check_generation(&store, &login).await;
        assert_eq!(number(&mut conn, ROWS), 1);
        let ours = number(&mut conn, BYTES);

        let numbers = "(WITH RECURSIVE numbers (n) AS \
            (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000) SELECT n FROM numbers)";
        let (random, now) = ("lower(hex(randomblob(16)))", "datetime('now')");
        let tables = tables_of_simplejwt("integer PRIMARY KEY AUTOINCREMENT", "datetime");
        conn.batch_execute(&(tables + &rows_of_simplejwt(random, now, numbers))).unwrap();
        let theirs = number(&mut conn, BYTES) - ours;
        // The pages that the empty tables have are part of neither.
        assert_eq!(ours, empty, "not a page more than the empty tables had");
        // In place: there is nothing to clean up.
        compare("SQLite", ours, ours, theirs);
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use auth_core::store::diesel::{PgDb, PgOptions, PgStore};
    use diesel::connection::SimpleConnection;

    use super::*;
    use crate::alone;
    use crate::database::{TestDatabase, database};

    fn number(conn: &mut PgConnection, query: &str) -> i64 {
        diesel::sql_query(query).get_result::<Number>(conn).unwrap().number
    }

    #[tokio::test]
    async fn ten_thousand_refreshes_of_a_login_are_one_row_on_postgres() {
        const OURS: &str = "SELECT pg_total_relation_size('auth_sessions') \
            + pg_total_relation_size('auth_revocations') AS number";
        const THEIRS: &str = "SELECT pg_total_relation_size('outstanding') \
            + pg_total_relation_size('blacklisted') AS number";
        let database = database!();
        let _alone = alone().await;
        // What is durable is not the question, and to wait for the disk takes most of the time.
        let separator = if database.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}options=-c%20synchronous_commit%3Doff", database.url);
        let store = PgStore::new(PgDb::open(&url, PgOptions::default()).unwrap());
        store.migrate().await.unwrap();

        let login = log_in(&store).await;
        for generation in 0..REFRESHES {
            store
                .rotate(login.id, &presented(generation), now(), &policy())
                .await
                .unwrap()
                .unwrap();
        }
        check_generation(&store, &login).await;
        let mut conn = PgConnection::establish(&database.url).unwrap();
        assert_eq!(number(&mut conn, ROWS), 1);
        // With what is dead in it, and before anybody has cleaned it up.
        let ours = number(&mut conn, OURS);
        conn.batch_execute("VACUUM").unwrap();
        let cleaned = number(&mut conn, OURS);

        let (id, now) = ("bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "now()");
        let (random, numbers) = ("md5(random()::text)", "generate_series(1, 10000) AS numbers (n)");
        let tables = tables_of_simplejwt(id, "timestamptz");
        conn.batch_execute(&(tables + &rows_of_simplejwt(random, now, numbers))).unwrap();
        compare("PostgreSQL", ours, cleaned, number(&mut conn, THEIRS));
    }
}

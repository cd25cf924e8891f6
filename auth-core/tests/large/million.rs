//! A million sessions: what a refresh says to the database finds its row by the primary key.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_core::rotation::Presented;
use auth_core::session::{ClientInfo, RevocationReason, SecretHash};
use auth_core::store::{Renewal, Revoke, Stamp};
use auth_core::{SessionId, SessionStore};
use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Text};

use crate::sample::{now, policy};
use crate::say;

const FEW: i64 = 10_000;
const MANY: i64 = 1_000_000;

/// How many refreshes are timed.
const TIMED: usize = 200;

const ADDRESS: &str = "192.0.2.7";
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

const COLUMNS: &str = "id, user_type, user_id, carrier, generation, rotated_at, created_at, \
    authenticated_at, last_seen_at, idle_expires_at, expires_at, methods, ip, user_agent";

/// Where the statements are kept that a connection runs.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    /// Listens to a connection: work for a handle.
    pub(crate) fn listen<C: Connection>(
        &self,
    ) -> impl FnOnce(&mut C) -> QueryResult<()> + Send + 'static {
        let said = Arc::clone(&self.0);
        let note = move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                said.lock().unwrap().push(query.to_string());
            }
        };
        move |conn| {
            conn.set_instrumentation(note);
            Ok(())
        }
    }

    /// What was said about sessions since the last call, without the values.
    fn take(&self) -> Vec<String> {
        let said = self.take_with_values();
        let statements = said.iter().map(|query| query.split(" -- binds:").next().unwrap());
        statements.map(str::to_owned).collect()
    }

    /// What was said about sessions since the last call.
    pub(crate) fn take_with_values(&self) -> Vec<String> {
        let mut said = std::mem::take(&mut *self.0.lock().unwrap());
        said.retain(|query| query.contains("auth_sessions"));
        said
    }
}

/// What each verb of [`SessionStore`] that a request waits for says about sessions.
async fn what_is_said(
    store: &impl SessionStore,
    recorder: &Recorder,
    ids: &[SessionId],
) -> Vec<(&'static str, Vec<String>)> {
    let later = now() + Duration::from_secs(60);
    let stamp = Stamp { at: now(), reason: RevocationReason::Logout, until: later };
    let unknown = SessionId::random();
    let present = |generation| Presented { generation, client: client() };
    let elsewhere = ClientInfo::new(Some("198.51.100.1"), Some(USER_AGENT));
    let moved = Presented { generation: 2, client: elsewhere.clone() };
    let renewal = Renewal { hash: SecretHash::of(b"the next"), nonce: [0; 16], at: later };
    let mut said = Vec::new();
    recorder.take();
    macro_rules! say {
        ($($verb:literal: $call:expr),+ $(,)?) => { $(
            $call.await.unwrap();
            said.push(($verb, recorder.take()));
        )+ };
    }
    say! {
        "refreshing": store.rotate(ids[0], &present(0), now(), &policy()),
        "refreshing again": store.rotate(ids[0], &present(0), now(), &policy()),
        "going on": store.rotate(ids[0], &present(1), now(), &policy()),
        "refreshing from another address": store.rotate(ids[0], &moved, now(), &policy()),
        "refreshing with a spent token": store.rotate(ids[0], &present(0), now(), &policy()),
        "refreshing without a session": store.rotate(unknown, &present(0), now(), &policy()),
        "looking": store.find(ids[1]),
        "noting a sign of life": store.touch(ids[1], later, later, &elsewhere),
        "renewing a cookie": store.renew_secret(ids[1], SecretHash::of(b"this"), &renewal),
        "logging out": store.revoke(&Revoke::Session(ids[1]), stamp),
        "logging out again": store.revoke(&Revoke::Session(ids[1]), stamp),
    }
    said
}

/// Every statement of every verb, explained.
fn check<C: Debug>(said: Vec<(&str, Vec<String>)>, mut explain: impl FnMut(&str) -> Result<(), C>) {
    for (verb, statements) in said {
        assert!(!statements.is_empty(), "{verb} says nothing");
        for sql in statements {
            explain(&sql).unwrap_or_else(|plan| panic!("{verb}: {sql}\n{plan:#?}"));
        }
    }
}

/// How long a refresh takes, one after the other: the median.
async fn time_refreshes(store: &impl SessionStore, ids: &[SessionId]) -> Duration {
    let mut times = Vec::new();
    for id in ids {
        let presented = Presented { generation: 0, client: client() };
        let begun = Instant::now();
        let rotated = store.rotate(*id, &presented, now(), &policy()).await.unwrap().unwrap();
        times.push(begun.elapsed());
        assert_eq!(rotated.session.generation, 1);
    }
    times.sort();
    times[times.len() / 2]
}

fn tell(database: &str, few: Duration, many: Duration) {
    say(&format!(
        "{database}: a refresh among {FEW} sessions takes {few:.1?}, among {MANY} {many:.1?}"
    ));
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
}

fn session_ids(rows: Vec<Id>) -> Vec<SessionId> {
    rows.into_iter().map(|row| SessionId::from_bytes(row.id.try_into().unwrap())).collect()
}

/// Sessions that were not refreshed yet. Ids are random, so the lowest are anywhere in the table.
fn fresh() -> String {
    format!("SELECT id FROM auth_sessions WHERE generation = 0 ORDER BY id LIMIT {TIMED}")
}

/// Sessions of a tenth as many users, as columns in the order of [`COLUMNS`].
fn values(id: &str, text: &str) -> String {
    let now = now().timestamp_millis();
    let end = now + 86_400_000;
    format!(
        "{id}, 'user', CAST(n / 10 AS {text}), 'token', 0, {now}, {now}, {now}, {now}, {end}, {end}, \
         'pwd', '{ADDRESS}', '{USER_AGENT}'"
    )
}

/// Who refreshes: the one who logged in.
fn client() -> ClientInfo {
    ClientInfo::new(Some(ADDRESS), Some(USER_AGENT))
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use auth_core::store::diesel::{SqliteDb, SqliteOptions, SqliteStore};
    use diesel::connection::SimpleConnection;

    use super::*;

    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    fn load(conn: &mut SqliteConnection, from: i64, to: i64) {
        let rows = values("randomblob(16)", "TEXT");
        let sql = format!(
            "WITH RECURSIVE numbers (n) AS
                (SELECT {from} UNION ALL SELECT n + 1 FROM numbers WHERE n < {to} - 1)
             INSERT INTO auth_sessions ({COLUMNS}) SELECT {rows} FROM numbers;
             ANALYZE"
        );
        conn.batch_execute(&sql).unwrap();
    }

    fn ids(conn: &mut SqliteConnection) -> Vec<SessionId> {
        session_ids(diesel::sql_query(fresh()).load(conn).unwrap())
    }

    fn explain(conn: &mut SqliteConnection, sql: &str) -> Result<(), Vec<String>> {
        let steps: Vec<Step> =
            diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(conn).unwrap();
        let plan: Vec<_> = steps.into_iter().map(|step| step.detail).collect();
        let by_key = |step: &&String| {
            step.starts_with("SEARCH auth_sessions USING ")
                && step.ends_with("INDEX sqlite_autoindex_auth_sessions_1 (id=?)")
        };
        let others = plan.iter().any(|step| step.contains("auth_") && !by_key(&step));
        if plan.iter().any(|step| by_key(&step)) && !others { Ok(()) } else { Err(plan) }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_refresh_among_a_million_sessions_finds_its_own_by_the_key_on_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite3");
        let db = SqliteDb::open(&path, SqliteOptions { readers: 1, ..Default::default() }).unwrap();
        let store = SqliteStore::new(db.clone());
        store.migrate().await.unwrap();

        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        // It need not survive, and is to be quick.
        conn.batch_execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000").unwrap();
        load(&mut conn, 0, FEW);
        let few = time_refreshes(&store, &ids(&mut conn)).await;
        load(&mut conn, FEW, MANY);
        let many = time_refreshes(&store, &ids(&mut conn)).await;

        let recorder = Recorder::default();
        db.read(recorder.listen()).await.unwrap();
        db.write(recorder.listen()).await.unwrap();
        let said = what_is_said(&store, &recorder, &ids(&mut conn)).await;
        check(said, |sql| explain(&mut conn, sql));
        tell("SQLite", few, many);
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use auth_core::store::diesel::{PgDb, PgOptions, PgStore};
    use diesel::connection::SimpleConnection;
    use diesel::sql_types::BigInt;

    use super::*;
    use crate::alone;
    use crate::database::{TestDatabase, database};

    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
        step: String,
    }

    #[derive(QueryableByName, Debug)]
    struct Scans {
        #[diesel(sql_type = BigInt)]
        sequential: i64,
        #[diesel(sql_type = BigInt)]
        by_index: i64,
    }

    fn load(conn: &mut PgConnection, from: i64, to: i64) {
        let rows = values("decode(md5(n::text), 'hex')", "text");
        // They are to be there soon, and the refreshes then to be like any.
        let sql = format!(
            "ALTER TABLE auth_sessions SET UNLOGGED;
             INSERT INTO auth_sessions ({COLUMNS})
                SELECT {rows} FROM generate_series({from}, {to} - 1) AS numbers (n);
             ALTER TABLE auth_sessions SET LOGGED;
             ANALYZE auth_sessions"
        );
        conn.batch_execute(&sql).unwrap();
    }

    fn ids(conn: &mut PgConnection) -> Vec<SessionId> {
        session_ids(diesel::sql_query(fresh()).load(conn).unwrap())
    }

    /// The plan that is made without knowing the values.
    fn explain(conn: &mut PgConnection, sql: &str) -> Result<(), Vec<String>> {
        let parameters = (1..).take_while(|number| sql.contains(&format!("${number}"))).count();
        let nulls = vec!["NULL"; parameters].join(", ");
        conn.batch_execute(&format!("DEALLOCATE ALL; PREPARE said AS {sql}")).unwrap();
        let explain = format!("EXPLAIN EXECUTE said ({nulls})");
        let steps: Vec<Step> = diesel::sql_query(explain).load(conn).unwrap();
        let plan: Vec<_> = steps.into_iter().map(|row| row.step).collect();

        let count = |words: &str| plan.iter().filter(|step| step.contains(words)).count();
        let by_key = count("Scan using auth_sessions_pkey on auth_sessions");
        let all = count("Scan");
        if by_key > 0 && by_key == all && count("Index Cond: (id = ") == all {
            Ok(())
        } else {
            Err(plan)
        }
    }

    async fn scans(db: &PgDb) -> Scans {
        let scans = db.run(|conn| {
            conn.batch_execute("SELECT pg_stat_force_next_flush()")?;
            conn.batch_execute("SELECT 1")?;
            let query = "SELECT seq_scan AS sequential, idx_scan AS by_index
                FROM pg_stat_user_tables WHERE relname = 'auth_sessions'";
            diesel::sql_query(query).get_result(conn)
        });
        scans.await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_refresh_among_a_million_sessions_finds_its_own_by_the_key_on_postgres() {
        let database = database!();
        let _alone = alone().await;
        // One connection, which is then the one that is listened to.
        let options = PgOptions { connections: 1, ..Default::default() };
        let db = PgDb::open(&database.url, options).unwrap();
        let store = PgStore::new(db.clone());
        store.migrate().await.unwrap();

        let mut conn = PgConnection::establish(&database.url).unwrap();
        load(&mut conn, 0, FEW);
        let few = time_refreshes(&store, &ids(&mut conn)).await;
        load(&mut conn, FEW, MANY);
        let many = time_refreshes(&store, &ids(&mut conn)).await;

        let recorder = Recorder::default();
        db.run(recorder.listen()).await.unwrap();
        let sessions = ids(&mut conn);
        let before = scans(&db).await;
        let said = what_is_said(&store, &recorder, &sessions).await;
        let after = scans(&db).await;
        conn.batch_execute("SET plan_cache_mode = force_generic_plan").unwrap();
        check(said, |sql| explain(&mut conn, sql));
        assert_eq!(after.sequential, before.sequential);
        assert!(after.by_index > before.by_index, "{before:?} {after:?}");
        tell("PostgreSQL", few, many);
    }
}

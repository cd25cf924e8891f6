//! Pruning many sessions: the table is read in parts, each of them once and once more at the end, and
//! little is deleted at a time. So it takes the same memory for any number of sessions, time in
//! proportion to it, and nobody who writes waits for more than one short statement.

use std::collections::HashMap;

use auth_core::SessionStore;

use crate::million::Recorder;
use crate::sample::now;

/// More than two looks find.
const EXPIRED: usize = 25_000;
const LIVE: usize = 25_000;

/// What `DELETE` may name.
const DELETED_AT_ONCE: usize = 100;

/// So many live sessions, and after them so many that are over.
fn rows(id: &str, text: &str, numbers: &str) -> String {
    let now = now().timestamp_millis();
    format!(
        "INSERT INTO auth_sessions (id, user_type, user_id, carrier, generation, rotated_at,
            created_at, last_seen_at, idle_expires_at, expires_at, methods)
         SELECT {id}, 'user', CAST(n AS {text}), 'token', 0, {now}, {now}, {now},
            CASE WHEN n > {LIVE} THEN {now} ELSE {now} + 1 END, {now} + 1, 'pwd'
         FROM {numbers}"
    )
}

async fn prune(store: &impl SessionStore) {
    const LIMIT: u32 = 200;
    let mut removed = 0;
    loop {
        let count = store.prune(now(), LIMIT).await.unwrap();
        removed += count;
        if count < u64::from(LIMIT) {
            break;
        }
    }
    assert_eq!(removed, EXPIRED as u64);
}

fn check(recorder: &Recorder) {
    let said = recorder.take_with_values();
    let deletes = said.iter().filter(|statement| statement.starts_with("DELETE"));
    // Each id is a list of bytes.
    let sizes: Vec<_> = deletes.map(|delete| delete.matches("], [").count() + 1).collect();
    assert_eq!(sizes.iter().sum::<usize>(), EXPIRED);
    assert!(sizes.iter().all(|size| *size <= DELETED_AT_ONCE), "{:?}", sizes.iter().max());

    let mut looks = HashMap::new();
    for look in said.iter().filter(|look| look.starts_with("SELECT") && look.contains("expires_at"))
    {
        *looks.entry(look).or_insert(0) += 1;
    }
    let often = looks.iter().find(|(_, times)| **times > 2);
    assert!(often.is_none(), "{often:?}");
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn pruning_reads_each_part_once_and_deletes_little_at_a_time_on_sqlite() {
    use auth_core::store::diesel::{SqliteDb, SqliteOptions, SqliteStore};
    use diesel::connection::SimpleConnection;

    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { readers: 1, ..Default::default() };
    let db = SqliteDb::open(folder.path().join("db.sqlite3"), options).unwrap();
    let store = SqliteStore::new(db.clone());
    store.migrate().await.unwrap();
    let numbers = format!(
        "(WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers
            WHERE n < {LIVE} + {EXPIRED}) SELECT n FROM numbers)"
    );
    let rows = rows("randomblob(16)", "TEXT", &numbers);
    db.write(move |conn| conn.batch_execute(&rows)).await.unwrap();

    let recorder = Recorder::default();
    db.read(recorder.listen()).await.unwrap();
    db.write(recorder.listen()).await.unwrap();
    prune(&store).await;
    check(&recorder);
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn pruning_reads_each_part_once_and_deletes_little_at_a_time_on_postgres() {
    use auth_core::store::diesel::{PgDb, PgOptions, PgStore};
    use diesel::connection::SimpleConnection;

    use crate::alone;
    use crate::database::{TestDatabase, database};

    let database = database!();
    let _alone = alone().await;
    let options = PgOptions { connections: 1, ..Default::default() };
    let db = PgDb::open(&database.url, options).unwrap();
    let store = PgStore::new(db.clone());
    store.migrate().await.unwrap();
    let numbers = format!("generate_series(1, {LIVE} + {EXPIRED}) AS numbers (n)");
    let rows = rows("decode(md5(n::text), 'hex')", "text", &numbers);
    db.run(move |conn| conn.batch_execute(&rows)).await.unwrap();

    let recorder = Recorder::default();
    db.run(recorder.listen()).await.unwrap();
    prune(&store).await;
    check(&recorder);
}

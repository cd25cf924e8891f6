//! SQLite: the file, its readers and its writer.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::{Duration, Instant};

use auth_core::session::{Method, RevocationReason};
use auth_core::store::diesel::{SqliteDb, SqliteOptions, SqliteStore};
use auth_core::store::{Revoke, Stamp};
use auth_core::{Outage, Principal, SessionStore, conformance};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use diesel::result::Error::DatabaseError;
use diesel::sql_types::{BigInt, Text};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::sample::{MIGRATIONS, cause, now, policy, presented, session};

fn open(folder: &TempDir, options: SqliteOptions) -> SqliteDb {
    SqliteDb::open(folder.path().join("db.sqlite3"), options).unwrap()
}

/// A store with its tables.
async fn store(folder: &TempDir) -> (SqliteDb, SqliteStore) {
    let db = open(folder, SqliteOptions::default());
    let store = SqliteStore::new(db.clone());
    store.migrate().await.unwrap();
    (db, store)
}

/// A database with a table of names that are unique.
async fn names(folder: &TempDir) -> SqliteDb {
    let db = open(folder, SqliteOptions::default());
    let create = "CREATE TABLE names (name TEXT PRIMARY KEY)";
    db.write(move |conn| conn.batch_execute(create)).await.unwrap();
    db
}

fn insert(conn: &mut SqliteConnection, name: &str) -> QueryResult<()> {
    diesel::sql_query("INSERT INTO names VALUES (?)").bind::<Text, _>(name).execute(conn)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count(conn: &mut SqliteConnection) -> QueryResult<i64> {
    let query = diesel::sql_query("SELECT count(*) AS count FROM names");
    query.get_result::<Count>(conn).map(|row| row.count)
}

type Call = Pin<Box<dyn Future<Output = Result<(), Outage>>>>;

/// A write that has been handed over: what is begun while the writer is busy becomes one batch.
async fn begin(
    db: &SqliteDb,
    work: impl FnOnce(&mut SqliteConnection) -> QueryResult<()> + Send + 'static,
) -> Call {
    let db = db.clone();
    let mut call: Call = Box::pin(async move { db.write(work).await });
    poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    call
}

/// Keeps the writer busy until the sender is dropped.
async fn hold(db: &SqliteDb) -> (mpsc::Sender<()>, Call) {
    let (release, released) = mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let held = begin(db, move |_| {
        let _ = begun.send(());
        let _ = released.recv();
        Ok(())
    });
    let held = held.await;
    has_begun.await.unwrap();
    (release, held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let (_, store) = store(&folder).await;
    conformance::run(Arc::new(store)).await;
}

#[tokio::test]
async fn the_file_is_private_durable_and_guards_its_references() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder, SqliteOptions::default());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = folder.path().join("db.sqlite3").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let settings = |conn: &mut SqliteConnection| {
        let query = "SELECT (SELECT foreign_keys FROM pragma_foreign_keys) * 1000 \
                     + (SELECT synchronous FROM pragma_synchronous) * 100 \
                     + (SELECT journal_mode = 'wal' FROM pragma_journal_mode) * 10 \
                     + (SELECT query_only FROM pragma_query_only) AS count";
        diesel::sql_query(query).get_result::<Count>(conn).map(|row| row.count)
    };
    assert_eq!(db.read(settings).await.unwrap(), 1211);
    assert_eq!(db.write(settings).await.unwrap(), 1210);
}

#[tokio::test]
async fn reads_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let db = names(&folder).await;
    let refused = cause(db.read(|conn| insert(conn, "x")).await);
    assert!(refused.contains("readonly"), "{refused}");
}

#[tokio::test]
async fn a_write_is_answered_after_its_commit_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let db = names(&folder).await;
    let (release, held) = hold(&db).await;
    let mut first = begin(&db, |conn| insert(conn, "first")).await;
    // In the same batch as the first, and not done before the test says so.
    let (finish, finished) = mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let second = begin(&db, move |_| {
        let _ = begun.send(());
        let _ = finished.recv();
        Ok(())
    });
    let second = second.await;
    drop(release);
    held.await.unwrap();
    has_begun.await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), &mut first).await;
    assert!(early.is_err(), "the first has run, but its transaction is still open");
    assert_eq!(db.read(count).await.unwrap(), 0);
    drop(finish);
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(db.read(count).await.unwrap(), 1);
}

#[tokio::test]
async fn a_failing_write_is_undone_alone() {
    let folder = tempfile::tempdir().unwrap();
    let db = names(&folder).await;
    db.write(|conn| insert(conn, "taken")).await.unwrap();
    let (release, held) = hold(&db).await;
    let mut writes = Vec::new();
    for number in 0..20 {
        let work = move |conn: &mut SqliteConnection| {
            insert(conn, &format!("{number}"))?;
            // A transaction inside is a savepoint.
            conn.transaction(|conn| insert(conn, &format!("{number} again")))?;
            if number % 4 == 0 { insert(conn, "taken") } else { Ok(()) }
        };
        writes.push(begin(&db, work).await);
    }
    drop(release);
    held.await.unwrap();
    for (number, write) in writes.into_iter().enumerate() {
        match write.await {
            Ok(()) => assert_ne!(number % 4, 0),
            Err(Outage::Unavailable(cause)) => {
                assert_eq!(number % 4, 0);
                let cause = cause.downcast_ref().expect("the error of the closure");
                assert!(matches!(cause, DatabaseError(DatabaseErrorKind::UniqueViolation, _)));
            }
            Err(busy) => panic!("{busy}"),
        }
    }
    assert_eq!(db.read(count).await.unwrap(), 31);
}

#[tokio::test]
async fn a_panicking_write_is_undone_alone_and_the_writer_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let db = names(&folder).await;
    let (release, held) = hold(&db).await;
    let mut writes = Vec::new();
    for number in 0..9 {
        let work = move |conn: &mut SqliteConnection| {
            conn.transaction(|conn| {
                insert(conn, &format!("{number}"))?;
                assert!(number % 3 != 0, "this panic is part of the test");
                Ok(())
            })
        };
        writes.push(begin(&db, work).await);
    }
    drop(release);
    held.await.unwrap();
    for (number, write) in writes.into_iter().enumerate() {
        assert_eq!(write.await.is_ok(), number % 3 != 0, "{number}");
    }
    assert_eq!(db.read(count).await.unwrap(), 6);
    db.write(|conn| insert(conn, "after")).await.unwrap();
    assert_eq!(db.read(count).await.unwrap(), 7);
}

#[tokio::test]
async fn a_transaction_that_is_lost_fails_all_that_is_in_it_and_nothing_after() {
    let folder = tempfile::tempdir().unwrap();
    let db = names(&folder).await;
    let (release, held) = hold(&db).await;
    let before = begin(&db, |conn| insert(conn, "before")).await;
    // As SQLite does by itself when the disk is full.
    let lost = begin(&db, |conn| conn.batch_execute("ROLLBACK")).await;
    let after = begin(&db, |conn| insert(conn, "after")).await;
    drop(release);
    held.await.unwrap();
    for write in [before, lost, after] {
        assert!(cause(write.await).contains("no such savepoint"));
    }
    assert_eq!(db.read(count).await.unwrap(), 0);
    db.write(|conn| insert(conn, "later")).await.unwrap();
    assert_eq!(db.read(count).await.unwrap(), 1);
}

#[tokio::test]
async fn a_panicking_read_is_an_outage_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let db = names(&folder).await;
    for _ in 0..10 {
        let panics = |_: &mut SqliteConnection| panic!("this panic is part of the test");
        cause(db.read::<(), _>(panics).await);
    }
    assert_eq!(db.read(count).await.unwrap(), 0);
}

#[tokio::test]
async fn a_full_queue_is_busy_and_a_slow_writer_an_outage_by_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let deadline = Duration::from_millis(300);
    let db = open(&folder, SqliteOptions { queue: 2, deadline, ..Default::default() });
    let (release, held) = hold(&db).await;
    let waiting = [begin(&db, |_| Ok(())).await, begin(&db, |_| Ok(())).await];
    assert!(matches!(db.write(|_| Ok(())).await, Err(Outage::Busy)));
    let begun = Instant::now();
    for write in waiting {
        let late = cause(write.await);
        assert!(late.contains("did not answer within 300ms"), "{late}");
    }
    cause(held.await);
    assert!(begun.elapsed() < deadline * 3);
    drop(release);
    // What nobody waits for any more is dropped: soon there is room again.
    while let Err(outage) = db.write(|_| Ok(())).await {
        assert!(matches!(outage, Outage::Busy), "{outage}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_reads_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { readers: 2, queue: 3, ..Default::default() };
    let db = open(&folder, options);
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let closed = gate.lock().await;
    let mut reads = JoinSet::new();
    for _ in 0..20 {
        let (db, gate) = (db.clone(), Arc::clone(&gate));
        let wait = move |_: &mut SqliteConnection| {
            drop(gate.blocking_lock());
            Ok(())
        };
        reads.spawn(async move { db.read(wait).await });
    }
    // Two have begun and three wait. Nothing else ends before they do.
    for _ in 0..15 {
        let refused = reads.join_next().await.unwrap().unwrap();
        assert!(matches!(refused, Err(Outage::Busy)), "{refused:?}");
    }
    drop(closed);
    while let Some(read) = reads.join_next().await {
        read.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_lost_file_is_an_outage_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (_, store) = store(&folder).await;
    let kept = session(&Principal::new("user", "1"));
    store.create(&kept).await.unwrap();

    let (path, away) = (folder.path().join("db.sqlite3"), folder.path().join("away"));
    for suffix in ["", "-wal", "-shm"] {
        let from = path.with_file_name(format!("db.sqlite3{suffix}"));
        std::fs::rename(from, away.with_file_name(format!("away{suffix}"))).unwrap();
    }
    for _ in 0..2 {
        let lost = cause(store.create(&session(&Principal::new("user", "2"))).await);
        assert!(lost.contains("db.sqlite3: No such file"), "{lost}");
        cause(store.find(kept.id).await);
    }
    assert!(!path.exists(), "an empty database must not take its place");
    for suffix in ["", "-wal", "-shm"] {
        let from = away.with_file_name(format!("away{suffix}"));
        if from.exists() {
            std::fs::rename(from, path.with_file_name(format!("db.sqlite3{suffix}"))).unwrap();
        }
    }
    assert_eq!(store.find(kept.id).await.unwrap().as_ref(), Some(&kept));
    let rotated = store.rotate(kept.id, &presented(0), now(), &policy()).await.unwrap().unwrap();
    assert_eq!(rotated.session.generation, 1);
}

#[tokio::test]
async fn what_is_no_database_is_refused_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "not a database, but long enough to be looked at".repeat(100)).unwrap();
    let not_one = cause(SqliteDb::open(&path, SqliteOptions::default()));
    assert!(not_one.contains("notes.txt: file is not a database"), "{not_one}");
    let nowhere = folder.path().join("no/such/folder/db");
    let missing = cause(SqliteDb::open(&nowhere, SqliteOptions::default()));
    assert!(missing.contains("no/such/folder/db: No such file"), "{missing}");
    let memory = cause(SqliteDb::open(":memory:", SqliteOptions::default()));
    assert!(memory.contains("MemoryStore"), "{memory}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_start_at_once_open_and_migrate_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    let starting: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            tokio::task::spawn_blocking(move || {
                let db = SqliteDb::open(path, SqliteOptions::default()).unwrap();
                let runtime = tokio::runtime::Handle::current();
                runtime.block_on(SqliteStore::new(db).migrate()).unwrap()
            })
        })
        .collect();
    let mut applied = Vec::new();
    for start in starting {
        applied.extend(start.await.unwrap());
    }
    assert_eq!(applied, MIGRATIONS);
}

#[tokio::test]
async fn pending_migrations_are_told_and_writes_fail_with_a_cause() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::new(open(&folder, SqliteOptions::default()));
    assert_eq!(store.pending().await.unwrap(), MIGRATIONS);
    let missing = cause(store.create(&session(&Principal::new("user", "1"))).await);
    assert!(missing.contains("no such table: auth_sessions"), "{missing}");
    store.migrate().await.unwrap();
    assert_eq!(store.pending().await.unwrap(), [""; 0]);
    assert_eq!(store.migrate().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_migration_can_build_a_table_anew_without_losing_what_refers_to_it() {
    const OURS: EmbeddedMigrations = embed_migrations!("tests/stores/migrations");
    let folder = tempfile::tempdir().unwrap();
    let (db, store) = store(&folder).await;
    assert_eq!(db.pending(OURS).await.unwrap().len(), 2);
    assert_eq!(db.migrate(OURS).await.unwrap(), ["0001_names", "0002_names_anew"]);
    assert_eq!(db.pending(OURS).await.unwrap(), [""; 0]);
    assert_eq!(store.pending().await.unwrap(), [""; 0], "each source looks at its own");
    let notes = |conn: &mut SqliteConnection| {
        let query = diesel::sql_query("SELECT count(*) AS count FROM notes");
        query.get_result::<Count>(conn).map(|row| row.count)
    };
    assert_eq!(db.read(notes).await.unwrap(), 1);
    let orphan = "INSERT INTO notes VALUES ('nobody', 'x')";
    let refused = cause(db.write(move |conn| conn.batch_execute(orphan)).await);
    assert!(refused.contains("FOREIGN KEY"), "{refused}");
}

#[tokio::test]
async fn unreadable_rows_are_outages_with_a_cause_and_unknown_reasons_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (db, store) = store(&folder).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        let session = session(&Principal::new("user", "1"));
        store.create(&session).await.unwrap();
        sessions.push(session.id);
    }
    let [carrier, hash, reason, methods] = sessions[..] else { unreachable!() };
    db.write(move |conn| {
        conn.batch_execute("PRAGMA ignore_check_constraints = ON")?;
        conn.batch_execute(&format!(
            "UPDATE auth_sessions SET carrier = 'pigeon' WHERE hex(id) = upper('{carrier}');
             UPDATE auth_sessions SET secret_hash = x'0102' WHERE hex(id) = upper('{hash}');
             UPDATE auth_sessions SET methods = 'pwd telepathy mfa' \
                WHERE hex(id) = upper('{methods}');
             UPDATE auth_sessions SET revoked_at = 1, revoked_reason = 'because' \
                WHERE hex(id) = upper('{reason}');
             INSERT INTO auth_revocations (kind, session_id, revoked_at, reason, expires_at) \
                VALUES ('nothing', NULL, 1, 'logout', {until}), \
                       ('session', unhex('{reason}'), 1, 'because', {until});",
            until = now().timestamp_millis() + 1
        ))?;
        conn.batch_execute("PRAGMA ignore_check_constraints = OFF")
    })
    .await
    .unwrap();

    let unreadable = cause(store.find(carrier).await);
    assert_eq!(unreadable, format!("auth_sessions {carrier}: unknown carrier \"pigeon\""));
    let unreadable = cause(store.rotate(hash, &presented(0), now(), &policy()).await);
    assert_eq!(unreadable, format!("auth_sessions {hash}: a secret of 2 bytes instead of 32"));
    let revoked = store.find(reason).await.unwrap().unwrap().revoked;
    assert_eq!(revoked.unwrap().1, RevocationReason::Administrator);
    let known = store.find(methods).await.unwrap().unwrap().methods;
    assert_eq!(known, [Method::Password, Method::MultiFactor]);
    let revocations = store.revocations(0, now()).await.unwrap().revocations;
    assert_eq!(revocations.len(), 1, "one bad row does not hide the next");
    assert_eq!(revocations[0].stamp.reason, RevocationReason::Administrator);

    // What cannot be read can still be ended.
    let stamp = Stamp { at: now(), reason: RevocationReason::Logout, until: now() };
    assert_eq!(store.revoke(&Revoke::Session(carrier), stamp).await.unwrap().ended, [carrier]);
}

//! PostgreSQL: the pool, and a database that comes and goes. The URL has to name a TCP port: a
//! proxy stands in front of it now and then.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use auth_core::session::RevocationReason;
use auth_core::store::diesel::{PgDb, PgOptions, PgStore, UrlError};
use auth_core::store::{Revoke, Stamp, Target};
use auth_core::{Outage, Principal, SessionStore, conformance};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::database::{TestDatabase, database, execute};
use crate::sample::{MIGRATIONS, cause, now, policy, presented, session};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    setting: String,
}

async fn setting(db: &PgDb, name: &'static str) -> String {
    let query = format!("SELECT current_setting('{name}') AS setting");
    let shown = db.run(move |conn| diesel::sql_query(query).get_result::<Setting>(conn)).await;
    shown.unwrap().setting
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_conforms() {
    let database = database!();
    conformance::run(Arc::new(database.store().await)).await;
}

#[tokio::test]
async fn a_rotation_writes_no_index() {
    let database = database!();
    // One connection, so that it is the one whose statistics are asked for below.
    let options = PgOptions { connections: 1, ..Default::default() };
    let db = PgDb::open(&database.url, options).unwrap();
    let store = PgStore::new(db.clone());
    store.migrate().await.unwrap();
    let session = session(&Principal::new("user", "1"));
    store.create(&session).await.unwrap();
    for generation in 0..20 {
        store.rotate(session.id, &presented(generation), now(), &policy()).await.unwrap();
    }
    let hot = db.run(|conn| {
        conn.batch_execute("SELECT pg_stat_force_next_flush()")?;
        conn.batch_execute("SELECT 1")?;
        let query = "SELECT n_tup_hot_upd AS count FROM pg_stat_user_tables \
                     WHERE relname = 'auth_sessions' AND n_tup_upd = n_tup_hot_upd";
        diesel::sql_query(query).get_result::<Count>(conn)
    });
    assert!(hot.await.unwrap().count > 0);
}

#[tokio::test]
async fn timeouts_are_set_unless_the_url_sets_them() {
    let database = database!();
    let db = database.open();
    assert_eq!(setting(&db, "statement_timeout").await, "3s");
    assert_eq!(setting(&db, "idle_in_transaction_session_timeout").await, "3s");
    let separator = if database.url.contains('?') { '&' } else { '?' };
    let own = format!("{}{separator}options=-c%20statement_timeout%3D7s", database.url);
    let db = PgDb::open(&own, PgOptions::default()).unwrap();
    assert_eq!(setting(&db, "statement_timeout").await, "7s");
    let within = Duration::from_secs(20);
    let query = "SELECT current_setting('statement_timeout') AS setting";
    let slow = move |conn: &mut PgConnection| diesel::sql_query(query).get_result::<Setting>(conn);
    assert_eq!(db.run_within(within, slow).await.unwrap().setting, "20s");
    assert_eq!(setting(&db, "statement_timeout").await, "7s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_start_at_once_migrate_one_after_the_other() {
    let database = database!();
    let url = database.url.clone();
    let starting: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let db = PgDb::open(&url, PgOptions::default()).unwrap();
                PgStore::new(db).migrate().await.unwrap()
            })
        })
        .collect();
    let mut applied = Vec::new();
    for start in starting {
        applied.extend(start.await.unwrap());
    }
    assert_eq!(applied, MIGRATIONS);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_waits_for_another_process_however_short_the_deadline() {
    let database = database!();
    let deadline = Duration::from_millis(200);
    let db = PgDb::open(&database.url, PgOptions { deadline, ..Default::default() }).unwrap();
    let mut other = PgConnection::establish(&database.url).unwrap();
    other.batch_execute("SELECT pg_advisory_lock(7022647185579929458)").unwrap();
    let store = PgStore::new(db);
    let migrating = tokio::spawn(async move { store.migrate().await });
    tokio::time::sleep(deadline * 4).await;
    assert!(!migrating.is_finished());
    drop(other);
    assert_eq!(migrating.await.unwrap().unwrap(), MIGRATIONS);
}

#[tokio::test]
async fn pending_migrations_are_told_without_writing() {
    let database = database!();
    let store = PgStore::new(database.open());
    assert_eq!(store.pending().await.unwrap(), MIGRATIONS);
    let missing = cause(store.find(auth_core::SessionId::random()).await);
    assert!(missing.contains("\"auth_sessions\" does not exist"), "{missing}");
    store.migrate().await.unwrap();
    assert_eq!(store.pending().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_trigger_of_the_application_can_end_sessions() {
    let database = database!();
    let db = database.open();
    let store = PgStore::new(db.clone());
    store.migrate().await.unwrap();
    let until = now().timestamp_millis() + 1000;
    let trigger = format!(
        "CREATE TABLE users (id bigint PRIMARY KEY);
         CREATE FUNCTION end_sessions() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             WITH ended AS (
                 UPDATE auth_sessions SET revoked_at = 5, revoked_reason = 'user_deleted'
                 WHERE user_type = 'user' AND user_id = OLD.id::text AND revoked_at IS NULL
                 RETURNING id)
             INSERT INTO auth_revocations (kind, session_id, revoked_at, reason, expires_at)
                 SELECT 'session', id, 5, 'of our own', {until} FROM ended;
             RETURN OLD;
         END $$;
         CREATE TRIGGER end_sessions BEFORE DELETE ON users
             FOR EACH ROW EXECUTE FUNCTION end_sessions();
         INSERT INTO users VALUES (1), (2)"
    );
    db.run(move |conn| conn.batch_execute(&trigger)).await.unwrap();
    let mine = session(&Principal::new("user", "1"));
    let other = session(&Principal::new("user", "2"));
    store.create(&mine).await.unwrap();
    store.create(&other).await.unwrap();
    db.run(|conn| conn.batch_execute("DELETE FROM users WHERE id = 1")).await.unwrap();

    let ended = store.find(mine.id).await.unwrap().unwrap();
    assert_eq!(ended.revoked.map(|(_, why)| why), Some(RevocationReason::UserDeleted));
    assert_eq!(store.find(other.id).await.unwrap(), Some(other));
    let revocations = store.revocations(0, now()).await.unwrap().revocations;
    assert_eq!(revocations.len(), 1);
    assert_eq!(revocations[0].target, Target::Session(mine.id));
    assert_eq!(revocations[0].stamp.reason, RevocationReason::Administrator);
    let half = db.run(|conn| conn.batch_execute("UPDATE auth_sessions SET revoked_at = 5"));
    let refused = cause(half.await);
    assert!(refused.contains("check constraint"), "{refused}");
}

#[tokio::test]
async fn a_closed_port_is_an_outage_at_once_and_tells_no_password() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://someone:s3cret@127.0.0.1:{port}/db");
    let begun = Instant::now();
    let db = PgDb::open(&url, PgOptions::default()).unwrap();
    let refused = cause(db.ping().await);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(refused.contains("Connection refused"), "{refused}");
    let again = Instant::now();
    for _ in 0..5 {
        cause(db.ping().await);
    }
    assert!(again.elapsed() < Duration::from_secs(1), "{:?}", again.elapsed());
    let migrating = cause(db.migrate(none()).await);
    for words in [refused, migrating, format!("{db:?}")] {
        assert!(!words.contains("s3cret") && !words.contains("postgres://"), "{words}");
    }
}

#[tokio::test]
async fn what_libpq_cannot_read_is_not_quoted() {
    for url in [
        "postgres://someone:s3cret%zz@127.0.0.1/db",
        "postgres://someone:s3cret@[127.0.0.1/db",
        "postgres://someone:1/s3cret@127.0.0.1/db",
        "postgres://someone:p@127.0.0.1/db?s3cret",
        "postgres://someone:p@no-such-host-s3cret.invalid/db",
    ] {
        let db = match PgDb::open(url, PgOptions::default()) {
            Ok(db) => db,
            Err(error) => {
                assert!(!error.to_string().contains("s3cret"));
                continue;
            }
        };
        let words = cause(db.migrate(none()).await);
        assert!(!words.contains("s3cret"), "{words}");
    }
}

/// No migrations.
fn none() -> diesel_migrations::EmbeddedMigrations {
    diesel_migrations::EmbeddedMigrations::new(&[])
}

#[cfg(not(feature = "postgres-tls"))]
#[test]
fn tls_that_was_not_built_in_is_refused_at_once() {
    let url = "postgres://someone:s3cret@127.0.0.1/db?sslmode=verify-full";
    let error = PgDb::open(url, PgOptions::default()).unwrap_err();
    assert_eq!(error, UrlError::NoTls("verify-full"));
    assert!(error.to_string().contains("build it with the feature `postgres-tls`"));
}

#[cfg(feature = "postgres-tls")]
#[tokio::test]
async fn tls_that_is_demanded_is_tried() {
    let database = database!();
    // Whether the server has TLS or not: libpq speaks it, and does not fall back.
    let separator = if database.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}sslmode=require", database.url);
    let db = PgDb::open(&url, PgOptions::default()).unwrap();
    let query = "SELECT count(*) AS count FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
    match db.run(move |conn| diesel::sql_query(query).get_result::<Count>(conn)).await {
        Ok(encrypted) => assert_eq!(encrypted.count, 1),
        answer => assert!(cause(answer.map(|_| ())).contains("server does not support SSL")),
    }
    let error: Result<PgDb, UrlError> = PgDb::open("mysql://", PgOptions::default());
    assert_eq!(error.unwrap_err(), UrlError::Scheme);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn terminated_connections_are_replaced() {
    let database = database!();
    let store = database.store().await;
    let session = session(&Principal::new("user", "1"));
    store.create(&session).await.unwrap();
    let finds: Vec<_> = (0..20).map(|_| store.find(session.id)).collect();
    for find in finds {
        find.await.unwrap();
    }
    let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ";
    execute(&database.server, &format!("{all} '{}'", database.name));
    // A connection that was in use a moment ago is not asked before it is trusted, so a call may
    // find out for the others.
    let mut outages = 0;
    while let Err(outage) = store.find(session.id).await {
        outages += 1;
        assert!(outages <= 10, "{outage}");
    }
    for _ in 0..20 {
        assert_eq!(store.find(session.id).await.unwrap().as_ref(), Some(&session));
    }
    execute(&database.server, &format!("{all} '{}'", database.name));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    store.find(session.id).await.expect("a connection that rested is asked first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_goes_away_is_an_outage_until_it_is_back() {
    let database = database!();
    let proxy = Proxy::start(database.address());
    database.store().await;
    let store =
        PgStore::new(PgDb::open(&database.url_at(proxy.address), PgOptions::default()).unwrap());
    let session = session(&Principal::new("user", "1"));
    store.create(&session).await.unwrap();

    proxy.refuse();
    for attempt in 0..20 {
        let begun = Instant::now();
        cause(store.find(session.id).await);
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(1500), "attempt {attempt}: {took:?}");
    }
    proxy.forward();
    let back = Instant::now();
    while store.find(session.id).await.is_err() {
        assert!(back.elapsed() < Duration::from_secs(3), "the pool does not recover");
    }
    let rotated = store.rotate(session.id, &presented(0), now(), &policy()).await.unwrap().unwrap();
    assert_eq!(rotated.session.generation, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_stops_answering_is_an_outage_by_the_deadline() {
    let database = database!();
    let proxy = Proxy::start(database.address());
    database.store().await;
    let deadline = Duration::from_millis(500);
    let options = PgOptions { deadline, queue: 50, connections: 3, ..Default::default() };
    let store = PgStore::new(PgDb::open(&database.url_at(proxy.address), options).unwrap());
    let session = session(&Principal::new("user", "1"));
    store.create(&session).await.unwrap();

    proxy.swallow();
    let begun = Instant::now();
    let finds: Vec<_> = (0..100)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.find(session.id).await })
        })
        .collect();
    let mut busy = 0;
    for find in finds {
        match find.await.unwrap() {
            Err(Outage::Busy) => busy += 1,
            answer => drop(cause(answer)),
        }
    }
    assert_eq!(busy, 47, "3 run, 50 wait");
    assert!(begun.elapsed() < deadline * 3, "{:?}", begun.elapsed());

    proxy.forward();
    let back = Instant::now();
    while store.find(session.id).await.is_err() {
        assert!(back.elapsed() < Duration::from_secs(10), "the pool does not recover");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_statement_that_takes_too_long_is_cancelled_by_the_server_too() {
    let database = database!();
    let deadline = Duration::from_millis(300);
    let options = PgOptions { deadline, connections: 1, ..Default::default() };
    let db = PgDb::open(&database.url, options).unwrap();
    db.ping().await.unwrap();
    let begun = Instant::now();
    cause(db.run(|conn| conn.batch_execute("SELECT pg_sleep(20)")).await);
    assert!(begun.elapsed() < Duration::from_secs(1));
    // The only connection is free again, and good.
    while db.ping().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn a_panicking_call_is_an_outage_of_its_own() {
    let database = database!();
    let db = database.open();
    for _ in 0..12 {
        let panics = |conn: &mut PgConnection| {
            conn.transaction(|_| -> QueryResult<()> { panic!("this panic is part of the test") })
        };
        let panicked = cause(db.run(panics).await);
        assert!(panicked.contains("panicked"), "{panicked}");
    }
    db.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_prune_and_revoke_side_by_side() {
    let database = database!();
    let stores = [database.store().await, database.store().await];
    let me = Principal::new("user", "1");
    let mut ids = Vec::new();
    for number in 0..300 {
        let mut session = session(&me);
        if number % 2 == 0 {
            session.expires_at = now() - Duration::from_secs(1);
        }
        stores[0].create(&session).await.unwrap();
        ids.push(session.id);
    }
    let before = now() - Duration::from_secs(1);
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let (store, me) = (stores[number % 2].clone(), me.clone());
            tokio::spawn(async move {
                if number % 4 < 2 {
                    while store.prune(before, 20).await.unwrap() >= 20 {}
                    Vec::new()
                } else {
                    let reason = RevocationReason::Logout;
                    let until = now() + Duration::from_secs(60);
                    let stamp = Stamp { at: now(), reason, until };
                    store.revoke(&Revoke::Principal(me), stamp).await.unwrap().ended
                }
            })
        })
        .collect();
    let mut ended = Vec::new();
    for task in tasks {
        ended.extend(task.await.unwrap());
    }
    let reported = ended.len();
    ended.sort();
    ended.dedup();
    assert_eq!(ended.len(), reported, "each is reported once");
    assert!(ended.len() >= 150);
    while stores[0].prune(before, 20).await.unwrap() >= 20 {}
    for (number, id) in ids.into_iter().enumerate() {
        assert_eq!(stores[1].find(id).await.unwrap().is_some(), number % 2 == 1);
    }
}

/// Stands between the pool and the database.
struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    refuses: Mutex<bool>,
    swallows: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let state = Arc::clone(&proxy.state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let refuses = state.refuses.lock().unwrap();
                if *refuses {
                    continue;
                }
                let upstream = TcpStream::connect(&server).unwrap();
                for (from, to) in [(&client, &upstream), (&upstream, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let state = Arc::clone(&state);
                    thread::spawn(move || pump(from, to, &state.swallows));
                }
                state.open.lock().unwrap().extend([client, upstream]);
            }
        });
        proxy
    }

    /// Cuts what is open and whatever comes, like a server that was shut down.
    fn refuse(&self) {
        let mut refuses = self.state.refuses.lock().unwrap();
        *refuses = true;
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes everything and passes nothing on, like a server that was stopped.
    fn swallow(&self) {
        self.state.swallows.store(true, Ordering::SeqCst);
    }

    fn forward(&self) {
        *self.state.refuses.lock().unwrap() = false;
        self.state.swallows.store(false, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, swallows: &AtomicBool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read) = from.read(&mut buffer) {
        while swallows.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(10));
        }
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_long_transaction_revoked_is_heard_of_however_much_later_it_commits() {
    let database = database!();
    let store = database.store().await;
    let mut admin = PgConnection::establish(&database.url).unwrap();
    let slow = session(&Principal::new("user", "1"));
    store.create(&slow).await.unwrap();
    let until = now() + Duration::from_secs(86_400);
    admin
        .batch_execute(&format!(
            "BEGIN; INSERT INTO auth_revocations
                 (kind, session_id, revoked_at, reason, expires_at)
             SELECT 'session', id, 0, 'administrator', {} FROM auth_sessions",
            until.timestamp_millis()
        ))
        .unwrap();
    let mut settled = 0;
    for minute in 0..10 {
        let stamp = Stamp { at: now(), reason: RevocationReason::Logout, until };
        let other = Revoke::Session(auth_core::SessionId::random());
        store.revoke(&other, stamp).await.unwrap();
        let asked_at = now() + Duration::from_secs(60 * minute);
        settled = store.revocations(settled, asked_at).await.unwrap().last_seq;
    }
    admin.batch_execute("COMMIT").unwrap();
    let news = store.revocations(settled, now() + Duration::from_secs(660)).await.unwrap();
    let slow = Target::Session(slow.id);
    assert!(news.revocations.iter().any(|revocation| revocation.target == slow));
}

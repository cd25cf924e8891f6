//! The commands of the program, on both databases. (What does not depend on the database is
//! tested in `demo-app/tests`.)

use std::process::Output;

use tests::{ApiClient, Database, Process, TestDb, on_each_database};

on_each_database! {
    a_created_user_logs_in,
    migrations_are_applied_once,
    expired_sessions_are_flushed_and_counted,
}

fn run(db: &TestDb, arguments: &[&str], input: &str) -> String {
    let Output { status, stdout, stderr } = Process::run(db, arguments, input);
    let [said, complained] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(status.success(), "{arguments:?}: {said}{complained}");
    said
}

fn create_anna(db: &TestDb) {
    let arguments =
        ["create-user", "anna", "--email", "anna@example.org", "--staff", "--password-stdin"];
    run(db, &arguments, "long enough\n");
}

async fn log_in(server: &Process) -> ApiClient {
    ApiClient::log_in(server.anonymous().clone(), "anna", "long enough").await
}

async fn a_created_user_logs_in(database: Database) {
    let db = TestDb::create(database);
    create_anna(&db);
    let server = Process::serve(&db, &[]);
    let me = log_in(&server).await.me().await;
    assert_eq!(me.expect_status(200).text("email"), "anna@example.org");
    assert_eq!(db.count("users WHERE is_staff"), 1);
}

async fn migrations_are_applied_once(database: Database) {
    let db = TestDb::create(database);
    let [first, again] = [(), ()].map(|()| run(&db, &["migrate"], ""));
    assert!(first.contains("applied") && !again.contains("applied"), "{first}{again}");
    assert_eq!(db.count("users") + db.count("auth_sessions"), 0);
}

async fn expired_sessions_are_flushed_and_counted(database: Database) {
    let db = TestDb::create(database);
    create_anna(&db);
    let server = Process::serve(&db, &[]);
    for _ in 0..3 {
        log_in(&server).await;
    }
    let flush = || run(&db, &["flush-expired-tokens"], "");
    let said = flush();
    assert!(said.contains('0'), "{said}");
    db.execute("UPDATE auth_sessions SET expires_at = 1");
    let said = flush();
    assert!(said.contains('3'), "{said}");
    assert_eq!(db.count("auth_sessions"), 0);
}

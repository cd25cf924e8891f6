//! The program `demo-app` as somebody at a terminal meets it.

use std::process::Output;

use serde_json::json;
use tests::{ApiClient, Database, Process, TestDb, on_each_database};

on_each_database! {
    a_created_user_logs_in,
    an_inactive_user_is_created_locked_out,
    what_cannot_be_created_is_refused_in_words,
    migrations_are_applied_once,
    expired_sessions_are_flushed_and_counted,
    every_fault_of_the_configuration_is_told_at_once,
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn a_created_user_logs_in(database: Database) {
    let db = TestDb::create(database);
    let arguments =
        ["create-user", "anna", "--email", "anna@example.org", "--staff", "--password-stdin"];
    let said = stdout(&Process::run(&db, &arguments, "long enough\n"));
    assert!(said.contains("anna"), "{said}");
    assert!(!said.contains("long enough"), "{said}");

    let server = Process::serve(&db, &[]);
    let client = ApiClient::log_in(server.anonymous().clone(), "anna", "long enough").await;
    let me = client.me().await;
    assert_eq!(me.expect_status(200).text("email"), "anna@example.org");
    assert_eq!(db.count("users WHERE is_staff"), 1);
}

async fn an_inactive_user_is_created_locked_out(database: Database) {
    let db = TestDb::create(database);
    let arguments = ["create-user", "ivan", "--inactive", "--password-stdin"];
    stdout(&Process::run(&db, &arguments, "long enough\n"));
    let server = Process::serve(&db, &[]);
    let credentials = json!({ "username": "ivan", "password": "long enough" });
    server.anonymous().post("/api/token/", credentials.clone()).await.expect_status(401);
    stdout(&Process::run(&db, &["activate", "ivan"], ""));
    server.anonymous().post("/api/token/", credentials).await.expect_status(200);
}

async fn what_cannot_be_created_is_refused_in_words(database: Database) {
    let db = TestDb::create(database);
    let create =
        |name, password| Process::run(&db, &["create-user", name, "--password-stdin"], password);
    stdout(&create("anna", "long enough\n"));
    for (name, password) in
        [("anna", "long enough\n"), ("boris", "short\n"), ("boris", ""), ("", "long enough\n")]
    {
        let said = stderr(&create(name, password));
        assert!(!said.is_empty() && !said.contains("panicked"), "{said}");
    }
    for command in ["set-password", "deactivate", "activate"] {
        let said = stderr(&Process::run(&db, &[command, "nobody"], "long enough\n"));
        assert!(said.contains("nobody"), "{said}");
    }
    assert_eq!(db.count("users"), 1);
}

async fn migrations_are_applied_once(database: Database) {
    let db = TestDb::create(database);
    let first = stdout(&Process::run(&db, &["migrate"], ""));
    let again = stdout(&Process::run(&db, &["migrate"], ""));
    assert_ne!(first, again);
    assert_eq!(db.count("users") + db.count("auth_sessions"), 0);
}

async fn expired_sessions_are_flushed_and_counted(database: Database) {
    let db = TestDb::create(database);
    stdout(&Process::run(&db, &["create-user", "anna", "--password-stdin"], "long enough\n"));
    let server = Process::serve(&db, &[]);
    for _ in 0..3 {
        ApiClient::log_in(server.anonymous().clone(), "anna", "long enough").await;
    }
    let flush = || stdout(&Process::run(&db, &["flush-expired-tokens"], ""));
    assert!(flush().contains('0'));
    db.execute("UPDATE auth_sessions SET expires_at = 1 WHERE generation = 0");
    let said = flush();
    assert!(said.contains('3'), "{said}");
    assert_eq!(db.count("auth_sessions"), 0);
}

async fn every_fault_of_the_configuration_is_told_at_once(database: Database) {
    let db = TestDb::create(database);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("demo.toml");
    let faults = "acess_token_lifetime = \"5m\"\nrefresh_grace = \"2m\"\nleeway = \"soon\"\n";
    std::fs::write(&file, faults).unwrap();
    let said = stderr(&Process::run(&db, &["--config", file.to_str().unwrap()], ""));
    for name in ["acess_token_lifetime", "refresh_grace", "leeway"] {
        assert!(said.contains(name), "{said}");
    }
}

//! Changed rights apply with the next request, on every node, and log nobody out.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use reqwest::Method;
use tests::{ApiClient, Database, NewUser, Process, TestApp, TestDb, eventually, on_each_database};

on_each_database! {
    a_right_that_was_taken_away_is_gone_with_the_next_request,
    a_right_that_was_given_is_there_after_a_refresh,
    a_change_behind_the_applications_back_counts_too,
    another_node_refuses_the_old_rights_soon,
    a_cookie_goes_on_with_the_new_rights_and_a_new_secret,
    a_command_changes_rights_of_a_running_server,
    a_restored_backup_locks_nobody_out_whose_rights_had_changed,
}

tests::on_postgres! {
    a_login_beside_a_change_of_rights_gets_the_new_ones,
    a_login_beside_a_deactivation_is_none,
}

const REFUSED: &str = r#"{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is blacklisted"}]}"#;

fn admin_route(id: i64) -> String {
    format!("/api/v1/admin/users/{id}/sessions")
}

async fn a_right_that_was_taken_away_is_gone_with_the_next_request(database: Database) {
    let app = TestApp::start(database).await;
    let user = app.create(NewUser::staff("root")).await;
    let (path, mut client) = (admin_route(user.id), app.log_in(&user).await);
    let mut browser = app.sign_in(&user).await;
    client.get(&path).await.expect_status(200);
    browser.get(&path).await.expect_status(200);

    app.set_rights(&user, false, None).await;
    client.get(&path).await.expect_refused_token(REFUSED);
    browser.get(&path).await.expect_status(403);
    client.refresh().await.expect_status(200);
    client.get(&path).await.expect_status(403);
    client.me().await.expect_status(200);
}

async fn a_right_that_was_given_is_there_after_a_refresh(database: Database) {
    let app = TestApp::start(database).await;
    let user = app.user("anna").await;
    let (path, mut client) = (admin_route(user.id), app.log_in(&user).await);
    let mut browser = app.sign_in(&user).await;
    client.get(&path).await.expect_status(403);
    app.set_rights(&user, true, None).await;
    client.me().await.expect_status(401);
    client.refresh().await.expect_status(200);
    client.get(&path).await.expect_status(200);
    browser.get(&path).await.expect_status(200);
    // What changes nothing revokes nothing.
    app.set_rights(&user, true, None).await;
    client.me().await.expect_status(200);
}

async fn a_change_behind_the_applications_back_counts_too(database: Database) {
    let app = TestApp::start(database).await;
    let user = app.create(NewUser::staff("root")).await;
    let (path, mut client) = (admin_route(user.id), app.log_in(&user).await);
    let bystander = app.log_in(&app.user("boris").await).await;
    let changed = app.db().execute("UPDATE users SET role = 'guest' WHERE username = 'root'");
    assert_eq!(changed, 1);
    eventually("the old rights are refused", async || client.me().await.status == 401).await;
    client.refresh().await.expect_status(200);
    client.get(&path).await.expect_status(200);
    bystander.me().await.expect_status(200);
}

async fn another_node_refuses_the_old_rights_soon(database: Database) {
    let db = Arc::new(TestDb::create(database));
    let url = db.url().to_owned();
    let one = TestApp::on(Arc::clone(&db), &url, &[]).await;
    let other = TestApp::on(db, &url, &[]).await;
    let user = one.create(NewUser::staff("root")).await;
    let mut client = one.log_in(&user).await;
    other.anonymous().me(&client.access).await.expect_status(200);
    one.set_rights(&user, false, None).await;
    eventually("the old rights are refused", async || {
        other.anonymous().me(&client.access).await.status == 401
    })
    .await;
    client.refresh().await.expect_status(200);
    other.anonymous().me(&client.access).await.expect_status(200);
}

async fn a_cookie_goes_on_with_the_new_rights_and_a_new_secret(database: Database) {
    let app = TestApp::start(database).await;
    let user = app.create(NewUser::staff("root")).await;
    let (path, mut browser) = (admin_route(user.id), app.sign_in(&user).await);
    let other_tab = browser.clone();
    let old = browser.cookie("sessionid").to_owned();
    assert_eq!(browser.get(&path).await.cookies().count(), 0, "nothing to renew");

    app.set_rights(&user, true, Some("auditor")).await;
    let answer = browser.get(&path).await;
    answer.expect_status(200).expect_header("cache-control", "no-store");
    let set = answer.cookie("sessionid");
    assert_eq!(set.http_only(), Some(true));
    assert_ne!(set.value(), old);
    // The CSRF token goes with it.
    let end_nobody = format!("{path}/{}", "0".repeat(32));
    browser.act(Method::DELETE, &end_nobody, None).await.expect_status(404);
    assert_eq!(browser.get(&path).await.cookies().count(), 0, "renewed once");

    // A tab that was under way gets the same.
    let again = other_tab.clone().get(&path).await;
    assert_eq!(again.expect_status(200).cookie("sessionid").value(), set.value());
    // A handler without the middleware cannot set it, and accepts the old one meanwhile.
    other_tab.clone().me().await.expect_status(200);
    // The trigger's clock is the database's, which has gone on.
    app.advance(Duration::from_secs(20)).await;
    other_tab.clone().me().await.expect_status(401);
    other_tab.clone().get(&path).await.expect_status(401);
    browser.get(&path).await.expect_status(200);
}

async fn a_command_changes_rights_of_a_running_server(database: Database) {
    let db = TestDb::create(database);
    let run = |arguments: &[&str], input: &str| {
        let output = Process::run(&db, arguments, input);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["create-user", "anna", "--password-stdin"], "long enough\n");
    let server = Process::serve(&db, &[]);
    let mut client = ApiClient::log_in(server.anonymous().clone(), "anna", "long enough").await;
    let path = admin_route(1);
    client.get(&path).await.expect_status(403);

    let said = run(&["set-rights", "anna", "--staff", "yes", "--role", "auditor"], "");
    assert_eq!(said, "anna: staff, role auditor\n");
    eventually("the old rights are refused", async || client.me().await.status == 401).await;
    client.refresh().await.expect_status(200);
    client.get(&path).await.expect_status(200);
    assert_eq!(run(&["set-rights", "anna", "--no-role"], ""), "anna: staff\n");
    assert_eq!(run(&["set-rights", "anna", "--staff", "no"], ""), "anna: not staff\n");
    let unknown = Process::run(&db, &["set-rights", "nobody", "--staff", "no"], "");
    assert!(!unknown.status.success());
}

async fn a_restored_backup_locks_nobody_out_whose_rights_had_changed(database: Database) {
    let app = TestApp::start(database).await;
    let user = app.create(NewUser::staff("root")).await;
    let (path, mut client) = (admin_route(user.id), app.log_in(&user).await);
    let mut browser = app.sign_in(&user).await;
    app.set_rights(&user, true, Some("auditor")).await;
    client.get(&path).await.expect_status(401);
    // The process has heard of the change; the rows have not.
    app.db().execute("UPDATE auth_sessions SET rights_version = 0");
    client.refresh().await.expect_status(200);
    client.get(&path).await.expect_status(200);
    browser.get(&path).await.expect_status(200);
}

/// Runs `request` while a transaction that changes the user has done everything but commit.
async fn beside<T>(app: &TestApp, change: &str, request: impl Future<Output = T>) -> T {
    let mut admin = PgConnection::establish(app.db().url()).expect("the server is there");
    let changed = format!("BEGIN; {change}; SET CONSTRAINTS ALL IMMEDIATE");
    admin.batch_execute(&changed).expect("the user can be changed");
    let commit = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        admin.batch_execute("COMMIT").expect("the change can be committed");
    };
    tokio::join!(request, commit).0
}

async fn a_login_beside_a_change_of_rights_gets_the_new_ones(database: Database) {
    let app = TestApp::start(database).await;
    let user = app.create(NewUser::staff("root")).await;
    let change = "UPDATE users SET is_staff = false WHERE username = 'root'";
    let client = beside(&app, change, app.log_in(&user)).await;
    client.get(&admin_route(user.id)).await.expect_status(403);
}

async fn a_login_beside_a_deactivation_is_none(database: Database) {
    let app = TestApp::start(database).await;
    let user = app.user("anna").await;
    let change = "UPDATE users SET is_active = false WHERE username = 'anna'";
    let login = app.anonymous().post("/api/token/", user.credentials());
    beside(&app, change, login).await.expect_status(401);
    assert_eq!(app.db().count("auth_sessions WHERE revoked_at IS NULL"), 0);
}

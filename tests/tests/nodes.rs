//! Several processes on one database: what one does, the others know.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use tests::{ApiClient, Database, Process, TestApp, TestDb, eventually, on_each_database};

on_each_database! {
    what_one_node_issues_the_other_accepts,
    what_one_node_ends_the_other_refuses_soon,
    what_was_ended_before_a_node_started_it_refuses,
    two_nodes_answer_the_same_refresh_token,
    a_command_ends_the_sessions_of_a_running_server,
}

/// Two applications on one database.
async fn two_nodes(database: Database) -> [TestApp; 2] {
    let db = Arc::new(TestDb::create(database));
    let url = db.url().to_owned();
    [TestApp::on(Arc::clone(&db), &url, &[]).await, TestApp::on(db, &url, &[]).await]
}

async fn what_one_node_issues_the_other_accepts(database: Database) {
    let [one, other] = two_nodes(database).await;
    let anna = one.user("anna").await;
    let client = one.log_in(&anna).await;
    other.anonymous().me(&client.access).await.expect_status(200);
    other.anonymous().refresh(&client.refresh).await.expect_status(200);

    let browser = one.sign_in(&anna).await;
    let mut moved = other.browser();
    moved.cookies = browser.cookies;
    moved.me().await.expect_status(200);
}

async fn what_one_node_ends_the_other_refuses_soon(database: Database) {
    let [one, other] = two_nodes(database).await;
    let anna = one.user("anna").await;
    let client = one.log_in(&anna).await;
    let mut moved = other.browser();
    moved.cookies = one.sign_in(&anna).await.cookies;
    other.anonymous().me(&client.access).await.expect_status(200);
    moved.me().await.expect_status(200);

    one.set_password(&anna, "another password").await;
    eventually("the token is refused", async || {
        other.anonymous().me(&client.access).await.status == 401
    })
    .await;
    eventually("the cookie is refused", async || moved.me().await.status == 401).await;
    other.anonymous().refresh(&client.refresh).await.expect_status(401);
}

async fn what_was_ended_before_a_node_started_it_refuses(database: Database) {
    let db = Arc::new(TestDb::create(database));
    let url = db.url().to_owned();
    let first = TestApp::on(Arc::clone(&db), &url, &[]).await;
    let [anna, boris] = [first.user("anna").await, first.user("boris").await];
    let (client, other) = (first.log_in(&anna).await, first.log_in(&boris).await);
    first.anonymous().blacklist(&client.refresh).await.expect(200, "{}");
    drop(first);

    let second = TestApp::on(db, &url, &[]).await;
    second.anonymous().me(&client.access).await.expect_status(401);
    second.anonymous().me(&other.access).await.expect_status(200);
}

async fn two_nodes_answer_the_same_refresh_token(database: Database) {
    let nodes = two_nodes(database).await;
    let client = nodes[0].log_in(&nodes[0].user("anna").await).await;
    for node in &nodes {
        node.anonymous().me(&client.access).await.expect_status(200);
    }
    let requests = (0..20).map(|number| nodes[number % 2].anonymous().refresh(&client.refresh));
    let answers = join_all(requests).await;
    let tokens: HashSet<_> =
        answers.iter().map(|answer| answer.expect_status(200).text("refresh")).collect();
    assert_eq!(tokens.len(), 1);
}

async fn a_command_ends_the_sessions_of_a_running_server(database: Database) {
    let db = TestDb::create(database);
    let run = |arguments: &[&str], input: &str| {
        let output = Process::run(&db, arguments, input);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    run(&["create-user", "anna", "--password-stdin"], "long enough\n");
    run(&["create-user", "boris", "--password-stdin"], "long enough\n");
    let server = Process::serve(&db, &[]);
    let log_in = |name| ApiClient::log_in(server.anonymous().clone(), name, "long enough");

    let client = log_in("anna").await;
    run(&["set-password", "anna", "--password-stdin"], "something else\n");
    eventually("a new password ends the session", async || client.me().await.status == 401).await;

    let client = log_in("boris").await;
    run(&["deactivate", "boris"], "");
    eventually("a deactivation ends the session", async || client.me().await.status == 401).await;
    run(&["activate", "boris"], "");
    log_in("boris").await.me().await.expect_status(200);
}

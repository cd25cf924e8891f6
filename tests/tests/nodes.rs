//! Several processes on one database: what one does, the others know.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{
    Anonymous, Answer, ApiClient, Database, Process, TestApp, TestDb, eventually, on_each_database,
};

on_each_database! {
    what_one_node_issues_the_other_accepts,
    what_one_node_ends_the_other_refuses_soon,
    what_was_ended_before_a_node_started_it_refuses,
    two_nodes_answer_the_same_refresh_token,
    a_command_ends_the_sessions_of_a_running_server,
    a_personal_token_that_a_process_has_in_memory_ends_there_too,
    changed_scopes_apply_in_every_process,
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

const PASSWORD: &str = "long enough";
const TOKENS: &str = "/api/v1/users/tokens";

/// Two processes that hear of each other's revocations by asking alone, in the default interval of half a
/// second; and these users, each with [`PASSWORD`] and, where they have any, scopes.
fn two_processes(db: &TestDb, users: &[(&str, &[&str])]) -> [Process; 2] {
    for (name, rights) in users {
        let arguments = [&["create-user", name, "--password-stdin"], *rights].concat();
        let created = Process::run(db, &arguments, &format!("{PASSWORD}\n"));
        assert!(created.status.success(), "{created:?}");
    }
    [(); 2].map(|()| Process::serve(db, &[("REVOCATION_LISTEN", "false")]))
}

/// A new personal token of whoever this is: its id, and its text.
async fn personal_token(client: &ApiClient, new: Value) -> (String, String) {
    let answer = Answer::to(client.request(Method::POST, TOKENS).json(&new)).await;
    answer.expect_status(201);
    (answer.text("id"), answer.text("token"))
}

async fn show(node: &Anonymous, token: &str) -> Answer {
    node.get_with("/api/v1/users/me", &format!("Token {token}")).await
}

async fn a_personal_token_that_a_process_has_in_memory_ends_there_too(database: Database) {
    let db = TestDb::create(database);
    let processes = two_processes(&db, &[("anna", &[]), ("boris", &[])]);
    let [one, other] = processes.each_ref().map(|process| process.anonymous());
    let log_in = |name| ApiClient::log_in(one.clone(), name, PASSWORD);
    let (anna, boris) = (log_in("anna").await, log_in("boris").await);
    let (id, first) = personal_token(&anna, json!({ "name": "first" })).await;
    let (_, second) = personal_token(&anna, json!({ "name": "second" })).await;
    let (_, third) = personal_token(&boris, json!({ "name": "third" })).await;
    // From now on neither asks the database about them, for a minute.
    let known = async || {
        for node in [one, other] {
            for token in [&first, &second, &third] {
                show(node, token).await.expect_status(200);
            }
        }
    };
    known().await;

    let ended = Answer::to(anna.request(Method::DELETE, &format!("{TOKENS}/{id}"))).await;
    ended.expect_status(204);
    show(one, &first).await.expect_status(401);
    eventually("one that was ended is refused", async || show(other, &first).await.status == 401)
        .await;
    let revoke = other.request(Method::POST, "/api/token/revoke").form(&[("token", &second)]);
    let revoke = revoke.header("Authorization", format!("Token {second}"));
    Answer::to(revoke).await.expect(200, "");
    show(other, &second).await.expect_status(401);
    eventually("one that ended itself is refused", async || show(one, &second).await.status == 401)
        .await;
    for node in [one, other] {
        show(node, &third).await.expect_status(200);
    }

    // Nobody tells a process, and the reason is that of the database.
    db.execute("UPDATE users SET is_active = false WHERE username = 'boris'");
    for node in [one, other] {
        let refused = async || show(node, &third).await.status == 401;
        eventually("that of an inactive user is refused", refused).await;
        let answer = show(node, &third).await;
        answer.expect(401, r#"{"detail":"User inactive or deleted."}"#);
    }
}

async fn changed_scopes_apply_in_every_process(database: Database) {
    let db = TestDb::create(database);
    let scopes: &[&str] = &["--scope", "orders:read", "--scope", "orders:write"];
    let processes = two_processes(&db, &[("anna", scopes), ("boss", &["--staff"])]);
    let [one, other] = processes.each_ref().map(|process| process.anonymous());
    let mut anna = ApiClient::log_in(one.clone(), "anna", PASSWORD).await;
    let boss = ApiClient::log_in(other.clone(), "boss", PASSWORD).await;
    let (_, token) = personal_token(&anna, json!({ "name": "all" })).await;
    let limited = json!({ "name": "limited", "scopes": ["orders:write"] });
    let (_, limited) = personal_token(&anna, limited).await;
    let scope_of = async |token: &str| {
        let request = boss.request(Method::POST, "/api/token/introspect");
        let answer = Answer::to(request.form(&[("token", token)])).await;
        answer.expect_status(200).json()["scope"].clone()
    };
    for node in [one, other] {
        node.me(&anna.access).await.expect_status(200);
        show(node, &token).await.expect_status(200);
        show(node, &limited).await.expect_status(200);
    }
    assert_eq!(scope_of(&anna.access).await, "orders:read orders:write");
    assert_eq!(scope_of(&limited).await, "orders:write");

    db.execute("UPDATE users SET scopes = 'orders:read' WHERE username = 'anna'");
    for node in [one, other] {
        let refused = async || node.me(&anna.access).await.status == 401;
        eventually("a token that carries the old scopes is refused", refused).await;
        // Of a personal token only the rights have changed.
        show(node, &token).await.expect_status(200);
        show(node, &limited).await.expect_status(200);
    }
    anna.refresh().await.expect_status(200);
    for node in [one, other] {
        node.me(&anna.access).await.expect_status(200);
    }
    for token in [&anna.access, &token] {
        assert_eq!(scope_of(token).await, "orders:read");
    }
    assert_eq!(scope_of(&limited).await, Value::Null);

    // So it is with a right that opens a route: from memory, until the change is heard of.
    let (_, program) = personal_token(&boss, json!({ "name": "program" })).await;
    let administer = async |node: &Anonymous| {
        let path = "/api/v1/admin/users/1/sessions";
        node.get_with(path, &format!("Token {program}")).await.status
    };
    for node in [one, other] {
        assert_eq!(administer(node).await, 200);
    }
    db.execute("UPDATE users SET is_staff = false WHERE username = 'boss'");
    for node in [one, other] {
        eventually("the right is gone", async || administer(node).await == 403).await;
        show(node, &program).await.expect_status(200);
    }
}

//! Refreshing when everything happens at once, and when the server dies in between.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tests::token::{but, claims_of, mint, simplejwt_claims};
use tests::{Anonymous, Answer, ApiClient, Database, Process, TestApp, TestDb, on_each_database};

on_each_database! {
    two_hundred_refreshes_at_once_get_the_same_token,
    first_refreshes_of_a_token_of_simplejwt_at_once_get_the_same_token,
    refreshes_and_a_logout_at_once_leave_no_living_session,
    clients_go_on_after_the_server_was_killed,
}

async fn two_hundred_refreshes_at_once_get_the_same_token(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;

    let answers = join_all((0..200).map(|_| app.anonymous().refresh(&client.refresh))).await;
    let tokens: HashSet<_> =
        answers.iter().map(|answer| answer.expect_status(200).text("refresh")).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(app.db().count("auth_sessions"), 1);

    for answer in &answers {
        app.anonymous().me(&answer.text("access")).await.expect_status(200);
    }
    let token = tokens.into_iter().next().unwrap();
    app.anonymous().refresh(&token).await.expect_status(200);
}

async fn first_refreshes_of_a_token_of_simplejwt_at_once_get_the_same_token(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let claims = but(simplejwt_claims(anna.id, app.now()), json!({ "token_type": "refresh" }));
    let foreign = mint(&claims);
    let answers = join_all((0..50).map(|_| app.anonymous().refresh(&foreign))).await;
    let tokens: HashSet<_> =
        answers.iter().map(|answer| answer.expect_status(200).text("refresh")).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(app.db().count("auth_sessions"), 1);
}

async fn refreshes_and_a_logout_at_once_leave_no_living_session(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;

    let refreshes =
        async { join_all((0..20).map(|_| app.anonymous().refresh(&client.refresh))).await };
    let (answers, logout) = tokio::join!(refreshes, app.anonymous().blacklist(&client.refresh));
    logout.expect(200, "{}");
    for answer in answers {
        if answer.status == 200 {
            app.anonymous().me(&answer.text("access")).await.expect_status(401);
            app.anonymous().refresh(&answer.text("refresh")).await.expect_status(401);
        } else {
            answer.expect_status(401);
        }
    }
    assert_eq!(app.db().count("auth_sessions WHERE revoked_at IS NULL"), 0);
}

const CLIENTS: usize = 8;
const ROUNDS: usize = 3;
const REFRESHES_A_ROUND: usize = 200;

async fn clients_go_on_after_the_server_was_killed(database: Database) {
    let db = TestDb::create(database);
    // Starting again takes a moment, on a busy machine more than the ten seconds of the default.
    let settings = [("REFRESH_GRACE", "60s")];
    let created = Process::run(&db, &["create-user", "anna", "--password-stdin"], "long enough\n");
    assert!(created.status.success(), "{created:?}");

    let mut server = Process::serve(&db, &settings);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = ApiClient::log_in(server.anonymous().clone(), "anna", "long enough").await;
        clients.push(client.refresh);
    }
    for _ in 0..ROUNDS {
        clients = refresh_until_killed(&mut server, clients).await;
        server = Process::serve(&db, &settings);
        clients = go_on(server.anonymous(), &db, clients).await;
    }
}

/// Refreshes with all clients at once until the server is killed in the middle of it. Answers
/// the last token that each received.
async fn refresh_until_killed(server: &mut Process, clients: Vec<String>) -> Vec<String> {
    let done = AtomicUsize::new(0);
    let anonymous = server.anonymous().clone();
    let streams = join_all(clients.into_iter().map(async |mut token| {
        while let Some(answer) = try_to_refresh(&anonymous, &token).await {
            token = answer.expect_status(200).text("refresh");
            done.fetch_add(1, Ordering::Relaxed);
        }
        token
    }));
    let killer = async {
        while done.load(Ordering::Relaxed) < REFRESHES_A_ROUND {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
    };
    tokio::join!(streams, killer).0
}

/// The answer, unless the server dies over it.
async fn try_to_refresh(anonymous: &Anonymous, token: &str) -> Option<Answer> {
    let request = anonymous.request(reqwest::Method::POST, "/api/token/refresh/");
    let body = json!({ "refresh": token });
    Answer::try_to(request.json(&body)).await.ok()
}

/// Every client goes on with the last token that it received, and there is one current token
/// for each.
async fn go_on(anonymous: &Anonymous, db: &TestDb, clients: Vec<String>) -> Vec<String> {
    let mut current = Vec::new();
    for received in clients {
        let answer = anonymous.refresh(&received).await;
        let token = answer.expect_status(200).text("refresh");
        anonymous.me(&answer.text("access")).await.expect_status(200);

        // The one before, inside the grace, gets the current one, not a second.
        let again = anonymous.refresh(&received).await;
        assert_eq!(again.expect_status(200).text("refresh"), token);
        current.push(token);
    }
    assert_eq!(db.count("auth_sessions WHERE revoked_at IS NULL"), CLIENTS as i64);
    assert_eq!(db.count("auth_sessions"), CLIENTS as i64);
    let stored = "SELECT CAST(sum(generation) AS BIGINT) AS number FROM auth_sessions";
    let held = current.iter().map(|token| claims_of(token)["gen"].as_i64().unwrap());
    assert_eq!(db.number(stored), held.sum::<i64>(), "what the clients hold is what is stored");
    current
}

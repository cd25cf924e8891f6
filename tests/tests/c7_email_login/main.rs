//! Contract C7: login by e-mail with verified addresses, as `actix-jwt/examples/email_login.rs` does it, and
//! the client that refreshes by itself.

use std::io::Write;
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};
use tests::token::claims_of;
use tests::{Answer, Example, say};

const ANN: &str = "ann@example.org";
const PASSWORD: &str = "correct horse";

async fn post(example: &Example, path: &str, body: Value) -> Answer {
    example.anonymous().post(path, body).await
}

/// `{"error"}`.
#[track_caller]
fn expect_error(answer: &Answer, status: u16) {
    answer.expect_status(status);
    assert_eq!(answer.members(), ["error"], "{}", answer.body);
    assert!(!answer.text("error").is_empty());
}

async fn register(example: &Example, email: &str, password: &str) -> Answer {
    post(example, "/register", json!({ "email": email, "password": password })).await
}

async fn log_in(example: &Example, email: &str, password: &str) -> Answer {
    post(example, "/login", json!({ "email": email, "password": password })).await
}

async fn verify(example: &Example, link: &str) -> Answer {
    Answer::to(example.anonymous().request(Method::POST, link)).await
}

/// Ann with a verified address, logged in: her access and refresh tokens.
async fn logged_in(example: &Example) -> (String, String) {
    register(example, ANN, PASSWORD).await.expect_status(202);
    let link = example.says(&format!("link for {ANN}: "));
    verify(example, &link).await.expect_status(200);
    let answer = log_in(example, ANN, PASSWORD).await;
    answer.expect_status(200).expect_header("cache-control", "no-store");
    assert_eq!(answer.members(), ["access_token", "refresh_token"]);
    (answer.text("access_token"), answer.text("refresh_token"))
}

#[tokio::test]
async fn nobody_logs_in_before_the_address_is_verified() {
    let example = Example::run("email_login", &[]);
    register(&example, ANN, PASSWORD).await.expect_status(202);
    let link = example.says(&format!("link for {ANN}: "));
    expect_error(&log_in(&example, ANN, PASSWORD).await, 400);
    // Whether there is an account is told to nobody else.
    let wrong = log_in(&example, ANN, "wrong").await;
    expect_error(&wrong, 401);
    let unknown = log_in(&example, "bob@example.org", "wrong").await;
    assert_eq!((wrong.status, wrong.body), (unknown.status, unknown.body));

    // What looks through mail opens links.
    let page = example.anonymous().get(&link).await;
    assert!(page.expect_status(200).body.contains("<form method=post>"), "{}", page.body);
    expect_error(&log_in(&example, ANN, PASSWORD).await, 400);
    verify(&example, &link).await.expect_status(200);
    log_in(&example, ANN, PASSWORD).await.expect_status(200);
    log_in(&example, "Ann@Example.org", PASSWORD).await.expect_status(200);
    expect_error(&log_in(&example, ANN, "wrong").await, 401);
}

#[tokio::test]
async fn a_link_works_once_and_no_other_text_does() {
    let example = Example::run("email_login", &[]);
    register(&example, ANN, PASSWORD).await.expect_status(202);
    let link = example.says(&format!("link for {ANN}: "));
    let half = &link[..link.len() - 10];
    for wrong in ["/verify/nonsense", "/verify/%00", half] {
        expect_error(&verify(&example, wrong).await, 400);
    }
    verify(&example, &link).await.expect_status(200);
    expect_error(&verify(&example, &link).await, 400);
}

/// Whoever registers the address of somebody else first, or last, does not get it.
#[tokio::test]
async fn a_link_verifies_the_registration_that_it_was_sent_for() {
    let example = Example::run("email_login", &[]);
    let link_of = async |email: &str, password: &str| {
        register(&example, email, password).await.expect_status(202);
        example.says(&format!("link for {}: ", email.to_lowercase()))
    };
    let first = link_of(ANN, "the attacker's one").await;
    let hers = link_of("ANN@example.org", PASSWORD).await;
    let last = link_of(ANN, "the attacker's two").await;
    verify(&example, &hers).await.expect_status(200);
    log_in(&example, ANN, PASSWORD).await.expect_status(200);
    for (link, password) in [(first, "the attacker's one"), (last, "the attacker's two")] {
        expect_error(&verify(&example, &link).await, 400);
        expect_error(&log_in(&example, ANN, password).await, 401);
    }

    // Whether the address is taken is not told, and a link that comes late changes nothing.
    let taken = register(&example, ANN, "another password").await;
    let late = example.says(&format!("link for {ANN}: "));
    let new = register(&example, "bob@example.org", "another password").await;
    assert_eq!((taken.status, taken.body), (new.status, new.body));
    expect_error(&verify(&example, &late).await, 400);
    log_in(&example, ANN, PASSWORD).await.expect_status(200);
}

#[tokio::test]
async fn a_refresh_answers_new_tokens_until_the_login_ends() {
    let example = Example::run("email_login", &[]);
    let (access, refresh) = logged_in(&example).await;
    let lifetime = |token: &str| {
        let claims = claims_of(token);
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };
    assert_eq!((lifetime(&access), lifetime(&refresh)), (3600, 30 * 24 * 3600));
    let answer = post(&example, "/refresh", json!({ "refresh_token": refresh })).await;
    answer.expect_status(200).expect_header("cache-control", "no-store");
    assert_ne!(answer.text("refresh_token"), refresh);
    let access = format!("Bearer {}", answer.text("access_token"));
    let profile = example.anonymous().get_with("/profile", &access).await;
    profile.expect(200, &format!(r#"{{"email":"{ANN}","id":"1"}}"#));
    for token in ["", "nonsense", &access] {
        let body = json!({ "refresh_token": token });
        expect_error(&post(&example, "/refresh", body).await, 401);
    }
    expect_error(&example.anonymous().get("/profile").await, 401);
    expect_error(&example.anonymous().get_with("/profile", "Bearer nonsense").await, 401);
}

#[tokio::test]
async fn what_is_malformed_is_400() {
    let example = Example::run("email_login", &[]);
    for path in ["/register", "/login", "/refresh"] {
        for body in ["", "{", "[]", "{}", r#"{"email":1}"#] {
            expect_error(&example.anonymous().post_text(path, body).await, 400);
        }
    }
    expect_error(&register(&example, "nowhere", PASSWORD).await, 400);
    expect_error(&register(&example, ANN, "short").await, 400);
}

/// The client of `actix-jwt/examples/client.mjs`, driven by a script: 25 requests at once with an access token
/// that is not good any more, then a login that is over.
#[tokio::test]
async fn the_client_refreshes_once_for_all_requests_in_flight() {
    let example = Example::run("email_login", &[]);
    let (_, refresh) = logged_in(&example).await;
    let Some(said) = node(&example, &refresh) else { return };
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(said["statuses"], json!(vec![200; 25]));
    assert_eq!(said["refreshes"], 1, "{said}");
    assert_eq!(said["again"], json!([200, 0]), "a good token needs none");
    assert_eq!(said["over"], json!([401, false]), "the login was ended: {said}");
    assert_eq!(said["wrong"], "No active account found with the given credentials");
}

/// Runs the script with Node.js; `None` where there is none.
fn node(example: &Example, refresh: &str) -> Option<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/c7_email_login/drive.mjs");
    let started = Command::new("node")
        .args([script, example.anonymous().base()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(_) if std::env::var_os("REQUIRE_PEERS").is_none() => {
            say("SKIPPED c7_email_login: the client in JavaScript: there is no Node.js");
            return None;
        }
        Err(error) => panic!("node: {error}"),
    };
    child.stdin.take().unwrap().write_all(refresh.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

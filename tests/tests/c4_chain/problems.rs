//! `application/problem+json` (RFC 9457) instead of the bodies of Django REST framework.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::{Answer, Csrf, Database, TestApp, on_each_database};

use crate::{ME, basic};

on_each_database! {
    each_problem_has_its_type,
    the_body_of_a_form_names_its_fields,
    types_begin_as_configured,
}

const PROBLEMS: &[(&str, &str)] = &[("ERROR_DIALECT", "problem")];

#[track_caller]
fn expect(answer: &Answer, status: u16, name: &str) {
    answer.expect_status(status).expect_header("content-type", "application/problem+json");
    let body = answer.json();
    assert_eq!(body["type"], format!("/problems/{name}"), "{body}");
    assert_eq!(body["status"], status);
    assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{body}");
    if status == 401 {
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with(r#"Bearer realm="api""#), "{challenge}");
        // RFC 6750 §3.1: only a token that was refused.
        let is_token = ["token-", "user-", "password-"].iter().any(|kind| name.starts_with(kind));
        assert_eq!(challenge.contains("invalid_token"), is_token, "{challenge}");
    }
}

async fn each_problem_has_its_type(database: Database) {
    let app = TestApp::with(database, PROBLEMS).await;
    let anna = app.user("anna").await;
    let mut client = app.log_in(&anna).await;
    let nobody = app.anonymous();

    expect(&nobody.get(ME).await, 401, "not-authenticated");
    expect(&nobody.get_with(ME, "Bearer a b").await, 401, "bad-authorization-header");
    expect(&nobody.get_with(ME, "Basic").await, 401, "bad-authorization-header");
    expect(&nobody.get_with(ME, &basic("anna", "wrong")).await, 401, "invalid-credentials");
    expect(&nobody.get_with(ME, "Bearer nonsense").await, 401, "token-invalid");
    expect(&nobody.get_with(ME, "Token nonsense").await, 401, "token-invalid");
    expect(&nobody.me(&client.refresh).await, 401, "token-wrong-type");
    expect(&nobody.verify("nonsense").await, 401, "token-invalid");
    expect(&nobody.get("/nowhere").await, 404, "not-found");
    expect(&nobody.get("/api/token/").await, 405, "method-not-allowed");
    expect(&nobody.post_text("/api/token/", "{").await, 400, "malformed-json");
    expect(&nobody.post("/api/token/", json!([])).await, 400, "invalid-body");
    expect(&nobody.post("/api/token/", json!({})).await, 400, "invalid-fields");
    let text = nobody.request(Method::POST, "/api/token/").body("hello");
    expect(&Answer::to(text).await, 415, "unsupported-media-type");
    let large = format!("\"{}\"", "x".repeat(70_000));
    expect(&nobody.post_text("/api/token/", &large).await, 413, "body-too-large");
    let wrong = json!({ "username": "anna", "password": "wrong" });
    expect(&nobody.post("/api/token/", wrong.clone()).await, 401, "invalid-credentials");
    expect(&nobody.post("/api/v1/users/login", wrong).await, 403, "invalid-credentials");
    expect(&nobody.post("/api/v1/users/login", json!({})).await, 400, "malformed-request");
    expect(&client.get("/api/v1/admin/users/1/sessions").await, 403, "forbidden");
    let unknown = client.request(Method::DELETE, "/api/v1/users/sessions/0");
    expect(&Answer::to(unknown).await, 404, "not-found");

    let mut browser = app.sign_in(&anna).await;
    browser.csrf = Csrf::Omit;
    expect(&browser.post("/api/v1/users/logout", json!({})).await, 403, "csrf-failed");
    browser.cookies.insert("sessionid".into(), "nonsense".into());
    expect(&browser.me().await, 401, "session-invalid");

    let old = client.access.clone();
    app.advance(Duration::from_secs(301)).await;
    expect(&nobody.me(&old).await, 401, "token-expired");
    client.refresh().await.expect_status(200);
    app.advance(Duration::from_secs(15 * 60)).await;
    client.refresh().await.expect_status(200);
    let make = client.request(Method::POST, "/api/v1/users/tokens").json(&json!({ "name": "x" }));
    expect(&Answer::to(make).await, 403, "password-required");
    nobody.blacklist(&client.refresh).await.expect_status(200);
    expect(&nobody.me(&client.access).await, 401, "token-revoked");
    expect(&nobody.blacklist(&client.refresh).await, 401, "token-revoked");

    let client = app.log_in(&anna).await;
    app.set_password(&anna, "a new password").await;
    expect(&client.me().await, 401, "password-changed");
    let client = app.log_in(&anna.clone().with_password("a new password")).await;
    app.deactivate(&anna).await;
    expect(&client.me().await, 401, "user-inactive");
    app.activate(&anna).await;
    let client = app.log_in(&anna.clone().with_password("a new password")).await;
    app.delete(&anna);
    app.advance(Duration::ZERO).await;
    expect(&client.me().await, 401, "user-not-found");
    expect(&nobody.refresh(&client.refresh).await, 401, "no-active-account");

    app.db().execute("ALTER TABLE users RENAME TO users_away");
    let login = nobody.post("/api/token/", json!({ "username": "a", "password": "b" })).await;
    expect(&login, 503, "unavailable");
    assert!(login.header("retry-after").is_some());
}

async fn the_body_of_a_form_names_its_fields(database: Database) {
    let app = TestApp::with(database, PROBLEMS).await;
    let answer = app.anonymous().post("/api/token/", json!({ "username": null })).await;
    expect(&answer, 400, "invalid-fields");
    let expected = json!([
        { "detail": "This field may not be null.", "pointer": "#/username" },
        { "detail": "This field is required.", "pointer": "#/password" },
    ]);
    assert_eq!(answer.json()["errors"], expected);
}

async fn types_begin_as_configured(database: Database) {
    let base = ("PROBLEM_TYPE_BASE", "https://shop.example/problems#");
    let app = TestApp::with(database, &[PROBLEMS[0], base]).await;
    let answer = app.anonymous().get(ME).await;
    answer.expect_status(401);
    assert_eq!(answer.json()["type"], "https://shop.example/problems#not-authenticated");
    for (settings, named) in [
        (&[base][..], "PROBLEM_TYPE_BASE"),
        (&[PROBLEMS[0], ("PROBLEM_TYPE_BASE", "no where")], "PROBLEM_TYPE_BASE"),
        (&[("ERROR_DIALECT", "json:api")], "ERROR_DIALECT"),
    ] {
        let refusal = TestApp::refusal(database, settings).await;
        assert!(refusal.to_uppercase().contains(named), "{refusal}");
    }
}

//! `Authorization: Token <key>`: personal tokens, from their making to their end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::texts::{CSRF_MISSING, NOT_PROVIDED, detail};
use tests::token::{but, mint, simplejwt_claims};
use tests::{Answer, ApiClient, Csrf, Database, NewUser, TestApp, on_each_database};

use crate::{ME, basic, personal_token};

on_each_database! {
    a_personal_token_is_made_shown_once_listed_and_revoked,
    a_personal_token_is_limited_to_its_scopes,
    a_program_with_a_personal_token_decides_nothing_about_the_account,
    what_cannot_be_made_is_refused_field_by_field,
    somebody_elses_is_not_found,
    making_one_takes_a_login_of_now_and_a_csrf_token,
    a_login_that_ends_while_the_body_arrives_makes_none,
    a_token_of_another_issuer_makes_none,
    a_token_header_is_refused_in_the_words_of_the_original,
    it_ends_with_its_user_and_with_the_password_but_not_with_a_logout,
    only_a_hash_is_stored,
}

const TOKENS: &str = "/api/v1/users/tokens";

async fn make(client: &ApiClient, body: Value) -> Answer {
    Answer::to(client.request(Method::POST, TOKENS).json(&body)).await
}

async fn show(app: &TestApp, token: &str) -> Answer {
    app.anonymous().get_with(ME, &format!("Token {token}")).await
}

async fn a_personal_token_is_made_shown_once_listed_and_revoked(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let made = make(&client, json!({ "name": "nightly build", "expires_in": 3600 })).await;
    made.expect_status(201).expect_header("cache-control", "no-store");
    let (id, token) = (made.text("id"), made.text("token"));
    assert!(token.starts_with("pat_"));
    assert_eq!(made.json()["scopes"], Value::Null);
    assert_eq!(made.json()["last_used_at"], Value::Null);

    app.advance(Duration::from_secs(90)).await;
    show(&app, &token).await.expect_status(200);
    let list = client.get(TOKENS).await;
    assert!(!list.expect_status(200).body.contains(&token[4..]), "shown once");
    let listed = list.json();
    let [listed] = &listed.as_array().unwrap()[..] else { panic!("{}", list.body) };
    assert_eq!((&listed["id"], &listed["name"]), (&json!(id), &json!("nightly build")));
    assert!(listed["last_used_at"].is_string() && listed["last_used_ip"].is_string(), "{listed}");
    let sessions = client.get("/api/v1/users/sessions").await;
    assert_eq!(sessions.json().as_array().map(Vec::len), Some(1), "it is no login");

    let end = || client.request(Method::DELETE, &format!("{TOKENS}/{id}"));
    Answer::to(end()).await.expect_status(204);
    show(&app, &token).await.expect_refused_token(&detail("Invalid token."));
    Answer::to(end()).await.expect(404, &detail("Not found."));
    client.get(TOKENS).await.expect(200, "[]");

    let token = make(&client, json!({ "name": "short", "expires_in": 30 })).await.text("token");
    show(&app, &token).await.expect_status(200);
    app.advance(Duration::from_secs(30)).await;
    show(&app, &token).await.expect_refused_token(&detail("Invalid token."));
}

async fn a_personal_token_is_limited_to_its_scopes(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    app.set_scopes(&anna, &["orders:read", "orders:write"]).await;
    let client = app.log_in(&anna).await;
    let boss = app.create(NewUser::staff("boss")).await;
    let boss = app.log_in(&boss).await;
    let scope = async |token: &str| {
        let form = [("token", token)];
        let request = boss.request(Method::POST, "/api/token/introspect");
        Answer::to(request.form(&form)).await.expect_status(200).json()["scope"].clone()
    };

    let made = make(&client, json!({ "name": "reader", "scopes": ["orders:read"] })).await;
    assert_eq!(made.json()["scopes"], json!(["orders:read"]));
    assert_eq!(scope(&made.text("token")).await, "orders:read");
    assert_eq!(scope(&personal_token(&client).await).await, "orders:read orders:write");
    let refused = make(&client, json!({ "name": "x", "scopes": ["orders:read", "admin"] })).await;
    refused.expect(400, r#"{"scopes":["\"admin\" is not a scope of yours."]}"#);

    // The user's own rights limit it from then on.
    app.set_scopes(&anna, &["orders:write"]).await;
    assert_eq!(scope(&made.text("token")).await, Value::Null);
}

async fn a_program_with_a_personal_token_decides_nothing_about_the_account(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let token = personal_token(&client).await;
    let id = client.get(TOKENS).await.json()[0]["id"].as_str().unwrap().to_owned();
    for (method, path) in [
        (Method::GET, TOKENS.to_owned()),
        (Method::POST, TOKENS.to_owned()),
        (Method::DELETE, format!("{TOKENS}/{id}")),
        (Method::GET, "/api/v1/users/sessions".into()),
        (Method::DELETE, format!("/api/v1/users/sessions/{id}")),
        (Method::POST, "/api/v1/users/logout".into()),
        (Method::POST, "/api/v1/users/logout/all".into()),
        (Method::POST, "/api/v1/users/logout/others".into()),
    ] {
        let request = app.anonymous().request(method, &path);
        let request = request.header("Authorization", format!("Token {token}"));
        let answer = Answer::to(request.json(&json!({ "name": "another" }))).await;
        answer.expect(403, &detail("You do not have permission to perform this action."));
    }
    // Before the body is looked at.
    for path in [TOKENS, "/api/v1/users/otp", "/api/v1/users/otp/confirm"] {
        let request = app.anonymous().request(Method::POST, path).body("hello");
        let request = request.header("Authorization", format!("Token {token}"));
        Answer::to(request).await.expect_status(403);
        app.anonymous().post_text(path, "{").await.expect_challenge(NOT_PROVIDED);
    }
    show(&app, &token).await.expect_status(200);
    client.me().await.expect_status(200);
}

async fn what_cannot_be_made_is_refused_field_by_field(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    const SECONDS: &str = r#"{"expires_in":["Must be between 1 and 31536000 seconds."]}"#;
    const NUMBER: &str = r#"{"expires_in":["A valid number of seconds is required."]}"#;
    const LIST: &str = r#"{"scopes":["Not a list of strings."]}"#;
    for (body, expected) in [
        (json!({}), r#"{"name":["This field is required."]}"#),
        (json!({ "name": null }), r#"{"name":["This field may not be null."]}"#),
        (json!({ "name": " " }), r#"{"name":["This field may not be blank."]}"#),
        (json!({ "name": ["x"] }), r#"{"name":["Not a valid string."]}"#),
        (json!({ "name": "x".repeat(101) }), r#"{"name":["a name has 1 to 100 characters"]}"#),
        (json!({ "name": "x", "expires_in": 0 }), SECONDS),
        (json!({ "name": "x", "expires_in": 31_536_001 }), SECONDS),
        (json!({ "name": "x", "expires_in": u64::MAX }), SECONDS),
        (json!({ "name": "x", "expires_in": -1 }), NUMBER),
        (json!({ "name": "x", "expires_in": "1h" }), NUMBER),
        (json!({ "name": "x", "scopes": "a b" }), LIST),
        (json!({ "name": "x", "scopes": [1] }), LIST),
        (
            json!({ "name": "x", "scopes": ["a\0"] }),
            r#"{"scopes":["\"a\u0000\" is not a scope of yours."]}"#,
        ),
        (
            json!({ "scopes": 1, "expires_in": true }),
            r#"{"scopes":["Not a list of strings."],"expires_in":["A valid number of seconds is required."],"name":["This field is required."]}"#,
        ),
        (
            json!([]),
            r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}"#,
        ),
    ] {
        make(&client, body.clone()).await.expect(400, expected);
    }
    client.get(TOKENS).await.expect(200, "[]");
}

async fn somebody_elses_is_not_found(database: Database) {
    let app = TestApp::start(database).await;
    let (anna, bert) = (app.user("anna").await, app.user("bert").await);
    let (anna, bert) = (app.log_in(&anna).await, app.log_in(&bert).await);
    let token = personal_token(&anna).await;
    let id = anna.get(TOKENS).await.json()[0]["id"].as_str().unwrap().to_owned();
    bert.get(TOKENS).await.expect(200, "[]");
    for id in [id.as_str(), "0", &"0".repeat(32), "%00"] {
        let end = bert.request(Method::DELETE, &format!("{TOKENS}/{id}"));
        Answer::to(end).await.expect(404, &detail("Not found."));
    }
    show(&app, &token).await.expect_status(200);
}

async fn making_one_takes_a_login_of_now_and_a_csrf_token(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let mut client = app.log_in(&anna).await;
    let mut browser = app.sign_in(&anna).await;
    let body = json!({ "name": "ci" });
    browser.csrf = Csrf::Omit;
    browser.post(TOKENS, body.clone()).await.expect(403, CSRF_MISSING);
    browser.csrf = Csrf::Echo;
    browser.post(TOKENS, body.clone()).await.expect_status(201);

    app.advance(Duration::from_secs(5 * 60 + 1)).await;
    client.refresh().await.expect_status(200);
    let words = r#"{"detail":"Give your password again.","code":"password_required"}"#;
    make(&client, body.clone()).await.expect(403, words);
    browser.post(TOKENS, body.clone()).await.expect(403, words);
    let with = |password| json!({ "name": "ci", "password": password });
    make(&client, with(anna.password)).await.expect_status(201);
    browser.post(TOKENS, with(anna.password)).await.expect_status(201);
    let wrong = make(&client, with("wrong")).await;
    wrong.expect(403, &detail("Incorrect authentication credentials."));
    // A password that comes with the request is no login.
    let request = app.anonymous().request(Method::POST, TOKENS).json(&body);
    let request = request.header("Authorization", basic("anna", anna.password));
    Answer::to(request).await.expect_status(403);
}

/// Who is let in is asked again when the token is there: the body may take its time.
async fn a_login_that_ends_while_the_body_arrives_makes_none(database: Database) {
    const BODY: &str = r#"{"name":"ci"}"#;
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    for by_password in [true, false] {
        let thief = app.log_in(&anna).await;
        let address = app.anonymous().base().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let head = format!(
            "POST {TOKENS} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{{",
            thief.access,
            BODY.len(),
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The head has been read once a request that came later is answered.
        thief.me().await.expect_status(200);
        tokio::time::sleep(Duration::from_millis(300)).await;
        if by_password {
            app.set_password(&anna, anna.password).await;
        } else {
            let everywhere = app.log_in(&anna).await;
            let logout = everywhere.request(Method::POST, "/api/v1/users/logout/all");
            Answer::to(logout).await.expect_status(204);
        }
        stream.write_all(&BODY.as_bytes()[1..]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        app.log_in(&anna).await.get(TOKENS).await.expect(200, "[]");
    }
}

/// A token that is meant for less than its user may do must not become one that is not.
async fn a_token_of_another_issuer_makes_none(database: Database) {
    let app = TestApp::start(database).await;
    let boss = app.create(NewUser::staff("boss")).await;
    let narrow = json!({ "scope": "profile", "auth_time": app.now() });
    let narrow = mint(&but(simplejwt_claims(boss.id.to_string(), app.now()), narrow));
    app.anonymous().me(&narrow).await.expect_status(200);
    let request = app.anonymous().request(Method::POST, TOKENS).bearer_auth(narrow);
    let made = Answer::to(request.json(&json!({ "name": "ci" }))).await;
    made.expect(403, &detail("You do not have permission to perform this action."));
}

async fn a_token_header_is_refused_in_the_words_of_the_original(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let access = app.log_in(&anna).await.access;
    for (value, words) in [
        ("Token", "Invalid token header. No credentials provided."),
        ("Token a b", "Invalid token header. Token string should not contain spaces."),
    ] {
        app.anonymous().get_with(ME, value).await.expect_challenge(&detail(words));
    }
    for value in ["x", "pat_", "pat_\u{e9}", &"pat_".repeat(17), &access] {
        show(&app, value).await.expect_refused_token(&detail("Invalid token."));
    }
}

async fn it_ends_with_its_user_and_with_the_password_but_not_with_a_logout(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let token = personal_token(&client).await;
    let logout = client.request(Method::POST, "/api/v1/users/logout/all");
    Answer::to(logout).await.expect_status(204);
    client.me().await.expect_status(401);
    show(&app, &token).await.expect_status(200);

    app.set_password(&anna, "a new password").await;
    show(&app, &token).await.expect_refused_token(&detail("Invalid token."));
    let anna = anna.with_password("a new password");

    let gone = detail("User inactive or deleted.");
    let token = personal_token(&app.log_in(&anna).await).await;
    show(&app, &token).await.expect_status(200);
    app.deactivate(&anna).await;
    show(&app, &token).await.expect_refused_token(&gone);
    app.activate(&anna).await;
    let token = personal_token(&app.log_in(&anna).await).await;
    app.delete(&anna);
    app.advance(Duration::ZERO).await;
    show(&app, &token).await.expect_refused_token(&gone);
}

async fn only_a_hash_is_stored(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    personal_token(&app.log_in(&anna).await).await;
    let hashed = "auth_sessions WHERE carrier = 'personal' AND length(secret_hash) = 32";
    assert_eq!(app.db().count(hashed), 1);
}

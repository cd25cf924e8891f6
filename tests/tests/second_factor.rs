//! The second factor, on every database: enrolled by who is logged in, and asked for at the next login.

use std::time::Duration;

use auth_core::ManualClock;
use auth_core::otp::totp_code;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, ApiClient, Database, Process, TestApp, User, on_each_database};

const OTP: &str = "/api/v1/users/otp";
const CONFIRM: &str = "/api/v1/users/otp/confirm";
const TOKEN: &str = "/api/token/";
const LOGIN: &str = "/api/v1/users/login";
const OTP_REQUIRED: &str = r#"{"detail":"A one-time code is required.","code":"otp_required"}"#;

on_each_database! {
    an_enrolled_factor_is_asked_for_at_every_login_and_a_code_is_good_once,
    a_recovery_code_is_good_once,
    a_removed_factor_is_not_asked_for,
    a_password_with_the_request_is_no_way_around_it,
    an_administrator_takes_a_lost_one_away,
    a_login_from_before_the_enrolment_changes_nothing_about_it,
}

async fn post(client: &ApiClient, path: &str, body: Value) -> Answer {
    Answer::to(client.request(Method::POST, path).json(&body)).await
}

/// The secret of the user's app, and the recovery codes. The code that confirmed is half a minute old.
async fn enrolled(app: &TestApp, user: &User) -> (String, Vec<String>) {
    let client = app.log_in(user).await;
    let new = post(&client, OTP, json!({})).await.expect_status(200).json();
    let secret = new["secret"].as_str().expect("a text").to_owned();
    let code = json!({ "code": shown(app, &secret) });
    let confirmed = post(&client, CONFIRM, code).await.expect_status(200).json();
    let codes = confirmed["recovery_codes"].as_array().expect("a list").iter();
    let codes = codes.map(|code| code.as_str().expect("a text").to_owned()).collect();
    app.advance(Duration::from_secs(30)).await;
    (secret, codes)
}

/// What the app shows.
fn shown(app: &TestApp, secret: &str) -> String {
    let now = ManualClock::at_unix_seconds(app.now()).clock().now();
    totp_code(secret, now).expect("a secret in base32")
}

fn with_code(user: &User, code: &str) -> Value {
    let mut credentials = user.credentials();
    credentials["otp"] = code.into();
    credentials
}

async fn an_enrolled_factor_is_asked_for_at_every_login_and_a_code_is_good_once(
    database: Database,
) {
    let app = TestApp::start(database).await;
    let (anna, berta) = (app.user("anna").await, app.user("berta").await);
    let (secret, _) = enrolled(&app, &anna).await;
    for (path, wrong) in [(TOKEN, 401), (LOGIN, 403)] {
        app.anonymous().post(path, anna.credentials()).await.expect(401, OTP_REQUIRED);
        app.anonymous().post(path, berta.credentials()).await.expect_status(200);
        let code = shown(&app, &secret);
        app.anonymous().post(path, with_code(&anna, &code)).await.expect_status(200);
        app.anonymous().post(path, with_code(&anna, &code)).await.expect_status(wrong);
        app.advance(Duration::from_secs(30)).await;
    }
}

async fn a_recovery_code_is_good_once(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let (_, codes) = enrolled(&app, &anna).await;
    app.anonymous().post(TOKEN, with_code(&anna, &codes[0])).await.expect_status(200);
    app.anonymous().post(TOKEN, with_code(&anna, &codes[0])).await.expect_status(401);
    app.anonymous().post(TOKEN, with_code(&anna, &codes[1])).await.expect_status(200);
}

async fn a_removed_factor_is_not_asked_for(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let (_, codes) = enrolled(&app, &anna).await;
    let both = json!({ "password": anna.password, "otp": codes[0] });
    Answer::to(client.request(Method::DELETE, OTP).json(&both)).await.expect_status(204);
    app.log_in(&anna).await;
}

async fn a_password_with_the_request_is_no_way_around_it(database: Database) {
    const TOKENS: &str = "/api/v1/users/tokens";
    const ME: &str = "/api/v1/users/me";
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let basic =
        |password| app.anonymous().request(Method::GET, ME).basic_auth("anna", Some(password));
    Answer::to(basic(anna.password)).await.expect_status(200);
    let (secret, _) = enrolled(&app, &anna).await;
    Answer::to(basic(anna.password)).await.expect(401, OTP_REQUIRED);
    Answer::to(basic("wrong")).await.expect_status(401);

    // A personal token is, once both were shown to make it.
    let login = app.anonymous().post(TOKEN, with_code(&anna, &shown(&app, &secret))).await;
    app.advance(Duration::from_secs(6 * 60)).await;
    let refreshed = app.anonymous().refresh(&login.text("refresh")).await.text("access");
    let make = async |body: Value| {
        let request = app.anonymous().request(Method::POST, TOKENS).bearer_auth(&refreshed);
        Answer::to(request.json(&body)).await
    };
    let mut body = json!({ "name": "ci" });
    make(body.clone()).await.expect_status(403);
    body["password"] = anna.password.into();
    make(body.clone()).await.expect(401, OTP_REQUIRED);
    body["otp"] = shown(&app, &secret).into();
    let token = make(body).await.expect_status(201).text("token");
    app.anonymous().get_with(ME, &format!("Token {token}")).await.expect_status(200);
}

async fn an_administrator_takes_a_lost_one_away(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let (secret, _) = enrolled(&app, &anna).await;
    let login = app.anonymous().post(TOKEN, with_code(&anna, &shown(&app, &secret))).await;
    let run = || Process::run(app.db(), &["remove-second-factor", "anna"], "");
    let output = run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    app.advance(Duration::ZERO).await;
    app.anonymous().me(&login.text("access")).await.expect_status(401);
    app.anonymous().post(TOKEN, anna.credentials()).await.expect_status(200);
    assert!(!run().status.success(), "there is none any more");
}

/// A thief with the password, who logged in a minute before the owner enrolled.
async fn a_login_from_before_the_enrolment_changes_nothing_about_it(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let thief = app.log_in(&anna).await;
    let (secret, _) = enrolled(&app, &anna).await;
    const REQUIRED: &str = r#"{"detail":"Give your password again.","code":"password_required"}"#;
    let ask = async |method: Method, path: &str, body: Value| {
        Answer::to(thief.request(method, path).json(&body)).await
    };
    let password = json!({ "password": anna.password, "name": "ci" });
    for (method, path) in [
        (Method::POST, "/api/v1/users/otp/recovery"),
        (Method::DELETE, OTP),
        (Method::POST, "/api/v1/users/tokens"),
    ] {
        ask(method.clone(), path, json!({ "name": "ci" })).await.expect(403, REQUIRED);
        ask(method, path, password.clone()).await.expect(401, OTP_REQUIRED);
    }
    // Who has both may.
    let mut both = password;
    both["otp"] = shown(&app, &secret).into();
    ask(Method::DELETE, OTP, both).await.expect_status(204);
}

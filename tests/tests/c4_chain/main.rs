//! Contract C4: one route that accepts every credential, in order; SimpleJWT under other paths.

use reqwest::Method;
use serde_json::json;
use tests::texts::{NOT_PROVIDED, detail, given_token_not_valid, token_not_valid};
use tests::{
    Answer, ApiClient, Browser, Database, NewUser, TestApp, User, on_each_database,
    with_and_without_slash,
};

mod oauth;
mod personal;
mod problems;

on_each_database! {
    each_credential_says_who_it_is,
    the_first_that_is_present_decides,
    one_that_is_present_and_bad_is_never_anonymous,
    a_body_is_judged_only_once_it_is_known_who_sends_it,
    a_basic_header_is_refused_in_the_words_of_the_original,
    every_way_to_fail_a_basic_login_is_the_same_answer,
    a_basic_password_may_hold_anything,
    simplejwt_answers_under_other_paths,
}

pub(crate) const ME: &str = "/api/v1/users/me";

pub(crate) fn basic(name: &str, password: &str) -> String {
    let pair = format!("{name}:{password}");
    format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair))
}

/// A new personal token of whoever this is.
pub(crate) async fn personal_token(client: &ApiClient) -> String {
    let request = client.request(Method::POST, "/api/v1/users/tokens/");
    let answer = Answer::to(request.json(&json!({ "name": "ci" }))).await;
    answer.expect_status(201).text("token")
}

async fn single_token(app: &TestApp, user: &User) -> String {
    let answer = app.anonymous().post("/api/v1/users/login/jwt", user.credentials()).await;
    answer.expect_status(200).text("token")
}

fn who(user: &User) -> String {
    let (id, name) = (user.id, &user.username);
    format!(r#"{{"id":{id},"username":"{name}","email":"{name}@example.com"}}"#)
}

async fn each_credential_says_who_it_is(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let personal = personal_token(&client).await;
    let single = single_token(&app, &anna).await;
    let mut browser = app.sign_in(&anna).await;

    browser.me().await.expect(200, &who(&anna));
    for (name, value) in [
        ("Authorization", basic("anna", anna.password)),
        ("Authorization", basic("anna", anna.password).replace("Basic", "bAsIc")),
        ("Authorization", format!("Token {personal}")),
        ("Authorization", format!("token {personal}")),
        ("Authorization", format!("Bearer {}", client.access)),
        ("jwt-auth", single),
    ] {
        for path in with_and_without_slash(ME) {
            let answer = app.anonymous().get_with_header(&path, name, &value).await;
            answer.expect(200, &who(&anna));
        }
    }
    app.anonymous().get(ME).await.expect_challenge(NOT_PROVIDED);
    app.anonymous().get_with(ME, "Digest abc").await.expect_challenge(NOT_PROVIDED);
}

/// In the order of the chain: Basic, cookie, Token, Bearer, header.
async fn the_first_that_is_present_decides(database: Database) {
    let app = TestApp::start(database).await;
    let users = [
        app.user("basil").await,
        app.user("cora").await,
        app.user("tom").await,
        app.user("bea").await,
        app.user("hal").await,
    ];
    let [basil, cora, tom, bea, hal] = &users;
    let cookies = app.sign_in(cora).await.cookies;
    let personal = personal_token(&app.log_in(tom).await).await;
    let access = app.log_in(bea).await.access;
    let single = single_token(&app, hal).await;

    let ask = async |authorization: Option<String>, has_cookie: bool, header: Option<&str>| {
        let mut browser = app.browser();
        if has_cookie {
            browser.cookies = cookies.clone();
        }
        let mut request = browser.request(Method::GET, ME);
        if let Some(value) = authorization {
            request = request.header("Authorization", value);
        }
        if let Some(value) = header {
            request = request.header("jwt-auth", value);
        }
        browser.send(request).await
    };
    let basic = || Some(basic("basil", basil.password));
    let personal = || Some(format!("Token {personal}"));
    let bearer = || Some(format!("Bearer {access}"));
    for (authorization, has_cookie, header, expected) in [
        (basic(), true, Some(single.as_str()), basil),
        (personal(), true, Some(single.as_str()), cora),
        (bearer(), true, Some(single.as_str()), cora),
        (None, true, Some(single.as_str()), cora),
        (personal(), false, Some(single.as_str()), tom),
        (bearer(), false, Some(single.as_str()), bea),
        (None, false, Some(single.as_str()), hal),
        // A scheme that is not ours is no credential.
        (Some("Digest abc".into()), false, Some(single.as_str()), hal),
    ] {
        ask(authorization, has_cookie, header).await.expect(200, &who(expected));
    }
}

async fn one_that_is_present_and_bad_is_never_anonymous(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let access = app.log_in(&anna).await.access;
    let single = single_token(&app, &anna).await;

    // Whatever good one comes after it.
    for (authorization, body) in [
        (basic("anna", "wrong"), detail("Invalid username/password.")),
        ("Token nonsense".into(), detail("Invalid token.")),
        ("Bearer nonsense".into(), given_token_not_valid("Token is invalid")),
    ] {
        let request = app.anonymous().request(Method::GET, ME);
        let request = request.header("Authorization", &authorization).header("jwt-auth", &single);
        let answer = Answer::to(request).await;
        answer.expect(401, &body);
        assert!(answer.header("www-authenticate").unwrap().starts_with(r#"Bearer realm="api""#));
    }
    let mut browser: Browser = app.browser();
    browser.cookies.insert("sessionid".into(), "nonsense".into());
    let request = browser.request(Method::GET, ME).bearer_auth(&access);
    browser.send(request).await.expect_status(401);
    // Also where anybody may come in: logging out.
    let request = app.anonymous().request(Method::POST, "/api/v1/users/logout");
    let request = request.header("Authorization", basic("anna", "wrong"));
    Answer::to(request).await.expect(401, &detail("Invalid username/password."));
}

async fn a_body_is_judged_only_once_it_is_known_who_sends_it(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let personal = personal_token(&client).await;
    let unknown = format!("pat_{}", "x".repeat(64));
    let bearer = format!("Bearer {}", client.access);
    let program = format!("Token {personal}");
    for (path, authorization, status) in [
        // Each of them has to be looked up.
        ("/api/v1/users/tokens", basic("anna", "wrong"), 401),
        ("/api/token/introspect", basic("anna", "wrong"), 401),
        ("/api/token/revoke", basic("anna", "wrong"), 401),
        ("/api/token/revoke", format!("Token {unknown}"), 401),
        ("/api/v1/users/tokens", program.clone(), 403),
        ("/api/token/introspect", program, 403),
        ("/api/token/introspect", bearer.clone(), 403),
        ("/api/v1/users/tokens", bearer, 415),
    ] {
        let request = app.anonymous().request(Method::POST, path);
        let request = request.header("Authorization", &authorization).body("neither");
        Answer::to(request).await.expect_detail(status);
    }
}

async fn a_basic_header_is_refused_in_the_words_of_the_original(database: Database) {
    let app = TestApp::start(database).await;
    app.user("anna").await;
    const BASE64: &str = "Invalid basic header. Credentials not correctly base64 encoded.";
    for (value, words) in [
        ("Basic", "Invalid basic header. No credentials provided."),
        ("Basic ", "Invalid basic header. No credentials provided."),
        ("Basic a b", "Invalid basic header. Credentials string should not contain spaces."),
        ("Basic !!!!", BASE64),
        // No colon.
        ("Basic YW5uYQ==", BASE64),
        ("Basic \u{e9}", BASE64),
        // A colon and nothing else.
        ("Basic Og==", "Invalid username/password."),
    ] {
        app.anonymous().get_with(ME, value).await.expect_challenge(&detail(words));
    }
}

async fn every_way_to_fail_a_basic_login_is_the_same_answer(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let ivan = app.create(NewUser { is_active: false, ..NewUser::named("ivan") }).await;
    for (name, password) in [
        ("anna", "wrong"),
        ("anna", ""),
        ("nobody", anna.password),
        ("anna\0", anna.password),
        (&ivan.username, ivan.password),
    ] {
        let answer = app.anonymous().get_with(ME, &basic(name, password)).await;
        answer.expect_challenge(&detail("Invalid username/password."));
    }
    // At once, although nothing that could end was begun.
    app.anonymous().get_with(ME, &basic("anna", anna.password)).await.expect_status(200);
    app.deactivate(&anna).await;
    let answer = app.anonymous().get_with(ME, &basic("anna", anna.password)).await;
    answer.expect_challenge(&detail("Invalid username/password."));
}

async fn a_basic_password_may_hold_anything(database: Database) {
    let app = TestApp::start(database).await;
    let password = "p\u{e4}ss:w\u{f6}rd: with everything";
    app.create(NewUser { password, ..NewUser::named("anna") }).await;
    app.anonymous().get_with(ME, &basic("anna", password)).await.expect_status(200);
    // As clients write it that know no UTF-8.
    let latin1: Vec<u8> = format!("anna:{password}").chars().map(|c| c as u8).collect();
    let value = format!("Basic {}", base64_simd::STANDARD.encode_to_string(latin1));
    app.anonymous().get_with(ME, &value).await.expect_status(200);
}

async fn simplejwt_answers_under_other_paths(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    const AT: &str = "/api/v1/users/login/simpleJWT";
    for slash in ["", "/"] {
        let pair = app.anonymous().post(&format!("{AT}{slash}"), anna.credentials()).await;
        pair.expect_status(200);
        let verify = format!("{AT}/verify{slash}");
        let body = json!({ "token": pair.text("access") });
        app.anonymous().post(&verify, body).await.expect(200, "{}");
        let body = json!({ "refresh": pair.text("refresh") });
        let refreshed = app.anonymous().post(&format!("{AT}/refresh{slash}"), body).await;
        app.anonymous().me(&refreshed.expect_status(200).text("access")).await.expect_status(200);

        let words = token_not_valid("Token is invalid or expired");
        let refused = app.anonymous().post(&verify, json!({ "token": "nonsense" })).await;
        refused.expect_refused_token(&words);
        app.anonymous().blacklist(&refreshed.text("refresh")).await.expect_status(200);
        let refused = app.anonymous().post(&verify, json!({ "token": pair.text("access") })).await;
        refused.expect_refused_token(&words);
    }
    // The text belongs to the path.
    app.anonymous().verify("nonsense").await.expect(401, &token_not_valid("Token is invalid"));
}

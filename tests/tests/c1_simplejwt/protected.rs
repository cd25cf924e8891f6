//! A protected route, `GET /api/v1/users/me`: what it says to those it does not let in.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::texts::{
    BAD_HEADER, BLACKLISTED, EXPIRED, INVALID, NO_TYPE, NO_USER, NOT_PROVIDED, WRONG_TYPE,
    given_token_not_valid,
};
use tests::token::{PYJWT_HEADER, SIGNING_KEY, but, mint, mint_with, simplejwt_claims};
use tests::{Answer, Database, TestApp, on_each_database, with_and_without_slash};

const ME: &str = "/api/v1/users/me";

on_each_database! {
    a_good_access_token_opens_it,
    no_credentials_were_not_provided,
    another_scheme_provides_no_credentials,
    the_word_bearer_alone_is_a_bad_header,
    three_parts_are_a_bad_header,
    two_headers_are_a_bad_header,
    the_scheme_is_matched_without_regard_to_case,
    a_token_that_is_none_is_invalid,
    an_expired_token_is_expired,
    a_refresh_token_has_the_wrong_type,
    a_token_without_a_type_has_no_type,
    a_revoked_token_is_blacklisted,
    a_token_without_the_user_id_has_no_user,
    a_token_of_simplejwt_or_pyjwt_opens_it,
    an_unknown_path_is_not_found_in_json,
    bytes_that_are_no_text_are_no_token,
}

async fn a_good_access_token_opens_it(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    for path in with_and_without_slash(ME) {
        client.get(&path).await.expect(
            200,
            &format!(r#"{{"id":{},"username":"anna","email":"anna@example.com"}}"#, anna.id),
        );
    }
}

async fn no_credentials_were_not_provided(database: Database) {
    let app = TestApp::start(database).await;
    for path in with_and_without_slash(ME) {
        app.anonymous().get(&path).await.expect_challenge(NOT_PROVIDED);
        app.anonymous().get_with(&path, "").await.expect_challenge(NOT_PROVIDED);
    }
}

async fn another_scheme_provides_no_credentials(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    for scheme in ["Digest", "JWT", "BearerX", "Bear"] {
        let value = format!("{scheme} {}", client.access);
        app.anonymous().get_with(ME, &value).await.expect_challenge(NOT_PROVIDED);
    }
    // Not even a scheme.
    app.anonymous().get_with(ME, &client.access).await.expect_challenge(NOT_PROVIDED);
}

async fn the_word_bearer_alone_is_a_bad_header(database: Database) {
    let app = TestApp::start(database).await;
    for value in ["Bearer", "Bearer ", "bearer"] {
        app.anonymous().get_with(ME, value).await.expect_challenge(BAD_HEADER);
    }
}

async fn three_parts_are_a_bad_header(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    for value in ["Bearer a b".into(), format!("Bearer {} x", client.access)] {
        app.anonymous().get_with(ME, &value).await.expect_challenge(BAD_HEADER);
    }
}

async fn two_headers_are_a_bad_header(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    let request = client.request(Method::GET, ME).header("Authorization", "Bearer another");
    Answer::to(request).await.expect_challenge(BAD_HEADER);
}

async fn the_scheme_is_matched_without_regard_to_case(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let value = format!("{scheme} {}", client.access);
        app.anonymous().get_with(ME, &value).await.expect_status(200);
    }
}

async fn a_token_that_is_none_is_invalid(database: Database) {
    let app = TestApp::start(database).await;
    for nonsense in ["nonsense", "a.b.c", "..", "a.b", "a.b.c.d", "null"] {
        let answer = app.anonymous().me(nonsense).await;
        answer.expect_refused_token(&given_token_not_valid(INVALID));
    }
}

async fn an_expired_token_is_expired(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    app.advance(Duration::from_secs(5 * 60 - 1)).await;
    client.me().await.expect_status(200);
    // RFC 7519 §4.1.4: "on or after" the time in `exp`.
    app.advance(Duration::from_secs(1)).await;
    client.me().await.expect_refused_token(&given_token_not_valid(EXPIRED));
}

async fn a_refresh_token_has_the_wrong_type(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    let answer = app.anonymous().me(&client.refresh).await;
    answer.expect_refused_token(&given_token_not_valid(WRONG_TYPE));
}

async fn a_token_without_a_type_has_no_type(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let claims = but(simplejwt_claims(anna.id, app.now()), json!({ "token_type": null }));
    let answer = app.anonymous().me(&mint(&claims)).await;
    answer.expect_refused_token(&given_token_not_valid(NO_TYPE));
}

async fn a_revoked_token_is_blacklisted(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    app.anonymous().blacklist(&client.refresh).await.expect(200, "{}");
    client.me().await.expect_refused_token(&given_token_not_valid(BLACKLISTED));
}

async fn a_token_without_the_user_id_has_no_user(database: Database) {
    let app = TestApp::start(database).await;
    for without in [json!({ "user_id": null }), json!({ "user_id": "" })] {
        let claims = but(simplejwt_claims(1, app.now()), without);
        app.anonymous().me(&mint(&claims)).await.expect_refused_token(NO_USER);
    }
    let null = mint_with(
        PYJWT_HEADER,
        &simplejwt_claims("NULL", app.now()).to_string().replace("\"NULL\"", "null"),
        SIGNING_KEY,
    );
    app.anonymous().me(&null).await.expect_refused_token(NO_USER);
}

async fn a_token_of_simplejwt_or_pyjwt_opens_it(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let expected = format!(r#"{{"id":{},"username":"anna","email":"anna@example.com"}}"#, anna.id);
    // PyJWT 2 sorts the header, PyJWT 1 and others did not. The id became a text with SimpleJWT 5.5.
    for header in [PYJWT_HEADER, r#"{"typ":"JWT","alg":"HS256"}"#, r#"{"alg":"HS256"}"#] {
        for id in [json!(anna.id), json!(anna.id.to_string())] {
            let payload = simplejwt_claims(id, app.now()).to_string();
            let token = mint_with(header, &payload, SIGNING_KEY);
            app.anonymous().me(&token).await.expect(200, &expected);
        }
    }
}

async fn an_unknown_path_is_not_found_in_json(database: Database) {
    let app = TestApp::start(database).await;
    for path in ["/nowhere", "/api/nowhere", "/api/token/nowhere", "/api/v1/users/nowhere"] {
        app.anonymous().get(path).await.expect(404, r#"{"detail":"Not found."}"#);
    }
}

async fn bytes_that_are_no_text_are_no_token(database: Database) {
    let app = TestApp::start(database).await;
    let request = b"GET /api/v1/users/me HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
        Authorization: Bearer \xff\xfe\x80\r\n\r\n";
    let answer = app.raw(request);
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.ends_with(&given_token_not_valid(INVALID)), "{answer}");
}

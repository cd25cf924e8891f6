//! `POST /api/token/blacklist/`

use std::time::Duration;

use serde_json::json;
use tests::texts::{
    BLACKLISTED, EXPIRED, INVALID, NO_TYPE, WRONG_TYPE, given_token_not_valid, token_not_valid,
};
use tests::token::{but, mint, simplejwt_claims};
use tests::{Database, TestApp, on_each_database, with_and_without_slash};

on_each_database! {
    a_good_token_is_blacklisted_once,
    a_bad_token_is_refused_with_its_reason,
    the_access_token_of_a_blacklisted_session_is_refused_at_once,
    a_spent_token_is_refused_and_its_session_ends,
    a_refresh_token_of_simplejwt_can_be_blacklisted,
}

async fn a_good_token_is_blacklisted_once(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    for path in with_and_without_slash("/api/token/blacklist/") {
        let client = app.log_in(&anna).await;
        let body = json!({ "refresh": client.refresh });
        app.anonymous().post(&path, body.clone()).await.expect(200, "{}");
        let again = app.anonymous().post(&path, body).await;
        again.expect_refused_token(&token_not_valid(BLACKLISTED));
    }
}

async fn a_bad_token_is_refused_with_its_reason(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let untyped = but(simplejwt_claims(anna.id, app.now()), json!({ "token_type": null }));
    for (token, message) in [
        ("nonsense", INVALID),
        (client.access.as_str(), WRONG_TYPE),
        (mint(&untyped).as_str(), NO_TYPE),
    ] {
        let answer = app.anonymous().blacklist(token).await;
        answer.expect_refused_token(&token_not_valid(message));
    }
    app.advance(Duration::from_secs(24 * 3600)).await;
    let late = app.anonymous().blacklist(&client.refresh).await;
    late.expect_refused_token(&token_not_valid(EXPIRED));
}

async fn the_access_token_of_a_blacklisted_session_is_refused_at_once(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    client.me().await.expect_status(200);
    app.anonymous().blacklist(&client.refresh).await.expect(200, "{}");
    client.me().await.expect_refused_token(&given_token_not_valid(BLACKLISTED));
}

async fn a_spent_token_is_refused_and_its_session_ends(database: Database) {
    let app = TestApp::start(database).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    let before = client.refresh.clone();
    client.refresh().await.expect_status(200);
    app.advance(Duration::from_secs(11)).await;
    let answer = app.anonymous().blacklist(&before).await;
    answer.expect_refused_token(&token_not_valid(BLACKLISTED));
    client.me().await.expect_refused_token(&given_token_not_valid(BLACKLISTED));
}

async fn a_refresh_token_of_simplejwt_can_be_blacklisted(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let claims = but(simplejwt_claims(anna.id, app.now()), json!({ "token_type": "refresh" }));
    let token = mint(&claims);
    app.anonymous().verify(&token).await.expect(200, "{}");
    app.anonymous().blacklist(&token).await.expect(200, "{}");
    app.anonymous().verify(&token).await.expect_refused_token(&token_not_valid(BLACKLISTED));
}

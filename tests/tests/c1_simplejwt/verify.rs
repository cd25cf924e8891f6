//! `POST /api/token/verify/`

use std::time::Duration;

use serde_json::json;
use tests::texts::{BLACKLISTED, EXPIRED, INVALID, NO_TYPE, WRONG_TYPE, token_not_valid};
use tests::token::{but, mint, simplejwt_claims};
use tests::{Database, TestApp, on_each_database, with_and_without_slash};

on_each_database! {
    every_kind_of_good_token_verifies,
    a_token_that_is_none_is_invalid,
    an_expired_token_is_expired,
    a_token_of_an_unknown_type_has_the_wrong_type,
    a_token_without_a_type_has_no_type,
    a_revoked_token_is_blacklisted,
    a_spent_refresh_token_is_blacklisted_after_the_grace,
    verifying_spends_nothing,
    a_token_of_simplejwt_verifies,
}

async fn every_kind_of_good_token_verifies(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let sliding = app.anonymous().post("/api/token/sliding/", anna.credentials()).await;

    for path in with_and_without_slash("/api/token/verify/") {
        for token in [&client.access, &client.refresh, &sliding.text("token")] {
            let answer = app.anonymous().post(&path, json!({ "token": token })).await;
            answer.expect(200, "{}");
        }
    }
}

async fn a_token_that_is_none_is_invalid(database: Database) {
    let app = TestApp::start(database).await;
    for path in with_and_without_slash("/api/token/verify/") {
        let answer = app.anonymous().post(&path, json!({ "token": "nonsense" })).await;
        answer.expect_refused_token(&token_not_valid(INVALID));
    }
}

async fn an_expired_token_is_expired(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    app.advance(Duration::from_secs(5 * 60)).await;
    app.anonymous().verify(&client.access).await.expect_refused_token(&token_not_valid(EXPIRED));
    app.anonymous().verify(&client.refresh).await.expect(200, "{}");
    app.advance(Duration::from_secs(24 * 3600)).await;
    app.anonymous().verify(&client.refresh).await.expect_refused_token(&token_not_valid(EXPIRED));
}

async fn a_token_of_an_unknown_type_has_the_wrong_type(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let claims = but(simplejwt_claims(anna.id, app.now()), json!({ "token_type": "other" }));
    app.anonymous().verify(&mint(&claims)).await.expect_refused_token(&token_not_valid(WRONG_TYPE));
}

async fn a_token_without_a_type_has_no_type(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let claims = but(simplejwt_claims(anna.id, app.now()), json!({ "token_type": null }));
    app.anonymous().verify(&mint(&claims)).await.expect_refused_token(&token_not_valid(NO_TYPE));
}

async fn a_revoked_token_is_blacklisted(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    app.anonymous().blacklist(&client.refresh).await.expect(200, "{}");
    for token in [&client.access, &client.refresh] {
        let answer = app.anonymous().verify(token).await;
        answer.expect_refused_token(&token_not_valid(BLACKLISTED));
    }
}

async fn a_spent_refresh_token_is_blacklisted_after_the_grace(database: Database) {
    let app = TestApp::start(database).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    let before = client.refresh.clone();
    client.refresh().await.expect_status(200);
    app.anonymous().verify(&before).await.expect(200, "{}");
    app.advance(Duration::from_secs(11)).await;
    app.anonymous().verify(&before).await.expect_refused_token(&token_not_valid(BLACKLISTED));
    // To ask is not to use: the session goes on.
    client.refresh().await.expect_status(200);
}

async fn verifying_spends_nothing(database: Database) {
    let app = TestApp::start(database).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    for _ in 0..3 {
        app.anonymous().verify(&client.refresh).await.expect(200, "{}");
    }
    client.refresh().await.expect_status(200);
}

async fn a_token_of_simplejwt_verifies(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let access = simplejwt_claims(anna.id.to_string(), app.now());
    let refresh = but(access.clone(), json!({ "token_type": "refresh" }));
    for claims in [access, refresh] {
        app.anonymous().verify(&mint(&claims)).await.expect(200, "{}");
    }
}

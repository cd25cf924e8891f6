//! `POST /api/token/sliding/` and `/api/token/sliding/refresh/`

use std::time::Duration;

use serde_json::json;
use tests::texts::{
    BLACKLISTED, EXPIRED, INVALID, NO_ACCOUNT, NO_ACCOUNT_FOR_TOKEN, WRONG_TYPE,
    given_token_not_valid, token_not_valid,
};
use tests::token::{PYJWT_HEADER, but, claims_of, header_of, mint};
use tests::{Database, TestApp, User, on_each_database, with_and_without_slash};

const MINUTE: Duration = Duration::from_secs(60);
const SLIDING: (&str, &str) = ("AUTH_TOKEN_CLASSES", "access,sliding");

on_each_database! {
    good_credentials_get_one_token,
    bad_credentials_get_none,
    the_payload_says_until_when_it_slides,
    a_sliding_token_opens_no_route_by_default,
    a_sliding_token_opens_routes_where_the_settings_say_so,
    a_sliding_token_is_exchanged_for_a_later_one,
    a_refused_token_is_refused_with_its_reason,
    nothing_slides_past_the_end,
    an_inactive_or_deleted_user_gets_nothing,
    a_refused_token_names_every_class_that_would_do,
}

async fn obtain(app: &TestApp, user: &User) -> String {
    let answer = app.anonymous().post("/api/token/sliding/", user.credentials()).await;
    answer.expect_status(200).text("token")
}

async fn good_credentials_get_one_token(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    for path in with_and_without_slash("/api/token/sliding/") {
        let answer = app.anonymous().post(&path, anna.credentials()).await;
        let token = answer.text("token");
        answer.expect(200, &format!(r#"{{"token":"{token}"}}"#));
        answer.expect_header("cache-control", "no-store");
    }
}

async fn bad_credentials_get_none(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let body = json!({ "username": anna.username, "password": "not anna's password" });
    app.anonymous().post("/api/token/sliding/", body).await.expect_challenge(NO_ACCOUNT);
}

async fn the_payload_says_until_when_it_slides(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let token = obtain(&app, &anna).await;
    let claims = claims_of(&token);
    assert_eq!(header_of(&token), PYJWT_HEADER);
    assert_eq!(claims["token_type"], "sliding");
    assert_eq!(claims["exp"], app.now() + 5 * 60);
    assert_eq!(claims["refresh_exp"], app.now() + 24 * 60 * 60);
    assert_eq!(claims["user_id"], anna.id.to_string());
}

async fn a_sliding_token_opens_no_route_by_default(database: Database) {
    let app = TestApp::start(database).await;
    let token = obtain(&app, &app.user("anna").await).await;
    app.anonymous().me(&token).await.expect_refused_token(&given_token_not_valid(WRONG_TYPE));
}

async fn a_sliding_token_opens_routes_where_the_settings_say_so(database: Database) {
    let app = TestApp::with(database, &[SLIDING]).await;
    let anna = app.user("anna").await;
    let token = obtain(&app, &anna).await;
    app.anonymous().me(&token).await.expect_status(200);
    app.log_in(&anna).await.me().await.expect_status(200);
    app.advance(5 * MINUTE).await;
    app.anonymous().me(&token).await.expect_status(401);
}

async fn a_sliding_token_is_exchanged_for_a_later_one(database: Database) {
    let app = TestApp::with(database, &[SLIDING]).await;
    let anna = app.user("anna").await;
    for path in with_and_without_slash("/api/token/sliding/refresh/") {
        let first = obtain(&app, &anna).await;
        app.advance(4 * MINUTE).await;
        let answer = app.anonymous().post(&path, json!({ "token": first })).await;
        let later = answer.text("token");
        answer.expect(200, &format!(r#"{{"token":"{later}"}}"#));
        answer.expect_header("cache-control", "no-store");

        let [before, after] = [claims_of(&first), claims_of(&later)];
        assert_eq!(after["exp"], app.now() + 5 * 60);
        assert_eq!(after["refresh_exp"], before["refresh_exp"], "the end stays");
        assert_eq!(after["sid"], before["sid"]);
        app.advance(2 * MINUTE).await;
        app.anonymous().me(&first).await.expect_status(401);
        app.anonymous().me(&later).await.expect_status(200);
    }
}

async fn a_refused_token_is_refused_with_its_reason(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let token = obtain(&app, &anna).await;
    let endless = mint(&but(claims_of(&token), json!({ "refresh_exp": null })));
    let refuse = async |token: &str, message| {
        let body = json!({ "token": token });
        let answer = app.anonymous().post("/api/token/sliding/refresh/", body).await;
        answer.expect_refused_token(&token_not_valid(message));
    };
    refuse("nonsense", INVALID).await;
    refuse(&client.access, WRONG_TYPE).await;
    refuse(&client.refresh, WRONG_TYPE).await;
    refuse(&endless, INVALID).await;
    app.advance(5 * MINUTE).await;
    refuse(&token, EXPIRED).await;

    let token = obtain(&app, &anna).await;
    app.log_in(&anna).await;
    app.set_password(&anna, "another password").await;
    refuse(&token, BLACKLISTED).await;
}

async fn nothing_slides_past_the_end(database: Database) {
    let app = TestApp::with(database, &[("SLIDING_TOKEN_REFRESH_LIFETIME", "10m")]).await;
    let mut token = obtain(&app, &app.user("anna").await).await;
    let end = app.now() + 10 * 60;
    for _ in 0..2 {
        app.advance(4 * MINUTE).await;
        let body = json!({ "token": token });
        token = app.anonymous().post("/api/token/sliding/refresh/", body).await.text("token");
    }
    assert_eq!(claims_of(&token)["exp"], end);
    app.advance(2 * MINUTE).await;
    let late = app.anonymous().post("/api/token/sliding/refresh/", json!({ "token": token })).await;
    late.expect_refused_token(&token_not_valid(EXPIRED));
}

async fn an_inactive_or_deleted_user_gets_nothing(database: Database) {
    let app = TestApp::start(database).await;
    let [anna, boris] = [app.user("anna").await, app.user("boris").await];
    let tokens = [obtain(&app, &anna).await, obtain(&app, &boris).await];
    app.deactivate(&anna).await;
    app.delete(&boris);
    for token in tokens {
        let body = json!({ "token": token });
        let answer = app.anonymous().post("/api/token/sliding/refresh/", body).await;
        answer.expect_challenge(NO_ACCOUNT_FOR_TOKEN);
    }
}

async fn a_refused_token_names_every_class_that_would_do(database: Database) {
    let app = TestApp::with(database, &[SLIDING]).await;
    let expected = r#"{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid"},{"token_class":"SlidingToken","token_type":"sliding","message":"Token is invalid"}]}"#;
    app.anonymous().me("nonsense").await.expect_refused_token(expected);
}

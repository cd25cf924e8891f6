//! Contract C3: one token without refresh, in the header `jwt-auth`.

use std::time::Duration;

use serde_json::json;
use tests::texts::{
    NO_TYPE, NOT_PROVIDED, WRONG_TYPE, detail, given_token_not_valid, token_not_valid,
};
use tests::token::{
    PYJWT_HEADER, SIGNING_KEY, but, claims_of, header_of, mint, mint_with, simplejwt_claims,
};
use tests::{Answer, Database, NewUser, TestApp, User, on_each_database, with_and_without_slash};

const LOGIN: &str = "/api/v1/users/login/jwt";
const INFO: &str = "/api/v1/users/login/jwt/info";
const HEADER: &str = "jwt-auth";

on_each_database! {
    good_credentials_get_a_token,
    the_payload_names_the_user_and_expires,
    bad_credentials_get_none,
    info_says_who_it_is,
    the_token_works_where_every_credential_does,
    no_header_provides_no_credentials,
    a_token_without_an_id_is_invalid,
    an_expired_token_has_expired,
    a_token_that_is_none_is_a_decoding_error,
    a_user_who_is_gone_is_not_found,
    a_token_ends_with_its_session,
    a_hand_made_token_of_pyjwt_is_accepted,
    tokens_of_other_kinds_are_refused,
    the_token_is_refused_as_a_bearer_token,
    another_method_is_not_allowed,
}

async fn obtain(app: &TestApp, user: &User) -> String {
    app.anonymous().post(LOGIN, user.credentials()).await.expect_status(200).text("token")
}

async fn info(app: &TestApp, token: &str) -> Answer {
    app.anonymous().get_with_header(INFO, HEADER, token).await
}

async fn good_credentials_get_a_token(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    for path in with_and_without_slash(LOGIN) {
        let answer = app.anonymous().post(&path, anna.credentials()).await;
        let token = answer.text("token");
        answer.expect(200, &format!(r#"{{"token":"{token}"}}"#));
        answer.expect_header("cache-control", "no-store");
    }
}

async fn the_payload_names_the_user_and_expires(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let token = obtain(&app, &anna).await;
    let claims = claims_of(&token);
    assert_eq!(header_of(&token), PYJWT_HEADER);
    assert_eq!(claims["id"], anna.id, "a number");
    assert_eq!(claims["username"], "anna");
    assert_eq!(claims["iat"], app.now());
    assert_eq!(claims["exp"], app.now() + 24 * 3600);
    assert!(claims["jti"].is_string() && claims["sid"].is_string(), "{claims}");
    assert_eq!(claims.get("token_type"), None);
}

async fn bad_credentials_get_none(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let ivan = app.create(NewUser { is_active: false, ..NewUser::named("ivan") }).await;
    let mut answers = Vec::new();
    for credentials in [
        json!({ "username": anna.username, "password": "not anna's password" }),
        json!({ "username": "nobody", "password": anna.password }),
        ivan.credentials(),
    ] {
        let answer = app.anonymous().post(LOGIN, credentials).await;
        answer.expect_detail(answer.status);
        assert!(matches!(answer.status, 401 | 403), "{}", answer.status);
        answers.push((answer.status, answer.body));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    for body in [json!({}), json!({ "username": "anna" }), json!([]), json!(null)] {
        app.anonymous().post(LOGIN, body).await.expect_status(400);
    }
}

async fn info_says_who_it_is(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let token = obtain(&app, &anna).await;
    let expected = format!(r#"{{"id":{},"username":"anna"}}"#, anna.id);
    for path in with_and_without_slash(INFO) {
        let answer = app.anonymous().get_with_header(&path, HEADER, &token).await;
        answer.expect(200, &expected);
    }
    app.anonymous().get_with_header(INFO, "JWT-Auth", &token).await.expect(200, &expected);
}

async fn the_token_works_where_every_credential_does(database: Database) {
    let app = TestApp::start(database).await;
    let token = obtain(&app, &app.user("anna").await).await;
    let answer = app.anonymous().get_with_header("/api/v1/users/me", HEADER, &token).await;
    assert_eq!(answer.expect_status(200).text("username"), "anna");
}

async fn no_header_provides_no_credentials(database: Database) {
    let app = TestApp::start(database).await;
    for path in with_and_without_slash(INFO) {
        app.anonymous().get(&path).await.expect_challenge(NOT_PROVIDED);
    }
}

async fn a_token_without_an_id_is_invalid(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let claims = claims_of(&obtain(&app, &anna).await);
    for without in [json!({ "id": null }), json!({ "id": "" })] {
        let token = mint(&but(claims.clone(), without));
        info(&app, &token).await.expect_refused_token(&detail("Invalid Token"));
    }
    let bare = mint(&json!({ "username": "anna" }));
    info(&app, &bare).await.expect_refused_token(&detail("Invalid Token"));
}

async fn an_expired_token_has_expired(database: Database) {
    let app = TestApp::start(database).await;
    let token = obtain(&app, &app.user("anna").await).await;
    app.advance(Duration::from_secs(24 * 3600 - 1)).await;
    info(&app, &token).await.expect_status(200);
    app.advance(Duration::from_secs(1)).await;
    info(&app, &token).await.expect_refused_token(&detail("Token has expired"));
}

async fn a_token_that_is_none_is_a_decoding_error(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let good = obtain(&app, &anna).await;
    let another_key = "another-key-another-key-another-key-0123";
    let forged = mint_with(PYJWT_HEADER, &claims_of(&good).to_string(), another_key);
    let unsigned = mint_with(r#"{"alg":"none"}"#, &claims_of(&good).to_string(), SIGNING_KEY);
    let odd = mint(&but(claims_of(&good), json!({ "id": [1] })));
    let endless = mint(&json!({ "id": anna.id, "username": "anna" }));
    for token in ["nonsense", "a.b.c", &good[1..], &forged, &unsigned, &odd, &endless, "Bearer x"] {
        info(&app, token).await.expect_refused_token(&detail("Error decoding token"));
    }
}

async fn a_user_who_is_gone_is_not_found(database: Database) {
    let app = TestApp::start(database).await;
    let [anna, boris] = [app.user("anna").await, app.user("boris").await];
    let tokens = [obtain(&app, &anna).await, obtain(&app, &boris).await];
    app.delete(&anna);
    app.deactivate(&boris).await;
    for token in tokens {
        tests::eventually("the token is refused", async || info(&app, &token).await.status == 401)
            .await;
        info(&app, &token).await.expect_refused_token(&detail("User not found"));
    }
}

async fn a_token_ends_with_its_session(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let token = obtain(&app, &anna).await;
    app.set_password(&anna, "another password").await;
    info(&app, &token).await.expect_refused_token(&detail("Invalid Token"));
}

async fn a_hand_made_token_of_pyjwt_is_accepted(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let expected = format!(r#"{{"id":{},"username":"anna"}}"#, anna.id);
    for id in [json!(anna.id), json!(anna.id.to_string())] {
        let claims = json!({ "id": id, "username": "anna", "exp": app.now() + 60 });
        info(&app, &mint(&claims)).await.expect(200, &expected);
    }
}

async fn tokens_of_other_kinds_are_refused(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let foreign = mint(&simplejwt_claims(anna.id, app.now()));
    for token in [&client.access, &client.refresh, &foreign] {
        info(&app, token).await.expect_refused_token(&detail("Invalid Token"));
    }
    // Not even one that has an id, too.
    let both = mint(&but(claims_of(&client.access), json!({ "id": anna.id })));
    info(&app, &both).await.expect_refused_token(&detail("Invalid Token"));
}

async fn the_token_is_refused_as_a_bearer_token(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let token = obtain(&app, &anna).await;
    app.anonymous().me(&token).await.expect_refused_token(&given_token_not_valid(NO_TYPE));
    app.anonymous().refresh(&token).await.expect_refused_token(&token_not_valid(NO_TYPE));

    let both = mint(&but(claims_of(&token), json!({ "token_type": "single" })));
    app.anonymous().me(&both).await.expect_refused_token(&given_token_not_valid(WRONG_TYPE));
}

async fn another_method_is_not_allowed(database: Database) {
    let app = TestApp::start(database).await;
    for path in with_and_without_slash(LOGIN) {
        let answer = app.anonymous().get(&path).await;
        answer.expect(405, r#"{"detail":"Method \"GET\" not allowed."}"#);
    }
    for path in with_and_without_slash(INFO) {
        let answer = app.anonymous().post(&path, json!({})).await;
        answer.expect(405, r#"{"detail":"Method \"POST\" not allowed."}"#);
    }
}

//! `POST /api/token/`

use serde_json::json;
use tests::texts::NO_ACCOUNT;
use tests::token::{PYJWT_HEADER, SIGNING_KEY, claims_of, header_of};
use tests::{Database, NewUser, TestApp, on_each_database, with_and_without_slash};

on_each_database! {
    good_credentials_get_a_refresh_and_an_access_token,
    wrong_password_unknown_user_and_inactive_user_get_the_same_bytes,
    the_payload_is_that_of_simplejwt_with_a_session_id,
    tokens_verify_with_another_library_and_the_same_key,
    every_login_is_a_session_of_its_own,
    a_login_is_noted_as_the_last_one,
    a_very_long_password_is_just_a_wrong_one,
}

async fn good_credentials_get_a_refresh_and_an_access_token(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;

    for path in with_and_without_slash("/api/token/") {
        let answer = app.anonymous().post(&path, anna.credentials()).await;
        answer.expect_status(200).expect_header("content-type", "application/json");
        answer.expect_header("cache-control", "no-store");
        // SimpleJWT's order.
        let (refresh, access) = (answer.text("refresh"), answer.text("access"));
        answer.expect(200, &format!(r#"{{"refresh":"{refresh}","access":"{access}"}}"#));
        app.anonymous().me(&access).await.expect_status(200);
    }
}

async fn wrong_password_unknown_user_and_inactive_user_get_the_same_bytes(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let ivan = app.create(NewUser { is_active: false, ..NewUser::named("ivan") }).await;

    for path in with_and_without_slash("/api/token/") {
        for credentials in [
            json!({ "username": anna.username, "password": "not anna's password" }),
            json!({ "username": "nobody", "password": anna.password }),
            ivan.credentials(),
        ] {
            let answer = app.anonymous().post(&path, credentials).await;
            answer.expect_challenge(NO_ACCOUNT);
        }
    }
    assert_eq!(app.db().count("auth_sessions"), 0, "nobody logged in");
}

async fn the_payload_is_that_of_simplejwt_with_a_session_id(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;

    let mut ids = Vec::new();
    for (token, kind, lifetime) in
        [(&client.access, "access", 5 * 60), (&client.refresh, "refresh", 24 * 60 * 60)]
    {
        assert_eq!(header_of(token), PYJWT_HEADER);
        let claims = claims_of(token);
        assert_eq!(claims["token_type"], kind);
        assert_eq!(claims["iat"], app.now());
        assert_eq!(claims["exp"], app.now() + lifetime);
        assert_eq!(claims["user_id"], anna.id.to_string(), "the id is a text");
        for id in ["jti", "sid"] {
            let text = claims[id].as_str().unwrap();
            assert_eq!(text.len(), 32);
            assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
        }
        assert!(claims.get("aud").is_none() && claims.get("iss").is_none(), "{claims}");
        ids.push(claims);
    }
    assert_eq!(ids[0]["sid"], ids[1]["sid"]);
    assert_ne!(ids[0]["jti"], ids[1]["jti"]);
}

async fn tokens_verify_with_another_library_and_the_same_key(database: Database) {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;

    let key = DecodingKey::from_secret(SIGNING_KEY.as_bytes());
    let validation = Validation::new(Algorithm::HS256);
    for token in [&client.access, &client.refresh] {
        let read = decode::<serde_json::Value>(token, &key, &validation).unwrap();
        assert_eq!(read.claims["user_id"], anna.id.to_string());
    }
}

async fn every_login_is_a_session_of_its_own(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;

    let [phone, laptop] = [app.log_in(&anna).await, app.log_in(&anna).await];
    assert_ne!(claims_of(&phone.access)["sid"], claims_of(&laptop.access)["sid"]);
    assert_eq!(app.db().count("auth_sessions"), 2);

    app.anonymous().blacklist(&phone.refresh).await.expect(200, "{}");
    phone.me().await.expect_status(401);
    laptop.me().await.expect_status(200);
}

async fn a_login_is_noted_as_the_last_one(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let noted = "users WHERE last_login_at IS NOT NULL";
    assert_eq!(app.db().count(noted), 0);
    app.log_in(&anna).await;
    assert_eq!(app.db().count(noted), 1);
}

async fn a_very_long_password_is_just_a_wrong_one(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let credentials = json!({ "username": anna.username, "password": "x".repeat(10_000) });
    app.anonymous().post("/api/token/", credentials).await.expect_challenge(NO_ACCOUNT);
}

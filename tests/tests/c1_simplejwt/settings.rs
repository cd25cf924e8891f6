//! The settings, by the names of SimpleJWT, as a running server obeys them.

use std::time::Duration;

use serde_json::{Value, json};
use tests::texts::{INVALID, NOT_PROVIDED, given_token_not_valid};
use tests::token::{PYJWT_HEADER, but, claims_of, mint, mint_with};
use tests::{Database, TestApp, on_each_database};

on_each_database! {
    lifetimes_are_written_into_the_tokens,
    an_audience_and_an_issuer_are_written_and_required,
    a_leeway_forgives_clocks_that_disagree,
    another_header_and_word_carry_the_token,
    the_claims_can_have_other_names,
    the_realm_can_have_another_name,
    reuse_can_be_forgiven,
    sessions_can_survive_a_change_of_password,
    logins_can_go_unnoted,
    expired_sessions_are_removed_by_the_server_itself,
    an_eddsa_key_signs_and_its_public_half_verifies,
    a_secret_is_never_published,
    a_setting_without_effect_is_refused_at_start_by_name,
    a_weak_or_missing_key_is_refused_at_start,
}

async fn lifetimes_are_written_into_the_tokens(database: Database) {
    let app = TestApp::with(
        database,
        &[("ACCESS_TOKEN_LIFETIME", "30m"), ("REFRESH_TOKEN_LIFETIME", "30d")],
    )
    .await;
    let client = app.log_in(&app.user("anna").await).await;
    assert_eq!(claims_of(&client.access)["exp"], app.now() + 30 * 60);
    assert_eq!(claims_of(&client.refresh)["exp"], app.now() + 30 * 24 * 3600);
}

async fn an_audience_and_an_issuer_are_written_and_required(database: Database) {
    let settings = [("AUDIENCE", "shop"), ("ISSUER", "https://auth.example.com")];
    let app = TestApp::with(database, &settings).await;
    let client = app.log_in(&app.user("anna").await).await;
    for token in [&client.access, &client.refresh] {
        let claims = claims_of(token);
        assert_eq!(claims["aud"], "shop");
        assert_eq!(claims["iss"], "https://auth.example.com");
    }
    client.me().await.expect_status(200);

    let good = claims_of(&client.access);
    for fine in [json!(["shop", "bank"]), json!(["shop"])] {
        let token = mint(&but(good.clone(), json!({ "aud": fine })));
        app.anonymous().me(&token).await.expect_status(200);
    }
    for other in [
        json!({ "aud": null }),
        json!({ "iss": null }),
        json!({ "aud": "bank" }),
        json!({ "aud": ["bank"] }),
        json!({ "aud": [] }),
        json!({ "aud": 42 }),
        json!({ "iss": "https://auth.example.com/" }),
        json!({ "iss": ["https://auth.example.com"] }),
    ] {
        let token = mint(&but(good.clone(), other));
        let answer = app.anonymous().me(&token).await;
        answer.expect_refused_token(&given_token_not_valid(INVALID));
    }
}

async fn a_leeway_forgives_clocks_that_disagree(database: Database) {
    let app = TestApp::with(database, &[("LEEWAY", "10s")]).await;
    let client = app.log_in(&app.user("anna").await).await;
    app.advance(Duration::from_secs(309)).await;
    client.me().await.expect_status(200);
    app.advance(Duration::from_secs(1)).await;
    client.me().await.expect_status(401);
}

async fn another_header_and_word_carry_the_token(database: Database) {
    let settings = [("AUTH_HEADER_TYPES", "JWT,Bearer"), ("AUTH_HEADER_NAME", "X-Authorization")];
    let app = TestApp::with(database, &settings).await;
    let client = app.log_in(&app.user("anna").await).await;
    let path = "/api/v1/users/me";
    for word in ["JWT", "Bearer", "jwt"] {
        let value = format!("{word} {}", client.access);
        let answer = app.anonymous().get_with_header(path, "X-Authorization", &value).await;
        answer.expect_status(200);
    }
    let answer = client.me().await;
    answer.expect(401, NOT_PROVIDED).expect_header("www-authenticate", r#"JWT realm="api""#);
}

async fn the_claims_can_have_other_names(database: Database) {
    let settings =
        [("USER_ID_CLAIM", "sub"), ("TOKEN_TYPE_CLAIM", "kind"), ("JTI_CLAIM", "token_id")];
    let app = TestApp::with(database, &settings).await;
    let anna = app.user("anna").await;
    let mut client = app.log_in(&anna).await;
    let claims = claims_of(&client.access);
    assert_eq!(claims["sub"], anna.id.to_string());
    assert_eq!(claims["kind"], "access");
    assert!(claims["token_id"].is_string());
    for usual in ["user_id", "token_type", "jti"] {
        assert_eq!(claims.get(usual), None::<&Value>);
    }
    client.me().await.expect_status(200);
    client.refresh().await.expect_status(200);
}

async fn the_realm_can_have_another_name(database: Database) {
    let app = TestApp::with(database, &[("WWW_AUTHENTICATE_REALM", "shop")]).await;
    let answer = app.anonymous().get("/api/v1/users/me").await;
    answer.expect_header("www-authenticate", r#"Bearer realm="shop""#);
}

async fn reuse_can_be_forgiven(database: Database) {
    let app = TestApp::with(database, &[("BLACKLIST_AFTER_ROTATION", "false")]).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    let before = client.refresh.clone();
    client.refresh().await.expect_status(200);
    app.advance(Duration::from_secs(3600)).await;
    app.anonymous().refresh(&before).await.expect_status(200);
    client.refresh().await.expect_status(200);
}

async fn sessions_can_survive_a_change_of_password(database: Database) {
    let app = TestApp::with(database, &[("CHECK_REVOKE_TOKEN", "false")]).await;
    let anna = app.user("anna").await;
    let mut client = app.log_in(&anna).await;
    app.set_password(&anna, "another password").await;
    client.me().await.expect_status(200);
    client.refresh().await.expect_status(200);
}

async fn logins_can_go_unnoted(database: Database) {
    let app = TestApp::with(database, &[("UPDATE_LAST_LOGIN", "false")]).await;
    app.log_in(&app.user("anna").await).await;
    assert_eq!(app.db().count("users WHERE last_login_at IS NOT NULL"), 0);
}

async fn expired_sessions_are_removed_by_the_server_itself(database: Database) {
    let app = TestApp::with(database, &[("PRUNE_INTERVAL", "20ms")]).await;
    let anna = app.user("anna").await;
    app.log_in(&anna).await;
    app.advance(Duration::from_secs(23 * 3600)).await;
    let mut young = app.log_in(&anna).await;
    app.advance(Duration::from_secs(2 * 3600)).await;
    tests::eventually("an expired session is removed", async || {
        app.db().count("auth_sessions") == 1
    })
    .await;
    young.refresh().await.expect_status(200);
}

/// Made for this test alone.
const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJDL3mVIbVu5XbtXHfC1zj5wGbDeMre4wrU0lBQVJ3VX
-----END PRIVATE KEY-----
";

async fn an_eddsa_key_signs_and_its_public_half_verifies(database: Database) {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

    let settings = [("ALGORITHM", "EdDSA"), ("SIGNING_KEY", ED25519)];
    let app = TestApp::with(database, &settings).await;
    let mut client = app.log_in(&app.user("anna").await).await;
    client.me().await.expect_status(200);
    client.refresh().await.expect_status(200);

    // As another service does it, which knows only what is published.
    let published = app.anonymous().get("/.well-known/jwks.json").await;
    let keys: JwkSet = serde_json::from_value(published.expect_status(200).json()).unwrap();
    let kid = decode_header(&client.access).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    decode::<Value>(&client.access, &key, &Validation::new(Algorithm::EdDSA)).unwrap();
    assert!(!published.body.contains(r#""d""#), "only the public half: {}", published.body);

    // The public key is no secret, so it must not be good as one.
    let public = published.json()["keys"][0]["x"].as_str().unwrap().to_owned();
    let forged = mint_with(PYJWT_HEADER, &claims_of(&client.access).to_string(), &public);
    let answer = app.anonymous().me(&forged).await;
    answer.expect_refused_token(&given_token_not_valid(INVALID));
}

async fn a_secret_is_never_published(database: Database) {
    let app = TestApp::start(database).await;
    app.anonymous().get("/.well-known/jwks.json").await.expect(200, r#"{"keys":[]}"#);
}

async fn a_setting_without_effect_is_refused_at_start_by_name(database: Database) {
    let settings = [
        ("ROTATE_REFRESH_TOKENS", "false"),
        ("BLACKLIST_AFTER_ROTATION", "true"),
        ("REVOKE_TOKEN_CLAIM", "hash_password"),
    ];
    let refusal = TestApp::refusal(database, &settings).await;
    for name in ["blacklist_after_rotation", "revoke_token_claim"] {
        assert!(refusal.to_lowercase().contains(name), "{refusal}");
    }
}

async fn a_weak_or_missing_key_is_refused_at_start(database: Database) {
    for weak in ["hunter2", "0123456789012345678901234567890", &"a".repeat(64)] {
        let refusal = TestApp::refusal(database, &[("SIGNING_KEY", weak)]).await;
        assert!(refusal.to_lowercase().contains("signing_key"), "{refusal}");
        assert!(!refusal.contains(weak), "a secret is never repeated: {refusal}");
    }
}

//! Claims that are missing, of another type, or almost right.

use auth_core::{KeyRing, Settings, VerifyError};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use tests::texts::{BLACKLISTED, given_token_not_valid, token_not_valid};
use tests::token::{PYJWT_HEADER, SIGNING_KEY, but, mint, mint_with};
use tests::{Database, TestApp, on_each_database};

use crate::advisories::server::{NOW, Server, claims, secret_key};

fn with(settings: Settings) -> Server {
    Server::with(KeyRing::new(secret_key()), settings)
}

/// A token of the server's own key, with some claims replaced.
fn claiming(other: Value) -> String {
    mint(&but(claims(), other))
}

/// CVE-2024-53861, PyJWT 2.10.0: an issuer that was a part of the expected one passed.
#[test]
fn a_part_of_the_issuer_is_another_issuer() {
    let issuer = "https://login.example";
    let server = with(Settings { issuer: Some(issuer.into()), ..Settings::default() });
    server.accepts(&claiming(json!({ "iss": issuer })));
    for length in 0..issuer.len() {
        server.refuses(&claiming(json!({ "iss": &issuer[..length] })));
        server.refuses(&claiming(json!({ "iss": &issuer[length + 1..] })));
    }
    for other in ["https://login.example/", "https://login.example.evil", "HTTPS://LOGIN.EXAMPLE"] {
        server.refuses(&claiming(json!({ "iss": other })));
    }
}

/// CVE-2025-30144, fast-jwt before 5.0.6: an issuer could be a list, with the expected one in it.
#[test]
fn a_list_of_issuers_is_no_issuer() {
    let issuer = "https://login.example";
    let server = with(Settings { issuer: Some(issuer.into()), ..Settings::default() });
    server.accepts(&claiming(json!({ "iss": issuer })));
    for iss in [
        json!([issuer]),
        json!(["https://attacker.example", issuer]),
        json!({ "0": issuer }),
        json!([[issuer]]),
        json!(true),
        json!(0),
    ] {
        server.refuses(&claiming(json!({ "iss": iss })));
    }
    server.refuses(&claiming(json!({})));
    // Null is not "any" either.
    let null = but(claims(), json!({ "iss": "?" })).to_string().replace("\"?\"", "null");
    server.refuses(&mint_with(PYJWT_HEADER, &null, SIGNING_KEY));
}

/// CVE-2020-26160, dgrijalva/jwt-go before 4.0.0-preview1: an audience that was a list was read as
/// none, and none passed.
#[test]
fn a_list_of_audiences_is_read_and_an_empty_one_is_for_nobody() {
    let server = with(Settings { audience: vec!["shop".into()], ..Settings::default() });
    for aud in [json!("shop"), json!(["shop"]), json!(["bank", "shop"])] {
        server.accepts(&claiming(json!({ "aud": aud })));
    }
    for aud in [json!([]), json!([""]), json!(["bank"]), json!({}), json!([["shop"]]), json!("")] {
        server.refuses(&claiming(json!({ "aud": aud })));
    }
}

/// CVE-2024-5798, HashiCorp Vault before 1.16.3: a token without a good audience could log in.
#[test]
fn a_configured_audience_is_required() {
    let server = with(Settings { audience: vec!["vault".into()], ..Settings::default() });
    server.accepts(&claiming(json!({ "aud": "vault" })));
    for aud in [json!(null), json!("vaul"), json!("vault "), json!("VAULT"), json!("vault,x")] {
        server.refuses(&claiming(json!({ "aud": aud })));
    }
    // And a token for somebody in particular is not for a server that is nobody in particular.
    Server::with_secret().refuses(&claiming(json!({ "aud": "vault" })));
}

/// CVE-2026-25537, jsonwebtoken (Rust) before 10.3.0: a time of another JSON type was as good as
/// no time, so `nbf` and `exp` were not checked.
#[test]
fn a_time_that_cannot_be_read_is_not_a_missing_one() {
    let server = Server::with_secret();
    server.accepts(&claiming(json!({ "nbf": NOW })));
    for name in ["nbf", "exp", "iat"] {
        for time in [
            json!("99999999999"),
            json!(NOW.to_string()),
            json!("malicious"),
            json!([NOW]),
            json!({ "$date": NOW }),
            json!(false),
        ] {
            server.refuses(&claiming(json!({ name: time })));
        }
    }
    server.refuses(&claiming(json!({ "nbf": NOW + 60 })));
    server.refuses(&claiming(json!({ "exp": null })));
}

/// CVE-2026-44459, Hono: a time that was zero, infinite or no number skipped its check.
#[test]
fn a_time_that_is_no_finite_number_is_refused() {
    let server = Server::with_secret();
    let token = |name: &str, literal: &str| {
        let payload = but(claims(), json!({ name: "?" })).to_string();
        mint_with(PYJWT_HEADER, &payload.replace("\"?\"", literal), SIGNING_KEY)
    };
    server.accepts(&token("exp", &(NOW + 1).to_string()));
    for name in ["exp", "nbf", "iat"] {
        for literal in ["1e999", "-1e999", "1e308", "NaN", "Infinity", "-1", "null", "1800000300.0"]
        {
            server.refuses(&token(name, literal));
        }
        server.refuses(&token(name, "99999999999999999999"));
    }
    // Zero is a time, and it is long over.
    for long_ago in ["0", "1"] {
        let verdict = server.authenticate(&token("exp", long_ago));
        assert!(matches!(verdict, Err(VerifyError::Expired)), "{verdict:?}");
    }
}

/// CVE-2026-107723, fast-jwt before 6.3.0: a payload that was a list had none of the claims that
/// were to be checked, and passed.
#[test]
fn a_payload_that_is_a_list_is_refused() {
    let server = Server::with_secret();
    server.accepts(&claiming(json!({})));
    let pairs: Vec<_> = claims().as_object().unwrap().clone().into_iter().collect();
    for payload in [json!([]), json!([claims()]), json!(pairs), json!([[]]), json!(["exp"])] {
        server.refuses(&mint(&payload));
    }
}

/// CVE-2024-51744, golang-jwt before 4.5.1: a token that was forged and expired was told to be
/// expired, which callers take for a good token of yesterday.
#[test]
fn a_forged_token_that_is_expired_is_forged() {
    let server = Server::with_secret();
    let yesterday = json!({ "exp": NOW - 86_400 });
    let expired = claiming(yesterday.clone());
    let verdict = server.authenticate(&expired);
    assert!(matches!(verdict, Err(VerifyError::Expired)), "{verdict:?}");
    let claims = but(claims(), yesterday).to_string();
    server.refuses(&mint_with(PYJWT_HEADER, &claims, "another secret of more than 32 bytes"));
    let (message, _) = expired.rsplit_once('.').unwrap();
    server.refuses(&format!("{message}."));
}

/// CVE-2026-35039, fast-jwt: tokens that a cache could not tell apart had the claims of each other.
#[test]
fn tokens_that_differ_in_one_claim_are_two_users() {
    let server = Server::with_secret();
    let of = |user: &str| claiming(json!({ "user_id": user }));
    let (anna, bert) = (of("1"), of("2"));
    for _ in 0..100 {
        assert_eq!(server.authenticate(&anna).unwrap(), "1");
        assert_eq!(server.authenticate(&bert).unwrap(), "2");
    }
    // One's claims under the other's signature, after both have been seen.
    let signature = anna.rsplit('.').next().unwrap();
    let (message, _) = bert.rsplit_once('.').unwrap();
    server.refuses(&format!("{message}.{signature}"));
    assert_eq!(BASE64.decode_to_vec(signature).unwrap().len(), 32);
}

on_each_database! {
    a_token_ends_when_its_user_logs_out,
}

/// CVE-2025-4643, Payload before 3.44.0: a token stayed good after the logout of its user, until
/// it expired.
async fn a_token_ends_when_its_user_logs_out(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let mut stolen = app.log_in(&anna).await;
    let others = app.log_in(&anna).await;
    stolen.me().await.expect_status(200);

    app.anonymous().blacklist(&stolen.refresh).await.expect(200, "{}");
    stolen.me().await.expect_refused_token(&given_token_not_valid(BLACKLISTED));
    stolen.refresh().await.expect_refused_token(&token_not_valid(BLACKLISTED));
    others.me().await.expect_status(200);
}

//! Tokens with no signature, or with one that proves nothing.

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::Algorithm;
use serde_json::json;
use tests::texts::{INVALID, given_token_not_valid};
use tests::token::{but, claims_of};
use tests::{Database, TestApp, on_each_database};

use crate::advisories::server::{
    Server, claims, encoded, header, honest, message, private_key, secret_key, signed_with,
};

/// CVE-2015-2951, JWT.php of F21 (PHP) before 2.0: a token that names the algorithm `none` was valid, whatever
/// key the verifier had.
#[test]
fn a_token_that_names_no_algorithm_is_refused() {
    let server = Server::with_secret();
    server.accepts(&honest(Algorithm::HS256));
    for alg in ["none", "None", "NONE", "nOnE", "none ", "null", ""] {
        let message = message(&json!({ "alg": alg, "typ": "JWT" }), &claims());
        server.refuses(&format!("{message}."));
        server.refuses(&message);
    }
    server.refuses(&format!("{}.", message(&json!({ "typ": "JWT" }), &claims())));
    server.refuses(&format!("{}.", message(&json!({ "alg": null }), &claims())));
}

/// CVE-2020-15957, the backend of DP-3T: it parsed tokens with a function that also takes
/// unsecured ones, so `none` took the place of the health authority's ES256.
#[test]
fn an_unsecured_token_is_refused_where_a_public_key_verifies() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let server = Server::of(private_key(algorithm));
        server.accepts(&honest(algorithm));
        server.refuses(&format!("{}.", message(&json!({ "alg": "none" }), &claims())));
    }
}

on_each_database! {
    an_administrator_without_a_signature_gets_nowhere,
    a_refusal_tells_nothing_of_the_right_signature,
}

/// CVE-2021-22160, Apache Pulsar before 2.7.1: with `none` a client connected as any user,
/// administrators included.
async fn an_administrator_without_a_signature_gets_nowhere(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    let claims = but(claims_of(&client.access), json!({ "is_staff": true, "role": "admin" }));
    let unsigned = format!("{}.", message(&json!({ "alg": "none", "typ": "JWT" }), &claims));
    for path in ["/api/v1/users/me", "/api/v1/admin/users/1/sessions"] {
        app.anonymous().get_with(path, &format!("Bearer {unsigned}")).await.expect_status(401);
        app.anonymous().get_with_header(path, "jwt-auth", &unsigned).await.expect_status(401);
    }
    for path in ["/api/token/refresh/", "/api/token/blacklist/"] {
        app.anonymous().post(path, json!({ "refresh": unsigned })).await.expect_status(401);
    }
    app.anonymous().verify(&unsigned).await.expect_status(401);
}

/// CVE-2022-23540, jsonwebtoken (npm) before 9.0.0: with no algorithm and no key configured,
/// an unsigned token was valid. Here there is no server without a key.
#[tokio::test]
async fn without_a_key_nothing_is_served() {
    for settings in [&[("SIGNING_KEY", "")][..], &[("SIGNING_KEY", "null")]] {
        let refusal = TestApp::refusal(Database::Sqlite, settings).await;
        assert!(refusal.to_lowercase().contains("signing_key"), "{refusal}");
    }
    let refusal = TestApp::refusal(Database::Sqlite, &[("ALGORITHM", "none")]).await;
    assert!(refusal.to_lowercase().contains("algorithm"), "{refusal}");
}

/// CVE-2026-28802, Authlib 1.6.5 and 1.6.6: given a set of keys, it let `none` with an empty
/// signature pass.
#[test]
fn among_several_keys_none_is_no_algorithm_either() {
    let ring = auth_core::KeyRing::new(private_key(Algorithm::ES256))
        .also_accept(private_key(Algorithm::EdDSA))
        .also_accept(secret_key());
    let server = Server::with(ring, auth_core::Settings::default());
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256] {
        server.accepts(&honest(algorithm));
    }
    let kid = server.jwks()["keys"][0]["kid"].clone();
    for header in [json!({ "alg": "none" }), json!({ "alg": "none", "kid": kid })] {
        server.refuses(&format!("{}.", message(&header, &claims())));
    }
}

/// CVE-2020-28042, ServiceStack before 5.9.2: signatures were compared over the length of the
/// sender's, so an empty one was equal to every other.
#[test]
fn a_part_of_a_signature_is_none() {
    for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let key = if algorithm == Algorithm::HS256 { secret_key() } else { private_key(algorithm) };
        let server = Server::of(key);
        let good = honest(algorithm);
        server.accepts(&good);
        let (message, signature) = good.rsplit_once('.').unwrap();
        let signature = BASE64.decode_to_vec(signature).unwrap();
        for length in 0..signature.len() {
            let part = BASE64.encode_to_string(&signature[..length]);
            server.refuses(&format!("{message}.{part}"));
        }
        let longer = [&signature[..], &[0]].concat();
        server.refuses(&format!("{message}.{}", BASE64.encode_to_string(longer)));
    }
}

/// CVE-2022-21449, Java 15 to 18 ("psychic signatures"): an ECDSA signature of zeros was good
/// for every message and every key.
#[test]
fn an_ecdsa_signature_of_zeros_proves_nothing() {
    // The order of P-256: as little a signature as zero is.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    let zero = [0; 32];
    let mut one = zero;
    one[31] = 1;

    let server = Server::of(private_key(Algorithm::ES256));
    server.accepts(&honest(Algorithm::ES256));
    let forged = |signature: &[u8]| signed_with(&header(Algorithm::ES256), signature);
    for (r, s) in [(zero, zero), (zero, one), (one, zero), (ORDER, ORDER), (one, one)] {
        server.refuses(&forged(&[r, s].concat()));
    }
    // Zero and zero as DER, which is no form of JOSE at all (RFC 7518 §3.4).
    server.refuses(&forged(&[0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00]));

    let server = Server::of(private_key(Algorithm::ES384));
    server.accepts(&honest(Algorithm::ES384));
    server.refuses(&signed_with(&header(Algorithm::ES384), &[0; 96]));
    for algorithm in [Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS256] {
        let server = Server::of(private_key(algorithm));
        let length = if algorithm == Algorithm::EdDSA { 64 } else { 256 };
        server.refuses(&signed_with(&header(algorithm), &vec![0; length]));
    }
}

/// CVE-2019-7644, Auth0-WCF-Service-JWT: the message of a refusal said which signature would
/// have been right.
async fn a_refusal_tells_nothing_of_the_right_signature(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    let (message, right) = client.access.rsplit_once('.').unwrap();
    let answer = app.anonymous().me(&format!("{message}.{}", encoded(&json!("wrong")))).await;
    answer.expect_refused_token(&given_token_not_valid(INVALID));
    assert!(!format!("{:?}", answer.headers).contains(right));
    app.anonymous().me(&format!("{message}.{right}")).await.expect_status(200);
}

//! Key confusion: what everybody may know of a public key, used as the secret of an HMAC. The
//! algorithm belongs to the key (RFC 8725 §3.1), so the header never chooses it.

use auth_core::{Key, KeyRing, Settings};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{Algorithm, crypto};
use serde_json::{Map, Value, json};
use tests::token::{but, claims_of};
use tests::{Database, TestApp, on_each_database};

use crate::advisories::server::{
    ED25519, P256, P384, RSA, RSA_PKCS1, Server, claims, header, hmac_token, honest, message, pair,
    private_key, secret_key, signing_key, token,
};

const HMACS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// Every form in which the public half of a pair goes around.
fn public_forms(pem: &str) -> Vec<Vec<u8>> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode_to_vec(&body).unwrap();
    // Of Ed25519, the key without what is around it.
    let bare = der[der.len() - 32..].to_vec();
    vec![
        pem.into(),
        pem.trim_end().into(),
        pem.replace('\n', "\r\n").into(),
        pem.replace('\n', "").into(),
        body.into(),
        der,
        bare,
    ]
}

/// CVE-2015-9235, jsonwebtoken (npm) before 4.2.2: a token that said HS256 was checked with the
/// text of the public RSA key as the secret.
#[test]
fn a_public_key_is_no_secret_because_a_header_says_so() {
    let server = Server::of(private_key(Algorithm::RS256));
    server.accepts(&honest(Algorithm::RS256));
    for secret in public_forms(RSA.public).into_iter().chain(public_forms(RSA_PKCS1)) {
        server.refuses(&hmac_token(&header(Algorithm::HS256), Algorithm::HS256, &secret));
    }
}

/// CVE-2016-10555, jwt-simple (npm) up to 0.3.0: the algorithm was that of the header, whatever
/// the server expected.
#[test]
fn another_algorithm_than_that_of_the_key_is_refused() {
    for expected in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let server = Server::of(private_key(expected));
        let good = honest(expected);
        server.accepts(&good);
        for alg in ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384"]
            .into_iter()
            .chain(["PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "RSA-OAEP"])
            .filter(|alg| *alg != format!("{expected:?}"))
        {
            let header = json!({ "alg": alg, "typ": "JWT" });
            server.refuses(&token(&header, &claims(), expected, &signing_key(expected)));
        }
    }
}

/// CVE-2016-5431, the JOSE library of Gree (PHP) before 2.2.1: the algorithm could be substituted
/// for a key that the library knew as a JWK.
#[test]
fn nothing_that_a_published_jwk_says_is_a_secret() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let server = Server::of(private_key(algorithm));
        server.accepts(&honest(algorithm));
        let published = server.published();
        let alone = published.trim_start_matches(r#"{"keys":["#).trim_end_matches("]}").to_owned();
        let jwk: Map<String, Value> = serde_json::from_str(&alone).unwrap();
        let mut secrets = vec![published, alone, json!(jwk).to_string(), json!([jwk]).to_string()];
        secrets.extend(jwk.values().filter_map(Value::as_str).map(str::to_owned));
        let decoded = secrets.iter().filter_map(|text| BASE64.decode_to_vec(text).ok());
        let decoded: Vec<_> = decoded.collect();
        for secret in secrets.into_iter().map(String::into_bytes).chain(decoded) {
            for hmac in HMACS {
                server.refuses(&hmac_token(&header(hmac), hmac, &secret));
            }
        }
    }
}

/// CVE-2021-46743, firebase/php-jwt before 6.0.0: with several keys, `kid` chose the key and
/// `alg` its use, so a public key could be chosen as a secret.
#[test]
fn a_kid_does_not_lend_a_key_to_another_algorithm() {
    let server = Server::with(
        KeyRing::new(private_key(Algorithm::RS256).with_kid("legolas"))
            .also_accept(secret_key().with_kid("gandalf")),
        Settings::default(),
    );
    let of = |kid: &str, algorithm| but(header(algorithm), json!({ "kid": kid }));
    let sign =
        |header: &Value, algorithm| token(header, &claims(), algorithm, &signing_key(algorithm));
    server.accepts(&sign(&of("legolas", Algorithm::RS256), Algorithm::RS256));
    server.accepts(&sign(&of("gandalf", Algorithm::HS256), Algorithm::HS256));

    for secret in public_forms(RSA.public) {
        for kid in ["legolas", "gandalf"] {
            server.refuses(&hmac_token(&of(kid, Algorithm::HS256), Algorithm::HS256, &secret));
        }
    }
    server.refuses(&sign(&of("legolas", Algorithm::HS256), Algorithm::HS256));
    server.refuses(&sign(&of("gandalf", Algorithm::RS256), Algorithm::RS256));
}

/// CVE-2022-23541, jsonwebtoken (npm) before 9.0.0: where one function gave keys of both kinds,
/// a token signed with the public RSA key as a secret was valid.
#[test]
fn a_ring_with_keys_of_both_kinds_keeps_them_apart() {
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA] {
        let ring = KeyRing::new(secret_key()).also_accept(private_key(algorithm));
        let server = Server::with(ring, Settings::default());
        server.accepts(&honest(Algorithm::HS256));
        server.accepts(&honest(algorithm));
        for secret in public_forms(pair(algorithm).public) {
            server.refuses(&hmac_token(&header(Algorithm::HS256), Algorithm::HS256, &secret));
        }
        // And the other way round: each signature under the other's name.
        let good = signing_key(Algorithm::HS256);
        server.refuses(&token(&header(algorithm), &claims(), Algorithm::HS256, &good));
        let other = header(Algorithm::HS256);
        server.refuses(&token(&other, &claims(), algorithm, &signing_key(algorithm)));
    }
}

/// CVE-2022-23539, jsonwebtoken (npm) before 9.0.0: keys of a type that does not belong to the
/// algorithm were used, such as DSA for RS256.
#[test]
fn a_key_of_another_type_or_curve_is_refused_at_start() {
    let pairs = [("RSA", RSA), ("P-256", P256), ("P-384", P384), ("Ed25519", ED25519)];
    for (algorithm, fit) in [
        (Algorithm::RS256, "RSA"),
        (Algorithm::RS384, "RSA"),
        (Algorithm::RS512, "RSA"),
        (Algorithm::PS256, "RSA"),
        (Algorithm::PS384, "RSA"),
        (Algorithm::PS512, "RSA"),
        (Algorithm::ES256, "P-256"),
        (Algorithm::ES384, "P-384"),
        (Algorithm::EdDSA, "Ed25519"),
        (Algorithm::HS256, "no PEM"),
    ] {
        for (name, pair) in &pairs {
            let private = Key::from_private_pem(algorithm, pair.private.as_bytes());
            assert_eq!(private.is_ok(), *name == fit, "{name} for {algorithm:?}");
            let public = Key::from_public_pem(algorithm, pair.public.as_bytes());
            assert_eq!(public.is_ok(), *name == fit, "{name} for {algorithm:?}");
            assert!(Key::from_private_pem(algorithm, pair.public.as_bytes()).is_err());
        }
    }
}

on_each_database! {
    a_token_forged_from_the_published_keys_opens_nothing,
}

/// CVE-2023-48238, json-web-token (npm) before 4.0.0: the algorithm was taken from the token that
/// was yet to be verified, and the key from where everybody finds it.
async fn a_token_forged_from_the_published_keys_opens_nothing(database: Database) {
    for (algorithm, pair) in [("RS256", RSA), ("EdDSA", ED25519)] {
        let settings = [("ALGORITHM", algorithm), ("SIGNING_KEY", pair.private)];
        let app = TestApp::with(database, &settings).await;
        let client = app.log_in(&app.user("anna").await).await;
        client.me().await.expect_status(200);

        let published = app.anonymous().get("/.well-known/jwks.json").await;
        let jwk = published.json()["keys"][0].clone();
        let mut secrets = public_forms(pair.public);
        secrets.push(published.body.clone().into());
        secrets.push(jwk.to_string().into());
        for secret in secrets {
            let header = json!({ "alg": "HS256", "typ": "JWT", "kid": jwk["kid"] });
            let key = jsonwebtoken::EncodingKey::from_secret(&secret);
            let forged = token(&header, &claims_of(&client.access), Algorithm::HS256, &key);
            app.anonymous().me(&forged).await.expect_status(401);
        }
    }
}

/// CVE-2024-37568, Authlib before 1.3.1: any asymmetric public key verified HMACs, with each of
/// the three hashes.
#[test]
fn no_hash_makes_a_secret_of_a_public_key() {
    for algorithm in [Algorithm::RS512, Algorithm::PS384, Algorithm::ES384, Algorithm::EdDSA] {
        let server = Server::of(private_key(algorithm));
        server.accepts(&honest(algorithm));
        for secret in public_forms(pair(algorithm).public) {
            for hmac in HMACS {
                server.refuses(&hmac_token(&header(hmac), hmac, &secret));
                // The header tells the truth about the key and lies about the signature.
                server.refuses(&hmac_token(&header(algorithm), hmac, &secret));
            }
        }
    }
}

/// CVE-2024-54150, cjwt (Comcast, C) before 2.3.0: nothing separated public keys from secrets, not
/// even the type of the key that a caller passed.
#[test]
fn a_key_that_only_verifies_verifies_signatures_alone() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let public = pair(algorithm).public;
        let key = Key::from_public_pem(algorithm, public.as_bytes()).unwrap();
        let message = message(&header(Algorithm::HS256), &claims());
        let verifies = |signature: String| {
            key.verify_signature(message.as_bytes(), &BASE64.decode_to_vec(signature).unwrap())
        };
        let good = crypto::sign(message.as_bytes(), &signing_key(algorithm), algorithm).unwrap();
        assert!(verifies(good));
        for secret in public_forms(public) {
            let secret = jsonwebtoken::EncodingKey::from_secret(&secret);
            for hmac in HMACS {
                assert!(!verifies(crypto::sign(message.as_bytes(), &secret, hmac).unwrap()));
            }
        }
    }
}

/// The public half as a JWK that does not say what it is for.
fn jwk_without_alg(algorithm: Algorithm) -> Value {
    let mut jwk = Server::of(private_key(algorithm)).jwks()["keys"][0].clone();
    for member in ["alg", "use", "kid"] {
        jwk.as_object_mut().unwrap().remove(member);
    }
    jwk
}

/// CVE-2026-22817, Hono before 4.11.4: for a JWK without `alg` the middleware fell back to HS256.
#[test]
fn a_jwk_without_an_algorithm_is_not_taken_for_a_secret() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let jwk = jwk_without_alg(algorithm).to_string();
        let key = Key::from_jwk(jwk.as_bytes()).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let ring = KeyRing::new(secret_key()).also_accept(key);
        let server = Server::with(ring, Settings::default());
        server.accepts(&honest(algorithm));
        server.refuses(&hmac_token(&header(Algorithm::HS256), Algorithm::HS256, jwk.as_bytes()));
    }
}

/// CVE-2026-22818, Hono before 4.11.4: for a JWK without `alg` the header of the token chose the
/// algorithm, if only among those of the key's type.
#[test]
fn a_jwk_without_an_algorithm_has_one_all_the_same() {
    let jwk = jwk_without_alg(Algorithm::RS256).to_string();
    let ring = KeyRing::new(secret_key()).also_accept(Key::from_jwk(jwk.as_bytes()).unwrap());
    let server = Server::with(ring, Settings::default());
    server.accepts(&honest(Algorithm::RS256));
    for other in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS512] {
        server.refuses(&honest(other));
    }
}

/// CVE-2026-44699, LibJWT (C): an RSA JWK without an algorithm verified HMACs with an empty secret.
#[test]
fn a_public_jwk_is_no_empty_secret_either() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let key = Key::from_jwk(jwk_without_alg(algorithm).to_string().as_bytes()).unwrap();
        let kid = json!({ "kid": key.kid() });
        let ring = KeyRing::new(secret_key()).also_accept(key);
        let server = Server::with(ring, Settings::default());
        server.accepts(&honest(algorithm));
        for hmac in HMACS {
            for secret in [&b""[..], b"\0", &[0; 64]] {
                server.refuses(&hmac_token(&header(hmac), hmac, secret));
                server.refuses(&hmac_token(&but(header(hmac), kid.clone()), hmac, secret));
            }
        }
    }
}

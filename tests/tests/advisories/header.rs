//! Headers that bring a key along, or ask for what the server does not know.

use auth_core::{KeyRing, Settings};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tests::token::but;

use crate::advisories::server::{
    ATTACKER, P384, Server, claims, header, honest, private_key, signing_key, token,
};

/// The public half of the attacker's RSA key, as a JWK.
fn jwk_of_the_attacker() -> Value {
    let key = auth_core::Key::from_private_pem(Algorithm::RS256, ATTACKER.as_bytes()).unwrap();
    Server::of(key).jwks()["keys"][0].clone()
}

fn signed_by_the_attacker(header: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(ATTACKER.as_bytes()).unwrap();
    token(header, &claims(), Algorithm::RS256, &key)
}

/// CVE-2018-0114, node-jose (Cisco) before 0.11.0: a token was verified with the key that its own
/// header held in `jwk`.
#[test]
fn a_key_in_the_header_verifies_nothing() {
    let jwk = jwk_of_the_attacker();
    let server = Server::of(private_key(Algorithm::RS256));
    server.accepts(&honest(Algorithm::RS256));
    server.refuses(&signed_by_the_attacker(&but(
        header(Algorithm::RS256),
        json!({ "jwk": jwk, "kid": jwk["kid"] }),
    )));
    for name in ["jku", "x5u", "x5c", "x5t", "x5t#S256"] {
        let header = but(
            header(Algorithm::RS256),
            json!({ name: "https://attacker.example/keys.json", "kid": jwk["kid"] }),
        );
        server.refuses(&signed_by_the_attacker(&header));
    }
}

/// CVE-2026-34240, jose (Dart) before 0.3.5+1: the header's `jwk` was one more candidate beside
/// the keys of the trusted store.
#[test]
fn a_key_in_the_header_does_not_join_the_ring() {
    let ring =
        KeyRing::new(private_key(Algorithm::ES384)).also_accept(private_key(Algorithm::RS256));
    let server = Server::with(ring, Settings::default());
    let ours = server.jwks()["keys"][1]["kid"].clone();
    let kid = |kid: &Value| json!({ "kid": kid, "jwk": jwk_of_the_attacker() });
    let honest_key = signing_key(Algorithm::RS256);
    let named = but(header(Algorithm::RS256), kid(&ours));
    // A key that is only mentioned does no harm: the signature is ours.
    server.accepts(&token(&named, &claims(), Algorithm::RS256, &honest_key));
    server.refuses(&signed_by_the_attacker(&named));
    server.refuses(&signed_by_the_attacker(&but(header(Algorithm::RS256), kid(&json!(null)))));
}

/// CVE-2026-27962, Authlib before 1.6.9: where the server had no key for the token, the one in the
/// header was taken.
#[test]
fn a_key_in_the_header_is_no_substitute_for_a_missing_one() {
    let server = Server::with_secret();
    server.accepts(&honest(Algorithm::HS256));
    let header = but(header(Algorithm::RS256), json!({ "jwk": jwk_of_the_attacker() }));
    server.refuses(&signed_by_the_attacker(&header));
    let p384 = EncodingKey::from_ec_pem(P384.private.as_bytes()).unwrap();
    let jwk = Server::of(private_key(Algorithm::ES384)).jwks()["keys"][0].clone();
    let header = json!({ "alg": "ES384", "typ": "JWT", "jwk": jwk });
    server.refuses(&token(&header, &claims(), Algorithm::ES384, &p384));
}

/// A token with a good signature of the server's own key.
fn well_signed(more: Value) -> String {
    let header = but(header(Algorithm::HS256), more);
    token(&header, &claims(), Algorithm::HS256, &signing_key(Algorithm::HS256))
}

/// CVE-2025-59420, Authlib before 1.6.4: `crit` named extensions that the library did not know,
/// and the token was accepted all the same (against RFC 7515 §4.1.11).
#[test]
fn an_unknown_critical_extension_is_refused() {
    let server = Server::with_secret();
    server.accepts(&well_signed(json!({ "bork": "x", "cnf": { "jkt": "x" } })));
    server.refuses(&well_signed(json!({ "crit": ["bork"], "bork": "x" })));
    server.refuses(&well_signed(json!({ "crit": ["cnf"], "cnf": { "jkt": "x" } })));
    server.refuses(&well_signed(json!({ "crit": ["http://example.com/UNDEFINED"] })));
}

/// CVE-2026-32597, PyJWT up to 2.11.0: `crit` was not looked at in any form.
#[test]
fn a_malformed_list_of_critical_extensions_is_refused() {
    let server = Server::with_secret();
    server.accepts(&well_signed(json!({})));
    for crit in [
        json!([]),
        json!([""]),
        json!("exp"),
        json!(true),
        json!(7),
        json!({ "exp": true }),
        json!(["alg"]),
        json!(["exp"]),
        json!(["exp", "exp"]),
        json!([["exp"]]),
    ] {
        server.refuses(&well_signed(json!({ "crit": crit, "exp": 1 })));
    }
    let header = r#"{"alg":"HS256","crit":null}"#;
    server.refuses(&tests::token::mint_with(
        header,
        &claims().to_string(),
        tests::token::SIGNING_KEY,
    ));
}

/// CVE-2026-35042, fast-jwt up to 6.1.0: a critical extension that asked for more (a policy, a
/// binding, an unencoded payload) was ignored.
#[test]
fn a_critical_extension_that_asks_for_more_is_not_ignored() {
    let server = Server::with_secret();
    let policy = json!({ "crit": ["x-custom-policy"], "x-custom-policy": "require-mfa" });
    server.refuses(&well_signed(policy));
    // RFC 7797: two readers of this one see two payloads.
    server.refuses(&well_signed(json!({ "crit": ["b64"], "b64": false })));
    server.refuses(&well_signed(json!({ "b64": false })));
    server.refuses(&well_signed(json!({ "b64": true, "crit": ["b64"] })));
}

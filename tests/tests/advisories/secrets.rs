//! What is no secret is not taken for one, and neither is what anybody can guess.

use auth_core::{Key, KeyRing, Settings};
use jsonwebtoken::Algorithm;
use serde_json::json;
use tests::token::{SIGNING_KEY, but};
use tests::{Database, TestApp};

use crate::advisories::server::{
    ED25519, P256, P384, RSA, RSA_PKCS1, Server, header, hmac_token, honest, private_key,
    secret_key,
};

#[track_caller]
fn is_no_secret(text: impl AsRef<[u8]>) {
    let text = text.as_ref();
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        assert!(
            Key::hmac(algorithm, text).is_err(),
            "taken for a secret: {}",
            String::from_utf8_lossy(text)
        );
    }
}

/// CVE-2017-11424, PyJWT before 1.5.1: a public key in PKCS#1, `BEGIN RSA PUBLIC KEY`, was not
/// recognised as one and became the secret of an HMAC.
#[test]
fn a_pem_of_any_kind_is_no_secret() {
    for pem in [RSA_PKCS1, RSA.public, RSA.private, P256.public, P384.private, ED25519.public] {
        is_no_secret(pem);
    }
    for label in ["CERTIFICATE", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY"] {
        is_no_secret(RSA_PKCS1.replace("RSA PUBLIC KEY", label));
    }
}

/// CVE-2022-29217, PyJWT before 2.4.0: a public key as OpenSSH writes it was not recognised.
#[test]
fn a_public_key_of_openssh_is_no_secret() {
    for pair in [RSA, P256, P384, ED25519] {
        is_no_secret(pair.ssh);
        is_no_secret(pair.ssh.trim_end());
    }
}

/// CVE-2023-48223, fast-jwt before 3.3.2: it told public keys from secrets by their first line,
/// and knew one of several. Here a server so configured does not start.
#[tokio::test]
async fn a_server_with_a_public_key_as_its_secret_does_not_start() {
    for key in [RSA_PKCS1, RSA.public, P256.public, ED25519.public] {
        let refusal = TestApp::refusal(Database::Sqlite, &[("SIGNING_KEY", key)]).await;
        assert!(refusal.contains("signing_key"), "{refusal}");
        assert!(!refusal.contains(key.lines().nth(1).unwrap()), "told: {refusal}");
    }
}

/// CVE-2024-33663, python-jose up to 3.3.0: public keys of OpenSSH for ECDSA, and other formats,
/// were not on the list of what is no secret.
#[test]
fn public_keys_in_rarer_formats_are_no_secrets() {
    let body = P256.ssh.split(' ').nth(1).unwrap().trim_end();
    is_no_secret(P256.ssh);
    is_no_secret(P384.ssh);
    is_no_secret(format!("sk-ecdsa-sha2-nistp256@openssh.com {body}"));
    is_no_secret(format!("sk-ssh-ed25519@openssh.com {body}"));
    is_no_secret(format!("ecdsa-sha2-nistp256-cert-v01@openssh.com {body}"));
    // RFC 4716.
    is_no_secret(format!(
        "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"anna\"\n{body}\n---- END SSH2 PUBLIC KEY ----\n"
    ));
}

/// CVE-2026-34950, fast-jwt up to 6.1.0: a blank before `-----BEGIN` hid the public key.
#[test]
fn white_space_does_not_make_a_secret_of_a_public_key() {
    let jwks = Server::of(private_key(Algorithm::RS256)).published();
    for blank in ["", " ", "\n", "\t", "\r\n", "  \n\n", "\u{feff}", "\u{a0}"] {
        for key in [RSA_PKCS1, RSA.public, ED25519.public, RSA.ssh, P256.ssh, ED25519.ssh, &jwks] {
            is_no_secret(format!("{blank}{key}"));
            is_no_secret(format!("{blank}{key}{blank}"));
        }
    }
}

/// CVE-2026-48526, PyJWT before 2.13.0: a public key as a JWK document became the secret of an
/// HMAC.
#[test]
fn a_jwk_document_is_no_secret() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let server = Server::of(private_key(algorithm));
        is_no_secret(server.published());
        let jwks = server.jwks();
        let jwk = &jwks["keys"][0];
        for document in [jwk, &jwks] {
            is_no_secret(document.to_string());
            is_no_secret(format!("\n{document:#}\n"));
        }
    }
}

/// CVE-2019-20933, InfluxDB before 1.7.6: where no secret was set, the empty one was good.
#[test]
fn the_empty_secret_is_not_that_of_a_server() {
    is_no_secret("");
    is_no_secret([0; 64]);
    is_no_secret(" ".repeat(64));
    let server = Server::with_secret();
    server.accepts(&honest(Algorithm::HS256));
    for secret in ["", "\0", " ", "secret", "null", "undefined", &SIGNING_KEY[..32]] {
        server.refuses(&hmac_token(&header(Algorithm::HS256), Algorithm::HS256, secret.as_bytes()));
    }
}

/// CVE-2026-44351, fast-jwt before 6.2.4: where the function that finds a key found none, the
/// token was verified with an empty secret.
#[test]
fn a_token_of_an_unknown_key_is_not_verified_with_no_key() {
    let ring = KeyRing::new(secret_key().with_kid("2026"));
    let server = Server::with(ring.also_accept(private_key(Algorithm::EdDSA)), Settings::default());
    let with_kid = |kid: &str| but(header(Algorithm::HS256), json!({ "kid": kid }));
    let signed = |kid| hmac_token(&with_kid(kid), Algorithm::HS256, SIGNING_KEY.as_bytes());
    server.accepts(&signed("2026"));
    server.refuses(&signed("2025"));
    for kid in ["2025", "2026", "", "__proto__", "constructor"] {
        server.refuses(&hmac_token(&with_kid(kid), Algorithm::HS256, b""));
    }
}

/// CVE-2026-45363, ruby-jwt: an empty key verified HMACs. A JWK can hold one as well.
#[test]
fn a_jwk_with_an_empty_or_short_secret_is_refused() {
    let jwk = |k: &str| json!({ "kty": "oct", "alg": "HS256", "k": k }).to_string();
    let good = "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg";
    assert!(Key::from_jwk(jwk(good).as_bytes()).is_ok());
    for k in ["", "AA", &good[..20], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert!(Key::from_jwk(jwk(k).as_bytes()).is_err(), "{k:?}");
    }
    assert!(Key::from_jwk(br#"{"kty":"oct","alg":"HS256"}"#).is_err());
    assert!(Key::from_jwk(br#"{"kty":"oct","alg":"HS256","k":null}"#).is_err());
}

/// CVE-2025-65945, node-jws (npm jws) before 3.2.3 and 4.0.1: the sender's header had a say in
/// which secret an HMAC was verified with.
#[test]
fn a_header_does_not_say_where_the_secret_is() {
    let server = Server::with_secret();
    let with_kid = |kid: &str| but(header(Algorithm::HS256), json!({ "kid": kid }));
    server.accepts(&hmac_token(&with_kid("x"), Algorithm::HS256, SIGNING_KEY.as_bytes()));
    for (kid, secret) in [
        ("/dev/null", ""),
        ("../../../../dev/null", ""),
        ("file:///etc/hostname", "localhost\n"),
        ("x' UNION SELECT 'mine", "mine"),
        ("|echo mine", "mine"),
        ("mine", "mine"),
        (SIGNING_KEY, ""),
    ] {
        server.refuses(&hmac_token(&with_kid(kid), Algorithm::HS256, secret.as_bytes()));
    }
}

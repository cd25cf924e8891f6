//! Encrypted tokens. There are none here, and nothing of one is decrypted, unpacked or iterated.

use std::time::{Duration, Instant};

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tests::token::but;

use crate::advisories::server::{
    Server, claims, encoded, header, honest, message, private_key, signing_key, token,
};

/// The five segments of a JWE, with this much of an authentication tag.
fn jwe(header: &Value, payload: &[u8], tag: &[u8]) -> String {
    let bytes = |bytes: &[u8]| BASE64.encode_to_string(bytes);
    let parts = [encoded(header), bytes(&[7; 40]), bytes(&[7; 12]), bytes(payload), bytes(tag)];
    parts.join(".")
}

/// CVE-2018-1000539, json-jwt (Ruby) before 1.9.4: one byte of the authentication tag of AES-GCM
/// was enough, and 256 attempts find it.
#[test]
fn a_jwe_with_a_shortened_tag_is_refused() {
    let server = Server::with_secret();
    server.accepts(&honest(Algorithm::HS256));
    let header = json!({ "alg": "dir", "enc": "A256GCM" });
    for byte in 0..=255 {
        server.refuses(&jwe(&header, claims().to_string().as_bytes(), &[byte]));
    }
    server.refuses(&jwe(&header, claims().to_string().as_bytes(), &[]));
}

/// CVE-2023-50967, jose of latchset (C) up to 11: `p2c` in a header asked for as many rounds of
/// PBKDF2 as its sender liked.
#[test]
fn a_header_cannot_ask_for_work() {
    let server = Server::with_secret();
    let p2c =
        json!({ "alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2s": "c2FsdA", "p2c": i32::MAX });
    let begin = Instant::now();
    server.refuses(&jwe(&p2c, b"x", &[7; 16]));
    server.refuses(&token(&p2c, &claims(), Algorithm::HS256, &signing_key(Algorithm::HS256)));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

/// CVE-2024-33664, python-jose up to 3.3.0 ("JWT bomb"): a small token was unpacked into a huge
/// one.
#[test]
fn a_compressed_payload_is_refused() {
    let server = Server::with_secret();
    let zipped = json!({ "alg": "dir", "enc": "A256GCM", "zip": "DEF" });
    // The DEFLATE of many zeros.
    server.refuses(&jwe(&zipped, &[0xed, 0xc1, 0x01, 0x01, 0x00, 0x00, 0x00, 0x80], &[7; 16]));
    let zip = but(header(Algorithm::HS256), json!({ "zip": "DEF" }));
    server.refuses(&token(&zip, &claims(), Algorithm::HS256, &signing_key(Algorithm::HS256)));
}

/// CVE-2023-51774, json-jwt (Ruby) before 1.16.6: an encrypted token took the place of a signed
/// one, for anybody who has the public key can encrypt.
#[test]
fn an_encrypted_token_is_not_taken_for_a_signed_one() {
    let server = Server::of(private_key(Algorithm::RS256));
    let good = honest(Algorithm::RS256);
    server.accepts(&good);
    let of_the_public_key = json!({ "alg": "RSA-OAEP", "enc": "A128CBC-HS256" });
    server.refuses(&jwe(&of_the_public_key, claims().to_string().as_bytes(), &[7; 16]));
    // A good signature among the five segments of the other form.
    server.refuses(&format!("{good}.AAAA.AAAA"));
    server.refuses(&format!("{}.AAAA.{good}", encoded(&of_the_public_key)));
    for more in [json!({ "enc": "A128CBC-HS256" }), json!({ "typ": "JWE" })] {
        let header = but(header(Algorithm::RS256), more);
        server.refuses(&token(
            &header,
            &claims(),
            Algorithm::RS256,
            &signing_key(Algorithm::RS256),
        ));
    }
}

/// CVE-2026-29000, pac4j-jwt before 4.5.9, 5.7.9 and 6.3.3: an unsigned token inside an encrypted
/// one was believed, so the public key was all that it took to be anybody.
#[test]
fn an_unsigned_token_inside_another_is_refused() {
    let server = Server::of(private_key(Algorithm::RS256));
    server.accepts(&honest(Algorithm::RS256));
    let plain = format!("{}.", message(&json!({ "alg": "none" }), &claims()));
    let header = json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT" });
    server.refuses(&jwe(&header, plain.as_bytes(), &[7; 16]));
    // Nested in a signature, it is no object of claims.
    let nested = format!(
        "{}.{}",
        encoded(&json!({ "alg": "RS256", "cty": "JWT" })),
        BASE64.encode_to_string(&plain)
    );
    let key = signing_key(Algorithm::RS256);
    let signature = jsonwebtoken::crypto::sign(nested.as_bytes(), &key, Algorithm::RS256).unwrap();
    server.refuses(&format!("{nested}.{signature}"));
}

//! Other forms of a token, and tokens that are very long.

use std::time::{Duration, Instant};

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::Algorithm;
use serde_json::json;
use tests::texts::{INVALID, given_token_not_valid};
use tests::{Database, TestApp, on_each_database};

use crate::advisories::server::{
    P256, Server, claims, encoded, header, hmac_token, honest, private_key, signing_key, token,
};

/// CVE-2022-39227, python-jwt before 3.3.4: a text that was JSON to one parser and compact to the
/// other had its signature checked over one payload and its claims read from another.
#[test]
fn a_token_that_is_json_as_well_is_refused() {
    let server = Server::with_secret();
    let good = honest(Algorithm::HS256);
    server.accepts(&good);
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let forged = encoded(&tests::token::but(claims(), json!({ "user_id": "2" })));
    server.refuses(&format!(
        r#"{{"  {header}.{forged}.":"","protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#
    ));
    server.refuses(&format!(
        r#"{header}.{forged}.{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#
    ));
    // Each serialization alone: only the compact one is a token here.
    server.refuses(
        &json!({ "protected": header, "payload": payload, "signature": signature }).to_string(),
    );
    let signatures = json!([{ "protected": header, "signature": signature }]);
    server.refuses(&json!({ "payload": payload, "signatures": signatures }).to_string());
}

/// GHSA-jc38-x7x8-2xc8, web-token/jwt-library (PHP) before 3.4.10: in the JSON serialization an
/// unprotected header overrode the algorithm of the signed one.
#[test]
fn an_unprotected_header_has_nowhere_to_be() {
    let server = Server::of(private_key(Algorithm::ES256));
    let good = honest(Algorithm::ES256);
    server.accepts(&good);
    let [protected, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let public = P256.public.as_bytes();
    let forged = hmac_token(&header(Algorithm::ES256), Algorithm::HS256, public);
    for signature in [signature, forged.rsplit('.').next().unwrap()] {
        for unprotected in [json!({ "alg": "HS256" }), json!({})] {
            server.refuses(
                &json!({
                    "protected": protected, "header": unprotected,
                    "payload": payload, "signature": signature,
                })
                .to_string(),
            );
        }
    }
}

/// Refused, and at once.
#[track_caller]
fn refuses_at_once(server: &Server, token: &str) {
    let begin = Instant::now();
    server.refuses(token);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}

/// CVE-2025-27144, Go JOSE before 4.0.5: the token was split at every full stop, however many
/// there were.
#[test]
fn millions_of_full_stops_cost_nothing() {
    let server = Server::with_secret();
    let good = honest(Algorithm::HS256);
    server.accepts(&good);
    for count in [1, 3, 100, 8_000, 8_192, 50_000_000] {
        refuses_at_once(&server, &".".repeat(count));
        refuses_at_once(&server, &format!("{good}{}", ".".repeat(count)));
        refuses_at_once(&server, &format!("{}{good}", ".".repeat(count)));
    }
}

/// CVE-2025-61920, Authlib before 1.6.5: segments of hundreds of megabytes were decoded and parsed
/// before they were refused.
#[test]
fn an_oversized_segment_is_refused_unread() {
    let server = Server::with_secret();
    let good = honest(Algorithm::HS256);
    server.accepts(&good);
    let [head, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let long = "A".repeat(50_000_000);
    refuses_at_once(&server, &format!("{long}.{payload}.{signature}"));
    refuses_at_once(&server, &format!("{head}.{long}.{signature}"));
    refuses_at_once(&server, &format!("{head}.{payload}.{long}"));

    // What is signed well is limited too, and so is what is nested deeply.
    let key = signing_key(Algorithm::HS256);
    let padded = tests::token::but(claims(), json!({ "padding": "x".repeat(9_000) }));
    refuses_at_once(&server, &token(&header(Algorithm::HS256), &padded, Algorithm::HS256, &key));
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!("{}0{}", open.repeat(700), close.repeat(700));
        let header = format!(r#"{{"alg":"HS256","deep":{deep}}}"#);
        let message = format!("{}.{}", BASE64.encode_to_string(header), encoded(&claims()));
        refuses_at_once(&server, &format!("{message}.AAAA"));
    }
}

on_each_database! {
    a_header_full_of_full_stops_is_one_more_bad_token,
}

/// CVE-2025-30204, golang-jwt before 4.5.2 and 5.2.2: `Authorization: Bearer` and many full stops
/// took memory for each of them.
async fn a_header_full_of_full_stops_is_one_more_bad_token(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    for count in [3, 1_000, 16_000] {
        let answer = app.anonymous().me(&".".repeat(count)).await;
        answer.expect_refused_token(&given_token_not_valid(INVALID));
    }
    // Longer than any header may be: the connection's own limit.
    let request = format!(
        "GET /api/v1/users/me HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\n\r\n",
        ".".repeat(10_000_000)
    );
    let answer = app.raw(request.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:.100}");
    let body = app.anonymous().verify(&".".repeat(60_000)).await;
    body.expect_status(401);
    app.anonymous().verify(&".".repeat(10_000_000)).await.expect_status(413);
    client.me().await.expect_status(200);
}

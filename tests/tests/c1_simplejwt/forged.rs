//! Tokens that nobody here issued. Every one is refused; none is a 500.

use serde_json::{Value, json};
use tests::texts::{EXPIRED, INVALID, given_token_not_valid, token_not_valid};
use tests::token::{PYJWT_HEADER, SIGNING_KEY, but, claims_of, mint, mint_with, simplejwt_claims};
use tests::{ApiClient, Database, TestApp, on_each_database};

on_each_database! {
    an_unsigned_token_is_invalid,
    a_token_of_another_key_is_invalid,
    another_algorithm_of_the_same_key_is_invalid,
    a_changed_payload_is_invalid,
    a_changed_signature_is_invalid,
    a_header_with_a_key_or_an_extension_is_invalid,
    a_duplicate_member_is_invalid,
    a_payload_that_is_no_object_is_invalid,
    a_time_that_is_no_whole_number_is_invalid,
    a_token_without_an_expiry_is_invalid,
    a_token_that_is_not_valid_yet_is_invalid,
    a_token_of_long_ago_is_expired,
    a_claim_of_another_type_is_invalid,
    a_token_for_somebody_else_is_invalid,
    a_token_of_another_issuer_that_lives_too_long_is_invalid,
    a_token_longer_than_any_of_ours_is_invalid,
    a_second_spelling_of_a_token_is_invalid,
    an_unknown_kind_of_user_is_refused,
}

/// Everybody who is shown `token` refuses it, in the words of the contract.
async fn refused_everywhere(app: &TestApp, token: &str, message: &str) {
    refused_as_access_token(app, token, message).await;
    for path in ["/api/token/refresh/", "/api/token/blacklist/"] {
        let answer = app.anonymous().post(path, json!({ "refresh": token })).await;
        answer.expect_refused_token(&token_not_valid(message));
    }
}

/// The same of those who take an access token. (The others look at its type first.)
async fn refused_as_access_token(app: &TestApp, token: &str, message: &str) {
    let anybody = app.anonymous();
    anybody.me(token).await.expect_refused_token(&given_token_not_valid(message));
    anybody.verify(token).await.expect_refused_token(&token_not_valid(message));
}

/// An app with somebody logged in, and the claims of the access token.
async fn logged_in(database: Database) -> (TestApp, ApiClient, Value) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    let claims = claims_of(&client.access);
    (app, client, claims)
}

async fn an_unsigned_token_is_invalid(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": alg, "typ": "JWT" }).to_string();
        let signed = mint_with(&header, &claims.to_string(), SIGNING_KEY);
        let unsigned = &signed[..=signed.rfind('.').unwrap()];
        refused_everywhere(&app, &signed, INVALID).await;
        refused_everywhere(&app, unsigned, INVALID).await;
    }
    let without_alg = mint_with(r#"{"typ":"JWT"}"#, &claims.to_string(), SIGNING_KEY);
    refused_everywhere(&app, &without_alg, INVALID).await;
}

async fn a_token_of_another_key_is_invalid(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    let another_key = "another-key-another-key-another-key-0123";
    for key in ["", "secret", another_key, &SIGNING_KEY[..32]] {
        let token = mint_with(PYJWT_HEADER, &claims.to_string(), key);
        refused_everywhere(&app, &token, INVALID).await;
    }
}

async fn another_algorithm_of_the_same_key_is_invalid(database: Database) {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

    let (app, _, claims) = logged_in(database).await;
    let key = EncodingKey::from_secret(SIGNING_KEY.as_bytes());
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = encode(&Header::new(algorithm), &claims, &key).unwrap();
        refused_everywhere(&app, &token, INVALID).await;
    }
    // Signed with HS256, and says something else.
    for alg in ["HS384", "RS256", "EdDSA", "hs256"] {
        let header = json!({ "alg": alg, "typ": "JWT" }).to_string();
        let token = mint_with(&header, &claims.to_string(), SIGNING_KEY);
        refused_everywhere(&app, &token, INVALID).await;
    }
}

async fn a_changed_payload_is_invalid(database: Database) {
    let (app, client, claims) = logged_in(database).await;
    let other = mint(&but(claims, json!({ "user_id": "2", "is_staff": true })));
    let part = |token: &str, index| token.split('.').nth(index).unwrap().to_owned();
    let spliced = [part(&client.access, 0), part(&other, 1), part(&client.access, 2)].join(".");
    refused_everywhere(&app, &spliced, INVALID).await;
}

async fn a_changed_signature_is_invalid(database: Database) {
    let (app, client, _) = logged_in(database).await;
    let (message, signature) = client.access.rsplit_once('.').unwrap();
    let changed = match signature.strip_prefix('A') {
        Some(rest) => format!("B{rest}"),
        None => format!("A{}", &signature[1..]),
    };
    for signature in [&changed, "", &signature[..20], &format!("{signature}AA")] {
        refused_everywhere(&app, &format!("{message}.{signature}"), INVALID).await;
    }
}

async fn a_header_with_a_key_or_an_extension_is_invalid(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    for header in [
        r#"{"alg":"HS256","typ":"JWT","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","typ":"JWT","crit":[]}"#,
        r#"{"alg":"HS256","typ":"JWT","b64":false}"#,
        r#"{"alg":"HS256","typ":"JWT","zip":"DEF"}"#,
        r#"{"alg":"HS256","typ":"JWE"}"#,
        r#"{"alg":"HS256","typ":42}"#,
        r#"["HS256"]"#,
        "nonsense",
        "",
    ] {
        let token = mint_with(header, &claims.to_string(), SIGNING_KEY);
        refused_everywhere(&app, &token, INVALID).await;
    }
    // A key that the sender brings along is never looked at: this one is signed with theirs.
    let theirs = r#"{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct","k":"dGhlaXJz"}}"#;
    let token = mint_with(theirs, &claims.to_string(), "theirs");
    refused_everywhere(&app, &token, INVALID).await;
}

async fn a_duplicate_member_is_invalid(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    let payload = claims.to_string();
    let twice = format!(r#"{},"user_id":"2"}}"#, &payload[..payload.len() - 1]);
    refused_everywhere(&app, &mint_with(PYJWT_HEADER, &twice, SIGNING_KEY), INVALID).await;

    let header = r#"{"alg":"none","alg":"HS256","typ":"JWT"}"#;
    refused_everywhere(&app, &mint_with(header, &payload, SIGNING_KEY), INVALID).await;
}

async fn a_payload_that_is_no_object_is_invalid(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    let trailing = format!("{claims} x");
    let deep = format!(r#"{{"x":{}"#, "[".repeat(2_000));
    for payload in ["[]", "null", "42", "\"text\"", "", "{", "{}x", &trailing, &deep] {
        let token = mint_with(PYJWT_HEADER, payload, SIGNING_KEY);
        refused_everywhere(&app, &token, INVALID).await;
    }
}

async fn a_time_that_is_no_whole_number_is_invalid(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    let exp = app.now() + 300;
    for name in ["exp", "iat", "nbf"] {
        for time in [
            json!(exp as f64 + 0.5),
            json!(exp.to_string()),
            json!("tomorrow"),
            json!(true),
            json!([exp]),
            json!({}),
            json!(-1),
            json!(u64::MAX),
            json!(1e300),
        ] {
            let token = mint(&but(claims.clone(), json!({ name: time })));
            refused_everywhere(&app, &token, INVALID).await;
        }
    }
}

async fn a_token_without_an_expiry_is_invalid(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    let token = mint(&but(claims, json!({ "exp": null })));
    refused_as_access_token(&app, &token, INVALID).await;
}

async fn a_token_that_is_not_valid_yet_is_invalid(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    let tomorrow = json!({ "nbf": app.now() + 60, "exp": app.now() + 300 });
    let token = mint(&but(claims, tomorrow));
    refused_everywhere(&app, &token, INVALID).await;
    app.advance(std::time::Duration::from_secs(60)).await;
    app.anonymous().me(&token).await.expect_status(200);
}

async fn a_token_of_long_ago_is_expired(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    for exp in [0, 1, app.now() - 1, app.now()] {
        let token = mint(&but(claims.clone(), json!({ "exp": exp })));
        refused_everywhere(&app, &token, EXPIRED).await;
    }
}

async fn a_claim_of_another_type_is_invalid(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    for odd in [
        json!({ "token_type": 42 }),
        json!({ "token_type": ["access"] }),
        json!({ "jti": 42 }),
        json!({ "user_id": [1] }),
        json!({ "user_id": { "id": 1 } }),
        json!({ "user_id": 1.5 }),
        json!({ "user_id": true }),
        json!({ "sid": 42 }),
    ] {
        let token = mint(&but(claims.clone(), odd));
        refused_as_access_token(&app, &token, INVALID).await;
    }
}

async fn a_token_for_somebody_else_is_invalid(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    for aud in [json!("somebody else"), json!(["a", "b"]), json!(42), json!("")] {
        let token = mint(&but(claims.clone(), json!({ "aud": aud })));
        refused_everywhere(&app, &token, INVALID).await;
    }
}

async fn a_token_of_another_issuer_that_lives_too_long_is_invalid(database: Database) {
    let app = TestApp::with(database, &[("FOREIGN_TOKEN_LIFETIME", "30d")]).await;
    let anna = app.user("anna").await;
    let of_days = |days: i64| {
        let exp = json!({ "exp": app.now() + days * 24 * 3600 });
        mint(&but(simplejwt_claims(anna.id, app.now()), exp))
    };
    app.anonymous().me(&of_days(30)).await.expect_status(200);
    refused_as_access_token(&app, &of_days(31), INVALID).await;
}

async fn a_token_longer_than_any_of_ours_is_invalid(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let long = but(simplejwt_claims(anna.id, app.now()), json!({ "x": "x".repeat(9_000) }));
    refused_everywhere(&app, &mint(&long), INVALID).await;
}

async fn a_second_spelling_of_a_token_is_invalid(database: Database) {
    let (app, client, _) = logged_in(database).await;
    let (message, signature) = client.access.rsplit_once('.').unwrap();
    // 32 bytes are 43 characters, and the last of them has two bits that mean nothing.
    let (rest, last) = signature.split_at(42);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let other = alphabet.find(last).map(|index| &alphabet[index ^ 1..=index ^ 1]).unwrap();
    refused_everywhere(&app, &format!("{message}.{rest}{other}"), INVALID).await;
    refused_everywhere(&app, &format!("{}=", client.access), INVALID).await;
}

async fn an_unknown_kind_of_user_is_refused(database: Database) {
    let (app, _, claims) = logged_in(database).await;
    let token = mint(&but(claims, json!({ "user_type": "robot" })));
    refused_as_access_token(&app, &token, INVALID).await;
}

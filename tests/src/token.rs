//! Tokens as other libraries write and read them, and forged ones.

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// The secret that every [`TestApp`](crate::TestApp) signs with.
pub const SIGNING_KEY: &str = "swordfish-swordfish-swordfish-0123456789";

/// The header that PyJWT writes, and so SimpleJWT.
pub const PYJWT_HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// A token as another library would mint it: any header, any payload, HS256.
pub fn mint_with(header: &str, payload: &str, secret: &str) -> String {
    let message =
        format!("{}.{}", BASE64.encode_to_string(header), BASE64.encode_to_string(payload));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256)
        .expect("HMAC signs everything");
    format!("{message}.{signature}")
}

/// A token as PyJWT mints it with the application's own key.
pub fn mint(payload: &Value) -> String {
    mint_with(PYJWT_HEADER, &payload.to_string(), SIGNING_KEY)
}

/// The claims that SimpleJWT writes into an access token of `user_id`.
pub fn simplejwt_claims(user_id: impl Into<Value>, now: i64) -> Value {
    json!({
        "token_type": "access",
        "exp": now + 300,
        "iat": now,
        "jti": "0123456789abcdef0123456789abcdef",
        "user_id": user_id.into(),
    })
}

/// `claims` with some members replaced; those that become null are removed.
pub fn but(mut claims: Value, other: Value) -> Value {
    let members = claims.as_object_mut().expect("claims are an object");
    for (name, value) in other.as_object().expect("claims are an object") {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// The header of a token, byte by byte.
pub fn header_of(token: &str) -> String {
    segment(token, 0)
}

/// The claims of a token, unverified, as any client can read them.
pub fn claims_of(token: &str) -> Value {
    serde_json::from_str(&segment(token, 1)).expect("a payload is JSON")
}

fn segment(token: &str, index: usize) -> String {
    let segment = token.split('.').nth(index).expect("a token has three segments");
    let bytes = BASE64.decode_to_vec(segment).expect("a segment is base64url");
    String::from_utf8(bytes).expect("a segment is text")
}

//! Reading our tokens, and writing those of another issuer, without the code under test.

use auth_core::{Principal, SessionId};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::json;

use super::profile::SECRET;
use super::truth::BearerKind;

/// What the model wants to know of a token of ours.
#[derive(Deserialize)]
pub(crate) struct Claims {
    pub(crate) sid: String,
    pub(crate) exp: i64,
    #[serde(rename = "gen")]
    pub(crate) generation: Option<u64>,
    #[serde(default)]
    pub(crate) rights_version: u64,
    role: Option<String>,
    /// A single token has none.
    token_type: Option<String>,
}

impl Claims {
    pub(crate) fn of(token: &str) -> Self {
        let payload = token.split('.').nth(1).expect("a token has three parts");
        let payload = BASE64.decode_to_vec(payload).expect("a payload is base64url");
        serde_json::from_slice(&payload).expect("a payload is JSON")
    }

    pub(crate) fn kind(&self) -> BearerKind {
        match self.token_type.as_deref() {
            None => BearerKind::Single,
            Some("sliding") => BearerKind::Sliding,
            Some(_) => BearerKind::Access,
        }
    }

    /// The role, as the simulation numbers them.
    pub(crate) fn role(&self) -> u32 {
        role_number(self.role.as_deref())
    }
}

pub(crate) fn role_name(number: u32) -> Option<String> {
    (number > 0).then(|| number.to_string())
}

pub(crate) fn role_number(name: Option<&str>) -> u32 {
    name.map_or(0, |name| name.parse().expect("the roles of the simulation are numbers"))
}

/// A token as SimpleJWT writes it, and the session that it stands for.
pub(crate) fn foreign_token(
    kind: &str,
    principal: &Principal,
    issued_at: i64,
    expires_at: i64,
    serial: usize,
) -> (String, SessionId) {
    let jti = format!("foreign-{serial}");
    let claims = json!({
        "token_type": kind,
        "exp": expires_at,
        "iat": issued_at,
        "jti": jti,
        "user_id": principal.user_id(),
    });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key);
    let session = SessionId::of_foreign_token(principal, &jti);
    (token.expect("the claims are plain"), session)
}

//! What many services write themselves: jsonwebtoken behind the middleware of actix-web-httpauth. Beside
//! it ours is measured, here and in `benches/requests.rs`.

use actix_web::dev::ServiceRequest;
use actix_web::error::ErrorUnauthorized;
use actix_web::web::{Data, Json, ReqData};
use actix_web::{Error, HttpMessage};
use actix_web_httpauth::extractors::bearer::BearerAuth;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};

pub const ISSUER: &str = "https://bench.example";
pub const AUDIENCE: &str = "bench-api";

#[derive(Clone, Deserialize)]
pub struct Claims {
    token_type: String,
    user_id: String,
    name: String,
}

#[derive(Serialize)]
pub struct Me {
    pub id: String,
    pub name: String,
}

pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// With the checks that ours makes, but for revocation.
    pub fn new(algorithm: Algorithm, key: DecodingKey) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.leeway = 0;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        Self { key, validation }
    }
}

/// For `HttpAuthentication::bearer`.
pub async fn validator(
    request: ServiceRequest,
    credentials: BearerAuth,
) -> Result<ServiceRequest, (Error, ServiceRequest)> {
    let Some(Verifier { key, validation }) = request.app_data::<Data<Verifier>>().map(|v| &***v)
    else {
        return Err((ErrorUnauthorized("no verifier"), request));
    };
    match decode::<Claims>(credentials.token(), key, validation) {
        Ok(token) if token.claims.token_type == "access" => {
            request.extensions_mut().insert(token.claims);
            Ok(request)
        }
        _ => Err((ErrorUnauthorized("invalid token"), request)),
    }
}

pub async fn me(claims: ReqData<Claims>) -> Json<Me> {
    let Claims { user_id, name, .. } = claims.into_inner();
    Json(Me { id: user_id, name })
}

/// The same answer, for anybody.
pub async fn anybody() -> Json<Me> {
    Json(Me { id: "42".into(), name: "Alice Example".into() })
}

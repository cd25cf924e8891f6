//! The public keys.

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpResponse, web};

use super::{Methods, Routes};
use crate::auth::Auth;

pub(super) const ROUTES: Routes =
    &[("/jwks.json", &Methods { allow: "GET", routes: || vec![web::get().to(jwks)] })];

async fn jwks(auth: Auth) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")))
        .json(auth.authority().keys().jwks())
}

//! The public keys.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};

use super::{Methods, Routes, get};
use crate::auth::Auth;

pub(super) const ROUTES: Routes =
    &[("/jwks.json", &Methods { allow: "GET, HEAD", routes: || vec![get().to(jwks)] })];

async fn jwks(auth: Auth) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")))
        .json(auth.authority().jwks())
}

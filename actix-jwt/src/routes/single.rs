//! Login for one token, which rides in a header of its own.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;

use super::body::Json;
use super::token::tokens;
use super::{Methods, Routes, get, login};
use crate::auth::Auth;
use crate::extract::AuthUser;
use crate::problem::Problem;

pub(super) const ROUTES: Routes = &[
    ("/", &Methods { allow: "POST", routes: || vec![web::post().to(obtain)] }),
    ("/info/", &Methods { allow: "GET, HEAD", routes: || vec![get().to(info)] }),
];

async fn obtain(auth: Auth, request: HttpRequest, mut body: Json) -> Result<HttpResponse, Problem> {
    #[derive(Serialize)]
    struct Single<'a> {
        token: &'a str,
    }

    let code = body.take("otp").map_err(|_| Problem::malformed())?;
    let credentials = body.plain_fields(["username", "password"])?;
    let proof = login::prove(&auth, &request, credentials, code).await;
    let (proof, client) = proof.map_err(|error| auth.problem(error))?;
    let login = auth.authority().start_single(proof, &client).await;
    let login = login.map_err(|error| auth.problem(error))?;
    Ok(tokens(Single { token: login.granted.expose() }))
}

async fn info(auth: Auth, user: AuthUser) -> Result<HttpResponse, Problem> {
    #[derive(Serialize)]
    struct Info {
        id: Value,
        username: String,
    }

    // Asked so rarely that the answer may as well be of now: one query.
    let account = auth.load_account(&user).await?;
    let id = account.principal.user_id();
    let id = id.parse::<i64>().map_or_else(|_| Value::from(id), Value::from);
    Ok(HttpResponse::Ok().json(Info { id, username: account.username }))
}

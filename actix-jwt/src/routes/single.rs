//! Login for one token, which rides in a header of its own.

use actix_web::{HttpRequest, HttpResponse, web};
use auth_core::claims::DEFAULT_USER_TYPE;
use serde::Serialize;
use serde_json::Value;

use super::body::Json;
use super::token::tokens;
use super::{Methods, Routes, get};
use crate::auth::Auth;
use crate::extract::AuthUser;
use crate::problem::Problem;

pub(super) const ROUTES: Routes = &[
    ("/", &Methods { allow: "POST", routes: || vec![web::post().to(login)] }),
    ("/info/", &Methods { allow: "GET, HEAD", routes: || vec![get().to(info)] }),
];

async fn login(auth: Auth, request: HttpRequest, body: Json) -> Result<HttpResponse, Problem> {
    #[derive(Serialize)]
    struct Single<'a> {
        token: &'a str,
    }

    let [username, password] = body.plain_fields(["username", "password"])?;
    let client = auth.client(&request);
    let authority = auth.authority();
    let proof = authority.prove_password(DEFAULT_USER_TYPE, &username, &password, &client).await;
    let proof = proof.map_err(|error| auth.problem(error))?;
    let login = authority.start_single(proof, &client).await;
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

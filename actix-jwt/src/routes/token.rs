//! The routes of SimpleJWT.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use auth_core::{Account, ClientInfo, Proof};
use serde::Serialize;
use serde_json::{Map, Value};

use super::body::Json;
use super::{Methods, Routes, login};
use crate::auth::{AccountAnswer, Auth};
use crate::problem::{Cause, Problem};

pub(super) const ROUTES: Routes = &[
    ("/", &Methods { allow: "POST", routes: || vec![web::post().to(obtain)] }),
    ("/refresh/", &Methods { allow: "POST", routes: || vec![web::post().to(refresh)] }),
    ("/verify/", &Methods { allow: "POST", routes: || vec![web::post().to(verify)] }),
    ("/blacklist/", &Methods { allow: "POST", routes: || vec![web::post().to(blacklist)] }),
    ("/sliding/", &Methods { allow: "POST", routes: || vec![web::post().to(obtain_sliding)] }),
    (
        "/sliding/refresh/",
        &Methods { allow: "POST", routes: || vec![web::post().to(refresh_sliding)] },
    ),
];

#[derive(Serialize)]
struct Pair<'a> {
    refresh: &'a str,
    access: &'a str,
    #[serde(flatten)]
    more: Map<String, Value>,
}

async fn obtain(auth: Auth, request: HttpRequest, body: Json) -> Result<HttpResponse, Problem> {
    let (proof, client) = prove(&auth, &request, body).await?;
    let login = auth.authority().start_pair(proof, &client).await;
    let login = login.map_err(|error| auth.problem(error))?;
    let more = more(auth.inner().answers.login.as_ref(), &login.account);
    let (refresh, access) = (login.granted.refresh.expose(), login.granted.access.expose());
    Ok(tokens(Pair { refresh, access, more }))
}

async fn refresh(auth: Auth, request: HttpRequest, body: Json) -> Result<HttpResponse, Problem> {
    #[derive(Serialize)]
    struct Refreshed<'a> {
        access: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        refresh: Option<&'a str>,
        #[serde(flatten)]
        more: Map<String, Value>,
    }

    let [token] = body.fields(["refresh"])?;
    let (authority, client) = (auth.authority(), auth.client(&request));
    let refreshed = auth.attempt(async || authority.refresh(&token, &client).await).await;
    let refreshed = refreshed.map_err(|error| auth.problem(error))?;
    Ok(tokens(Refreshed {
        access: refreshed.access.expose(),
        refresh: refreshed.refresh.as_ref().map(|token| token.expose()),
        more: more(auth.inner().answers.refresh.as_ref(), &refreshed.account),
    }))
}

/// What `/verify/` says of every token that it refuses, instead of why.
#[derive(Clone)]
pub(super) struct RefusedText(pub(super) Arc<str>);

async fn verify(auth: Auth, request: HttpRequest, body: Json) -> Result<HttpResponse, Problem> {
    let [token] = body.fields(["token"])?;
    let verified = auth.attempt(async || auth.authority().verify(&token).await).await;
    let text = request.app_data::<RefusedText>().map(|RefusedText(text)| text);
    let verified = verified.map_err(|error| auth.problem(Cause::token_saying(error, text)))?;
    let mut more = Map::new();
    if let Some(add) = &auth.inner().answers.verify {
        add(&verified, &mut more);
    }
    Ok(tokens(more))
}

async fn blacklist(auth: Auth, body: Json) -> Result<HttpResponse, Problem> {
    let [token] = body.fields(["refresh"])?;
    let ended = auth.attempt(async || auth.authority().blacklist(&token).await).await;
    ended.map_err(|error| auth.problem(Cause::token(error)))?;
    Ok(tokens(Map::new()))
}

/// What the application adds to an answer.
fn more(add: Option<&AccountAnswer>, account: &Account) -> Map<String, Value> {
    let mut more = Map::new();
    if let Some(add) = add {
        add(account, &mut more);
        more.retain(|name, _| !["access", "refresh", "token"].contains(&name.as_str()));
    }
    more
}

#[derive(Serialize)]
struct Sliding<'a> {
    token: &'a str,
    #[serde(flatten)]
    more: Map<String, Value>,
}

async fn obtain_sliding(
    auth: Auth,
    request: HttpRequest,
    body: Json,
) -> Result<HttpResponse, Problem> {
    let (proof, client) = prove(&auth, &request, body).await?;
    let login = auth.authority().start_sliding(proof, &client).await;
    let login = login.map_err(|error| auth.problem(error))?;
    let more = more(auth.inner().answers.login.as_ref(), &login.account);
    Ok(tokens(Sliding { token: login.granted.expose(), more }))
}

async fn refresh_sliding(
    auth: Auth,
    request: HttpRequest,
    body: Json,
) -> Result<HttpResponse, Problem> {
    let [token] = body.fields(["token"])?;
    let (authority, client) = (auth.authority(), auth.client(&request));
    let refreshed = auth.attempt(async || authority.refresh_sliding(&token, &client).await).await;
    let token = refreshed.map_err(|error| auth.problem(error))?;
    Ok(tokens(Sliding { token: token.expose(), more: Map::new() }))
}

async fn prove(
    auth: &Auth,
    request: &HttpRequest,
    mut body: Json,
) -> Result<(Proof, ClientInfo), Problem> {
    let code = body.take("otp")?;
    let credentials = body.fields(["username", "password"])?;
    let proof = login::prove(auth, request, credentials, code).await;
    proof.map_err(|error| auth.problem(error))
}

/// Tokens are not for caches (RFC 6749 §5.1, ASVS 14.3.2).
pub(super) fn tokens(body: impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .json(body)
}

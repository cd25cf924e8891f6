//! The second factor of the user who asks.
//!
//! Changing it takes a login of the last minutes or the password once more (and a code, where there is a
//! factor): a session that was stolen or left open must not be enough (ASVS 7.5.1).

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use auth_core::permission::{Access, Fresh, LoggedIn};
use auth_core::{FactorError, Permission};
use chrono::SecondsFormat;
use serde::Serialize;

use super::body::Json;
use super::session::private;
use super::{Methods, Routes, get};
use crate::auth::Auth;
use crate::extract::AuthUser;
use crate::problem::{Cause, Problem};

pub(super) const ROUTES: Routes = &[
    (
        "/otp/",
        &Methods {
            allow: "GET, HEAD, POST, DELETE",
            routes: || vec![get().to(status), web::post().to(begin), web::delete().to(remove)],
        },
    ),
    ("/otp/confirm/", &Methods { allow: "POST", routes: || vec![web::post().to(confirm)] }),
    ("/otp/recovery/", &Methods { allow: "POST", routes: || vec![web::post().to(renew)] }),
];

/// For how long after a login nothing more is asked.
const RECENT: Fresh = Fresh(Duration::from_secs(5 * 60));

async fn status(auth: Auth, user: AuthUser<LoggedIn>) -> Result<HttpResponse, Problem> {
    #[derive(Serialize)]
    struct Status {
        confirmed: bool,
        confirmed_at: Option<String>,
        recovery_codes: usize,
    }

    let factor = auth.authority().second_factor(user.principal()).await?;
    let confirmed_at = factor.and_then(|factor| factor.confirmed_at);
    Ok(private(HttpResponse::Ok()).json(Status {
        confirmed: confirmed_at.is_some(),
        confirmed_at: confirmed_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)),
        recovery_codes: factor.map_or(0, |factor| factor.recovery_codes),
    }))
}

async fn begin(
    auth: Auth,
    user: AuthUser<LoggedIn>,
    request: HttpRequest,
    body: Json,
) -> Result<HttpResponse, Problem> {
    #[derive(Serialize)]
    struct New<'a> {
        secret: &'a str,
        uri: &'a str,
    }

    check_recent(&auth, &user, &request, body).await?;
    let account = auth.load_account(&user).await?;
    let new = auth.authority().begin_second_factor(&account).await?;
    let new = new.ok_or_else(|| {
        let problem = "There is a second factor already; remove it first.";
        Problem::plain(Cause::Body(problem.into()))
    })?;
    let body = New { secret: new.secret.expose(), uri: new.uri.expose() };
    Ok(private(HttpResponse::Ok()).json(body))
}

/// The recovery codes, which are shown this once.
#[derive(Serialize)]
struct Codes<'a> {
    recovery_codes: Vec<&'a str>,
}

/// The code proves that it is the user, who was asked for more when this began.
async fn confirm(
    auth: Auth,
    user: AuthUser<LoggedIn>,
    body: Json,
) -> Result<HttpResponse, Problem> {
    let [code] = body.fields(["code"])?;
    let wrong = |problem| Problem::plain(Cause::Fields(vec![("code", problem)]));
    match auth.authority().confirm_second_factor(user.principal(), &code).await {
        Ok(codes) => {
            let recovery_codes = codes.iter().map(|code| code.expose()).collect();
            Ok(private(HttpResponse::Ok()).json(Codes { recovery_codes }))
        }
        Err(FactorError::WrongCode) => Err(wrong("This code is not valid.".into())),
        Err(FactorError::NotEnrolling) => Err(wrong("There is nothing to confirm.".into())),
        Err(FactorError::Outage(outage)) => Err(auth.problem(outage)),
    }
}

async fn renew(
    auth: Auth,
    user: AuthUser<LoggedIn>,
    request: HttpRequest,
    body: Json,
) -> Result<HttpResponse, Problem> {
    check_recent(&auth, &user, &request, body).await?;
    let codes = auth.authority().renew_recovery_codes(user.principal()).await?;
    let codes = codes.ok_or_else(Problem::not_found)?;
    let recovery_codes = codes.iter().map(|code| code.expose()).collect();
    Ok(private(HttpResponse::Ok()).json(Codes { recovery_codes }))
}

async fn remove(
    auth: Auth,
    user: AuthUser<LoggedIn>,
    request: HttpRequest,
    body: Json,
) -> Result<HttpResponse, Problem> {
    check_recent(&auth, &user, &request, body).await?;
    match auth.authority().remove_second_factor(user.principal()).await? {
        true => Ok(private(HttpResponse::NoContent()).finish()),
        false => Err(Problem::not_found()),
    }
}

/// Whether the user proved a moment ago who they are: by a login, or by what the body has, `password` and, where
/// there is a second factor, `otp`.
async fn check_recent(
    auth: &Auth,
    user: &AuthUser<LoggedIn>,
    request: &HttpRequest,
    mut body: Json,
) -> Result<(), Problem> {
    let authority = auth.authority();
    let access = Access { identity: Some(user), read_only: false, clock: authority.clock() };
    if RECENT.allows(&access) {
        return Ok(());
    }
    let Some(password) = body.take("password")? else { return Err(auth.problem(Cause::OldLogin)) };
    let code = body.take("otp")?;
    let refused = |error| auth.problem(Cause::session_login(error));
    let (principal, client) = (user.principal(), auth.client(request));
    let proof = authority.prove_password_again(principal, &password, &client).await;
    let mut proof = proof.map_err(refused)?;
    if let Some(code) = code {
        let proven = authority.prove_second_factor(proof, &code, &client).await;
        proof = proven.map_err(refused)?;
    }
    match proof.needs_second_factor() {
        true => Err(auth.problem(Cause::SecondFactor)),
        false => Ok(()),
    }
}

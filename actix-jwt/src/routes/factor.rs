//! The second factor of the user who asks.
//!
//! Changing it takes a proof of now ([`login::prove_again`]).

use actix_web::{HttpRequest, HttpResponse, web};
use auth_core::FactorError;
use auth_core::permission::LoggedIn;
use chrono::SecondsFormat;
use serde::Serialize;

use super::body::Json;
use super::session::private;
use super::{Methods, Routes, for_logins, get, login};
use crate::auth::Auth;
use crate::extract::AuthUser;
use crate::problem::{Cause, Problem};

pub(super) const ROUTES: Routes = &[
    (
        "/otp/",
        &Methods {
            allow: "GET, HEAD, POST, DELETE",
            routes: || {
                vec![
                    get().to(status),
                    for_logins(web::post().to(begin)),
                    for_logins(web::delete().to(remove)),
                ]
            },
        },
    ),
    (
        "/otp/confirm/",
        &Methods { allow: "POST", routes: || vec![for_logins(web::post().to(confirm))] },
    ),
    (
        "/otp/recovery/",
        &Methods { allow: "POST", routes: || vec![for_logins(web::post().to(renew))] },
    ),
];

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
    mut body: Json,
) -> Result<HttpResponse, Problem> {
    #[derive(Serialize)]
    struct New<'a> {
        secret: &'a str,
        uri: &'a str,
    }

    login::prove_again(&auth, &user, &request, &mut body).await?;
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
    mut body: Json,
) -> Result<HttpResponse, Problem> {
    login::prove_again(&auth, &user, &request, &mut body).await?;
    let codes = auth.authority().renew_recovery_codes(user.principal()).await?;
    let codes = codes.ok_or_else(Problem::not_found)?;
    let recovery_codes = codes.iter().map(|code| code.expose()).collect();
    Ok(private(HttpResponse::Ok()).json(Codes { recovery_codes }))
}

async fn remove(
    auth: Auth,
    user: AuthUser<LoggedIn>,
    request: HttpRequest,
    mut body: Json,
) -> Result<HttpResponse, Problem> {
    login::prove_again(&auth, &user, &request, &mut body).await?;
    match auth.authority().remove_second_factor(user.principal()).await? {
        true => Ok(private(HttpResponse::NoContent()).finish()),
        false => Err(Problem::not_found()),
    }
}

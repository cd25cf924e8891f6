//! Session login with cookies, and the list of devices.

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use auth_core::permission::LoggedIn;
use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::token::csrf_token;
use auth_core::{Principal, Session, SessionId, VerifyError, random};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::body::Json;
use super::{Methods, Routes, get, login};
use crate::auth::Auth;
use crate::cookie::SESSION_COOKIE;
use crate::credential::cookie;
use crate::csrf::{self, CSRF_COOKIE};
use crate::extract::AuthUser;
use crate::problem::{Cause, Problem, Shown};

pub(super) const ROUTES: Routes = &[
    ("/login/", &Methods { allow: "POST", routes: || vec![web::post().to(log_in)] }),
    ("/logout/", &Methods { allow: "POST", routes: || vec![web::post().to(logout)] }),
    ("/logout/all/", &Methods { allow: "POST", routes: || vec![web::post().to(logout_all)] }),
    ("/logout/others/", &Methods { allow: "POST", routes: || vec![web::post().to(logout_others)] }),
    ("/csrf/", &Methods { allow: "GET, HEAD", routes: || vec![get().to(csrf_cookie)] }),
    ("/sessions/", &Methods { allow: "GET, HEAD", routes: || vec![get().to(sessions)] }),
    ("/sessions/{id}/", &Methods { allow: "DELETE", routes: || vec![web::delete().to(end)] }),
];

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

const SUCCESS: Message = Message { message: "success" };

async fn log_in(auth: Auth, request: HttpRequest, mut body: Json) -> Result<HttpResponse, Problem> {
    csrf::check_login(&request, &auth.inner().trusted_origins)
        .map_err(|fault| auth.problem(Cause::Csrf(fault)))?;
    let code = body.take("otp").map_err(|_| Problem::malformed())?;
    let credentials = body.plain_fields(["username", "password"])?;
    let refused = |error| auth.problem(Cause::session_login(error));
    let proof = login::prove(&auth, &request, credentials, code).await;
    let (proof, client) = proof.map_err(refused)?;
    let authority = auth.authority();
    let login = authority.start_cookie(proof, &client).await.map_err(refused)?;

    // A login replaces the session that the browser had (ASVS 7.2.4).
    if let Some(old) = cookie(request.headers(), SESSION_COOKIE)
        && let Ok(old) = authority.authenticate_cookie(old, &client).await
    {
        authority.logout(&old).await?;
    }

    let seconds = (login.session.expires_at - login.session.created_at).num_seconds();
    let cookies = auth.inner().cookies;
    Ok(private(HttpResponse::Ok())
        .cookie(cookies.session(&login.granted, seconds))
        .cookie(cookies.csrf_of(&login.granted, seconds))
        .json(SUCCESS))
}

async fn logout(auth: Auth, user: AuthUser<LoggedIn>) -> Result<HttpResponse, Problem> {
    auth.authority().logout(&user).await?;
    Ok(without_cookies(&auth, HttpResponse::Ok()).json(SUCCESS))
}

async fn logout_all(auth: Auth, user: AuthUser<LoggedIn>) -> Result<HttpResponse, Problem> {
    let everything = Revoke::Logins(user.principal().clone());
    auth.authority().revoke(everything, RevocationReason::Logout).await?;
    Ok(without_cookies(&auth, HttpResponse::NoContent()).finish())
}

async fn logout_others(auth: Auth, user: AuthUser<LoggedIn>) -> Result<HttpResponse, Problem> {
    let (principal, keep) = (user.principal().clone(), user.session());
    let others = Revoke::OtherSessions { principal, keep };
    auth.authority().revoke(others, RevocationReason::Logout).await?;
    Ok(private(HttpResponse::NoContent()).finish())
}

/// The CSRF token: of the session, where the request has one, else a new one for the login.
async fn csrf_cookie(auth: Auth, request: HttpRequest) -> Result<HttpResponse, Problem> {
    #[derive(Serialize)]
    struct Token<'a> {
        #[serde(rename = "csrfToken")]
        csrf_token: &'a str,
    }

    let session = match cookie(request.headers(), SESSION_COOKIE) {
        None => None,
        Some(value) => {
            match auth.authority().authenticate_cookie(value, &auth.client(&request)).await {
                Ok(verified) => Some((value, verified)),
                Err(error @ (VerifyError::Outage(_) | VerifyError::Stale)) => {
                    return Err(auth.refused(error, Shown::Cookie));
                }
                // A session that is over does not keep anybody from logging in.
                Err(_) => None,
            }
        }
    };
    let now = auth.authority().clock().now();
    let (token, seconds) = match session {
        Some((value, verified)) => (csrf_token(value), (verified.expires_at() - now).num_seconds()),
        None => {
            let known = cookie(request.headers(), CSRF_COOKIE).filter(|t| is_csrf_token(t));
            (known.map_or_else(random::token, str::to_owned), 24 * 3600)
        }
    };
    Ok(private(HttpResponse::Ok())
        .cookie(auth.inner().cookies.csrf(token.clone(), seconds))
        .json(Token { csrf_token: &token }))
}

fn is_csrf_token(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A session as its user sees it.
#[derive(Serialize)]
pub(super) struct Device {
    id: String,
    current: bool,
    carrier: &'static str,
    created_at: String,
    last_seen_at: String,
    expires_at: String,
    ip: Option<String>,
    user_agent: Option<String>,
    label: Option<String>,
}

impl Device {
    pub(super) fn new(session: Session, current: SessionId) -> Self {
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        Self {
            id: session.id.to_string(),
            current: session.id == current,
            carrier: session.carrier.as_str(),
            created_at: text(session.created_at),
            last_seen_at: text(session.last_seen_at),
            expires_at: text(session.expires_at),
            ip: session.client.ip,
            user_agent: session.client.user_agent,
            label: session.label,
        }
    }
}

async fn sessions(auth: Auth, user: AuthUser<LoggedIn>) -> Result<HttpResponse, Problem> {
    let sessions = auth.authority().sessions(user.principal()).await?;
    let logins = sessions.into_iter().filter(Session::is_login);
    let devices = logins.map(|session| Device::new(session, user.session()));
    Ok(private(HttpResponse::Ok()).json(devices.collect::<Vec<_>>()))
}

/// Somebody else's session is not found: whether it exists is not told (ASVS 8.2.2).
async fn end(
    auth: Auth,
    user: AuthUser<LoggedIn>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id: SessionId = id.parse().map_err(|_| Problem::not_found())?;
    end_one(&auth, user.principal(), id, RevocationReason::Logout).await?;
    let response = HttpResponse::NoContent();
    let is_current = id == user.session();
    Ok(if is_current { without_cookies(&auth, response) } else { private(response) }.finish())
}

/// Ends a session of this principal that lives.
pub(super) async fn end_one(
    auth: &Auth,
    principal: &Principal,
    id: SessionId,
    reason: RevocationReason,
) -> Result<(), Problem> {
    let session = auth.authority().session(id).await?;
    if session.is_none_or(|s| s.principal != *principal || s.revoked.is_some()) {
        return Err(Problem::not_found());
    }
    auth.authority().revoke(Revoke::Session(id), reason).await?;
    Ok(())
}

fn without_cookies(auth: &Auth, response: HttpResponseBuilder) -> HttpResponseBuilder {
    let mut response = private(response);
    for cookie in auth.inner().cookies.cleared() {
        response.cookie(cookie);
    }
    response
}

/// Not for caches (ASVS 14.3.2).
pub(super) fn private(mut response: HttpResponseBuilder) -> HttpResponseBuilder {
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response
}

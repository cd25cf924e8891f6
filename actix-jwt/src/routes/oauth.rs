//! Token revocation (RFC 7009) and introspection (RFC 7662), for callers that are authenticated.
//!
//! Bodies are forms and errors are those of RFC 6749 §5.2, whatever the dialect of the application; who
//! the caller is, the guard decides as everywhere.

use std::sync::Arc;

use actix_web::web::{self, Payload};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use auth_core::session::RevocationReason;
use auth_core::{Permission, TokenKind, VerifyError};
use serde::Serialize;
use serde_json::{Map, Value};

use super::body::Form;
use super::session::private;
use super::{Methods, Routes};
use crate::auth::Auth;
use crate::extract::{AuthUser, is_permitted};
use crate::middleware::JwtAuth;
use crate::problem::{Cause, Problem};

pub(super) const ROUTES: Routes = &[
    ("/revoke/", &Methods { allow: "POST", routes: || vec![web::post().to(revoke).wrap(JwtAuth)] }),
    (
        "/introspect/",
        &Methods { allow: "POST", routes: || vec![web::post().to(introspect).wrap(JwtAuth)] },
    ),
];

/// Who may ask about, and end, the tokens of others.
#[derive(Clone)]
pub(super) struct MayAsk(pub(super) Arc<dyn Permission>);

/// RFC 6749 §5.2.
#[derive(Serialize)]
pub(crate) struct OAuthError {
    error: &'static str,
    error_description: &'static str,
}

impl OAuthError {
    pub(crate) const NO_TOKEN: Self = Self {
        error: "invalid_request",
        error_description: "The body must be a form with one `token`.",
    };

    /// RFC 7009 §2.1: it was not issued to who asks.
    pub(crate) const NOT_THEIRS: Self =
        Self { error: "unauthorized_client", error_description: "The token is somebody else's." };

    pub(crate) fn answer(&self) -> HttpResponse {
        private(HttpResponse::BadRequest()).json(self)
    }
}

/// The hint of RFC 7009 §2.1 is not needed to know what a token is.
async fn revoke(
    auth: Auth,
    caller: AuthUser,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let Some(token) = form.only("token") else { return Ok(OAuthError::NO_TOKEN.answer()) };
    let found = auth.attempt(async || auth.authority().identify(&token).await).await;
    let found = match found {
        Ok(found) => found,
        Err(error @ (VerifyError::Outage(_) | VerifyError::Stale)) => {
            return Err(auth.problem(Cause::token(error)));
        }
        // A spent refresh token: its login lives.
        Err(VerifyError::Revoked(RevocationReason::Reuse)) => {
            return end_login_of_spent(&auth, &caller, &request, &token).await;
        }
        // What is not good needs no revocation (RFC 7009 §2.2).
        Err(_) => return Ok(private(HttpResponse::Ok()).finish()),
    };
    if found.principal() != caller.principal() && !may_ask(&auth, &request, &caller) {
        return Ok(OAuthError::NOT_THEIRS.answer());
    }
    auth.authority().logout(&found).await?;
    Ok(private(HttpResponse::Ok()).finish())
}

async fn end_login_of_spent(
    auth: &Auth,
    caller: &AuthUser,
    request: &HttpRequest,
    token: &str,
) -> Result<HttpResponse, Problem> {
    let authority = auth.authority();
    let session = match authority.session_of_refresh_token(token) {
        Ok(id) => authority.session(id).await?,
        Err(_) => None,
    };
    if session.is_some_and(|session| session.principal != *caller.principal())
        && !may_ask(auth, request, caller)
    {
        return Ok(OAuthError::NOT_THEIRS.answer());
    }
    match authority.blacklist(token).await {
        Err(error @ (VerifyError::Outage(_) | VerifyError::Stale)) => {
            Err(auth.problem(Cause::token(error)))
        }
        // Spent, or ended by now: told to nobody.
        _ => Ok(private(HttpResponse::Ok()).finish()),
    }
}

async fn introspect(
    auth: Auth,
    caller: AuthUser,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    if !may_ask(&auth, &request, &caller) {
        return Err(auth.problem(Cause::Forbidden));
    }
    let form = Form::from_request(&request, &mut payload.into_inner()).await?;
    let Some(token) = form.only("token") else { return Ok(OAuthError::NO_TOKEN.answer()) };
    let mut answer = Map::new();
    match auth.attempt(async || auth.authority().introspect(&token).await).await {
        Ok(verified) => {
            answer = verified.claims().unwrap_or_default();
            // RFC 7662 §2.2. What kind of token it is has another word there than in its claims.
            answer.remove(&auth.authority().settings().token_type_claim);
            answer.insert("token_use".into(), verified.kind().as_str().into());
            // How it is shown, where a route takes it (RFC 6749 §7.1).
            let settings = auth.authority().settings();
            let scheme = match verified.kind() {
                TokenKind::Personal => Some("Token"),
                kind if settings.auth_token_classes.contains(&kind) => {
                    settings.auth_header_types.first().map(String::as_str)
                }
                _ => None,
            };
            answer.extend(scheme.map(|scheme| ("token_type".into(), scheme.into())));
            answer.insert("sub".into(), verified.user_id().into());
            answer.insert("exp".into(), verified.expires_at().timestamp().into());
            answer.insert("active".into(), true.into());
        }
        Err(error @ (VerifyError::Outage(_) | VerifyError::Stale)) => {
            return Err(auth.problem(Cause::token(error)));
        }
        // Why is not told (RFC 7662 §2.2).
        Err(_) => {
            answer.insert("active".into(), Value::Bool(false));
        }
    }
    Ok(private(HttpResponse::Ok()).json(answer))
}

fn may_ask(auth: &Auth, request: &HttpRequest, caller: &AuthUser) -> bool {
    let permission = request.app_data::<MayAsk>();
    permission
        .is_some_and(|MayAsk(permission)| is_permitted(request, auth, &**permission, Some(caller)))
}

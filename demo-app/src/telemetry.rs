//! Logs: one line for each request and each event of authentication. Nothing secret is in them:
//! of a request they tell the method, the path without its query, the status and the time.

use std::io::{self, IsTerminal};
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use auth_core::{AuthEvent, random};
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, error_span, info, warn};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Writes log lines to the standard error output.
pub fn init(format: LogFormat, level: LevelFilter) {
    let filter = EnvFilter::new(format!("{level},actix_server=warn"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => {
            lines.with_target(false).with_ansi(io::stderr().is_terminal()).init();
        }
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).init(),
    }
}

/// Names the request, and writes a line when it is answered. The name is made here: one that
/// comes from outside could be somebody else's.
pub(crate) async fn trace(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = format!("{:016x}", u64::from_be_bytes(random::bytes()));
    // At the level of errors, so that the id is on every line, whatever the level of the log.
    let span = error_span!("request", id, method = %request.method(), path = request.path());
    let begun = Instant::now();
    async {
        let mut answer = next.call(request).await;
        let status = match &answer {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        let ms = begun.elapsed().as_micros() as f64 / 1000.0;
        info!(status = status.as_u16(), ms, "answered");
        if let (Ok(response), Ok(id)) = (&mut answer, HeaderValue::try_from(&id)) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        answer
    }
    .instrument(span)
    .await
}

/// Writes a line for an event: a warning where somebody should look.
pub(crate) fn log_event(event: &AuthEvent) {
    match event {
        AuthEvent::LoginSucceeded { principal, session, client } => {
            info!(event = "login", user = %principal, %session, ip = client.ip);
        }
        AuthEvent::LoginFailed { principal, client } => {
            let user = principal.as_ref().map(tracing::field::display);
            info!(event = "login_failed", user, ip = client.ip);
        }
        AuthEvent::PasswordRehashed { principal } => {
            info!(event = "password_rehashed", user = %principal);
        }
        AuthEvent::Refreshed { principal, session, generation } => {
            info!(event = "refresh", user = %principal, %session, generation);
        }
        AuthEvent::RefreshRepeated { principal, session } => {
            info!(event = "refresh_repeated", user = %principal, %session);
        }
        AuthEvent::ReuseDetected { principal, session, presented, current } => warn!(
            event = "refresh_token_reused", user = %principal, %session, presented, current,
            "somebody has a copy of a refresh token; the session has been ended"
        ),
        AuthEvent::StoreWasBehind { principal, session, presented } => warn!(
            event = "store_was_behind", user = %principal, %session, presented,
            "the database is older than a token that we issued: was a backup restored?"
        ),
        AuthEvent::ClientChanged { principal, session, before, now, refused } => warn!(
            event = "client_changed", user = %principal, %session, refused,
            ip_before = before.ip, ip = now.ip,
            agent_before = before.user_agent, agent = now.user_agent,
            "a session is used from another network or by another agent"
        ),
        AuthEvent::RefreshedTooOften { principal, session, client } => warn!(
            event = "refreshed_too_often", user = %principal, %session, ip = client.ip,
            "a session is refreshed far more often than its access tokens expire"
        ),
        AuthEvent::CookieRenewed { principal, session } => {
            info!(event = "cookie_renewed", user = %principal, %session);
        }
        AuthEvent::SpentCookieShown { principal, session } => warn!(
            event = "spent_cookie_shown", user = %principal, %session,
            "the former value of a session cookie was shown and refused"
        ),
        AuthEvent::AccessTokensRevoked { principal, reason } => {
            info!(event = "access_tokens_revoked", user = %principal, reason = reason.as_str());
        }
        AuthEvent::Revoked { sessions, reason } => {
            info!(event = "revoked", reason = reason.as_str(), sessions = ?sessions);
        }
        AuthEvent::PersonalTokenCreated { principal, session } => {
            info!(event = "personal_token_created", user = %principal, %session);
        }
        AuthEvent::CodeRequested { principal, purpose, issued, client } => {
            let user = principal.as_ref().map(tracing::field::display);
            info!(event = "code_requested", user, ?purpose, issued, ip = client.ip);
        }
        AuthEvent::CodeRefused { principal, purpose, client } => {
            let user = principal.as_ref().map(tracing::field::display);
            info!(event = "code_refused", user, ?purpose, ip = client.ip);
        }
        AuthEvent::CodesExhausted { principal, purpose, client } => {
            let user = principal.as_ref().map(tracing::field::display);
            warn!(
                event = "codes_exhausted",
                user,
                ?purpose,
                ip = client.ip,
                "all tries of a one-time code were wrong"
            );
        }
        AuthEvent::LinkRedeemed { principal, purpose } => {
            info!(event = "link_redeemed", user = %principal, ?purpose);
        }
        AuthEvent::SecondFactorAdded { principal } => {
            info!(event = "second_factor_added", user = %principal);
        }
        AuthEvent::SecondFactorRemoved { principal } => {
            info!(event = "second_factor_removed", user = %principal);
        }
        AuthEvent::SecondFactorRefused { principal, exhausted, client } => warn!(
            event = "second_factor_refused", user = %principal, exhausted, ip = client.ip,
            "a right password came with a wrong code"
        ),
        AuthEvent::RecoveryCodeUsed { principal, left } => {
            info!(event = "recovery_code_used", user = %principal, left);
        }
        AuthEvent::RecoveryCodesRenewed { principal } => {
            info!(event = "recovery_codes_renewed", user = %principal);
        }
        other => info!(event = ?other),
    }
}

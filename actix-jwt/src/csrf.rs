//! Cross-site request forgery: what a request that a cookie authenticates has to show.
//!
//! Two checks, either of which would do: where the browser says that the request comes from
//! (OWASP CSRF Prevention Cheat Sheet, "Verifying Origin With Standard Headers" and "Fetch
//! Metadata"), and a token that only the session's own pages can read.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderName, ORIGIN};
use auth_core::token::csrf_token;
use aws_lc_rs::constant_time;

use crate::credential::cookie;
use crate::problem::CsrfFault;

pub(crate) const CSRF_COOKIE: &str = "csrftoken";
const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrftoken");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the method promises to change nothing (RFC 9110 §9.2.1).
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Checks a request that the session cookie `session` authenticates.
pub(crate) fn check_session(
    request: &HttpRequest,
    session: &str,
    trusted_origins: &[String],
) -> Result<(), CsrfFault> {
    if is_safe(request.method()) {
        return Ok(());
    }
    check_site(request, trusted_origins)?;
    check_token(request, &csrf_token(session))
}

/// Checks a login, which has no session yet: a cross-site form must not log its victim in as
/// somebody else. A client that brings no cookie (curl, an app) needs nothing.
pub(crate) fn check_login(
    request: &HttpRequest,
    trusted_origins: &[String],
) -> Result<(), CsrfFault> {
    check_site(request, trusted_origins)?;
    match cookie(request.headers(), CSRF_COOKIE) {
        Some(expected) => check_token(request, expected),
        None => Ok(()),
    }
}

fn check_site(request: &HttpRequest, trusted_origins: &[String]) -> Result<(), CsrfFault> {
    let text = |name: &HeaderName| {
        request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
    };
    if let Some(origin) = text(&ORIGIN) {
        // Behind a proxy that ends TLS the scheme is unknown here; the host is not.
        let same_host = match (origin.split_once("://"), text(&HOST)) {
            (Some((_, ours)), Some(host)) => ours.eq_ignore_ascii_case(&host),
            _ => false,
        };
        let trusted = trusted_origins.iter().any(|ours| ours.eq_ignore_ascii_case(&origin));
        return if same_host || trusted {
            Ok(())
        } else {
            Err(CsrfFault::Origin(origin.into_owned()))
        };
    }
    match text(&SEC_FETCH_SITE).as_deref() {
        Some("cross-site") => Err(CsrfFault::CrossSite),
        _ => Ok(()),
    }
}

fn check_token(request: &HttpRequest, expected: &str) -> Result<(), CsrfFault> {
    let shown = request.headers().get(CSRF_HEADER).ok_or(CsrfFault::Missing)?;
    constant_time::verify_slices_are_equal(shown.as_bytes(), expected.as_bytes())
        .map_err(|_| CsrfFault::Incorrect)
}

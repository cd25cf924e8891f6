//! A new value for a session cookie, sent with the answer to a request.

use actix_web::cookie::Cookie;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE};
use auth_core::Verified;
use futures_util::future::{FutureExt, LocalBoxFuture};

use crate::auth::Auth;
use crate::cookie::SESSION_COOKIE;
use crate::credential::cookie;
use crate::csrf::CSRF_COOKIE;

/// The cookies to set: the session and its CSRF token.
pub(crate) type Renewed = Option<Box<[Cookie<'static>; 2]>>;

/// Asks for the new value of the cookie that authenticated a request as `verified`; `None` where the
/// handler has decided about the cookies itself: a login, a logout.
///
/// Asked for once there is an answer to set it with: a renewal before that would be lost with a
/// request that is given up, and log the user out.
pub(crate) fn renew<B>(
    response: &ServiceResponse<B>,
    verified: Verified,
) -> Option<LocalBoxFuture<'static, Renewed>> {
    let is_ours = |value: &HeaderValue| {
        let is_called = |name: &str| {
            let value = value.as_bytes().strip_prefix(name.as_bytes());
            value.is_some_and(|rest| rest.starts_with(b"="))
        };
        is_called(SESSION_COOKIE) || is_called(CSRF_COOKIE)
    };
    if response.headers().get_all(SET_COOKIE).any(is_ours) {
        return None;
    }
    let request = response.request();
    let auth = Auth::of(request).ok()?.clone();
    let value = cookie(request.headers(), SESSION_COOKIE)?.to_owned();
    let renewed = async move {
        let secret = match auth.authority().renew_cookie(&value).await {
            Ok(secret) => secret?,
            Err(outage) => {
                tracing::warn!(error = %outage, "a session cookie could not be renewed");
                return None;
            }
        };
        let cookies = auth.inner().cookies;
        let seconds = (verified.expires_at() - auth.authority().clock().now()).num_seconds();
        Some(Box::new([cookies.session(&secret, seconds), cookies.csrf_of(&secret, seconds)]))
    };
    Some(renewed.boxed_local())
}

/// Sets the cookies.
pub(crate) fn set<B>(response: &mut ServiceResponse<B>, renewed: Renewed) {
    let Some(cookies) = renewed else { return };
    let response = response.response_mut();
    // Not for caches (ASVS 14.3.2).
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in *cookies {
        if let Err(error) = response.add_cookie(&cookie) {
            tracing::error!(%error, "a renewed session cookie could not be set");
        }
    }
}

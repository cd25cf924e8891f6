//! Cross-site request forgery: what a request that a cookie authenticates has to show.
//!
//! Two checks, either of which would do: where the browser says that the request comes from
//! (OWASP CSRF Prevention Cheat Sheet, "Verifying Origin With Standard Headers" and "Fetch
//! Metadata"), and a token that only the session's own pages can read.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderName, ORIGIN, UPGRADE};
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
    // A page may open a WebSocket, which is a GET, to any site, with the cookies of that site and
    // without headers of its own (OWASP WebSocket Security Cheat Sheet).
    let opens_channel = request.headers().contains_key(UPGRADE);
    if is_safe(request.method()) && !opens_channel {
        return Ok(());
    }
    check_site(request, trusted_origins)?;
    if is_safe(request.method()) {
        return Ok(());
    }
    check_token(request, &csrf_token(session))
}

/// Checks an unsafe request that a cookie authenticates which goes with the CSRF token `expected`.
pub(crate) fn check_act(
    request: &HttpRequest,
    expected: &str,
    trusted_origins: &[String],
) -> Result<(), CsrfFault> {
    check_site(request, trusted_origins)?;
    check_token(request, expected)
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
    if let Some(origin) = text(request, &ORIGIN) {
        // Which of two counts is not to be guessed.
        let is_alone = request.headers().get_all(&ORIGIN).count() == 1;
        let is_named = trusted_origins.iter().any(|ours| ours.eq_ignore_ascii_case(&origin));
        if is_alone && is_named {
            return Ok(());
        }
        if !is_alone || !is_same_host(request, &origin, trusted_origins) {
            return Err(CsrfFault::Origin(origin.into_owned()));
        }
    }
    // Also where the host is the same: a page that came over plain HTTP is another site to a browser.
    match text(request, &SEC_FETCH_SITE).as_deref() {
        Some("cross-site") => Err(CsrfFault::CrossSite),
        _ => Ok(()),
    }
}

/// Whether `origin` is the host that the request went to.
///
/// Behind a proxy that ends TLS the scheme of the request is unknown here, so either will do. Where
/// a public URL names the host the scheme is known, and only that URL's own origin is ours: what
/// came over plain HTTP may be anybody's page.
fn is_same_host(request: &HttpRequest, origin: &str, trusted_origins: &[String]) -> bool {
    let Some(("http" | "https", origin_host)) = origin.split_once("://") else { return false };
    // HTTP/2 has `:authority` instead of `Host`, and actix puts it into the URI.
    let authority = || request.uri().authority().map(|authority| authority.as_str().into());
    let Some(host) = text(request, &HOST).or_else(authority) else { return false };
    // A browser leaves out a default port. A proxy may add the one it listens on.
    let host = host.strip_suffix(":443").or(host.strip_suffix(":80")).unwrap_or(&host);

    let mut named = trusted_origins.iter().filter_map(|ours| ours.split_once("://"));
    origin_host.eq_ignore_ascii_case(host)
        && !named.any(|(_, ours)| ours.eq_ignore_ascii_case(host))
}

fn check_token(request: &HttpRequest, expected: &str) -> Result<(), CsrfFault> {
    let shown = request.headers().get(CSRF_HEADER).ok_or(CsrfFault::Missing)?;
    constant_time::verify_slices_are_equal(shown.as_bytes(), expected.as_bytes())
        .map_err(|_| CsrfFault::Incorrect)
}

fn text<'r>(request: &'r HttpRequest, name: &HeaderName) -> Option<Cow<'r, str>> {
    request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn is_ours(request: TestRequest, origin: &str, trusted_origins: &[&str]) -> bool {
        let request = request.insert_header((ORIGIN, origin)).to_http_request();
        let trusted_origins: Vec<_> = trusted_origins.iter().map(|&url| url.to_owned()).collect();
        check_site(&request, &trusted_origins).is_ok()
    }

    fn to_host(host: &str) -> TestRequest {
        TestRequest::post().insert_header((HOST, host))
    }

    #[test]
    fn what_a_browser_calls_another_site_is_one_unless_it_is_named() {
        let request = || to_host("shop.example").insert_header((SEC_FETCH_SITE, "cross-site"));
        assert!(!is_ours(request(), "http://shop.example", &[]));
        assert!(!is_ours(request(), "https://shop.example", &[]));
        assert!(is_ours(request(), "https://front.example", &["https://front.example"]));
        let same = to_host("shop.example").insert_header((SEC_FETCH_SITE, "same-origin"));
        assert!(is_ours(same, "https://shop.example", &[]));
    }

    #[test]
    fn of_two_origins_none_counts() {
        for named in [&[][..], &["https://shop.example"]] {
            let two = to_host("shop.example").append_header((ORIGIN, "https://shop.example"));
            let two = two.append_header((ORIGIN, "https://evil.example")).to_http_request();
            let named: Vec<_> = named.iter().map(|&url| url.to_owned()).collect();
            assert!(check_site(&two, &named).is_err());
        }
    }

    #[test]
    fn a_page_of_the_host_that_was_asked_is_ours() {
        for (host, origin, expected) in [
            ("shop.example", "https://shop.example", true),
            ("shop.example", "http://shop.example", true),
            ("Shop.example", "https://shop.example", true),
            ("shop.example:8443", "https://shop.example:8443", true),
            ("shop.example:443", "https://shop.example", true),
            ("shop.example:80", "http://shop.example", true),
            ("[::1]:8000", "http://[::1]:8000", true),
            ("shop.example", "https://shop.example:8443", false),
            ("shop.example:8443", "https://shop.example", false),
            ("shop.example", "https://shop.example.evil.example", false),
            ("shop.example", "https://evil.example", false),
            ("shop.example", "https://", false),
            ("shop.example", "shop.example", false),
            ("shop.example", "null", false),
        ] {
            assert_eq!(is_ours(to_host(host), origin, &[]), expected, "{origin} to {host}");
        }
    }

    #[test]
    fn only_the_schemes_of_the_web_have_pages_of_ours() {
        for scheme in ["evil", "file", "chrome-extension", "ws", "", "https://x"] {
            let origin = format!("{scheme}://shop.example");
            assert!(!is_ours(to_host("shop.example"), &origin, &[]), "{origin}");
        }
    }

    #[test]
    fn over_http_2_the_authority_is_the_host() {
        let request = || TestRequest::post().uri("https://shop.example/api/v1/users/logout");
        assert!(is_ours(request(), "https://shop.example", &[]));
        assert!(!is_ours(request(), "https://evil.example", &[]));
        assert!(!is_ours(TestRequest::post().uri("/"), "https://shop.example", &[]));
    }

    #[test]
    fn of_a_host_with_a_public_url_only_that_origin_is_ours() {
        let public = ["https://www.shop.example", "https://app.shop.example:8443"];
        for (host, origin, expected) in [
            ("www.shop.example", "https://www.shop.example", true),
            ("10.0.0.7:8000", "https://www.shop.example", true),
            ("app.shop.example:8443", "https://app.shop.example:8443", true),
            ("www.shop.example", "https://app.shop.example:8443", true),
            ("www.shop.example", "http://www.shop.example", false),
            ("www.shop.example:443", "http://www.shop.example", false),
            ("www.shop.example:443", "http://www.shop.example:443", false),
            ("app.shop.example:8443", "http://app.shop.example:8443", false),
            // The public URL says nothing about other hosts.
            ("localhost:8000", "http://localhost:8000", true),
        ] {
            assert_eq!(is_ours(to_host(host), origin, &public), expected, "{origin} to {host}");
        }
    }

    #[test]
    fn a_websocket_of_another_site_is_refused_and_one_of_ours_needs_no_token() {
        let open = |origin| {
            let request = TestRequest::get()
                .insert_header((HOST, "example.org"))
                .insert_header((UPGRADE, "websocket"))
                .insert_header((ORIGIN, origin));
            check_session(&request.to_http_request(), "session", &[]).is_ok()
        };
        assert!(open("https://example.org"));
        assert!(!open("https://evil.example"));
    }
}

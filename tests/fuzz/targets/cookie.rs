//! Requests with cookies, to the route and with the method that the first byte names. Each line after
//! it is a header, `name: value`; placeholders stand for cookies and for what belongs to them.
#![no_main]

use actix_web::http::Method;
use actix_web::http::header::SET_COOKIE;
use actix_web::test::TestRequest;
use auth_core::ClientInfo;
use auth_core::token::csrf_token;
use fuzz::fill;
use fuzz::headers::{Headers, Sender, bearer};
use fuzz::http::{PUBLIC_URL, Site};
use fuzz::world::now;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static SITE: Site = Site::new();
}

fuzz_target!(|input: &[u8]| SITE.with(|site| check(site, input)));

fn check(site: &Site, input: &[u8]) {
    let Some((which, lines)) = input.split_first() else { return };
    let held = &site.credentials;
    let csrf = csrf_token(&held.cookie);
    let outdated_csrf = csrf_token(&held.outdated_cookie);
    let ended_csrf = csrf_token(&held.ended_cookie);
    let lines = fill(
        lines,
        &[
            (b'C', held.cookie.as_bytes()),
            (b'K', csrf.as_bytes()),
            (b'O', held.outdated_cookie.as_bytes()),
            (b'P', outdated_csrf.as_bytes()),
            (b'E', held.ended_cookie.as_bytes()),
            (b'F', ended_csrf.as_bytes()),
            (b'T', held.access.as_bytes()),
        ],
    );
    let method = [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS]
        [usize::from(which % 4)]
    .clone();
    let path = ["/guard", "/user", "/maybe", "/public"][usize::from(which / 4 % 4)];
    let is_safe = method == Method::GET || method == Method::OPTIONS;
    let request = TestRequest::default().method(method).uri(path);
    let (request, headers) = Headers::add(request, &lines);
    let answer = site.ask(request);

    let cookie = headers.cookie("sessionid");
    let csrf = match &cookie {
        Some(value) if value == held.cookie.as_bytes() => Some(&csrf),
        Some(value) if value == held.outdated_cookie.as_bytes() => Some(&outdated_csrf),
        _ => None,
    };
    let expected = match (&cookie, csrf) {
        (None, _) => match bearer(&headers.all("authorization"), &["Bearer"], &held.access) {
            Sender::User => 200,
            Sender::Nobody if path == "/maybe" => 200,
            Sender::Nobody | Sender::Refused => 401,
        },
        (Some(_), None) => 401,
        (Some(_), Some(csrf)) => {
            let trusted = (path == "/public").then_some(PUBLIC_URL);
            let opens_channel = !headers.all("upgrade").is_empty();
            let site_needed = !is_safe || opens_channel;
            let shown = headers.all("x-csrftoken").first() == Some(&csrf.as_bytes());
            let refused = site_needed && !headers.are_of_site(trusted) || !is_safe && !shown;
            if refused { 403 } else { 200 }
        }
    };
    assert_eq!(answer.status, expected, "{path}: {}", String::from_utf8_lossy(&answer.body));

    if let Some(text) = cookie.as_ref().and_then(|value| std::str::from_utf8(value).ok()) {
        let verified = now(site.authority.authenticate_cookie(text, &ClientInfo::default()));
        assert_eq!(verified.is_ok(), csrf.is_some());
    }

    // A new cookie only for who showed the one before, and only where a guard can set it.
    let is_outdated = cookie.as_deref() == Some(held.outdated_cookie.as_bytes());
    let renewed = answer.headers.get_all(SET_COOKIE).count();
    let expected = if is_outdated && answer.status == 200 && path == "/guard" { 2 } else { 0 };
    assert_eq!(renewed, expected, "cookies are set");
}

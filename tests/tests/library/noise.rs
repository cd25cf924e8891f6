//! Requests of noise: none is an error of ours, and none lets anybody in.

use actix_jwt::{AuthUser, JwtAuth, MaybeAuthUser};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::System;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, web};
use proptest::prelude::*;
use proptest::sample::select;

use crate::shop::{Shop, ask};

/// A header that is looked at, with a value that is noise, or begins as it should.
fn headers() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let name = select(vec![
        "authorization",
        "cookie",
        "jwt-auth",
        "x-csrftoken",
        "origin",
        "referer",
        "user-agent",
        "x-forwarded-for",
        "content-type",
    ]);
    let begin = select(vec![
        "",
        "Bearer ",
        "bearer\t",
        "Basic ",
        "sessionid=",
        "a=b; sessionid=",
        "csrftoken=",
        "sessionid=; csrftoken=x; sessionid=",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
    ]);
    let noise = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        "[A-Za-z0-9_.=;, -]{0,80}".prop_map(String::into_bytes),
        "[A-Za-z0-9_-]{32,64}\\.[A-Za-z0-9_-]{22,43}".prop_map(String::into_bytes),
    ];
    (name, begin, noise).prop_filter_map("no header value", |(name, begin, noise)| {
        let value = [begin.as_bytes(), &noise].concat();
        Some((HeaderName::from_static(name), HeaderValue::from_bytes(&value).ok()?))
    })
}

#[test]
fn no_bytes_in_a_header_or_a_body_are_an_error_of_ours_or_let_anybody_in() {
    let system = System::new();
    let app = system.block_on(async {
        let shop = Shop::open().await;
        let app = App::new()
            .configure(shop.auth.mount("/api"))
            .route("/me", web::get().to(async |user: AuthUser| user.user_id().to_owned()))
            .route("/home", web::get().to(async |_: MaybeAuthUser| "home"))
            .service(
                web::resource("/guarded").wrap(JwtAuth).to(async || "what only users may see"),
            );
        init_service(app).await
    });
    let requests = select(vec![
        ("GET", "/me"),
        ("GET", "/home"),
        ("POST", "/guarded"),
        ("POST", "/api/token/"),
        ("POST", "/api/token/refresh/"),
        ("POST", "/api/token/verify/"),
        ("POST", "/api/token/blacklist/"),
        ("POST", "/api/v1/users/login"),
        ("POST", "/api/v1/users/logout"),
        ("GET", "/api/v1/users/sessions"),
    ]);
    let bodies = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..100),
        "\\{\"(token|refresh|username|password)\":\"[A-Za-z0-9_.-]{0,60}\"\\}"
            .prop_map(String::into_bytes),
        "[\\[\\]{}\",:0-9a-z\\\\]{0,60}".prop_map(String::into_bytes),
    ];
    proptest!(|((method, path) in requests, headers in prop::collection::vec(headers(), 0..4), body in bodies)| {
        let mut request = TestRequest::default()
            .method(method.parse().unwrap())
            .uri(path)
            .insert_header(("content-type", "application/json"))
            .set_payload(body);
        for header in headers {
            request = request.append_header(header);
        }
        let status = system.block_on(ask(&app, request, None)).status;
        prop_assert!((200..500).contains(&status), "{method} {path}: {status}");
        prop_assert!(status >= 400 || path == "/home" || path.ends_with("/logout"), "{method} {path}: {status}");
    });
}

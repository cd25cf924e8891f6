//! Contract C5: the refresh token in a cookie, as `actix-jwt/examples/cookie_refresh.rs` does it.

use actix_web::cookie::{Cookie, SameSite};
use reqwest::Method;
use serde_json::json;
use tests::texts::{BLACKLISTED, CSRF_INCORRECT, CSRF_MISSING, INVALID, NOT_PROVIDED};
use tests::texts::{NO_ACCOUNT, token_not_valid};
use tests::token::{but, claims_of, mint};
use tests::{Answer, Browser, Csrf, Example, with_and_without_slash};

const REFRESH: &str = "/token/refresh/";

fn ann() -> serde_json::Value {
    json!({ "email": "ann@example.org", "password": "correct horse" })
}

/// A browser in which Ann has signed up and logged in, and her access token.
async fn logged_in(example: &Example) -> (Browser, String) {
    let mut browser = example.browser();
    let signed_up = browser.post("/signup/", ann()).await;
    signed_up.expect(201, r#"{"code":201,"message":"signed up"}"#);
    let access = access_of(&browser.post("/login/", ann()).await);
    (browser, access)
}

fn access_of(answer: &Answer) -> String {
    let body = answer.expect_status(200).expect_header("cache-control", "no-store").json();
    body["token"]["access"].as_str().unwrap().to_owned()
}

fn expect_refresh_cookie(cookie: &Cookie<'_>) {
    assert_eq!((cookie.path(), cookie.http_only()), (Some(REFRESH), Some(true)));
    assert_eq!(cookie.same_site(), Some(SameSite::Strict));
    // The machine's clock goes on.
    let seconds = cookie.max_age().unwrap().whole_seconds();
    assert!((86_390..=86_400).contains(&seconds), "{seconds}");
}

async fn me(example: &Example, access: &str) -> u16 {
    example.anonymous().get_with("/me", &format!("Bearer {access}")).await.status
}

#[tokio::test]
async fn a_login_answers_the_access_token_and_sets_the_refresh_token() {
    let example = Example::run("cookie_refresh", &[]);
    let mut browser = example.browser();
    browser.post("/signup/", ann()).await.expect_status(201);
    for path in with_and_without_slash("/login/") {
        let login = browser.post(&path, ann()).await;
        let access = access_of(&login);
        assert_eq!(login.json()["code"], 200);
        assert!(!login.body.contains(login.cookie("refresh").value()), "not in the body");
        expect_refresh_cookie(&login.cookie("refresh"));
        assert_ne!(login.cookie("csrftoken").http_only(), Some(true), "for scripts to read");
        assert_eq!(me(&example, &access).await, 200);
    }
    // The address in any case, as people type it.
    let body = json!({ "email": "Ann@Example.org", "password": "correct horse" });
    browser.post("/login/", body).await.expect_status(200);
}

#[tokio::test]
async fn a_refresh_reads_the_cookie_and_sets_the_next_one() {
    let example = Example::run("cookie_refresh", &[]);
    let (mut browser, first) = logged_in(&example).await;
    for path in with_and_without_slash(REFRESH) {
        let before = browser.clone();
        let refreshed = browser.act(Method::POST, &path, None).await;
        let access = access_of(&refreshed);
        refreshed.expect(
            200,
            &format!(
                r#"{{"code":200,"message":"new accessToken","token":{{"access":"{access}"}}}}"#
            ),
        );
        assert_ne!(access, first);
        assert_eq!(me(&example, &access).await, 200);
        expect_refresh_cookie(&refreshed.cookie("refresh"));
        assert_ne!(browser.cookie("refresh"), before.cookie("refresh"));
        assert_eq!(browser.cookie("csrftoken"), before.cookie("csrftoken"), "two tabs agree");
    }
}

#[tokio::test]
async fn without_rotation_the_cookie_stays_as_it_is() {
    let example = Example::run("cookie_refresh", &[("ROTATE_REFRESH_TOKENS", "false")]);
    let (mut browser, _) = logged_in(&example).await;
    for _ in 0..2 {
        let refreshed = browser.act(Method::POST, REFRESH, None).await;
        access_of(&refreshed);
        assert_eq!(refreshed.cookies().count(), 0);
    }
}

#[tokio::test]
async fn a_cookie_that_is_missing_bad_expired_or_ended_is_401() {
    let example = Example::run("cookie_refresh", &[]);
    let (browser, access) = logged_in(&example).await;
    let mut nobody = example.browser();
    nobody.act(Method::POST, REFRESH, None).await.expect_challenge(NOT_PROVIDED);

    let good = browser.cookie("refresh");
    let claims = claims_of(good);
    let expired = mint(&but(claims.clone(), json!({ "exp": claims["iat"] })));
    let unknown = mint(&but(claims, json!({ "sid": "0".repeat(32) })));
    for (value, message) in [
        ("nonsense", INVALID),
        (&good[..good.len() - 2], INVALID),
        (&expired, "Token is expired"),
        (&access, "Token has wrong type"),
    ] {
        let mut bad = browser.clone();
        bad.cookies.insert("refresh".into(), value.to_owned());
        let refused = bad.act(Method::POST, REFRESH, None).await;
        refused.expect_refused_token(&token_not_valid(message));
    }
    // Its CSRF token is another, so that is told first.
    let mut other = browser.clone();
    other.cookies.insert("refresh".into(), unknown);
    other.act(Method::POST, REFRESH, None).await.expect_status(403);

    let mut logged_out = browser.clone();
    let logout = logged_out.request(Method::POST, "/logout/").bearer_auth(&access);
    logged_out.send(logout).await.expect_status(200);
    let mut thief = browser.clone();
    let refused = thief.act(Method::POST, REFRESH, None).await;
    refused.expect_refused_token(&token_not_valid(BLACKLISTED));
}

#[tokio::test]
async fn a_refresh_needs_the_csrf_token_of_the_login_and_a_page_of_this_site() {
    let example = Example::run("cookie_refresh", &[]);
    let (browser, _) = logged_in(&example).await;
    let refresh = async |csrf: Csrf, origin: Option<&str>| {
        let mut browser = browser.clone();
        browser.csrf = csrf;
        browser.origin = origin.map(str::to_owned);
        browser.act(Method::POST, REFRESH, None).await
    };
    refresh(Csrf::Omit, None).await.expect(403, CSRF_MISSING);
    refresh(Csrf::Send("x".repeat(43)), None).await.expect(403, CSRF_INCORRECT);
    let evil = refresh(Csrf::Echo, Some("https://evil.example")).await;
    assert!(evil.expect_status(403).body.contains("Origin checking failed"), "{}", evil.body);
    // Of another login of the same user.
    let mut other = example.browser();
    other.post("/login/", ann()).await.expect_status(200);
    let theirs = other.cookie("csrftoken").to_owned();
    refresh(Csrf::Send(theirs), None).await.expect(403, CSRF_INCORRECT);
    // None of these has spent the token.
    refresh(Csrf::Echo, None).await.expect_status(200);

    let mut evil = example.browser();
    evil.origin = Some("https://evil.example".into());
    evil.post("/login/", ann()).await.expect_status(403);
}

#[tokio::test]
async fn a_logout_revokes_and_clears_the_cookie() {
    let example = Example::run("cookie_refresh", &[]);
    let (mut browser, access) = logged_in(&example).await;
    // The cookie does not come here, and is no credential here if it does.
    browser.act(Method::POST, "/logout/", None).await.expect_challenge(NOT_PROVIDED);
    browser.get("/me/").await.expect_challenge(NOT_PROVIDED);

    let logout = browser.request(Method::POST, "/logout/").bearer_auth(&access);
    let answer = browser.send(logout).await;
    answer.expect(200, r#"{"code":200,"message":"logged out"}"#);
    let gone = answer.cookie("refresh");
    assert_eq!((gone.value(), gone.path()), ("", Some(REFRESH)));
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies.keys());
    assert_eq!(me(&example, &access).await, 401);
}

#[tokio::test]
async fn what_cannot_sign_up_or_log_in_is_refused() {
    let example = Example::run("cookie_refresh", &[]);
    let (mut browser, _) = logged_in(&example).await;
    for (body, status, words) in [
        (ann(), 400, r#"{"email":["This address is taken."]}"#),
        (
            json!({ "email": "nowhere", "password": "correct horse" }),
            400,
            r#"{"email":["Enter a valid email address."]}"#,
        ),
        (
            json!({ "email": "bob@example.org", "password": "short" }),
            400,
            r#"{"password":["a password needs at least 8 characters"]}"#,
        ),
        (json!({ "email": "bob@example.org" }), 400, r#"{"detail":"Malformed request."}"#),
        (json!([]), 400, r#"{"detail":"Malformed request."}"#),
    ] {
        browser.post("/signup/", body).await.expect(status, words);
    }
    for (email, password) in [("ann@example.org", "wrong"), ("bob@example.org", "correct horse")] {
        let body = json!({ "email": email, "password": password });
        let mut browser = example.browser();
        browser.post("/login/", body).await.expect_challenge(NO_ACCOUNT);
        assert!(browser.cookies.is_empty());
    }
}

//! Contract C2: session login with cookies.

use std::time::Duration;

use actix_web::cookie::SameSite;
use reqwest::Method;
use serde_json::{Value, json};
use tests::texts::{CSRF_INCORRECT, CSRF_MISSING, MALFORMED, NOT_PROVIDED};
use tests::{
    Answer, Browser, Csrf, Database, NewUser, TestApp, on_each_database, with_and_without_slash,
};

const LOGIN: &str = "/api/v1/users/login";
const LOGOUT: &str = "/api/v1/users/logout";
const LOGOUT_ALL: &str = "/api/v1/users/logout/all";
const CSRF: &str = "/api/v1/users/csrf";
const SESSIONS: &str = "/api/v1/users/sessions";
const SUCCESS: &str = r#"{"message":"success"}"#;

on_each_database! {
    login_sets_a_session_and_a_csrf_cookie,
    cookies_are_secure_unless_told_otherwise,
    a_missing_or_empty_field_is_a_malformed_request,
    wrong_credentials_are_forbidden,
    the_cookie_authenticates,
    a_bad_cookie_is_an_error_even_beside_a_good_token,
    both_cookies_change_at_every_login,
    a_login_replaces_the_session_of_the_browser,
    logout_ends_the_session_on_the_server,
    logout_needs_a_login,
    an_unsafe_request_needs_the_csrf_token,
    the_csrf_token_of_another_session_is_incorrect,
    a_cross_site_origin_is_forbidden,
    a_safe_request_needs_no_csrf_token,
    a_request_with_a_token_in_a_header_needs_no_csrf_token,
    a_cross_site_login_is_forbidden,
    a_login_with_a_csrf_cookie_must_echo_it,
    a_client_without_cookies_and_origin_logs_in,
    the_csrf_route_gives_a_token_that_logs_in,
    the_csrf_route_gives_the_token_of_the_session,
    the_sessions_of_a_user_are_listed_and_ended_one_by_one,
    nobody_ends_the_session_of_somebody_else,
    logout_all_ends_every_session_on_every_device,
    an_idle_session_ends,
    a_used_session_stays_until_its_absolute_end,
    a_forged_cookie_is_refused,
    a_session_ends_with_its_user,
    another_method_is_not_allowed,
}

/// A new user who is logged in by cookie.
async fn logged_in(app: &TestApp, name: &'static str) -> Browser {
    app.sign_in(&app.user(name).await).await
}

async fn login_sets_a_session_and_a_csrf_cookie(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    for path in with_and_without_slash(LOGIN) {
        let answer = app.anonymous().post(&path, anna.credentials()).await;
        answer.expect(200, SUCCESS).expect_header("cache-control", "no-store");

        let [session, csrf] = [answer.cookie("sessionid"), answer.cookie("csrftoken")];
        for cookie in [&session, &csrf] {
            assert_eq!(cookie.same_site(), Some(SameSite::Lax), "{cookie}");
            assert_eq!(cookie.path(), Some("/"), "{cookie}");
            assert_eq!(cookie.domain(), None, "{cookie}");
            assert!(cookie.value().len() >= 32, "{cookie}");
        }
        assert_eq!(session.http_only(), Some(true));
        assert_ne!(csrf.http_only(), Some(true), "scripts read it");
        assert!(!answer.body.contains(session.value()));
    }
}

async fn cookies_are_secure_unless_told_otherwise(database: Database) {
    for (settings, secure) in [(&[][..], Some(true)), (&[("INSECURE_COOKIES", "true")][..], None)] {
        let app = TestApp::with(database, settings).await;
        let anna = app.user("anna").await;
        let answer = app.anonymous().post(LOGIN, anna.credentials()).await;
        for name in ["sessionid", "csrftoken"] {
            assert_eq!(answer.cookie(name).secure(), secure, "{name}");
        }
    }
}

async fn a_missing_or_empty_field_is_a_malformed_request(database: Database) {
    let app = TestApp::start(database).await;
    for path in with_and_without_slash(LOGIN) {
        for body in [
            json!({}),
            json!({ "username": "anna" }),
            json!({ "password": "secret" }),
            json!({ "username": "", "password": "secret" }),
            json!({ "username": "anna", "password": "" }),
            json!({ "username": null, "password": null }),
            json!([]),
            json!(null),
        ] {
            let answer = app.anonymous().post(&path, body).await;
            answer.expect(400, MALFORMED);
            assert_eq!(answer.cookies().count(), 0);
        }
        app.anonymous().post_text(&path, "{").await.expect_detail(400);
        app.anonymous().post_text(&path, "").await.expect_status(400);
    }
}

async fn wrong_credentials_are_forbidden(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let ivan = app.create(NewUser { is_active: false, ..NewUser::named("ivan") }).await;
    let mut bodies = Vec::new();
    for credentials in [
        json!({ "username": anna.username, "password": "not anna's password" }),
        json!({ "username": "nobody", "password": anna.password }),
        ivan.credentials(),
    ] {
        let answer = app.anonymous().post(LOGIN, credentials).await;
        answer.expect_detail(403);
        assert_eq!(answer.cookies().count(), 0);
        bodies.push(answer.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
}

async fn the_cookie_authenticates(database: Database) {
    let app = TestApp::start(database).await;
    let mut browser = logged_in(&app, "anna").await;
    let answer = browser.me().await;
    answer.expect_status(200);
    assert_eq!(answer.text("username"), "anna");
    assert_eq!(answer.text("email"), "anna@example.com");
}

async fn a_bad_cookie_is_an_error_even_beside_a_good_token(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    let request = client.request(Method::GET, "/api/v1/users/me");
    let answer = Answer::to(request.header("Cookie", "sessionid=nonsense")).await;
    answer.expect_status(401);
    client.me().await.expect_status(200);
}

async fn both_cookies_change_at_every_login(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let mut browser = logged_in(&app, "boris").await;
    let before = browser.clone();
    browser.log_in(&anna.username, anna.password).await.expect(200, SUCCESS);
    for name in ["sessionid", "csrftoken"] {
        assert_ne!(browser.cookie(name), before.cookie(name), "{name}");
    }
    assert_eq!(browser.me().await.text("username"), "anna");
}

async fn a_login_replaces_the_session_of_the_browser(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let mut browser = app.sign_in(&anna).await;
    let mut before = browser.clone();
    browser.log_in(&anna.username, anna.password).await.expect(200, SUCCESS);
    browser.me().await.expect_status(200);
    before.me().await.expect_status(401);
    assert_eq!(app.db().count("auth_sessions WHERE revoked_at IS NULL"), 1);
}

async fn logout_ends_the_session_on_the_server(database: Database) {
    let app = TestApp::start(database).await;
    for (path, name) in with_and_without_slash(LOGOUT).iter().zip(["anna", "boris"]) {
        let mut browser = logged_in(&app, name).await;
        let mut thief = browser.clone();
        thief.me().await.expect_status(200);

        browser.act(Method::POST, path, None).await.expect_status(200);
        assert_eq!(browser.cookies.get("sessionid"), None, "the browser forgets the cookie");
        browser.me().await.expect_challenge(NOT_PROVIDED);
        thief.me().await.expect_status(401);
    }
}

async fn logout_needs_a_login(database: Database) {
    let app = TestApp::start(database).await;
    for path in with_and_without_slash(LOGOUT) {
        let answer = app.browser().act(Method::POST, &path, None).await;
        answer.expect_challenge(NOT_PROVIDED);
    }
}

async fn an_unsafe_request_needs_the_csrf_token(database: Database) {
    let app = TestApp::start(database).await;
    let mut browser = logged_in(&app, "anna").await;
    for (csrf, expected) in [
        (Csrf::Omit, CSRF_MISSING),
        (Csrf::Send("x".repeat(43)), CSRF_INCORRECT),
        (Csrf::Send(String::new()), CSRF_INCORRECT),
    ] {
        browser.csrf = csrf;
        for path in [LOGOUT, LOGOUT_ALL] {
            browser.act(Method::POST, path, None).await.expect(403, expected);
        }
        let unknown = format!("{SESSIONS}/{}", "0".repeat(32));
        browser.act(Method::DELETE, &unknown, None).await.expect(403, expected);
    }
    browser.me().await.expect_status(200);
    browser.csrf = Csrf::Echo;
    browser.act(Method::POST, LOGOUT, None).await.expect_status(200);
}

async fn the_csrf_token_of_another_session_is_incorrect(database: Database) {
    let app = TestApp::start(database).await;
    let mallory = logged_in(&app, "mallory").await;
    let mut browser = logged_in(&app, "anna").await;
    let stolen = mallory.cookie("csrftoken").to_owned();

    browser.csrf = Csrf::Send(stolen.clone());
    browser.act(Method::POST, LOGOUT, None).await.expect(403, CSRF_INCORRECT);
    // Not even together with the cookie: a subdomain can set one.
    browser.cookies.insert("csrftoken".into(), stolen);
    browser.act(Method::POST, LOGOUT, None).await.expect(403, CSRF_INCORRECT);
}

async fn a_cross_site_origin_is_forbidden(database: Database) {
    let app = TestApp::start(database).await;
    let mut browser = logged_in(&app, "anna").await;
    for evil in ["https://evil.example", "null", &format!("{}.evil.example", app.origin())] {
        browser.origin = Some(evil.into());
        browser.act(Method::POST, LOGOUT, None).await.expect_detail(403);
        browser.me().await.expect_status(200);
    }
    browser.origin = Some(app.origin());
    browser.act(Method::POST, LOGOUT, None).await.expect_status(200);
}

async fn a_safe_request_needs_no_csrf_token(database: Database) {
    let app = TestApp::start(database).await;
    let mut browser = logged_in(&app, "anna").await;
    browser.csrf = Csrf::Omit;
    for path in ["/api/v1/users/me", SESSIONS, CSRF] {
        browser.get(path).await.expect_status(200);
    }
}

async fn a_request_with_a_token_in_a_header_needs_no_csrf_token(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    let request = client.request(Method::POST, LOGOUT).header("Origin", "https://evil.example");
    Answer::to(request).await.expect_status(200);
    client.me().await.expect_status(401);
}

async fn a_cross_site_login_is_forbidden(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let login_with = |name: &'static str, value: String| {
        let request = app.anonymous().request(Method::POST, LOGIN);
        Answer::to(request.header(name, value).json(&anna.credentials()))
    };
    for (name, value) in [
        ("Origin", "https://evil.example".to_owned()),
        ("Origin", "null".to_owned()),
        ("Sec-Fetch-Site", "cross-site".to_owned()),
    ] {
        let answer = login_with(name, value).await;
        answer.expect_detail(403);
        assert_eq!(answer.cookies().count(), 0);
    }
    for (name, value) in [("Origin", app.origin()), ("Sec-Fetch-Site", "same-origin".to_owned())] {
        login_with(name, value).await.expect(200, SUCCESS);
    }
}

async fn a_login_with_a_csrf_cookie_must_echo_it(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let mut browser = app.browser();
    browser.cookies.insert("csrftoken".into(), "x".repeat(43));
    for (csrf, expected) in
        [(Csrf::Omit, CSRF_MISSING), (Csrf::Send("y".repeat(43)), CSRF_INCORRECT)]
    {
        browser.csrf = csrf;
        browser.log_in(&anna.username, anna.password).await.expect(403, expected);
    }
    browser.csrf = Csrf::Echo;
    browser.log_in(&anna.username, anna.password).await.expect(200, SUCCESS);
}

async fn a_client_without_cookies_and_origin_logs_in(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    app.anonymous().post(LOGIN, anna.credentials()).await.expect(200, SUCCESS);
}

async fn the_csrf_route_gives_a_token_that_logs_in(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    for path in with_and_without_slash(CSRF) {
        let mut browser = app.browser();
        let answer = browser.get(&path).await;
        let token = answer.text("csrfToken");
        answer.expect(200, &json!({ "csrfToken": token }).to_string());
        assert_eq!(answer.cookie("csrftoken").value(), token);
        browser.log_in(&anna.username, anna.password).await.expect(200, SUCCESS);
        assert_ne!(browser.cookie("csrftoken"), token, "it changes at login");
    }
}

async fn the_csrf_route_gives_the_token_of_the_session(database: Database) {
    let app = TestApp::start(database).await;
    let mut browser = logged_in(&app, "anna").await;
    // As after a browser dropped its cookies but one.
    browser.cookies.remove("csrftoken");
    let answer = browser.get(CSRF).await;
    browser.csrf = Csrf::Send(answer.text("csrfToken"));
    browser.act(Method::POST, LOGOUT, None).await.expect_status(200);
}

/// The list of sessions, whatever it is wrapped in.
fn listed(answer: &Answer) -> Vec<Value> {
    let body = answer.expect_status(200).json();
    let list = body.as_array().or_else(|| body["sessions"].as_array());
    list.unwrap_or_else(|| panic!("no list of sessions in {body}")).clone()
}

async fn the_sessions_of_a_user_are_listed_and_ended_one_by_one(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let (mut browser, client) = (app.sign_in(&anna).await, app.log_in(&anna).await);
    logged_in(&app, "boris").await;

    for path in with_and_without_slash(SESSIONS) {
        assert_eq!(listed(&browser.get(&path).await).len(), 2, "her own, and no one else's");
    }
    let other = tests::token::claims_of(&client.access)["sid"].as_str().unwrap().to_owned();
    let ids: Vec<_> = listed(&browser.get(SESSIONS).await)
        .iter()
        .map(|session| session["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(ids.contains(&other), "{ids:?}");

    let path = format!("{SESSIONS}/{other}");
    browser.act(Method::DELETE, &path, None).await.expect(204, "");
    client.me().await.expect_status(401);
    assert_eq!(listed(&browser.get(SESSIONS).await).len(), 1);
    browser.act(Method::DELETE, &path, None).await.expect_status(404);
}

async fn nobody_ends_the_session_of_somebody_else(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    let mut mallory = logged_in(&app, "mallory").await;
    let sid = tests::token::claims_of(&client.access)["sid"].as_str().unwrap().to_owned();
    for id in [sid.as_str(), "nonsense", &"0".repeat(32)] {
        let path = format!("{SESSIONS}/{id}");
        let answer = mallory.act(Method::DELETE, &path, None).await;
        answer.expect(404, r#"{"detail":"Not found."}"#);
    }
    client.me().await.expect_status(200);
}

async fn logout_all_ends_every_session_on_every_device(database: Database) {
    let app = TestApp::start(database).await;
    for (path, name) in with_and_without_slash(LOGOUT_ALL).iter().zip(["anna", "boris"]) {
        let user = app.user(name).await;
        let [mut browser, mut laptop] = [app.sign_in(&user).await, app.sign_in(&user).await];
        let mut phone = app.log_in(&user).await;

        browser.act(Method::POST, path, None).await.expect(204, "");
        browser.me().await.expect_status(401);
        laptop.me().await.expect_status(401);
        phone.me().await.expect_status(401);
        phone.refresh().await.expect_status(401);
    }
}

async fn an_idle_session_ends(database: Database) {
    let app = TestApp::start(database).await;
    let mut browser = logged_in(&app, "anna").await;
    app.advance(Duration::from_secs(25 * 3600)).await;
    browser.me().await.expect_status(401);
}

async fn a_used_session_stays_until_its_absolute_end(database: Database) {
    let app = TestApp::with(database, &[("SESSION_LIFETIME", "3d")]).await;
    let mut browser = logged_in(&app, "anna").await;
    for _ in 0..3 {
        app.advance(Duration::from_secs(23 * 3600)).await;
        browser.me().await.expect_status(200);
    }
    app.advance(Duration::from_secs(3 * 3600)).await;
    browser.me().await.expect_status(401);
}

async fn a_forged_cookie_is_refused(database: Database) {
    let app = TestApp::start(database).await;
    let good = logged_in(&app, "anna").await;
    let (id, secret) = good.cookie("sessionid").split_at(22);
    for forged in [
        "nonsense".to_owned(),
        "A".repeat(64),
        format!("{id}{}", "A".repeat(secret.len())),
        format!("{}x", good.cookie("sessionid")),
    ] {
        let mut browser = good.clone();
        browser.cookies.insert("sessionid".into(), forged);
        browser.me().await.expect_status(401);
    }
    good.clone().me().await.expect_status(200);
}

async fn a_session_ends_with_its_user(database: Database) {
    let app = TestApp::start(database).await;
    for name in ["anna", "boris", "clara"] {
        let user = app.user(name).await;
        let mut browser = app.sign_in(&user).await;
        browser.me().await.expect_status(200);
        match name {
            "anna" => app.deactivate(&user).await,
            "boris" => app.set_password(&user, "another password").await,
            _ => app.delete(&user),
        }
        tests::eventually("the session ends", async || browser.me().await.status == 401).await;
    }
}

async fn another_method_is_not_allowed(database: Database) {
    let app = TestApp::start(database).await;
    for (path, method) in [(LOGIN, Method::GET), (LOGIN, Method::PUT), (CSRF, Method::POST)] {
        for path in with_and_without_slash(path) {
            let answer = Answer::to(app.anonymous().request(method.clone(), &path)).await;
            answer.expect(405, &format!(r#"{{"detail":"Method \"{method}\" not allowed."}}"#));
            assert!(answer.header("allow").is_some());
        }
    }
}

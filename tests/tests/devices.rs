//! The devices on which somebody is logged in: what they see of them, and what administrators do.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::USER_AGENT;
use serde_json::Value;
use tests::{Answer, ApiClient, Browser, Database, NewUser, TestApp, on_each_database};

on_each_database! {
    a_device_is_listed_with_when_and_where,
    a_device_is_listed_as_it_was_last_seen,
    logging_out_the_others_leaves_this_one,
    behind_a_trusted_proxy_the_address_is_the_clients,
    an_administrator_sees_and_ends_anybodys_sessions,
    nobody_else_does,
    a_session_of_somebody_else_is_not_found_under_this_user,
    a_bound_session_is_of_no_use_elsewhere,
}

const SESSIONS: &str = "/api/v1/users/sessions";
const LOGOUT_OTHERS: &str = "/api/v1/users/logout/others";

/// The list, whoever asks.
fn listed(answer: &Answer) -> Vec<Value> {
    answer.expect_status(200).json().as_array().expect("a list").clone()
}

fn sessions_of(id: i64) -> String {
    format!("/api/v1/admin/users/{id}/sessions")
}

async fn with_agent(client: &ApiClient, agent: &str) -> Vec<Value> {
    let request = client.request(Method::GET, SESSIONS).header(USER_AGENT, agent);
    listed(&Answer::to(request).await)
}

async fn a_device_is_listed_with_when_and_where(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let mut browser = app.browser();
    let login = browser
        .request(Method::POST, "/api/v1/users/login")
        .header(USER_AGENT, "Fox/1.0")
        .json(&anna.credentials());
    browser.send(login).await.expect_status(200);
    app.advance(Duration::from_secs(5)).await;
    app.log_in(&anna).await;

    let devices = listed(&browser.get(SESSIONS).await);
    assert_eq!(devices.len(), 2);
    let [laptop, phone] = ["cookie", "token"].map(|carrier| {
        let mut found = devices.iter().filter(|device| device["carrier"] == carrier);
        found.next().expect("it is listed")
    });
    assert_eq!((&laptop["current"], &phone["current"]), (&true.into(), &false.into()));
    assert_eq!(laptop["ip"], "127.0.0.1");
    let text = |device: &Value, name: &str| device[name].as_str().expect("a text").to_owned();
    for device in [laptop, phone] {
        assert!(text(device, "created_at") <= text(device, "last_seen_at"));
        assert!(text(device, "last_seen_at") < text(device, "expires_at"));
        assert!(text(device, "created_at").ends_with('Z'));
    }
    assert!(text(laptop, "created_at") < text(phone, "created_at"));
}

async fn a_device_is_listed_as_it_was_last_seen(database: Database) {
    let app = TestApp::start(database).await;
    let client = app.log_in(&app.user("anna").await).await;
    let before = with_agent(&client, "irrelevant").await[0].clone();
    app.advance(Duration::from_secs(90)).await;
    let refresh = app
        .anonymous()
        .request(Method::POST, "/api/token/refresh/")
        .header(USER_AGENT, "Owl/2.0")
        .json(&serde_json::json!({ "refresh": client.refresh }));
    Answer::to(refresh).await.expect_status(200);
    let after = with_agent(&client, "irrelevant").await[0].clone();
    assert_eq!(after["user_agent"], "Owl/2.0");
    assert_eq!(after["created_at"], before["created_at"]);
    assert_eq!(after["expires_at"], before["expires_at"], "the absolute end does not move");
    assert!(after["last_seen_at"].as_str() > before["last_seen_at"].as_str());
}

async fn logging_out_the_others_leaves_this_one(database: Database) {
    let app = TestApp::start(database).await;
    let [anna, boris] = [app.user("anna").await, app.user("boris").await];
    let mut laptop = app.sign_in(&anna).await;
    let (mut tablet, mut phone) = (app.sign_in(&anna).await, app.log_in(&anna).await);
    let stranger = app.log_in(&boris).await;

    laptop.act(Method::POST, LOGOUT_OTHERS, None).await.expect(204, "");
    laptop.me().await.expect_status(200);
    stranger.me().await.expect_status(200);
    tablet.me().await.expect_status(401);
    phone.me().await.expect_status(401);
    phone.refresh().await.expect_status(401);
    assert_eq!(listed(&laptop.get(SESSIONS).await).len(), 1);
    app.anonymous().post(LOGOUT_OTHERS, Value::Null).await.expect_status(401);
}

async fn address_behind(proxies: &str, database: Database) -> Value {
    let app = TestApp::with(database, &[("TRUSTED_PROXIES", proxies)]).await;
    let anna = app.user("anna").await;
    let mut browser = app.browser();
    let login = browser
        .request(Method::POST, "/api/v1/users/login")
        .header("X-Forwarded-For", "6.6.6.6, 203.0.113.9")
        .json(&anna.credentials());
    browser.send(login).await.expect_status(200);
    listed(&browser.get(SESSIONS).await)[0]["ip"].clone()
}

async fn behind_a_trusted_proxy_the_address_is_the_clients(database: Database) {
    assert_eq!(address_behind("10.0.0.0/8, 127.0.0.0/8", database).await, "203.0.113.9");
    assert_eq!(address_behind("10.0.0.0/8", database).await, "127.0.0.1");
    let refusal = TestApp::refusal(database, &[("TRUSTED_PROXIES", "10.0.0.0/33")]).await;
    assert!(refusal.contains("TRUSTED_PROXIES"), "{refusal}");
}

async fn an_administrator_sees_and_ends_anybodys_sessions(database: Database) {
    let app = TestApp::start(database).await;
    let admin = app.create(NewUser::staff("root")).await;
    let anna = app.user("anna").await;
    let mut admin: Browser = app.sign_in(&admin).await;
    let mut laptop = app.sign_in(&anna).await;
    let (mut phone, tablet) = (app.log_in(&anna).await, app.log_in(&anna).await);
    let path = sessions_of(anna.id);

    let devices = listed(&admin.get(&path).await);
    assert_eq!(devices.len(), 3);
    assert!(devices.iter().all(|device| device["current"] == false));
    let sid = tests::token::claims_of(&tablet.access)["sid"].as_str().unwrap().to_owned();
    let one = format!("{path}/{sid}");
    admin.act(Method::DELETE, &one, None).await.expect(204, "");
    admin.act(Method::DELETE, &one, None).await.expect_detail(404);
    tablet.me().await.expect_status(401);
    laptop.me().await.expect_status(200);

    admin.act(Method::DELETE, &path, None).await.expect(204, "");
    laptop.me().await.expect_status(401);
    phone.refresh().await.expect_status(401);
    assert_eq!(listed(&admin.get(&path).await).len(), 0);
    admin.me().await.expect_status(200);

    for nobody in ["4711", "nonsense", "%00", "%F0%9F%A6%8A"] {
        let path = format!("/api/v1/admin/users/{nobody}/sessions");
        let answer = admin.get(&path).await;
        assert!([200, 404].contains(&answer.status), "{nobody}: {}", answer.status);
    }
    let kinds = format!("{path}?user_type=client");
    assert_eq!(listed(&admin.get(&kinds).await).len(), 0);
    admin.get(&format!("{kinds}&user_type=user")).await.expect_status(404);
    admin.act(Method::PUT, &path, None).await.expect_status(405);
}

async fn nobody_else_does(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let path = sessions_of(anna.id);
    app.anonymous().get(&path).await.expect_status(401);
    client.get(&path).await.expect_status(403);
    Answer::to(client.request(Method::DELETE, &path)).await.expect_status(403);
    client.me().await.expect_status(200);

    // A page of another site in the browser of an administrator.
    let mut admin = app.sign_in(&app.create(NewUser::staff("root")).await).await;
    admin.csrf = tests::Csrf::Omit;
    admin.act(Method::DELETE, &path, None).await.expect_status(403);
    client.me().await.expect_status(200);
}

async fn a_session_of_somebody_else_is_not_found_under_this_user(database: Database) {
    let app = TestApp::start(database).await;
    let admin = app.create(NewUser::staff("root")).await;
    let [anna, boris] = [app.user("anna").await, app.user("boris").await];
    let (mut admin, client) = (app.sign_in(&admin).await, app.log_in(&anna).await);
    let sid = tests::token::claims_of(&client.access)["sid"].as_str().unwrap().to_owned();
    let wrong = format!("{}/{sid}", sessions_of(boris.id));
    admin.act(Method::DELETE, &wrong, None).await.expect_detail(404);
    client.me().await.expect_status(200);
}

async fn a_bound_session_is_of_no_use_elsewhere(database: Database) {
    let app = TestApp::with(database, &[("BIND_SESSION", "user_agent")]).await;
    let anna = app.user("anna").await;
    let as_agent = |request: reqwest::RequestBuilder, agent: &str| {
        Answer::to(request.header(USER_AGENT, agent))
    };
    let obtain = app.anonymous().request(Method::POST, "/api/token/").json(&anna.credentials());
    let refresh = as_agent(obtain, "Fox/1.0").await.expect_status(200).text("refresh");
    let body = serde_json::json!({ "refresh": refresh });
    let exchange = || app.anonymous().request(Method::POST, "/api/token/refresh/").json(&body);
    let refused = as_agent(exchange(), "Owl/2.0").await;
    refused.expect_refused_token(r#"{"detail":"Token is invalid","code":"token_not_valid"}"#);
    as_agent(exchange(), "Fox/1.0").await.expect_status(200);
}

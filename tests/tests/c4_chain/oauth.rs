//! Introspection (RFC 7662) and revocation (RFC 7009) for callers that are authenticated.

use reqwest::Method;
use serde_json::{Value, json};
use tests::texts::{NOT_PROVIDED, detail};
use tests::token::{mint, simplejwt_claims};
use tests::{
    Answer, ApiClient, Database, NewUser, TestApp, on_each_database, with_and_without_slash,
};

use crate::{personal_token, single_token};

on_each_database! {
    introspection_tells_what_a_good_token_says,
    introspection_tells_nothing_of_a_bad_token,
    introspection_is_for_those_who_may,
    revocation_ends_the_login_of_any_token,
    revocation_of_a_bad_token_succeeds,
    the_tokens_of_others_are_theirs,
    revocation_of_a_spent_refresh_token_ends_its_login,
    introspection_names_a_scheme_only_where_a_route_takes_it,
    an_outage_is_told_as_one,
    what_is_not_a_form_with_one_token_is_refused,
}

const INTROSPECT: &str = "/api/token/introspect";
const REVOKE: &str = "/api/token/revoke";
const INACTIVE: &str = r#"{"active":false}"#;

async fn hand(caller: &ApiClient, path: &str, token: &str) -> Answer {
    let form = [("token", token), ("token_type_hint", "access_token")];
    Answer::to(caller.request(Method::POST, path).form(&form)).await
}

async fn boss_of(app: &TestApp) -> ApiClient {
    let boss = app.create(NewUser::staff("boss")).await;
    app.log_in(&boss).await
}

async fn introspection_tells_what_a_good_token_says(database: Database) {
    let app = TestApp::start(database).await;
    let boss = boss_of(&app).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let foreign = mint(&simplejwt_claims(anna.id.to_string(), app.now()));
    for (token, kind, token_type) in [
        (client.access.clone(), "access", json!("Bearer")),
        (client.refresh.clone(), "refresh", Value::Null),
        (single_token(&app, &anna).await, "single", Value::Null),
        (personal_token(&client).await, "personal", json!("Token")),
        (foreign, "access", json!("Bearer")),
    ] {
        for path in with_and_without_slash(INTROSPECT) {
            let answer = hand(&boss, &path, &token).await;
            answer.expect_status(200).expect_header("cache-control", "no-store");
            let said = answer.json();
            assert_eq!(said["active"], true, "{said}");
            assert_eq!(said["sub"], anna.id.to_string(), "{said}");
            assert_eq!((&said["token_use"], &said["token_type"]), (&json!(kind), &token_type));
            assert!(said["exp"].as_i64().unwrap() > app.now(), "{said}");
        }
    }
    let said = hand(&boss, INTROSPECT, &client.access).await.json();
    assert_eq!((&said["username"], &said["iat"]), (&json!("anna"), &json!(app.now())));
}

async fn introspection_tells_nothing_of_a_bad_token(database: Database) {
    let app = TestApp::start(database).await;
    let boss = boss_of(&app).await;
    let (anna, bert) = (app.user("anna").await, app.user("bert").await);
    let mut client = app.log_in(&anna).await;
    let personal = personal_token(&client).await;
    let spent = client.refresh.clone();
    client.refresh().await.expect_status(200);
    app.advance(std::time::Duration::from_secs(11)).await;
    for token in ["nonsense", "pat_nonsense", "a.b.c", &spent] {
        hand(&boss, INTROSPECT, token).await.expect(200, INACTIVE);
    }
    client.me().await.expect_status(200);
    let gone = mint(&simplejwt_claims(bert.id.to_string(), app.now()));
    app.deactivate(&anna).await;
    app.delete(&bert);
    for token in [&client.access, &client.refresh, &personal, &gone] {
        hand(&boss, INTROSPECT, token).await.expect(200, INACTIVE);
    }
}

async fn introspection_is_for_those_who_may(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    let answer = hand(&client, INTROSPECT, &client.access).await;
    answer.expect(403, &detail("You do not have permission to perform this action."));
    for path in [INTROSPECT, REVOKE] {
        let request = app.anonymous().request(Method::POST, path);
        let answer = Answer::to(request.form(&[("token", &client.access)])).await;
        answer.expect_challenge(NOT_PROVIDED);
        // Before the body is looked at.
        let text = app.anonymous().request(Method::POST, path).body("hello");
        Answer::to(text).await.expect_challenge(NOT_PROVIDED);
        let answer = client.get(path).await;
        answer.expect(405, &detail("Method \"GET\" not allowed.")).expect_header("allow", "POST");
    }
}

async fn revocation_ends_the_login_of_any_token(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let caller = app.log_in(&anna).await;
    for by_refresh in [false, true] {
        let client = app.log_in(&anna).await;
        let token = if by_refresh { &client.refresh } else { &client.access };
        hand(&caller, REVOKE, token).await.expect(200, "");
        client.me().await.expect_status(401);
        app.anonymous().refresh(&client.refresh).await.expect_status(401);
    }
    let personal = personal_token(&caller).await;
    hand(&caller, REVOKE, &personal).await.expect(200, "");
    let me = app.anonymous().get_with("/api/v1/users/me", &format!("Token {personal}")).await;
    me.expect_refused_token(&detail("Invalid token."));
    let foreign = mint(&simplejwt_claims(anna.id.to_string(), app.now()));
    app.anonymous().me(&foreign).await.expect_status(200);
    hand(&caller, REVOKE, &foreign).await.expect(200, "");
    app.anonymous().me(&foreign).await.expect_status(401);
    caller.me().await.expect_status(200);
}

async fn revocation_of_a_bad_token_succeeds(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let client = app.log_in(&anna).await;
    for token in ["nonsense", "pat_nonsense"] {
        hand(&client, REVOKE, token).await.expect(200, "");
    }
    // Twice is as good as once.
    let other = app.log_in(&anna).await;
    for _ in 0..2 {
        hand(&client, REVOKE, &other.refresh).await.expect(200, "");
    }
}

/// A client that lost an answer, and logs out with what it has.
async fn revocation_of_a_spent_refresh_token_ends_its_login(database: Database) {
    let app = TestApp::start(database).await;
    let (anna, bert) = (app.user("anna").await, app.user("bert").await);
    let (mut client, bert) = (app.log_in(&anna).await, app.log_in(&bert).await);
    let spent = client.refresh.clone();
    client.refresh().await.expect_status(200);
    app.advance(std::time::Duration::from_secs(60)).await;
    let theirs = hand(&bert, REVOKE, &spent).await;
    assert_eq!(theirs.expect_status(400).json()["error"], "unauthorized_client");
    client.me().await.expect_status(200);
    let caller = app.log_in(&anna).await;
    hand(&caller, REVOKE, &spent).await.expect(200, "");
    client.me().await.expect_status(401);
    client.refresh().await.expect_status(401);
}

/// By the word that goes before the token there; what no route accepts has none.
async fn introspection_names_a_scheme_only_where_a_route_takes_it(database: Database) {
    let settings = &[("AUTH_TOKEN_CLASSES", "sliding"), ("AUTH_HEADER_TYPES", "JWT,Bearer")];
    let app = TestApp::with(database, settings).await;
    let boss = app.create(NewUser::staff("boss")).await;
    let obtain = async |path: &str, member: &str| {
        app.anonymous().post(path, boss.credentials()).await.text(member)
    };
    let sliding = obtain("/api/token/sliding/", "token").await;
    let access = obtain("/api/token/", "access").await;
    for (token, scheme) in [(&sliding, json!("JWT")), (&access, Value::Null)] {
        let request = app.anonymous().request(Method::POST, INTROSPECT).bearer_auth(&sliding);
        let said = Answer::to(request.form(&[("token", token)])).await.expect_status(200).json();
        assert_eq!((&said["active"], &said["token_type"]), (&json!(true), &scheme), "{said}");
    }
}

async fn an_outage_is_told_as_one(database: Database) {
    let app = TestApp::start(database).await;
    let boss = boss_of(&app).await;
    app.db().execute("ALTER TABLE auth_sessions RENAME TO auth_sessions_away");
    for path in [INTROSPECT, REVOKE] {
        for token in [&boss.refresh, &format!("pat_{}", "A".repeat(64))] {
            hand(&boss, path, token).await.expect_outage();
        }
    }
    app.db().execute("ALTER TABLE auth_sessions_away RENAME TO auth_sessions");
    hand(&boss, REVOKE, &boss.refresh).await.expect(200, "");
}

async fn the_tokens_of_others_are_theirs(database: Database) {
    let app = TestApp::start(database).await;
    let (anna, bert) = (app.user("anna").await, app.user("bert").await);
    let (anna, bert) = (app.log_in(&anna).await, app.log_in(&bert).await);
    let answer = hand(&bert, REVOKE, &anna.access).await;
    answer.expect_status(400);
    assert_eq!(answer.json()["error"], "unauthorized_client");
    anna.me().await.expect_status(200);
    hand(&boss_of(&app).await, REVOKE, &anna.access).await.expect(200, "");
    anna.me().await.expect_status(401);
}

async fn what_is_not_a_form_with_one_token_is_refused(database: Database) {
    let app = TestApp::start(database).await;
    let boss = boss_of(&app).await;
    for path in [INTROSPECT, REVOKE] {
        for body in ["", "token=", "other=x", "token=a&token=b"] {
            let request = boss.request(Method::POST, path).body(body);
            let request = request.header("Content-Type", "application/x-www-form-urlencoded");
            let answer = Answer::to(request).await;
            assert_eq!(answer.expect_status(400).json()["error"], "invalid_request", "{body}");
        }
        let json = boss.request(Method::POST, path).json(&json!({ "token": "x" }));
        Answer::to(json).await.expect_status(415);
    }
}
